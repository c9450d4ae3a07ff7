package io.github.bioimgfiji.setup;

import ij.IJ;
import ij.Prefs;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Turn;
import io.github.bioimgfiji.setup.Interpreters.Candidate;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Finds the Python that runs the server.
 *
 * <p>In this order: the property or the environment variable; ImageJ's preference; the Python that
 * {@code bioimg-fiji install-plugin} has noted; then those that {@link Interpreters} lists. What
 * nobody has named is asked whether it has the package, in a version that fits.
 */
public final class PythonSearch {
  /** Key of ImageJ's preference that names a Python. */
  public static final String PREFERENCE = "bioimg_fiji.python";

  /** Member of an error's details: whether building an environment would mend it. */
  public static final String BUILDABLE = "buildable";

  private static final long SEARCH_SECONDS = 90;
  private static final int TOLD = 8;

  private static final Turn TURN = new Turn();
  private static volatile Found cached;

  /** Counts what has changed, so that a search which began before is not remembered. */
  private static volatile int changes;

  private final String plugin;
  private final Monitor monitor;
  private final List<String> looked = new ArrayList<>();

  /** A Python and where it comes from. */
  public static final class Found {
    /** Path of the program. */
    public final String program;

    /** Where it comes from, for people. */
    public final String source;

    /** Version of the package as the Python told it; "" where it was not asked. */
    public final String version;

    Found(String program, String source, String version) {
      this.program = program;
      this.source = source;
      this.version = version;
    }
  }

  PythonSearch(String plugin, Monitor monitor) {
    this.plugin = plugin;
    this.monitor = monitor;
  }

  /**
   * Gives the Python; one that was found is remembered until ImageJ ends.
   *
   * @param monitor is told what is looked at, and asked whether to stop
   * @return the Python
   * @throws BackendException when there is none; tells what was looked at
   */
  public static Found find(Monitor monitor) throws BackendException, InterruptedException {
    String given = Places.givenPython();
    if (!given.isEmpty()) {
      return new Found(given, "named by BIOIMG_FIJI_PYTHON or bioimg_fiji.python", "");
    }
    Found known = known();
    return known != null ? known : TURN.take(monitor, PythonSearch::look);
  }

  private static Found known() {
    Found known = cached;
    return known != null && Files.isExecutable(Paths.get(known.program)) ? known : null;
  }

  private static Found look(Monitor monitor) throws BackendException, InterruptedException {
    Found known = known(); // another thread may have found it meanwhile
    if (known == null) {
      int before = changes;
      known = new PythonSearch(Versions.plugin(), monitor).search();
      keep(known, before);
    }
    return known;
  }

  /** Forgets what was found: something has changed. */
  public static synchronized void forget() {
    changes++;
    cached = null;
  }

  private static synchronized void keep(Found found, int before) {
    cached = before == changes ? found : null;
  }

  private Found search() throws BackendException, InterruptedException {
    String preferred = Prefs.get(PREFERENCE, "").trim();
    if (!preferred.isEmpty()) {
      return preferred(preferred);
    }
    String noted = noted(Places.pythonFile());
    Found found = noted.isEmpty() ? null : asked("noted by install-plugin", noted);
    return found != null
        ? found
        : first(
            Interpreters.automatic(
                System::getenv,
                Places.userFolder(),
                fijiFolder(),
                System.getProperty("scijava.python.dir", ""),
                Places.builtEnvironment()));
  }

  private Found preferred(String program) throws BackendException, InterruptedException {
    Probe probe = Probe.ask(program, plugin, monitor::cancelled);
    if (!probe.fits()) {
      throw missing(
          "The Python of ImageJ's preferences, "
              + program
              + ", cannot be used: "
              + probe.fault
              + ".");
    }
    return new Found(program, "ImageJ's preferences", probe.version);
  }

  /**
   * Gives the first that can be used.
   *
   * @throws BackendException when none can
   */
  Found first(List<Candidate> candidates) throws BackendException, InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SEARCH_SECONDS);
    for (Candidate candidate : candidates) {
      if (monitor.cancelled()) {
        throw BackendException.cancelled();
      }
      String program = candidate.program.toString();
      if (!candidate.mayHavePackage()) {
        looked.add(candidate.source + ", " + program + ": it has no bioimg-fiji");
      } else if (System.nanoTime() > end) {
        looked.add(candidate.source + ", " + program + ": the time for the search was over");
      } else {
        Found found = asked(candidate.source, program);
        if (found != null) {
          return found;
        }
      }
    }
    throw missing(
        "No Python was found that has bioimg-fiji"
            + (plugin.isEmpty() ? "" : " " + plugin)
            + ". "
            + told());
  }

  private Found asked(String source, String program) throws BackendException, InterruptedException {
    monitor.progress("Looking for Python: " + program, 0, 0, "{}");
    Probe probe = Probe.ask(program, plugin, monitor::cancelled);
    looked.add(source + ", " + program + ": " + probe.fault);
    return probe.fits() ? new Found(program, source, probe.version) : null;
  }

  private String told() {
    if (looked.isEmpty()) {
      return "There is no Python in any of the usual places.";
    }
    int more = looked.size() - TOLD;
    return "Looked at:\n"
        + String.join("\n", looked.subList(0, Math.min(TOLD, looked.size())))
        + (more > 0 ? "\nand " + more + " more." : ".");
  }

  private static BackendException missing(String message) {
    return new BackendException(
        "missing_part",
        message,
        "Plugins > BioImg > BioImg Check Installation builds a Python for it, or lets you choose"
            + " one. In a terminal: pip install bioimg-fiji, then bioimg-fiji install-plugin"
            + " FOLDER. Or name one by the variable BIOIMG_FIJI_PYTHON.",
        "{\"" + BUILDABLE + "\": true}");
  }

  static String noted(Path file) {
    try {
      List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
      return lines.isEmpty() ? "" : lines.get(0).trim();
    } catch (IOException missing) {
      return "";
    }
  }

  static Path fijiFolder() {
    String folder = IJ.getDirectory("imagej");
    return folder == null ? null : Paths.get(folder);
  }
}
