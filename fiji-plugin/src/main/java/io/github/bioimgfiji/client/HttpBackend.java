package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import ij.IJ;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.Notes;
import io.github.bioimgfiji.setup.PythonSearch;
import io.github.bioimgfiji.setup.SetupOffer;
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
    return talk(new Waiting(), http -> http.getText("/v1/commands"));
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
      Http http = server(monitor);
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

  /** Gives a server; where Python is missing, the user is asked whether to build one. */
  private Http server(Monitor monitor) throws BackendException, InterruptedException {
    try {
      return servers.ensure(monitor);
    } catch (BackendException missing) {
      boolean buildable = Json.bool(Json.object(missing.details()), PythonSearch.BUILDABLE, false);
      if (!buildable || !SetupOffer.ask(missing.getMessage())) {
        throw missing;
      }
      return servers.ensure(monitor);
    }
  }

  /**
   * Shows in the status bar what is waited for before a command's own progress; Escape stops it.
   */
  private static final class Waiting implements Monitor {
    Waiting() {
      IJ.resetEscape();
    }

    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      IJ.showStatus(message + " (Escape stops)");
    }

    @Override
    public void note(String sentence) {
      Notes.tell(sentence);
    }

    @Override
    public boolean cancelled() {
      return IJ.escapePressed();
    }
  }
}
