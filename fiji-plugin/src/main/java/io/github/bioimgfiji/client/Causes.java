package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;

/** What work on another thread has failed by, for the one who waits for it. */
final class Causes {
  private Causes() {}

  /**
   * Gives the failure of work; what it did not announce is thrown as it is.
   *
   * @param cause what an ExecutionException has as its cause
   * @return the failure, to be thrown
   */
  static BackendException of(Throwable cause) {
    if (cause instanceof BackendException) {
      return (BackendException) cause;
    }
    if (cause instanceof Error) {
      throw (Error) cause;
    }
    throw cause instanceof RuntimeException
        ? (RuntimeException) cause
        : new IllegalStateException(cause);
  }
}
