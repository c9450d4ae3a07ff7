package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.setup.PythonSearch;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Which Python starts the server, and how. */
final class PythonCommand {
  private static final String IDLE_SECONDS = "600";

  private PythonCommand() {}

  /**
   * Gives the command that starts the server.
   *
   * @param monitor is told where Python is looked for
   * @throws BackendException when there is no Python with the package
   */
  static List<String> serve(Path connectionFile, Monitor monitor)
      throws BackendException, InterruptedException {
    return Arrays.asList(
        PythonSearch.find(monitor).program,
        "-m",
        "bioimg_fiji",
        "serve",
        "--idle-exit",
        IDLE_SECONDS,
        "--connection",
        connectionFile.toString());
  }

  /** Tells a Python that cannot be started at all. */
  static BackendException unusable(String python, IOException cause) {
    BackendException error =
        new BackendException(
            "missing_part", "The Python " + python + " cannot be started.", ServerErrors.INSTALL);
    error.initCause(cause);
    return error;
  }
}
