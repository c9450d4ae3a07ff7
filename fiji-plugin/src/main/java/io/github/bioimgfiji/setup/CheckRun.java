package io.github.bioimgfiji.setup;

import ij.IJ;
import ij.Macro;
import ij.Prefs;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.client.HttpBackend;
import io.github.bioimgfiji.command.Failure;
import io.github.bioimgfiji.dialog.Lines;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.results.EscapableStatus;
import java.awt.GraphicsEnvironment;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * One run of the check, from its options to its report.
 *
 * <p>A macro may say {@code build} (make or repair the Python environment first), {@code
 * wheels=[folder]} (from a folder of wheels, without a network) and {@code python=[program]} (use
 * this one from now on; {@code python=auto} looks for one again).
 */
final class CheckRun {
  static final String TITLE = "BioImg Check Installation";
  private static final int WIDTH = 90;
  private static final List<String> KEYS = Arrays.asList("build", "wheels", "python");

  void run() {
    try {
      String options = Macro.getOptions();
      if (options != null) {
        obey(MacroLine.parse(options));
      }
      Chain chain = report();
      if (options == null && isInteractive()) {
        offer(chain);
      }
    } catch (BackendException failure) {
      Failure.report(TITLE, failure);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  /** Offers to mend what the look has found, as far as that is done here. */
  private static void offer(Chain chain) throws BackendException, InterruptedException {
    boolean mended =
        chain.wantsRepair() ? SetupOffer.repair() : !chain.isFound() && SetupOffer.ask("");
    mended |= Backends.get() == Backends.server() && offerToEnd(Backends.server());
    if (mended) {
      report();
    }
  }

  /** Offers to end a server that this plugin cannot use; tells whether that was done. */
  private static boolean offerToEnd(HttpBackend server) throws BackendException {
    String misfit = server.misfit();
    String question = misfit + "\n \nShall this server be ended now? Jobs that run there are lost.";
    boolean wanted =
        !misfit.isEmpty() && IJ.showMessageWithCancel(TITLE, Lines.wrap(question, WIDTH));
    if (wanted) {
      server.stop();
    }
    return wanted;
  }

  private static void obey(Map<String, String> options)
      throws BackendException, InterruptedException {
    for (String key : options.keySet()) {
      if (!KEYS.contains(key)) {
        throw new BackendException(
            "unknown_key",
            "There is no key \"" + key + "\".",
            "The keys are " + String.join(", ", KEYS) + ".");
      }
    }
    String python = options.get("python");
    if (python != null) {
      use(python.equals("auto") ? "" : python);
    }
    String wheels = options.getOrDefault("wheels", "");
    if (options.getOrDefault("build", "false").equals("true") || !wheels.isEmpty()) {
      build(wheels.isEmpty() ? null : Paths.get(wheels));
    }
  }

  /** Makes a Python the one to use, and remembers it; "" goes back to looking for one. */
  static void use(String python) throws BackendException, InterruptedException {
    if (!python.isEmpty()) {
      Probe probe = Probe.ask(python, Versions.plugin(), IJ::escapePressed);
      if (!probe.fits()) {
        throw new BackendException(
            "parameter",
            "python must be a Python with bioimg-fiji "
                + Versions.plugin()
                + ", but of "
                + python
                + " is to say: "
                + probe.fault
                + ".",
            "Name another one.");
      }
    }
    prefer(python);
  }

  private static void prefer(String python) {
    Prefs.set(PythonSearch.PREFERENCE, python);
    Prefs.savePreferences();
    PythonSearch.forget();
  }

  /** Builds the environment, showing how far it is. */
  static void build(Path wheels) throws BackendException, InterruptedException {
    try (BuildWindow window = new BuildWindow(TITLE)) {
      EnvironmentBuilder builder = new EnvironmentBuilder(wheels, window, CheckRun::leave);
      Path python = builder.build();
      prefer(""); // else a preference that does not work would still be taken
      window.note("Built " + python + ". The log is " + builder.log() + ".");
    }
  }

  private static void leave(Path environment, Monitor monitor)
      throws BackendException, InterruptedException {
    OwnPython.requireOutside(environment);
    Backends.server().leave(environment, monitor);
  }

  private static Chain report() throws BackendException, InterruptedException {
    Chain chain = new Chain(new EscapableStatus());
    List<Finding> findings = chain.look();
    long wrong = findings.stream().filter(each -> !each.ok).count();
    IJ.log(TITLE);
    findings.forEach(each -> IJ.log(each.toString()));
    IJ.log(wrong == 0 ? "Everything is in order." : wrong + " to be mended, marked !!");
    IJ.showStatus(TITLE + ": " + (wrong == 0 ? "in order" : wrong + " to be mended"));
    return chain;
  }

  /** Tells whether there is somebody to be asked. */
  static boolean isInteractive() {
    return !GraphicsEnvironment.isHeadless()
        && IJ.getInstance() != null
        && Macro.getOptions() == null
        && !ij.macro.Interpreter.isBatchMode()
        && !Failure.isBatch();
  }
}
