package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;

/** The program of a server that does not answer, as far as the system tells it. */
final class ServerProgram {
  private ServerProgram() {}

  /**
   * Refuses to replace an environment that the server which does not answer may run from.
   *
   * @throws BackendException where its program lies there, or cannot be known; names its process
   */
  static void requireOutside(Path environment) throws BackendException {
    Connection listed = Connection.read(Places.connectionFile());
    if (listed != null && Files.exists(environment) && !isOutside(environment, of(listed.pid))) {
      throw ServerErrors.perhapsOccupied(environment, listed.pid);
    }
  }

  private static boolean isOutside(Path environment, Path program) {
    try {
      // NB: not the program's own real path; an environment's python is a link to another one.
      return program != null
          && !program.getParent().toRealPath().startsWith(environment.toRealPath());
    } catch (IOException unknown) {
      return false;
    }
  }

  /** Gives the program as it was called; null where the system does not tell, as on Windows. */
  private static Path of(long pid) {
    try {
      byte[] line = Files.readAllBytes(Paths.get("/proc", String.valueOf(pid), "cmdline"));
      Path program = Paths.get(new String(line, StandardCharsets.UTF_8).split("\0")[0]);
      return program.isAbsolute() ? program : null;
    } catch (IOException | InvalidPathException unknown) {
      return null;
    }
  }
}
