package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;

/**
 * The program uv that Appose has installed, for another plugin of this Fiji or for Python.
 *
 * <p>Appose keeps it in {@code .uv/bin} of the folder of its environments. Where Appose is among
 * Fiji's jars it is asked for that folder, by reflection; else the usual one is looked into. Its
 * builder is not used: it fetches uv without a hash, and it would lay out the environment in its
 * own way.
 */
final class ApposeUv {
  /** Property by which a user moves Appose's folder. */
  static final String PROPERTY = "appose.envs-dir";

  private static final String ENVIRONMENTS = "org.apposed.appose.util.Environments";
  private static final long SECONDS = 10;

  private ApposeUv() {}

  /**
   * Gives the program.
   *
   * @param monitor is asked whether to stop
   * @return null where Appose has installed none, or one that does not start
   */
  static Path find(Monitor monitor) throws BackendException {
    Path program =
        environments(ApposeUv.class.getClassLoader())
            .resolve(Paths.get(".uv", "bin", Places.isWindows() ? "uv.exe" : "uv"));
    return Files.isExecutable(program) && starts(program, monitor) ? program : null;
  }

  /** Gives the folder of Appose's environments, which need not exist. */
  static Path environments(ClassLoader loader) {
    try {
      Class<?> appose = Class.forName(ENVIRONMENTS, true, loader);
      return Paths.get((String) appose.getMethod("apposeEnvsDir").invoke(null));
    } catch (ReflectiveOperationException | LinkageError | ClassCastException absent) {
      // no Appose, or one of another version, or compiled for a newer Java
      String given = System.getProperty(PROPERTY, "");
      return given.isEmpty()
          ? Paths.get(System.getProperty("user.home"), ".local", "share", "appose")
          : Paths.get(given);
    }
  }

  private static boolean starts(Path program, Monitor monitor) throws BackendException {
    Path answer = null;
    try {
      answer = Files.createTempFile("bioimg-fiji-uv", ".txt");
      int code =
          new ProgramRun(Arrays.asList(program.toString(), "--version"), answer)
              .stoppedBy(monitor::cancelled)
              .run(SECONDS);
      return code == 0 && ProgramRun.tail(answer, 1).startsWith("uv ");
    } catch (IOException broken) {
      return false;
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    } finally {
      Probe.delete(answer);
    }
  }
}
