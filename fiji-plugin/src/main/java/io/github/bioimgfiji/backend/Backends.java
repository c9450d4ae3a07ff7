package io.github.bioimgfiji.backend;

/** The backend in use: the one that Python registered. */
public final class Backends {
  private static Backend registered;

  private Backends() {}

  /**
   * Makes all commands run by this backend.
   *
   * @param backend the backend
   */
  public static synchronized void register(Backend backend) {
    registered = backend;
  }

  /** Forgets the registered backend. */
  public static synchronized void unregister() {
    registered = null;
  }

  /**
   * Gives the backend in use.
   *
   * @return the registered one
   */
  public static synchronized Backend get() {
    if (registered != null) {
      return registered;
    }
    throw new IllegalStateException("No backend is registered. Call Backends.register first.");
  }
}
