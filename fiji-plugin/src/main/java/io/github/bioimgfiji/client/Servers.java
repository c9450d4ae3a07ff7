package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Turn;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.setup.Places;
import io.github.bioimgfiji.setup.Versions;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.util.List;
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
  private final Turn turn = new Turn();
  private ServerProcess started;
  private Http startedHttp;
  private boolean hooked;
  private volatile boolean ending;

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

  /** A server that answers, and what it has answered: {@code GET /v1/info}. */
  static final class Running {
    final Http http;
    final JsonObject info;

    Running(Http http, JsonObject info) {
      this.http = http;
      this.info = info;
    }
  }

  /**
   * Gives a server that answers. One thread at a time starts one; the others wait for it.
   *
   * @param monitor is told how the start goes, and asked whether to stop
   * @throws BackendException when there is none and none can be started, or when it is of another
   *     version
   */
  Http ensure(Monitor monitor) throws BackendException, InterruptedException {
    Path file = Places.connectionFile();
    Running running = answering(file);
    return running != null ? running.http : turn.take(monitor, told -> startWhereNone(file, told));
  }

  private Http startWhereNone(Path file, Monitor monitor)
      throws BackendException, InterruptedException {
    Running running = answering(file); // another thread may have started it meanwhile
    return running != null ? running.http : start(file, monitor);
  }

  /**
   * Gives a named server, once it has answered and is of a version that fits.
   *
   * @param waits whether a lost connection is waited for
   * @throws BackendException when there is none of that name, or it cannot be used
   */
  static Http named(String name, Monitor monitor, boolean waits) throws BackendException {
    Http http = new Http(NamedServers.connection(name));
    JsonObject info;
    try {
      info =
          waits
              ? Endurance.ask(http.connection(), monitor, () -> http.get("/v1/info"))
              : http.get("/v1/info");
    } catch (IOException error) {
      throw ServerErrors.lost(error, http.connection());
    }
    String who = "The server " + name;
    checkProtocol(
        (int) Json.number(info, "protocol", 0),
        who,
        "End the running one there, and start it again.");
    Versions.require(Versions.plugin(), Json.string(info, "version", ""), who);
    return http;
  }

  /** Gives the server that runs, or null; none is started. */
  Running running() throws BackendException {
    return answering(Places.connectionFile());
  }

  /** Tells, without asking the server, whether it still says that it is to be found. */
  static boolean isListed(Http http) {
    Connection listed = Connection.read(Places.connectionFile());
    return listed != null && listed.pid == http.connection().pid;
  }

  /** Tells whether this ImageJ has started the server. */
  synchronized boolean hasStarted(Http http) {
    return startedHttp != null && startedHttp.connection().pid == http.connection().pid;
  }

  /**
   * Ends the server that runs, of whatever version, and waits until it does not answer any more;
   * where this ImageJ has started it, until its process has ended.
   */
  void stop() throws IOException, BackendException, InterruptedException {
    Running found = anyVersion();
    if (found == null) {
      return;
    }
    ServerProcess own = hasStarted(found.http) ? started() : null;
    try {
      found.http.post("/v1/shutdown", new JsonObject());
    } catch (BackendException refused) {
      throw ServerErrors.stays(found.http, refused);
    }
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(STOP_MS);
    // NB: a process that does not answer any more still uses its files, which Windows does not let
    // go then.
    while (isThere(found) || own != null && own.alive()) {
      if (System.nanoTime() > end) {
        throw ServerErrors.stays(found.http, null);
      }
      Thread.sleep(POLL_MS);
    }
  }

  private boolean isThere(Running server) throws BackendException {
    Running now = anyVersion();
    return now != null && now.http.connection().pid == server.http.connection().pid;
  }

  private synchronized ServerProcess started() {
    return started;
  }

  /** Work on a server that nobody starts meanwhile. */
  interface Quiet {
    void run() throws BackendException, InterruptedException;
  }

  /** Does work while no thread of this ImageJ starts a server; waits for one that does. */
  void whileNoneStarts(Monitor monitor, Quiet work) throws BackendException, InterruptedException {
    turn.take(
        monitor,
        told -> {
          work.run();
          return null;
        });
  }

  /** Gives the server that the file names if it answers, else null. */
  private Running answering(Path file) throws BackendException {
    Running found = anyVersion(file);
    if (found != null) {
      requireFit(found);
    }
    return found;
  }

  private void requireFit(Running found) throws BackendException {
    long pid = found.http.connection().pid;
    checkProtocol(
        (int) Json.number(found.info, "protocol", 0),
        "The running model server",
        ServerErrors.howToEnd("End the running server", pid));
    Versions.require(
        plugin,
        Json.string(found.info, "version", ""),
        "The running model server (process " + pid + ")");
  }

  /** Tells why this plugin cannot use a server, and the next step; "" where it can. */
  String misfit(Running found) {
    try {
      requireFit(found);
      return "";
    } catch (BackendException another) {
      return another.text();
    }
  }

  /** Gives the server that runs, whether or not we can talk to it; null where none does. */
  Running anyVersion() throws BackendException {
    return anyVersion(Places.connectionFile());
  }

  private static Running anyVersion(Path file) throws BackendException {
    Connection connection = Connection.read(file);
    if (connection == null) {
      return null;
    }
    Http http = new Http(connection);
    JsonObject info;
    try {
      info = http.get("/v1/info");
    } catch (SocketTimeoutException hangs) {
      throw ServerErrors.hangs(connection.pid, hangs);
    } catch (IOException | BackendException noServer) {
      return null; // it has died, and perhaps another program listens at its port
    }
    boolean same = (long) Json.number(info, "pid", 0) == connection.pid;
    return same ? new Running(http, info) : null;
  }

  private static void checkProtocol(int theirs, String who, String end) throws BackendException {
    if (theirs != PROTOCOL) {
      String fix =
          theirs > PROTOCOL
              ? "Update the plugin: in a terminal run bioimg-fiji install-plugin FOLDER, where"
                  + " FOLDER is that of this Fiji or ImageJ, and restart it."
              : "Update the server: in a terminal run pip install --upgrade bioimg-fiji. " + end;
      throw new BackendException(
          "protocol", who + " speaks protocol " + theirs + ", this plugin " + PROTOCOL + ".", fix);
    }
  }

  private Http start(Path file, Monitor monitor) throws BackendException, InterruptedException {
    monitor.progress("Starting the model server (first use)", 0, 0, "{}");
    ServerProcess process = launch(PythonCommand.serve(file, monitor), file);
    boolean done = false;
    try {
      Http http = waitFor(process, file, monitor);
      done = true;
      answers(process, http);
      return http;
    } finally {
      if (!done) {
        process.end(0);
      }
    }
  }

  /** Starts the process, which from this moment on ends with ImageJ. */
  private synchronized ServerProcess launch(List<String> command, Path file)
      throws BackendException {
    if (!hooked && !ending) {
      try {
        Runtime.getRuntime().addShutdownHook(new Thread(this::endForGood, "BioImg server's end"));
        hooked = true;
      } catch (IllegalStateException imageJEnds) {
        ending = true;
      }
    }
    if (ending) {
      throw BackendException.cancelled();
    }
    started = ServerProcess.start(command, file);
    startedHttp = null;
    return started;
  }

  private synchronized void answers(ServerProcess process, Http http) {
    startedHttp = process.alive() ? http : null; // else it has left the work to another server
  }

  private Http waitFor(ServerProcess process, Path file, Monitor monitor)
      throws BackendException, InterruptedException {
    long start = System.nanoTime();
    long told = 0;
    while (true) {
      boolean alive = process.alive(); // before the file is read, or its last moment is missed
      Running found = answering(file);
      if (found != null) {
        return found.http;
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

  /** Ends with ImageJ: nothing is started any more. */
  private void endForGood() {
    ending = true;
    endStarted();
  }

  /**
   * Ends the server that this ImageJ has started, unless another program has a job there. One that
   * is still starting is ended at once; nobody is waited for who starts it.
   */
  void endStarted() {
    ServerProcess process;
    Http http;
    synchronized (this) {
      process = started;
      http = startedHttp;
    }
    if (process == null || !process.alive()) {
      return;
    }
    if (http == null) {
      process.end(0);
      return;
    }
    try {
      if (jobs(http.get("/v1/info")) > openJobs.get()) {
        return; // our own jobs end with their lease, the server when it is idle
      }
      http.post("/v1/shutdown", new JsonObject());
    } catch (IOException | BackendException gone) {
      // What does not answer is ended by force.
    }
    process.end(END_MS);
  }

  /** Gives the number of jobs that run or wait. */
  static int jobs(JsonObject info) {
    JsonObject jobs = Json.member(info, "jobs");
    return (int) (Json.number(jobs, "running", 0) + Json.number(jobs, "queued", 0));
  }
}
