package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.security.cert.CertificateException;

/** The errors that the client itself finds; all others come from the server. */
final class ServerErrors {
  static final String UNAVAILABLE = "server_unavailable";
  static final String BUSY = "server_busy";
  private static final String STORAGE = "storage";
  static final String INSTALL =
      "Plugins > BioImg > BioImg Check Installation shows what is there and builds a Python. In a"
          + " terminal: pip install bioimg-fiji, then: bioimg-fiji install-plugin FOLDER, where"
          + " FOLDER is that of this Fiji or ImageJ. Or name a Python by the variable"
          + " BIOIMG_FIJI_PYTHON.";

  private ServerErrors() {}

  /** Tells a connection that broke: the server has ended, or hangs. */
  static BackendException lost(IOException cause) {
    BackendException error =
        cause instanceof SocketTimeoutException
            ? new BackendException(
                UNAVAILABLE,
                "The model server does not answer.",
                "The computer may be out of memory. Wait a little and run the command again; if"
                    + " that does not help, end the server's Python process.")
            : new BackendException(
                UNAVAILABLE,
                "The model server has ended before the work was done.",
                "Run the command again: a new server is started. Its log is "
                    + Places.homeFolder().resolve("logs").resolve("server.log")
                    + ".");
    error.initCause(cause);
    return error;
  }

  /** Tells that a named server cannot be reached, or is another one than was pinned. */
  static BackendException lost(IOException cause, Connection connection) {
    if (!connection.isRemote()) {
      return lost(cause);
    }
    String where = "The server " + connection.name + " at " + connection.url;
    CertificateException other = Pinned.otherCertificate(cause);
    BackendException error =
        other != null
            ? new BackendException(
                "authentication",
                where + " is not the one that is expected: " + other.getMessage() + ".",
                "Ask who runs it for its fingerprint, and enter it by Plugins > BioImg > BioImg"
                    + " Server > Edit. If nobody has changed its certificate, somebody stands"
                    + " between.")
            : new BackendException(
                UNAVAILABLE,
                where + " does not answer (" + told(cause) + ").",
                "Check its address, and that it and the network or tunnel to it run; Plugins >"
                    + " BioImg > BioImg Server > Test tells whether it answers.");
    error.initCause(cause);
    return error;
  }

  private static String told(IOException cause) {
    return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
  }

  /** Tells that a named server does not take its token. */
  static BackendException token(Connection connection) {
    return new BackendException(
        "authentication",
        "The server " + connection.name + " does not know the token.",
        "Copy it anew from the file that the server was started with (--token-file).");
  }

  /** Tells a server that takes a connection, and does not answer. */
  static BackendException hangs(long pid, IOException cause) {
    return caused(
        UNAVAILABLE,
        "The model server (process " + pid + ") does not answer.",
        "The computer may be out of memory. Wait a little and try again; if that does not help, end"
            + " the process "
            + pid
            + " by the task manager.",
        cause);
  }

  /** Tells a server that was asked to end and goes on. */
  static BackendException stays(Http server, BackendException refused) {
    long pid = server.connection().pid;
    return caused(
        UNAVAILABLE,
        "The model server (process "
            + pid
            + ") does not end"
            + (refused == null ? "." : ": " + refused.getMessage()),
        "End its process, " + pid + ", by the task manager.",
        refused);
  }

  /** Tells how a server is ended: in a window, in a macro without one, and where both fail. */
  static String howToEnd(String what, long pid) {
    return what
        + " by Plugins > BioImg > BioImg Server > Stop, in a macro by run(\"BioImg Server\","
        + " \"stop\"), or end the process "
        + pid
        + ".";
  }

  /**
   * Tells pixels that could not be written.
   *
   * @param onDisk whether the file was to lie on a disk, for a virtual or a large stack
   */
  static BackendException unwritten(Path file, boolean onDisk, IOException cause) {
    String place =
        onDisk
            ? "by the variable BIOIMG_FIJI_CACHE"
            : "by the setting 'buffers' (BIOIMG_FIJI_BUFFERS)";
    return caused(
        STORAGE,
        "Writing pixels to " + file.getParent() + " failed: " + reason(cause) + ".",
        "Free space there, or name a folder with more space "
            + place
            + " and start the server again.",
        cause);
  }

  /** Tells the file of a virtual result that could not be made ImageJ's own. */
  static BackendException notTaken(Path file, IOException cause) {
    return caused(
        STORAGE,
        "The result's file " + file + " could not be taken over by ImageJ: " + reason(cause) + ".",
        "Check that you may write to "
            + file.toAbsolutePath().getParent().getParent()
            + " and that there is space on its disk, or name another folder by the variable"
            + " BIOIMG_FIJI_CACHE; then start the server again and run the command again.",
        cause);
  }

  private static BackendException caused(String code, String message, String fix, Throwable cause) {
    BackendException error = new BackendException(code, message, fix);
    error.initCause(cause);
    return error;
  }

  private static String reason(IOException cause) {
    boolean bare =
        cause instanceof FileSystemException && ((FileSystemException) cause).getReason() == null;
    return bare || cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  /** Tells a log that the server cannot write to. */
  static BackendException noLog(Path log, IOException cause) {
    return caused(
        STORAGE,
        "The model server was not started: its log "
            + log
            + " cannot be written: "
            + reason(cause)
            + ".",
        "Close the program that has it open (a server that still runs?), check that you may"
            + " write to "
            + log.getParent()
            + " and that its disk is not full, or delete the log; then run the command again.",
        cause);
  }

  /** Tells that a server runs from an environment that is to be replaced. */
  static BackendException occupied(Path environment, Servers.Running server) {
    int jobs = Servers.jobs(server.info);
    long pid = server.http.connection().pid;
    String why =
        jobs == 0
            ? "was not started by this ImageJ"
            : "has " + jobs + (jobs == 1 ? " job" : " jobs");
    return cannotBeReplaced(
        environment,
        "the model server (process " + pid + ") runs from it and " + why,
        howToEnd(jobs == 0 ? "End it" : "Wait for its jobs, or end it", pid) + " Then try again.");
  }

  /** Tells that a server which does not answer may run from an environment to be replaced. */
  static BackendException perhapsOccupied(Path environment, long pid) {
    return cannotBeReplaced(
        environment,
        "the model server (process " + pid + ") does not answer, and may run from it",
        "End the process " + pid + " by the task manager, then try again.");
  }

  private static BackendException cannotBeReplaced(Path environment, String why, String fix) {
    return new BackendException(
        UNAVAILABLE,
        "The Python environment " + environment + " cannot be replaced: " + why + ".",
        fix);
  }

  /** Tells an answer that the protocol does not have. */
  static BackendException protocol(String message) {
    return new BackendException(
        "protocol",
        message,
        "Bring plugin and server to the same version: pip install --upgrade bioimg-fiji, then"
            + " bioimg-fiji install-plugin FOLDER.");
  }
}
