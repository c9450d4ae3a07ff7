package io.github.bioimgfiji.command;

import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.results.ShownFiles;

/**
 * The exit code of {@code ImageJ -batch} after a command that has done a part of its work only.
 *
 * <p>The macro goes on, for one bad image must not cost the results of a night; but the process
 * ends with 1, as the command line does. ImageJ itself ends with 0 whatever happens.
 */
final class BatchExit {
  private static final int CODE = 1;
  private static boolean planned;

  private BatchExit() {}

  /** Makes the process end with 1, if this is {@code ImageJ -batch}. */
  static synchronized void willFail() {
    if (!planned && Failure.isBatch()) {
      planned = true;
      Runtime.getRuntime().addShutdownHook(new Thread(BatchExit::halt, "BioImg exit code"));
    }
  }

  private static void halt() {
    // NB: halting cuts the other hooks short, and one of them ends the server.
    Backends.close();
    ShownFiles.removeAll();
    System.out.flush();
    System.err.flush();
    Runtime.getRuntime().halt(CODE);
  }
}
