package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.results.Notes;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Waits for work that is done on another thread, and leaves it alone when the user has cancelled
 * and it has not ended within a moment.
 *
 * <p>A training may need seconds to keep its checkpoint, and a server that hangs answers never: the
 * user gets ImageJ back all the same. What the work had to say afterwards goes to the log.
 */
final class Patience {
  /** From the wish to cancel until the caller goes on; with what comes around it below a second. */
  static final long CANCEL_MS = 700;

  private static final long POLL_MS = 20;

  private final String name;
  private final Monitor monitor;
  private volatile boolean left;

  /**
   * Prepares to wait.
   *
   * @param name names the work in the log
   * @param monitor is told the progress, and asked whether to stop
   */
  Patience(String name, Monitor monitor) {
    this.name = name;
    this.monitor = monitor;
  }

  /** Does work, and tells a monitor of it. */
  interface Work {
    Outcome with(Monitor monitor) throws BackendException;
  }

  /** Does the work and gives its result, unless the user cancels. */
  Outcome run(Work work) throws BackendException {
    FutureTask<Outcome> task = new FutureTask<>(() -> told(work));
    Thread thread = new Thread(task, "BioImg " + name);
    thread.setDaemon(true);
    thread.start();
    try {
      return wait(task);
    } catch (InterruptedException stopped) {
      left = true;
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    }
  }

  private Outcome wait(FutureTask<Outcome> task) throws BackendException, InterruptedException {
    long deadline = Long.MAX_VALUE;
    while (true) {
      try {
        return task.get(POLL_MS, TimeUnit.MILLISECONDS);
      } catch (ExecutionException failed) {
        throw failure(failed.getCause());
      } catch (TimeoutException notYet) {
        if (deadline == Long.MAX_VALUE && monitor.cancelled()) {
          deadline = now() + CANCEL_MS;
        } else if (now() > deadline) {
          left = true;
          throw BackendException.cancelled();
        }
      }
    }
  }

  private static long now() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }

  private static BackendException failure(Throwable cause) {
    if (cause instanceof BackendException) {
      return (BackendException) cause;
    }
    if (cause instanceof Error) {
      throw (Error) cause;
    }
    throw cause instanceof RuntimeException
        ? (RuntimeException) cause
        : new IllegalStateException(cause);
  }

  /** Does the work; where nobody waits any more, what it has kept is told in the log. */
  private Outcome told(Work work) throws BackendException {
    try {
      return work.with(new Watch());
    } catch (BackendException failure) {
      if (left && failure.code().equals("cancelled") && !failure.fix().isEmpty()) {
        Notes.tell(name + ": " + failure.text());
      }
      throw failure;
    }
  }

  /** The caller's monitor, as long as it waits. */
  private final class Watch implements Monitor {
    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      if (!left) {
        monitor.progress(message, current, maximum, figuresJson);
      }
    }

    @Override
    public void note(String sentence) {
      if (left) {
        Notes.tell(name + ": " + sentence);
      } else {
        monitor.note(sentence);
      }
    }

    @Override
    public boolean cancelled() {
      return left || monitor.cancelled();
    }

    @Override
    public boolean watches() {
      return !left && monitor.watches();
    }

    @Override
    public void live(String json) {
      if (!left) {
        monitor.live(json);
      }
    }

    @Override
    public boolean finishing() {
      return !left && monitor.finishing();
    }
  }
}
