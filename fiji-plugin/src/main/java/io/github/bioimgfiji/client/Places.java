package io.github.bioimgfiji.client;

import java.nio.file.Path;
import java.nio.file.Paths;

/** Where the files lie that plugin and server share. */
final class Places {
  /** System property with the connection file's path, stronger than the environment. */
  static final String CONNECTION_PROPERTY = "bioimg_fiji.connection";

  /** System property with the path of the Python that starts the server. */
  static final String PYTHON_PROPERTY = "bioimg_fiji.python";

  private Places() {}

  /** Gives the connection file, which need not exist. */
  static Path connectionFile() {
    String given = given(CONNECTION_PROPERTY, "BIOIMG_FIJI_CONNECTION");
    return given.isEmpty()
        ? homeFolder().resolve("connection.json")
        : Paths.get(given).toAbsolutePath();
  }

  /** Gives the Python that the user has named, or "". */
  static String givenPython() {
    return given(PYTHON_PROPERTY, "BIOIMG_FIJI_PYTHON");
  }

  /** Gives the file in which {@code bioimg-fiji install-plugin} has noted its Python. */
  static Path pythonFile() {
    return homeFolder().resolve("python");
  }

  /**
   * Gives the folder that Python and Java share.
   *
   * <p>NB: not user.home, which Java takes from the user's account: Python goes by the environment,
   * and both must mean the same folder.
   */
  static Path homeFolder() {
    boolean windows = System.getProperty("os.name", "").startsWith("Windows");
    String home = System.getenv(windows ? "USERPROFILE" : "HOME");
    String folder = home == null || home.isEmpty() ? System.getProperty("user.home") : home;
    return Paths.get(folder, ".bioimg-fiji");
  }

  private static String given(String property, String variable) {
    String value = System.getProperty(property, "").trim();
    if (value.isEmpty() && System.getenv(variable) != null) {
      value = System.getenv(variable).trim();
    }
    return value;
  }
}
