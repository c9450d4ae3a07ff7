package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.HttpURLConnection;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Follows a job on a thread of its own, so that the caller can look after the user meanwhile.
 *
 * <p>A stream that broke off is opened again, as long as the server knows the job.
 */
final class JobEvents implements AutoCloseable {
  private static final int ATTEMPTS = 3;
  private static final long PAUSE_MS = 200;

  private final Http http;
  private final String path;
  private final Endurance endurance;
  private final BlockingQueue<News> news = new LinkedBlockingQueue<>();
  private volatile boolean closed;

  JobEvents(Http http, String path, Monitor monitor) {
    this.http = http;
    this.path = path;
    endurance = new Endurance(http.connection(), monitor);
    Thread thread = new Thread(this::follow, "BioImg events");
    thread.setDaemon(true);
    thread.start();
  }

  /** Tells whether a job in this state has ended. */
  static boolean ended(JsonObject status) {
    String state = Json.string(status, "state", "");
    return state.equals("done") || state.equals("failed") || state.equals("cancelled");
  }

  /**
   * Waits for news.
   *
   * @return the job's status, or null when none has come in this time
   * @throws BackendException when the job cannot be followed any more
   */
  JsonObject poll(long milliseconds) throws BackendException, InterruptedException {
    News next = news.poll(milliseconds, TimeUnit.MILLISECONDS);
    if (next != null && next.failure != null) {
      throw next.failure;
    }
    return next == null ? null : next.status;
  }

  @Override
  public void close() {
    closed = true; // the thread sees it at the next comment, after a second
  }

  private void follow() {
    try {
      boolean ended = false;
      while (!ended && !closed) {
        ended = listen() || ask();
      }
    } catch (IOException error) {
      news.add(new News(null, ServerErrors.lost(error, http.connection())));
    } catch (BackendException error) {
      news.add(new News(null, error));
    } catch (RuntimeException error) {
      news.add(
          new News(
              null, ServerErrors.protocol("The model server's events are not those of a job.")));
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  /** Reads the stream; gives whether the job has ended. A broken stream is no news yet. */
  private boolean listen() throws BackendException {
    HttpURLConnection stream = null;
    try {
      stream = http.open(path + "/events");
      return read(stream.getInputStream());
    } catch (IOException | JsonParseException broken) {
      return false;
    } finally {
      if (stream != null) {
        stream.disconnect();
      }
    }
  }

  private boolean read(InputStream stream) throws IOException {
    try (EventReader events = new EventReader(stream)) {
      for (String data = events.next(); data != null && !closed; data = events.next()) {
        if (!data.isEmpty() && tell(Json.object(data))) {
          return true;
        }
      }
      return false;
    }
  }

  /** Asks for the status; gives whether the job has ended. */
  private boolean ask() throws IOException, BackendException, InterruptedException {
    for (int attempt = 1; !closed; attempt++) {
      try {
        boolean ended = tell(http.get(path));
        endurance.found();
        if (!ended) {
          Thread.sleep(PAUSE_MS);
        }
        return ended;
      } catch (IOException broken) {
        if (http.connection().isRemote()) {
          endurance.lost(broken);
          continue;
        }
        if (attempt == ATTEMPTS || broken instanceof ConnectException) {
          throw broken;
        }
        Thread.sleep(PAUSE_MS);
      }
    }
    return true;
  }

  private boolean tell(JsonObject status) {
    endurance.kept(Json.bool(status, "kept", false));
    news.add(new News(status, null));
    return ended(status);
  }

  /** A status, or why there is none. */
  private static final class News {
    final JsonObject status;
    final BackendException failure;

    News(JsonObject status, BackendException failure) {
      this.status = status;
      this.failure = failure;
    }
  }
}
