package io.github.bioimgfiji.setup;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/** What one Python says when it is asked for the package. */
final class Probe {
  static final long SECONDS = 20;

  // One line with single quotes only: Windows hands on no others.
  private static final String QUESTION =
      "import sys,json,importlib.util as u;s=u.find_spec('bioimg_fiji');"
          + "m=[n for n in ('numpy','torch','pydantic','starlette','uvicorn')"
          + " if u.find_spec(n) is None] if s else [];"
          + "v=__import__('bioimg_fiji').__version__ if s else '';"
          + "print(json.dumps({'python':sys.version.split()[0],'version':v,'missing':m}))";

  /** Version of the Python, "" when it did not answer. */
  final String python;

  /** Version of the package, "" when there is none. */
  final String version;

  /** Why this Python cannot be used, "" when it can. */
  final String fault;

  private Probe(String python, String version, String fault) {
    this.python = python;
    this.version = version;
    this.fault = fault;
  }

  boolean fits() {
    return fault.isEmpty();
  }

  /**
   * Asks a Python.
   *
   * @param python path of the program
   * @param plugin the plugin's version, which the package must fit
   * @param cancelled tells whether to stop
   */
  static Probe ask(String python, String plugin, BooleanSupplier cancelled)
      throws BackendException, InterruptedException {
    return ask(python, plugin, cancelled, SECONDS);
  }

  static Probe ask(String python, String plugin, BooleanSupplier cancelled, long seconds)
      throws BackendException, InterruptedException {
    Path answer = null;
    try {
      answer = Files.createTempFile("bioimg-fiji-probe", ".txt");
      List<String> command = Arrays.asList(python, "-c", QUESTION);
      int code = new ProgramRun(command, answer).stoppedBy(cancelled).run(seconds);
      if (code < 0) {
        return failed("it did not answer within " + seconds + " s");
      }
      String last = ProgramRun.tail(answer, 1);
      return code == 0 && last.startsWith("{")
          ? read(Json.object(last), plugin)
          : failed("it failed (" + (last.isEmpty() ? "exit code " + code : last) + ")");
    } catch (IOException unusable) {
      return failed("it cannot be started");
    } catch (JsonParseException notOurs) {
      return failed("its answer cannot be read");
    } finally {
      delete(answer);
    }
  }

  private static Probe read(JsonObject answer, String plugin) {
    String python = Json.string(answer, "python", "");
    String version = Json.string(answer, "version", "");
    List<String> missing = Json.strings(answer, "missing");
    String fault = "";
    if (version.isEmpty()) {
      fault = "it has no bioimg-fiji";
    } else if (!Versions.fit(plugin, version)) {
      fault = "it has bioimg-fiji " + version + ", and this plugin is " + plugin;
    } else if (!missing.isEmpty()) {
      fault = "it lacks " + String.join(", ", missing);
    }
    return new Probe(python, version, fault);
  }

  private static Probe failed(String fault) {
    return new Probe("", "", fault);
  }

  /** Deletes a temporary file, at the latest when ImageJ ends; null is none. */
  static void delete(Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException busy) {
      file.toFile().deleteOnExit();
    }
  }
}
