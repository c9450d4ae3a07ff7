package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.setup.Places;
import io.github.bioimgfiji.setup.Versions;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Finds the running server, starts one where there is none, and ends the one it has started. */
final class Servers {
  static final int PROTOCOL = 1;

  private static final long START_SECONDS = 120;
  private static final long OTHER_SECONDS = 60;
  private static final long POLL_MS = 100;
  private static final long END_MS = 3000;
  private static final long STOP_MS = 15000;

  private final String plugin;
  private final AtomicInteger openJobs = new AtomicInteger();
  private ServerProcess started;
  private Http startedHttp;

  Servers() {
    this(Versions.plugin());
  }

  /**
   * Prepares for servers of a version.
   *
   * @param plugin the plugin's version, which a server has to fit
   */
  Servers(String plugin) {
    this.plugin = plugin;
  }

  /** Counts the jobs of this ImageJ, so that its end does not stop those of another program. */
  AtomicInteger openJobs() {
    return openJobs;
  }

  /**
   * Gives a server that answers.
   *
   * @throws BackendException when there is none and none can be started, or when it is of another
   *     version
   */
  synchronized Http ensure(Monitor monitor) throws BackendException, InterruptedException {
    Path file = Places.connectionFile();
    Http running = answering(file);
    return running != null ? running : start(file, monitor);
  }

  /** Tells about the server that runs, or that none does; starts none. */
  static String status() {
    try {
      Http http = new Servers().running();
      if (http == null) {
        return "not running";
      }
      JsonObject info = http.get("/v1/info");
      return String.format(
          "running at %s (process %d, version %s)",
          http.connection().url, http.connection().pid, Json.string(info, "version", "unknown"));
    } catch (IOException gone) {
      return "not running";
    } catch (BackendException unusable) {
      return unusable.getMessage();
    }
  }

  /** Gives the server that runs, or null; none is started. */
  Http running() throws BackendException {
    return answering(Places.connectionFile());
  }

  /** Ends the server that runs, and waits until it does not answer any more. */
  void stop() throws IOException, BackendException, InterruptedException {
    Http http = running();
    if (http == null) {
      return;
    }
    http.post("/v1/shutdown", new JsonObject());
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(STOP_MS);
    while (running() != null) {
      if (System.nanoTime() > end) {
        throw new BackendException(
            ServerErrors.UNAVAILABLE,
            "The model server does not end.",
            "End its process, " + http.connection().pid + ", by the task manager.");
      }
      Thread.sleep(POLL_MS);
    }
  }

  /** Gives the server that the file names if it answers, else null. */
  private Http answering(Path file) throws BackendException {
    Connection connection = Connection.read(file);
    if (connection == null) {
      return null;
    }
    Http http = new Http(connection);
    JsonObject info;
    try {
      info = http.get("/v1/info");
    } catch (SocketTimeoutException hangs) {
      throw ServerErrors.lost(hangs);
    } catch (IOException | BackendException noServer) {
      return null; // it has died, and perhaps another program listens at its port
    }
    if ((long) Json.number(info, "pid", 0) != connection.pid) {
      return null;
    }
    checkProtocol((int) Json.number(info, "protocol", 0), connection.pid);
    Versions.require(
        plugin,
        Json.string(info, "version", ""),
        "The running model server (process " + connection.pid + ")");
    return http;
  }

  private static void checkProtocol(int theirs, long pid) throws BackendException {
    if (theirs != PROTOCOL) {
      String fix =
          theirs > PROTOCOL
              ? "Update the plugin: in a terminal run bioimg-fiji install-plugin FOLDER, where"
                  + " FOLDER is that of this Fiji or ImageJ, and restart it."
              : "Update the server: in a terminal run pip install --upgrade bioimg-fiji, and end"
                  + " the running server (process "
                  + pid
                  + ").";
      throw new BackendException(
          "protocol",
          "The running model server speaks protocol " + theirs + ", this plugin " + PROTOCOL + ".",
          fix);
    }
  }

  private Http start(Path file, Monitor monitor) throws BackendException, InterruptedException {
    monitor.progress("Starting the model server (first use)", 0, 0, "{}");
    ServerProcess process = ServerProcess.start(file, monitor);
    boolean done = false;
    try {
      Http http = waitFor(process, file, monitor);
      done = true;
      if (process.alive()) {
        own(process, http);
      }
      return http;
    } finally {
      if (!done) {
        process.end(0);
      }
    }
  }

  private Http waitFor(ServerProcess process, Path file, Monitor monitor)
      throws BackendException, InterruptedException {
    long start = System.nanoTime();
    long told = 0;
    while (true) {
      boolean alive = process.alive(); // before the file is read, or its last moment is missed
      Http http = answering(file);
      if (http != null) {
        return http;
      }
      long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start);
      boolean another = !alive && process.leftToAnother() && seconds < OTHER_SECONDS;
      if (seconds > START_SECONDS || !(alive || another)) {
        throw process.failed();
      }
      if (monitor.cancelled()) {
        throw BackendException.cancelled();
      }
      if (seconds > told) {
        told = seconds;
        monitor.progress("Starting the model server (first use), " + seconds + " s", 0, 0, "{}");
      }
      Thread.sleep(POLL_MS);
    }
  }

  private void own(ServerProcess process, Http http) {
    if (started == null) {
      Runtime.getRuntime().addShutdownHook(new Thread(this::endStarted, "BioImg server's end"));
    }
    started = process;
    startedHttp = http;
  }

  /** Ends the server that this ImageJ has started, unless another program has a job there. */
  synchronized void endStarted() {
    if (started == null || !started.alive()) {
      return;
    }
    try {
      JsonObject jobs = Json.member(startedHttp.get("/v1/info"), "jobs");
      double all = Json.number(jobs, "running", 0) + Json.number(jobs, "queued", 0);
      if (all > openJobs.get()) {
        return; // our own jobs end with their lease, the server when it is idle
      }
      startedHttp.post("/v1/shutdown", new JsonObject());
    } catch (IOException | BackendException gone) {
      // What does not answer is ended by force.
    }
    started.end(END_MS);
  }
}
