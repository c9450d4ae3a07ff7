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
  private static final int MACHINE_MS = 60000;

  private final Servers servers = new Servers();
  private volatile String url = "";

  @Override
  public String commands() throws BackendException {
    return commands(new Waiting());
  }

  @Override
  public String commands(Monitor monitor) throws BackendException {
    return talk(monitor, http -> http.getText("/v1/commands"));
  }

  @Override
  public String models(String headerJson) throws BackendException {
    JsonObject wish = new JsonObject();
    if (!headerJson.isEmpty()) {
      wish.add("image", Json.object(headerJson));
    }
    return talk(new Waiting(), http -> Json.text(http.post("/v1/models", wish)));
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

  /**
   * Tells what server runs, without starting one.
   *
   * @return its address as "url", and the members of {@code GET /v1/info}; "" where none answers
   * @throws BackendException when one runs that hangs, or speaks another protocol
   */
  public String running() throws BackendException {
    return whereOneRuns(
        http -> {
          JsonObject info = http.get("/v1/info");
          info.addProperty("url", http.connection().url);
          return Json.text(info);
        });
  }

  /**
   * Tells what the running server has to compute with; asking takes some seconds at the first time.
   *
   * @return as {@code GET /v1/machine}; "" where no server answers
   * @throws BackendException when the server does not answer in time
   */
  public String machine() throws BackendException {
    return whereOneRuns(http -> http.getText("/v1/machine", MACHINE_MS));
  }

  private String whereOneRuns(Talk<String> wish) throws BackendException {
    try {
      Http http = servers.running();
      return http == null ? "" : wish.with(http);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (IOException broken) {
      throw ServerErrors.lost(broken);
    }
  }

  /**
   * Starts a server where none runs.
   *
   * @throws BackendException when none can be started, or the user has stopped
   */
  public void start(Monitor monitor) throws BackendException {
    talk(monitor, http -> http.get("/v1/info"));
  }

  /**
   * Ends the running server and all its jobs, whoever has started it; waits until it has ended.
   *
   * @throws BackendException when it does not end
   */
  public void stop() throws BackendException {
    try {
      servers.stop();
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (IOException broken) {
      throw ServerErrors.lost(broken);
    }
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
