package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import java.io.IOException;
import java.net.ConnectException;
import java.util.concurrent.TimeUnit;

/**
 * Goes on with a named server whose connection is lost for a while: the server goes on with the
 * job, and the client goes on where it was. That of this computer is not waited for.
 */
final class Endurance {
  /** How long a connection may be lost. */
  static final int SECONDS = 600;

  /** How long a server is waited for whose computer says that nobody listens there. */
  private static final int REFUSED_SECONDS = 5;

  private static final long FIRST_MS = 200;
  private static final long LONGEST_MS = 5000;
  private static final long LOOK_MS = 100;

  private final Connection connection;
  private final Monitor monitor;
  private volatile boolean kept;
  private long since;
  private long pause = FIRST_MS;

  Endurance(Connection connection, Monitor monitor) {
    this.connection = connection;
    this.monitor = monitor;
  }

  /** Asks something that may be asked twice. */
  interface Question<T> {
    T ask() throws IOException, BackendException;
  }

  /**
   * Asks, again and again while the connection is lost.
   *
   * @param connection to the server
   * @param monitor is told of the wait, and may end it
   */
  static <T> T ask(Connection connection, Monitor monitor, Question<T> question)
      throws IOException, BackendException {
    return ask(connection, monitor, false, question);
  }

  /**
   * Asks, again and again while the connection is lost.
   *
   * @param isKept whether a server that has ended leaves what is asked for to the next one
   */
  static <T> T ask(Connection connection, Monitor monitor, boolean isKept, Question<T> question)
      throws IOException, BackendException {
    Endurance endurance = new Endurance(connection, monitor);
    endurance.kept(isKept);
    while (true) {
      try {
        return question.ask();
      } catch (CancelledIoException stopped) {
        throw stopped;
      } catch (IOException lost) {
        endurance.lost(lost);
      }
    }
  }

  /** Takes note of whether a server that has ended leaves what is waited for to the next one. */
  void kept(boolean isKept) {
    kept = isKept;
  }

  /** Takes note that the server has answered. */
  void found() {
    since = 0;
    pause = FIRST_MS;
  }

  /**
   * Waits until it is time for the next try.
   *
   * @param error how the connection was lost
   * @throws IOException this error, when it has been lost for too long
   * @throws BackendException (code "cancelled") when the user does not want to wait
   */
  void lost(IOException error) throws IOException, BackendException {
    long now = System.nanoTime();
    since = since == 0 ? now : since;
    if (!connection.isRemote()
        || Pinned.otherCertificate(error) != null
        || TimeUnit.NANOSECONDS.toSeconds(now - since) >= limit(error)) {
      throw error;
    }
    long end = now + TimeUnit.MILLISECONDS.toNanos(pause);
    pause = Math.min(2 * pause, LONGEST_MS);
    while (System.nanoTime() < end) {
      if (monitor.cancelled()) {
        throw BackendException.cancelled();
      }
      long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - since);
      monitor.progress(
          "The connection is lost; the server is waited for (" + seconds + " s)", 0, 0, "{}");
      try {
        Thread.sleep(LOOK_MS);
      } catch (InterruptedException stopped) {
        Thread.currentThread().interrupt();
        throw BackendException.cancelled();
      }
    }
  }

  /**
   * Gives for how many seconds it may be lost.
   *
   * <p>At the near end of a tunnel it is the network that is cut, and not the server that has gone.
   */
  int limit(IOException error) {
    boolean tunnel = Connection.isLoopback(connection.url);
    return error instanceof ConnectException && !tunnel && !kept ? REFUSED_SECONDS : SECONDS;
  }
}
