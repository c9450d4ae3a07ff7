package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The versions of plugin and Python package, which must fit.
 *
 * <p>Two versions fit when their first two numbers are the same: the third one counts mended faults
 * (tests/contract/versions.json has examples, read in both languages).
 */
public final class Versions {
  /** Code of the error that tells a mismatch. */
  public static final String CODE = "protocol";

  private static final Pattern NUMBERS = Pattern.compile("(\\d+)\\.(\\d+).*");

  private Versions() {}

  /**
   * Gives the plugin's version.
   *
   * @return the one of the jar's manifest; "" where the classes lie in no jar, as in a build
   */
  public static String plugin() {
    String version = Versions.class.getPackage().getImplementationVersion();
    return version == null ? "" : version;
  }

  /**
   * Tells whether a plugin and a Python package work together.
   *
   * @param plugin the plugin's version; "" fits every other
   * @param python the package's version
   * @return whether they do
   */
  public static boolean fit(String plugin, String python) {
    return plugin.isEmpty() || line(plugin).equals(line(python));
  }

  /**
   * Refuses a mismatch.
   *
   * @param plugin the plugin's version
   * @param python the Python package's version
   * @param where what has that package, for example "The running model server (process 17)"
   * @throws BackendException that names both versions and the next step
   */
  public static void require(String plugin, String python, String where) throws BackendException {
    if (!fit(plugin, python)) {
      String theirs = python.isEmpty() ? "of a version that it does not tell" : python;
      throw new BackendException(
          CODE,
          where + " is bioimg-fiji " + theirs + ", this plugin is " + plugin + ".",
          fix(plugin, python));
    }
  }

  /** Gives the next step where the two do not fit: the older one is to be updated. */
  static String fix(String plugin, String python) {
    return isOlder(plugin, python)
        ? "Update the plugin: in a terminal run bioimg-fiji install-plugin FOLDER, where FOLDER is"
            + " that of this Fiji or ImageJ (or use Help > Update...), and restart it."
        : "Update the Python package: Plugins > BioImg > BioImg Check Installation builds it anew,"
            + " or run in a terminal: pip install bioimg-fiji=="
            + plugin
            + ". A server that runs meanwhile is ended by the build if it has no job, else by Plugins >"
            + " BioImg > BioImg Server > Stop, or in a macro by run(\"BioImg Server\", \"stop\").";
  }

  private static boolean isOlder(String version, String than) {
    Matcher first = NUMBERS.matcher(version);
    Matcher second = NUMBERS.matcher(than);
    if (!first.matches() || !second.matches()) {
      return false;
    }
    for (int group = 1; group <= 2; group++) {
      int difference = Integer.parseInt(first.group(group)) - Integer.parseInt(second.group(group));
      if (difference != 0) {
        return difference < 0;
      }
    }
    return false;
  }

  private static String line(String version) {
    Matcher numbers = NUMBERS.matcher(version);
    return numbers.matches() ? numbers.group(1) + "." + numbers.group(2) : version;
  }
}
