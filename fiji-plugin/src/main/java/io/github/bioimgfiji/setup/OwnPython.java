package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.CodeSource;

/** The Python that has opened this ImageJ and runs the commands in its own process. */
final class OwnPython {
  /** The bridge by which Python has Java in its process; its jar lies among the packages. */
  private static final String BRIDGE = "org.jpype.JPypeContext";

  private OwnPython() {}

  /**
   * Refuses to replace the environment of this very Python.
   *
   * @param environment the environment's folder
   * @throws BackendException that says what to do instead
   */
  static void requireOutside(Path environment) throws BackendException {
    Path bridge = bridge();
    try {
      boolean inside =
          bridge != null
              && Files.isDirectory(environment)
              && bridge.toRealPath().startsWith(environment.toRealPath());
      if (!inside) {
        return;
      }
    } catch (IOException unknown) {
      // What cannot be looked at is not replaced.
    }
    throw new BackendException(
        "missing_part",
        "The Python environment "
            + environment
            + " cannot be replaced: the Python that has opened this ImageJ runs from it.",
        "End this Python; then run BioImg Check Installation in an ImageJ or Fiji that was started by"
            + " itself.");
  }

  /** Gives the bridge's jar; null where no Python has opened this ImageJ. */
  private static Path bridge() {
    try {
      CodeSource source =
          Class.forName(BRIDGE, false, ClassLoader.getSystemClassLoader())
              .getProtectionDomain()
              .getCodeSource();
      return source == null ? null : Paths.get(source.getLocation().toURI());
    } catch (ClassNotFoundException | URISyntaxException | IllegalArgumentException none) {
      return null;
    }
  }
}
