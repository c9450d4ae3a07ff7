package io.github.bioimgfiji.setup;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import ij.IJ;
import ij.ImageJ;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The whole chain from Java to the server. What needs Python is asked of it by {@code doctor};
 * without Python the rest is still looked at.
 */
final class Chain {
  private static final long DOCTOR_SECONDS = 180;
  private static final double GIB = 1 << 30;
  private static final long LEAST_HEAP = 512L << 20;
  private static final long LEAST_DISK = 1L << 30;

  /** What {@code doctor} looks at besides the Python environment. */
  private static final List<String> AROUND = Arrays.asList("server", "memory", "disk");

  private static final String BUILD_ANEW =
      "Build it anew: Plugins > BioImg > BioImg Check Installation asks for it; in a macro:"
          + " run(\"BioImg Check Installation\", \"build\")";

  private final Monitor monitor;
  private final List<Finding> findings = new ArrayList<>();
  private boolean pythonUsable;
  private boolean found = true;
  private boolean wantsRepair;

  Chain(Monitor monitor) {
    this.monitor = monitor;
  }

  /** Looks at everything. */
  List<Finding> look() throws BackendException, InterruptedException {
    java();
    plugin();
    python();
    memory();
    return findings;
  }

  /**
   * Tells, after the look, whether there is a Python that can be used, or somebody has named one.
   */
  boolean isFound() {
    return found;
  }

  /** Tells, after the look, whether the environment that the plugin has built has a fault. */
  boolean wantsRepair() {
    return wantsRepair;
  }

  private void java() {
    findings.add(
        Finding.fine(
            "Java",
            System.getProperty("java.version")
                + " ("
                + System.getProperty("java.vendor")
                + ", "
                + System.getProperty("java.home")
                + ")"));
    String version = ImageJ.VERSION;
    findings.add(
        version.compareTo("1.53") >= 0
            ? Finding.fine("ImageJ", version + " (" + PythonSearch.fijiFolder() + ")")
            : Finding.wrong("ImageJ", version, "Help > Update ImageJ... to 1.53 or newer."));
  }

  private void plugin() {
    Path jar = PluginJar.path();
    String version = Versions.plugin().isEmpty() ? "of no release" : Versions.plugin();
    findings.add(Finding.fine("plugin", version + (jar == null ? "" : " (" + jar + ")")));
    String plugins = IJ.getDirectory("plugins");
    List<Path> jars = PluginJar.all(plugins == null ? null : Paths.get(plugins));
    if (jars.size() > 1) {
      findings.add(
          Finding.wrong(
              "plugin",
              jars.size() + " jars in " + plugins,
              "Delete all but the newest, and restart ImageJ: " + jars));
    }
  }

  private void python() throws BackendException, InterruptedException {
    PythonSearch.forget();
    try {
      PythonSearch.Found python = PythonSearch.find(monitor);
      Probe probe = Probe.ask(python.program, Versions.plugin(), monitor::cancelled);
      String where = python.program + ", " + python.source;
      if (probe.fits()) {
        pythonUsable = true;
        findings.add(
            Finding.fine(
                "Python",
                probe.python + " with bioimg-fiji " + probe.version + " (" + where + ")"));
        packages(python.program);
      } else {
        wantsRepair = isBuilt(python.program);
        found = !Places.givenPython().isEmpty(); // which a build would not change
        String fix = wantsRepair ? BUILD_ANEW : fix(probe);
        findings.add(Finding.wrong("Python", where + ": " + probe.fault, fix));
      }
    } catch (BackendException missing) {
      if (missing.code().equals("cancelled")) {
        throw missing;
      }
      found = false;
      findings.add(Finding.wrong("Python", missing.getMessage(), missing.fix()));
    }
  }

  /** Tells whether a Python is that of the environment which the plugin builds. */
  private static boolean isBuilt(String program) {
    return Paths.get(program).toAbsolutePath().startsWith(Places.builtEnvironment());
  }

  /** Adds what is to be said of the Python environment; a fault of it names how that is mended. */
  private void addOfEnvironment(String python, Finding finding) {
    if (finding.ok) {
      findings.add(finding);
      return;
    }
    wantsRepair |= isBuilt(python);
    findings.add(
        finding.mendedBy(
            isBuilt(python)
                ? BUILD_ANEW
                : "Install the packages of this Python again, in a terminal: "
                    + python
                    + " -m pip install --force-reinstall bioimg-fiji"
                    + (Versions.plugin().isEmpty() ? "" : "==" + Versions.plugin())));
  }

  private static String fix(Probe probe) {
    return probe.version.isEmpty()
        ? "Name another one by BIOIMG_FIJI_PYTHON, or install the package into it: pip install"
            + " bioimg-fiji"
        : Versions.fit(Versions.plugin(), probe.version)
            ? "Install the package again: pip install --force-reinstall bioimg-fiji"
            : Versions.fix(Versions.plugin(), probe.version);
  }

  /** Adds what Python finds: packages, devices, server, memory, disk. */
  private void packages(String python) throws BackendException, InterruptedException {
    monitor.progress("Asking Python for its packages and devices", 0, 0, "{}");
    Path answer = null;
    try {
      answer = Files.createTempFile("bioimg-fiji-check", ".txt");
      List<String> command =
          Arrays.asList(
              python, "-m", "bioimg_fiji", "doctor", "--json", "--plugin", Versions.plugin());
      new ProgramRun(command, answer)
          .with(
              Collections.singletonMap(
                  "BIOIMG_FIJI_CONNECTION", Places.connectionFile().toString()))
          .stoppedBy(monitor::cancelled)
          .run(DOCTOR_SECONDS);
      JsonObject found = Json.object(ProgramRun.tail(answer, 1));
      for (JsonElement each : Json.array(found, "findings")) {
        Finding finding = Finding.of(each.getAsJsonObject());
        if (AROUND.contains(finding.name)) {
          findings.add(finding);
        } else {
          addOfEnvironment(python, finding);
        }
      }
    } catch (IOException | JsonParseException unreadable) {
      pythonUsable = false;
      addOfEnvironment(
          python,
          Finding.wrong(
              "packages", "Python could not look at them: " + ProgramRun.tail(answer, 3), ""));
    } finally {
      Probe.delete(answer);
    }
  }

  private void memory() {
    long heap = Runtime.getRuntime().maxMemory();
    String amount = String.format(java.util.Locale.ROOT, "%.1f GiB for ImageJ", heap / GIB);
    findings.add(
        heap >= LEAST_HEAP
            ? Finding.fine("memory of Java", amount)
            : Finding.wrong(
                "memory of Java", amount, "Give it more: Edit > Options > Memory & Threads..."));
    if (pythonUsable) {
      return; // it has told of the disk
    }
    long free = Places.userFolder().toFile().getUsableSpace();
    String disk =
        String.format(
            java.util.Locale.ROOT, "%.1f GiB free in %s", free / GIB, Places.userFolder());
    findings.add(
        free >= LEAST_DISK
            ? Finding.fine("disk", disk)
            : Finding.wrong("disk", disk, "Free space there."));
  }
}
