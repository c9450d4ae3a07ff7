package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/**
 * Fetches what can be looked at while a job runs, where somebody looks and there is something new.
 *
 * <p>A job does not fail for it: what cannot be had now comes with the next one.
 */
final class LiveReader {
  private static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  /** A slow connection is left free for this many times as long as a fetch has taken. */
  private static final long PAUSES_PER_FETCH = 4;

  private final Http http;
  private final String path;
  private final Monitor monitor;
  private long known;
  private long fetched;
  private long notBefore = System.nanoTime();

  LiveReader(Http http, String path, Monitor monitor) {
    this.http = http;
    this.path = path + "/live";
    this.monitor = monitor;
  }

  /** Takes note of a status. */
  void tell(JsonObject status) {
    known = (long) Json.number(status, "live", 0);
  }

  /** Fetches what is new, if it is time to. */
  void read() {
    long now = System.nanoTime();
    if (known <= fetched || now - notBefore < 0 || !monitor.watches()) {
      return;
    }
    fetched = known;
    try {
      monitor.live(http.getText(path));
    } catch (IOException | BackendException missed) {
      // The next one shows all of this one again.
    }
    long pause = Math.max(SHORTEST_NANOS, PAUSES_PER_FETCH * (System.nanoTime() - now));
    notBefore = System.nanoTime() + pause;
  }
}
