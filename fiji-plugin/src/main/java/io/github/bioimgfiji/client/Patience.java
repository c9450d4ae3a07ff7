package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.results.Notes;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;

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
  private final LongSupplier clock;
  private final AtomicReference<State> state = new AtomicReference<>(State.AWAITED);

  /**
   * Prepares to wait.
   *
   * @param name names the work in the log
   * @param monitor is told the progress, and asked whether to stop
   */
  Patience(String name, Monitor monitor) {
    this(name, monitor, () -> TimeUnit.NANOSECONDS.toMillis(System.nanoTime()));
  }

  /**
   * Prepares to wait by a clock of one's own.
   *
   * @param clock gives milliseconds
   */
  Patience(String name, Monitor monitor, LongSupplier clock) {
    this.name = name;
    this.monitor = monitor;
    this.clock = clock;
  }

  /** Which of the two has gone first; each may only come from AWAITED, and stays. */
  private enum State {
    /** The work goes on and its caller waits. */
    AWAITED,
    /** The work has ended: what it has to say is for its caller. */
    ENDED,
    /** The caller has gone: what the work has to say is for the log. */
    LEFT
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
      try {
        return leaveOrTake(task);
      } finally {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Leaves the work alone, as cancelled; where it has ended at this very moment, gives its result.
   */
  private Outcome leaveOrTake(FutureTask<Outcome> task) throws BackendException {
    if (state.compareAndSet(State.AWAITED, State.LEFT)) {
      throw BackendException.cancelled();
    }
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return task.get(); // it has ended: its result is there in no time
        } catch (ExecutionException failed) {
          throw Causes.of(failed.getCause());
        } catch (InterruptedException again) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private boolean left() {
    return state.get() == State.LEFT;
  }

  private Outcome wait(FutureTask<Outcome> task) throws BackendException, InterruptedException {
    long deadline = Long.MAX_VALUE;
    while (true) {
      try {
        return task.get(POLL_MS, TimeUnit.MILLISECONDS);
      } catch (ExecutionException failed) {
        throw Causes.of(failed.getCause());
      } catch (TimeoutException notYet) {
        if (deadline == Long.MAX_VALUE && monitor.cancelled()) {
          deadline = clock.getAsLong() + CANCEL_MS;
        } else if (deadline != Long.MAX_VALUE && clock.getAsLong() > deadline) {
          return leaveOrTake(task);
        }
      }
    }
  }

  /** Does the work; where nobody waits any more, what has become of it is told in the log. */
  private Outcome told(Work work) throws BackendException {
    try {
      Outcome outcome = work.with(new Watch());
      ended();
      return outcome;
    } catch (BackendException failure) {
      boolean plainCancel = failure.code().equals("cancelled") && failure.fix().isEmpty();
      if (!ended() && !plainCancel) {
        Notes.tell(name + ": " + failure.text());
      }
      throw failure;
    } catch (RuntimeException | Error failure) {
      if (!ended()) {
        Notes.tell(name + ": The command failed: " + failure + ".");
      }
      throw failure;
    }
  }

  /** Notes that the work has ended; tells whether its caller still waits. */
  private boolean ended() {
    return state.compareAndSet(State.AWAITED, State.ENDED);
  }

  /** The caller's monitor, as long as it waits. */
  private final class Watch implements Monitor {
    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      if (!left()) {
        monitor.progress(message, current, maximum, figuresJson);
      }
    }

    @Override
    public void note(String sentence) {
      if (left()) {
        Notes.tell(name + ": " + sentence);
      } else {
        monitor.note(sentence);
      }
    }

    @Override
    public boolean cancelled() {
      return left() || monitor.cancelled();
    }

    @Override
    public boolean watches() {
      return !left() && monitor.watches();
    }

    @Override
    public void live(String json) {
      if (!left()) {
        monitor.live(json);
      }
    }

    @Override
    public boolean finishing() {
      return !left() && monitor.finishing();
    }
  }
}
