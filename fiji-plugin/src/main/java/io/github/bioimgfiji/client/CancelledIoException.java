package io.github.bioimgfiji.client;

import java.io.IOException;

/** The user has stopped the command while pixels were on their way. */
final class CancelledIoException extends IOException {
  private static final long serialVersionUID = 1L;
}
