package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.EscapableStatus;
import io.github.bioimgfiji.setup.PythonSearch;
import io.github.bioimgfiji.setup.SetupOffer;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

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
    return commands(new EscapableStatus());
  }

  @Override
  public String commands(Monitor monitor) throws BackendException {
    try {
      Http here = servers.ensure(monitor);
      url = here.connection().url;
      return talk(here, http -> http.getText("/v1/commands"));
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (BackendException missing) {
      if (!isBuildable(missing)) {
        throw missing;
      }
    }
    String far = farCommands(monitor);
    return far.isEmpty() ? talk(monitor, http -> http.getText("/v1/commands")) : far;
  }

  /** Gives the commands of the first named server that answers, for a computer without Python. */
  private static String farCommands(Monitor monitor) throws BackendException {
    for (String name : NamedServers.all().keySet()) {
      try {
        return talk(Servers.named(name, monitor, false), http -> http.getText("/v1/commands"));
      } catch (BackendException unusable) {
        // The next one, or what is wrong here: no Python.
      }
    }
    return "";
  }

  private static boolean isBuildable(BackendException missing) {
    return Json.bool(Json.object(missing.details()), PythonSearch.BUILDABLE, false);
  }

  @Override
  public String models(String headerJson) throws BackendException {
    JsonObject wish = new JsonObject();
    if (!headerJson.isEmpty()) {
      wish.add("image", Json.object(headerJson));
    }
    return talk(new EscapableStatus(), http -> Json.text(http.post("/v1/models", wish)));
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
    String server = Json.string(parameters, "server", NamedServers.LOCAL);
    return new Patience(commandId, monitor)
        .run(
            told ->
                server.isEmpty() || server.equals(NamedServers.LOCAL)
                    ? job(commandId, parameters, images, told)
                    : farJob(server, commandId, parameters, images, told));
  }

  /** Runs a job on a named server, which is neither started nor ended from here. */
  private static Outcome farJob(
      String server,
      String commandId,
      JsonObject parameters,
      Map<String, ImagePlus> images,
      Monitor monitor)
      throws BackendException {
    return talk(
        Servers.named(server, monitor, true),
        http -> {
          try (RemoteJob job = new RemoteJob(http, monitor)) {
            return job.run(commandId, parameters, images);
          }
        });
  }

  /**
   * Tries a named server.
   *
   * @return its version, devices and jobs, and how long it takes to answer, for people
   * @throws BackendException that tells why it cannot be used
   */
  public static String test(String name, Monitor monitor) throws BackendException {
    return talk(
        Servers.named(name, monitor, false),
        http -> {
          long start = System.nanoTime();
          JsonObject info = http.get("/v1/info");
          long milliseconds = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
          String machine = http.longRequest("/v1/machine", MACHINE_MS).text(monitor::cancelled);
          List<String> devices =
              machine == null ? new ArrayList<>() : Json.strings(Json.object(machine), "devices");
          return String.format(
              "%s answers in %d ms: version %s, %d jobs, devices: %s.",
              name,
              milliseconds,
              Json.string(info, "version", ""),
              Servers.jobs(info),
              devices.isEmpty() ? "none, its log tells why" : String.join(", ", devices));
        });
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
    try {
      Servers.Running found = new Servers().running();
      return found == null
          ? "not running"
          : String.format(
              "running at %s (process %d, version %s)",
              found.http.connection().url,
              found.http.connection().pid,
              Json.string(found.info, "version", "unknown"));
    } catch (BackendException unusable) {
      return unusable.getMessage();
    }
  }

  @Override
  public String name() {
    return url.isEmpty() ? "model server (not asked yet)" : url;
  }

  /**
   * Tells what server runs, without starting one.
   *
   * @return its address as "url", why this plugin cannot use it as "misfit" ("" where it can), and
   *     the members of {@code GET /v1/info}; "" where none answers
   * @throws BackendException when one runs that hangs; names its process
   */
  public String running() throws BackendException {
    Servers.Running found = servers.anyVersion();
    if (found == null) {
      return "";
    }
    found.info.addProperty("misfit", servers.misfit(found));
    found.info.addProperty("url", found.http.connection().url);
    return Json.text(found.info);
  }

  /**
   * Tells why this plugin cannot use the server that runs.
   *
   * @return the reason and the next step; "" where it can, or none runs
   * @throws BackendException when one runs that hangs; names its process
   */
  public String misfit() throws BackendException {
    Servers.Running found = servers.anyVersion();
    return found == null ? "" : servers.misfit(found);
  }

  /**
   * Tells what the running server has to compute with; asking takes some seconds at the first time.
   *
   * @param monitor is asked whether to stop
   * @return as {@code GET /v1/machine}; "" where no server answers that this plugin can use, or it
   *     ends meanwhile
   * @throws BackendException when the server does not answer in time, or the caller has stopped
   *     (code "cancelled")
   */
  public String machine(Monitor monitor) throws BackendException {
    Servers.Running found = servers.anyVersion();
    if (found == null || !servers.misfit(found).isEmpty()) {
      return "";
    }
    Http http = found.http;
    try {
      LongRequest look = http.longRequest("/v1/machine", MACHINE_MS);
      String told = look.text(() -> monitor.cancelled() || !Servers.isListed(http));
      if (told != null) {
        return told;
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (IOException broken) {
      if (isThere(http)) {
        throw ServerErrors.lost(broken);
      }
    } catch (BackendException refused) {
      if (isThere(http)) {
        throw refused; // else it was ending
      }
    }
    if (monitor.cancelled()) {
      throw BackendException.cancelled();
    }
    return "";
  }

  private boolean isThere(Http http) throws BackendException {
    return Servers.isListed(http) && servers.anyVersion() != null;
  }

  /**
   * Makes a Python environment free to be replaced: ends the server that runs from it, if this
   * ImageJ has started it and no job is there. One of another version, which this plugin cannot
   * use, is ended wherever it comes from, if no job is there.
   *
   * @param environment the environment's folder
   * @param monitor is asked whether to stop while a server starts, which is waited for
   * @throws BackendException when a server runs from it that cannot be ended; names its process
   */
  public void leave(Path environment, Monitor monitor)
      throws BackendException, InterruptedException {
    servers.whileNoneStarts(monitor, () -> leave(environment));
  }

  private void leave(Path environment) throws BackendException, InterruptedException {
    Servers.Running found;
    try {
      found = servers.anyVersion();
    } catch (BackendException hangs) {
      ServerProgram.requireOutside(environment);
      return;
    }
    if (found == null) {
      return;
    }
    boolean inside = isSame(environment, Json.string(found.info, "environment", ""));
    boolean useless = !servers.misfit(found).isEmpty();
    boolean idle = Servers.jobs(found.info) == 0;
    if (idle && (useless || inside && servers.hasStarted(found.http))) {
      stop();
    } else if (inside) {
      throw ServerErrors.occupied(environment, found);
    }
  }

  private static boolean isSame(Path environment, String other) {
    try {
      return !other.isEmpty() && Files.isSameFile(environment, Paths.get(other));
    } catch (IOException | InvalidPathException elsewhere) {
      return false;
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
    Http http;
    try {
      http = server(monitor);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    }
    url = http.connection().url;
    return talk(http, wish);
  }

  private static <T> T talk(Http http, Talk<T> wish) throws BackendException {
    try {
      return wish.with(http);
    } catch (InterruptedException | ClosedByInterruptException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } catch (CancelledIoException stopped) {
      throw BackendException.cancelled();
    } catch (IOException broken) {
      throw ServerErrors.lost(broken, http.connection());
    }
  }

  /** Gives a server; where Python is missing, the user is asked whether to build one. */
  private Http server(Monitor monitor) throws BackendException, InterruptedException {
    try {
      return servers.ensure(monitor);
    } catch (BackendException missing) {
      if (!isBuildable(missing) || !SetupOffer.ask(missing.getMessage())) {
        throw missing;
      }
      return servers.ensure(monitor);
    }
  }
}
