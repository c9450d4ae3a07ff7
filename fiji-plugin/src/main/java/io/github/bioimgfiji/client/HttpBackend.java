package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.util.Map;

/**
 * Runs the commands on a server process of this computer, over HTTP on loopback.
 *
 * <p>A server that runs already is used; else one is started, and ended with ImageJ. See
 * docs/protocol.md.
 */
public final class HttpBackend implements Backend {
  private final Servers servers = new Servers();
  private volatile String url = "";

  @Override
  public String commands() throws BackendException {
    return talk(new Silent(), http -> http.getText("/v1/commands"));
  }

  @Override
  public Outcome run(
      String commandId, String parametersJson, Map<String, ImagePlus> images, Monitor monitor)
      throws BackendException {
    JsonObject parameters;
    try {
      parameters = Json.object(parametersJson);
    } catch (JsonParseException wrong) {
      throw new BackendException("input", wrong.getMessage(), "");
    }
    return new Patience(commandId, monitor).run(told -> job(commandId, parameters, images, told));
  }

  private Outcome job(
      String commandId, JsonObject parameters, Map<String, ImagePlus> images, Monitor monitor)
      throws BackendException {
    servers.openJobs().incrementAndGet();
    try {
      return talk(
          monitor,
          http -> {
            try (RemoteJob job = new RemoteJob(http, monitor)) {
              return job.run(commandId, parameters, images);
            }
          });
    } finally {
      servers.openJobs().decrementAndGet();
    }
  }

  /** Tells about the server that runs, or that none does; starts none. */
  public static String status() {
    return Servers.status();
  }

  @Override
  public String name() {
    return url.isEmpty() ? "model server (not asked yet)" : url;
  }

  /** Ends the server if this backend has started it; else it ends with ImageJ. */
  public void close() {
    servers.endStarted();
  }

  /** Says what it wants of a server. */
  private interface Talk<T> {
    T with(Http http) throws IOException, BackendException, InterruptedException;
  }

  private <T> T talk(Monitor monitor, Talk<T> wish) throws BackendException {
    try {
      Http http = servers.ensure(monitor);
      url = http.connection().url;
      return wish.with(http);
    } catch (InterruptedException | ClosedByInterruptException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (CancelledIoException stopped) {
      throw BackendException.cancelled();
    } catch (IOException broken) {
      throw ServerErrors.lost(broken);
    }
  }

  /** Nobody to tell. */
  private static final class Silent implements Monitor {
    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {}

    @Override
    public void note(String sentence) {}

    @Override
    public boolean cancelled() {
      return false;
    }
  }
}
