package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import javax.net.ssl.SSLHandshakeException;

/** The errors that the client itself finds; all others come from the server. */
final class ServerErrors {
  static final String UNAVAILABLE = "server_unavailable";
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
    Throwable reason = cause;
    while (reason.getCause() != null && !(reason instanceof CertificateException)) {
      reason = reason.getCause();
    }
    String where = "The server " + connection.name + " at " + connection.url;
    boolean other =
        reason instanceof CertificateException || cause instanceof SSLHandshakeException;
    BackendException error =
        other
            ? new BackendException(
                "authentication",
                where + " is not the one that is expected: " + reason.getMessage() + ".",
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

  /** Tells pixels that could not be written. */
  static BackendException unwritten(Path file, IOException cause) {
    String reason = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    BackendException error =
        new BackendException(
            "storage",
            "Writing pixels to " + file.getParent() + " failed: " + reason + ".",
            "Free space there, or name a folder with more space by the setting 'buffers'"
                + " (BIOIMG_FIJI_BUFFERS) and start the server again.");
    error.initCause(cause);
    return error;
  }

  /** Tells a log that the server cannot write to. */
  static BackendException noLog(Path log, IOException cause) {
    String reason = cause.getMessage() == null ? "" : " (" + cause.getMessage() + ")";
    BackendException error =
        new BackendException(
            "storage",
            "The model server was not started: its log "
                + log
                + " cannot be replaced by a new one: "
                + cause.getClass().getSimpleName()
                + reason
                + ".",
            "Close the program that has it open (a server that still runs?), check that you may"
                + " write to "
                + log.getParent()
                + " and that its disk is not full, or delete the log; then run the command again.");
    error.initCause(cause);
    return error;
  }

  /** Tells that a server runs from an environment that is to be replaced. */
  static BackendException occupied(Path environment, Servers.Running server) {
    int jobs = Servers.jobs(server.info);
    String why =
        jobs == 0
            ? "was not started by this ImageJ"
            : "has " + jobs + (jobs == 1 ? " job" : " jobs");
    return new BackendException(
        UNAVAILABLE,
        "The Python environment "
            + environment
            + " cannot be replaced: the model server (process "
            + server.http.connection().pid
            + ") runs from it and "
            + why
            + ".",
        (jobs == 0 ? "End it" : "Wait for its jobs, or end it")
            + " by Plugins > BioImg > BioImg Server > Stop, then try again.");
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
