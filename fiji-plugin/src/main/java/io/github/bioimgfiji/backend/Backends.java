package io.github.bioimgfiji.backend;

import io.github.bioimgfiji.client.HttpBackend;

/** The backend in use: the one that Python registered, else a server process of this computer. */
public final class Backends {
  private static Backend registered;
  private static HttpBackend http;

  private Backends() {}

  /**
   * Makes all commands run by this backend.
   *
   * @param backend the backend
   */
  public static synchronized void register(Backend backend) {
    registered = backend;
  }

  /** Goes back to the server process. */
  public static synchronized void unregister() {
    registered = null;
  }

  /**
   * Gives the backend in use.
   *
   * @return the registered one, else the one that talks to a server process
   */
  public static synchronized Backend get() {
    return registered != null ? registered : server();
  }

  /**
   * Gives what talks to a server process, whether or not it is in use.
   *
   * @return always the same one
   */
  public static synchronized HttpBackend server() {
    if (http == null) {
      http = new HttpBackend();
    }
    return http;
  }

  /** Ends the server if this ImageJ has started it. */
  public static void close() {
    HttpBackend started;
    synchronized (Backends.class) {
      started = http;
    }
    if (started != null) {
      started.close();
    }
  }

  /**
   * Tells what runs the commands, without starting anything.
   *
   * @return for example "in-process", "running at http://127.0.0.1:40123 (process 4711, 0.1.0)", or
   *     "not running"
   */
  public static String status() {
    Backend own;
    synchronized (Backends.class) {
      own = registered;
    }
    return own == null ? HttpBackend.status() : own.name();
  }
}
