package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** A request whose answer takes long, and for which its caller need not wait to the end. */
final class LongRequest {
  private static final long POLL_MS = 50;

  private final HttpURLConnection request;
  private final FutureTask<String> task;

  /** Sends the request and gives the answer. */
  interface Answer {
    String get() throws IOException, BackendException;
  }

  /**
   * Prepares a request.
   *
   * @param request is disconnected when nobody waits any more
   * @param answer sends it
   */
  LongRequest(HttpURLConnection request, Answer answer) {
    this.request = request;
    task = new FutureTask<>(answer::get);
  }

  /**
   * Sends it and waits for the answer.
   *
   * @param givenUp tells whether to wait no longer
   * @return the answer; null when it was given up
   */
  String text(BooleanSupplier givenUp) throws IOException, BackendException, InterruptedException {
    Thread thread = new Thread(task, "BioImg request");
    thread.setDaemon(true);
    thread.start();
    boolean answered = false;
    try {
      while (!givenUp.getAsBoolean()) {
        try {
          String text = task.get(POLL_MS, TimeUnit.MILLISECONDS);
          answered = true;
          return text;
        } catch (TimeoutException notYet) {
          // Ask again whether anybody wants it.
        } catch (ExecutionException failed) {
          answered = true;
          if (failed.getCause() instanceof IOException) {
            throw (IOException) failed.getCause();
          }
          throw Causes.of(failed.getCause());
        }
      }
      return null;
    } finally {
      if (!answered) {
        request.disconnect();
      }
    }
  }
}
