package io.github.bioimgfiji.setup;

import java.nio.file.Path;
import java.nio.file.Paths;

/** Where the files lie that plugin and server share. */
public final class Places {
  /** System property with the connection file's path, stronger than the environment. */
  public static final String CONNECTION_PROPERTY = "bioimg_fiji.connection";

  /** System property with the path of the list of named servers, stronger than the environment. */
  public static final String SERVERS_PROPERTY = "bioimg_fiji.servers";

  /** System property with the path of the Python that starts the server. */
  public static final String PYTHON_PROPERTY = "bioimg_fiji.python";

  private Places() {}

  /** Gives the connection file, which need not exist. */
  public static Path connectionFile() {
    String given = given(CONNECTION_PROPERTY, "BIOIMG_FIJI_CONNECTION");
    return given.isEmpty()
        ? homeFolder().resolve("connection.json")
        : Paths.get(given).toAbsolutePath();
  }

  /** Gives the list of named servers, which need not exist. */
  public static Path serversFile() {
    String given = given(SERVERS_PROPERTY, "BIOIMG_FIJI_SERVERS");
    return given.isEmpty()
        ? homeFolder().resolve("servers.json")
        : Paths.get(given).toAbsolutePath();
  }

  /** Gives the Python that the user has named by property or environment, or "". */
  public static String givenPython() {
    return given(PYTHON_PROPERTY, "BIOIMG_FIJI_PYTHON");
  }

  /** Gives the file in which {@code bioimg-fiji install-plugin} has noted its Python. */
  static Path pythonFile() {
    return homeFolder().resolve("python");
  }

  /** Gives the folder of the Python environment that the plugin builds, which need not exist. */
  static Path builtEnvironment() {
    return homeFolder().resolve("environment");
  }

  /**
   * Gives the folder that Python and Java share.
   *
   * <p>NB: not user.home, which Java takes from the user's account: Python goes by the environment,
   * and both must mean the same folder.
   */
  public static Path homeFolder() {
    return userFolder().resolve(".bioimg-fiji");
  }

  /** Gives the user's home folder, as Python sees it. */
  static Path userFolder() {
    String home = System.getenv(isWindows() ? "USERPROFILE" : "HOME");
    return Paths.get(home == null || home.isEmpty() ? System.getProperty("user.home") : home);
  }

  static boolean isWindows() {
    return System.getProperty("os.name", "").startsWith("Windows");
  }

  /** Gives a value by property, else by environment variable, else "". */
  static String given(String property, String variable) {
    String value = System.getProperty(property, "").trim();
    if (value.isEmpty() && System.getenv(variable) != null) {
      value = System.getenv(variable).trim();
    }
    return value;
  }
}
