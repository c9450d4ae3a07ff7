package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
   * @throws BackendException when nobody has told which Python to use
   */
  static List<String> serve(Path connectionFile) throws BackendException {
    return Arrays.asList(
        python(Places.givenPython(), Places.pythonFile()),
        "-m",
        "bioimg_fiji",
        "serve",
        "--idle-exit",
        IDLE_SECONDS,
        "--connection",
        connectionFile.toString());
  }

  static String python(String given, Path file) throws BackendException {
    if (!given.isEmpty()) {
      return given;
    }
    try {
      List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
      if (!lines.isEmpty() && !lines.get(0).trim().isEmpty()) {
        return lines.get(0).trim();
      }
    } catch (IOException missing) {
      // The same as an empty file.
    }
    throw new BackendException(
        "missing_part", "No Python is known that could start the model server.", fix());
  }

  private static String fix() {
    return ServerErrors.INSTALL + " Or name a Python by the variable BIOIMG_FIJI_PYTHON.";
  }

  /** Tells a Python that cannot be started at all. */
  static BackendException unusable(String python, IOException cause) {
    BackendException error =
        new BackendException("missing_part", "The Python " + python + " cannot be started.", fix());
    error.initCause(cause);
    return error;
  }
}
