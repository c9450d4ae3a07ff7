package io.github.bioimgfiji.backend;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Lets one thread at a time do some long work.
 *
 * <p>Whoever waits for another's turn is told how that goes, and can stop waiting: by its monitor
 * or by an interruption.
 */
public final class Turn {
  private static final long POLL_MS = 50;

  private final ReentrantLock lock = new ReentrantLock();
  private volatile String told = "";

  /**
   * The work.
   *
   * @param <T> what it gives
   */
  public interface Work<T> {
    /** Does it, and tells the monitor how it goes. */
    T with(Monitor monitor) throws BackendException, InterruptedException;
  }

  /**
   * Waits for the turn and does the work.
   *
   * @param monitor is told how the work goes, the other's too, and asked whether to stop
   * @param work is done while nobody else's is
   * @param <T> what the work gives
   * @return what the work gives
   * @throws BackendException the work's own, or with the code "cancelled" when the wait was stopped
   */
  public <T> T take(Monitor monitor, Work<T> work) throws BackendException, InterruptedException {
    String heard = "";
    while (!lock.tryLock(POLL_MS, TimeUnit.MILLISECONDS)) {
      if (monitor.cancelled()) {
        throw BackendException.cancelled();
      }
      String now = told;
      if (!now.isEmpty() && !now.equals(heard)) {
        heard = now;
        monitor.progress(now, 0, 0, "{}");
      }
    }
    try {
      return work.with(new Speaker(monitor));
    } finally {
      told = "";
      lock.unlock();
    }
  }

  /** The monitor of the work that is done; those who wait hear it, too. */
  private final class Speaker implements Monitor {
    private final Monitor monitor;

    Speaker(Monitor monitor) {
      this.monitor = monitor;
    }

    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      told = message;
      monitor.progress(message, current, maximum, figuresJson);
    }

    @Override
    public void note(String sentence) {
      monitor.note(sentence);
    }

    @Override
    public boolean cancelled() {
      return monitor.cancelled();
    }
  }
}
