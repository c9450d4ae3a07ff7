package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Builds a Python environment with bioimg-fiji and its packages, pinned by hash, by the program uv.
 *
 * <p>It is built beside its place, tried, and renamed: what was there before stays until then, and
 * a build that fails or is stopped leaves nothing. Building again repairs.
 */
public final class EnvironmentBuilder {
  private static final String PYTHONS = ">=3.11,<3.14";
  private static final long SECONDS = 7200;
  private static final int TAIL = 6;
  private static final int STEPS = 4;

  /** Networks that look into connections have certificates that only the system knows. */
  private static final Map<String, String> SYSTEM_CERTIFICATES = new HashMap<>();

  static {
    SYSTEM_CERTIFICATES.put("UV_SYSTEM_CERTS", "true");
    SYSTEM_CERTIFICATES.put("UV_NATIVE_TLS", "true"); // its older name
  }

  private final Path target;
  private final Path part;
  private final Path log;
  private final Path wheels;
  private final Monitor monitor;
  private final String version;
  private final Packages packages;
  private final Leaving leaving;

  /**
   * Prepares a build at the usual place.
   *
   * @param wheels folder of wheels, which is all that is used then; null asks the package index
   * @param monitor is told how far it is, and asked whether to stop
   * @param leaving sees to it that no server runs from the environment that is there
   */
  public EnvironmentBuilder(Path wheels, Monitor monitor, Leaving leaving) {
    this(Places.builtEnvironment(), wheels, monitor, Versions.plugin(), Pins::packages, leaving);
  }

  /** Sees to it that nothing runs from an environment that is to be replaced. */
  public interface Leaving {
    /**
     * Ends what runs from it.
     *
     * @param environment its folder
     * @param monitor is asked whether to stop
     * @throws BackendException when that cannot be ended; says what it is
     */
    void leave(Path environment, Monitor monitor) throws BackendException, InterruptedException;
  }

  /** What the packages' list is read from. */
  interface Packages {
    String read() throws IOException;
  }

  EnvironmentBuilder(
      Path target,
      Path wheels,
      Monitor monitor,
      String version,
      Packages packages,
      Leaving leaving) {
    this.target = target.toAbsolutePath();
    this.part = this.target.resolveSibling(target.getFileName() + ".part");
    this.log = this.target.resolveSibling("setup.log");
    this.wheels = wheels == null ? null : wheels.toAbsolutePath();
    this.monitor = monitor;
    this.version = version;
    this.packages = packages;
    this.leaving = leaving;
  }

  /** Gives the file with all that the build has said. */
  public Path log() {
    return log;
  }

  /**
   * Builds.
   *
   * @return the environment's Python
   * @throws BackendException when that fails, or with the code "cancelled"
   */
  public Path build() throws BackendException, InterruptedException {
    if (wheels != null && !Files.isDirectory(wheels)) {
      throw new BackendException(
          "parameter", "The folder of wheels " + wheels + " does not exist.", "Check the path.");
    }
    try {
      Files.createDirectories(target.getParent());
      Path lock = target.resolveSibling(target.getFileName() + ".lock");
      try (FileChannel channel =
              FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
          FileLock mine = channel.tryLock()) {
        if (mine == null) {
          throw busy();
        }
        return locked();
      } catch (OverlappingFileLockException same) {
        throw busy();
      }
    } catch (IOException failed) {
      throw storage(failed);
    }
  }

  private Path locked() throws IOException, BackendException, InterruptedException {
    Files.deleteIfExists(log); // a log per build
    try {
      leaving.leave(target, monitor); // now, and not after minutes of building
      remove(part);
      Path uv = new Uv(target.resolveSibling("uv"), monitor).find(wheels);
      install(uv);
      tried();
      leaving.leave(target, monitor); // one may have been started meanwhile
      replace();
    } finally {
      remove(part);
    }
    PythonSearch.forget();
    return Interpreters.programOf(target);
  }

  private void install(Path uv) throws IOException, BackendException, InterruptedException {
    step(1, "Making a Python environment");
    List<String> venv = command(uv, "venv", "--relocatable", "--python", PYTHONS);
    if (wheels != null) {
      venv.add("--offline");
    }
    venv.add(part.toString());
    run(venv, "making the environment");
    String python = String.valueOf(Interpreters.programOf(part));
    step(2, "Installing the packages (several GB, once)");
    Path list = part.resolve("requirements.txt");
    Files.write(list, packages.read().getBytes(StandardCharsets.UTF_8));
    run(installed(uv, python, wheels, "--require-hashes", "-r", list.toString()), "installing");
    step(3, "Installing bioimg-fiji");
    Path own = ownWheel();
    String what = own == null ? "bioimg-fiji==" + version : own.toString();
    run(installed(uv, python, wheels, "--no-deps", what), "installing bioimg-fiji");
  }

  private static List<String> installed(Path uv, String python, Path wheels, String... what) {
    List<String> command = command(uv, "pip", "install", "--python", python);
    if (wheels != null) {
      command.addAll(Arrays.asList("--offline", "--no-index", "--find-links", wheels.toString()));
    }
    command.addAll(Arrays.asList(what));
    return command;
  }

  private static List<String> command(Path uv, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(uv.toString());
    command.addAll(Arrays.asList(arguments));
    command.addAll(Arrays.asList("--no-config", "--color", "never"));
    return command;
  }

  /**
   * Gives bioimg-fiji's own wheel where it lies beside the plugin's jar or in the folder; null
   * where it does not.
   */
  private Path ownWheel() throws IOException {
    List<Path> folders = new ArrayList<>();
    if (wheels != null) {
      folders.add(wheels);
    }
    Path jar = PluginJar.path();
    if (jar != null) {
      folders.add(jar.getParent());
    }
    for (Path folder : folders) {
      String pattern = "bioimg_fiji-" + (version.isEmpty() ? "*" : version) + "-*.whl";
      try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, pattern)) {
        for (Path wheel : found) {
          return wheel;
        }
      }
    }
    return null;
  }

  private void run(List<String> command, String what)
      throws IOException, BackendException, InterruptedException {
    String line = "> " + String.join(" ", command) + "\n";
    Files.write(
        log,
        line.getBytes(StandardCharsets.UTF_8),
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
    int code;
    try {
      code =
          new ProgramRun(command, log)
              .with(SYSTEM_CERTIFICATES)
              .stoppedBy(monitor::cancelled)
              .telling(said -> monitor.progress(said, 0, 0, "{}"))
              .run(SECONDS);
    } catch (IOException unusable) {
      throw failed("uv cannot be started: " + unusable.getMessage());
    }
    if (code != 0) {
      throw failed(
          (code < 0 ? "uv did not end in time while " : "uv has failed while ")
              + what
              + ":\n"
              + ProgramRun.tail(log, TAIL));
    }
  }

  private void tried() throws BackendException, InterruptedException {
    step(STEPS, "Trying the environment");
    Path python = Interpreters.programOf(part);
    Probe probe = Probe.ask(String.valueOf(python), version, monitor::cancelled, 6 * Probe.SECONDS);
    if (!probe.fits()) {
      throw failed("the new Python cannot be used: " + probe.fault + ".");
    }
  }

  /** Puts the new environment in place; the old one comes back when that fails. */
  private void replace() throws IOException {
    Path old = target.resolveSibling(target.getFileName() + ".old");
    if (Files.exists(old) && !Files.exists(target)) {
      Files.move(old, target); // ImageJ ended in the middle of an earlier replacement
    }
    remove(old);
    boolean was = Files.exists(target);
    if (was) {
      Files.move(target, old);
    }
    try {
      Files.move(part, target);
    } catch (IOException failed) {
      if (was) {
        Files.move(old, target);
      }
      throw failed;
    }
    remove(old);
  }

  private void step(int number, String message) throws BackendException {
    if (monitor.cancelled()) {
      throw BackendException.cancelled();
    }
    monitor.progress(message, number - 0.5, STEPS, "{}");
  }

  private BackendException failed(String reason) {
    String text = "The Python environment could not be built: " + reason;
    boolean full = reason.contains("No space left") || reason.contains("os error 112");
    boolean network =
        reason.contains("error sending request")
            || reason.contains("Failed to fetch")
            || reason.contains("dns error");
    String fix =
        full
            ? "Free space on the disk of "
                + target.getParent()
                + " (about 8 GB are needed) and try again."
            : network
                ? "Check the connection to the internet and try again, or name a folder of wheels."
                : "Try again; the whole log is in " + log + ".";
    return new BackendException(full ? "storage" : "missing_part", text, fix);
  }

  private BackendException busy() {
    return new BackendException(
        "missing_part",
        "Another ImageJ builds the Python environment at this moment.",
        "Wait until it has ended.");
  }

  private BackendException storage(IOException failed) {
    BackendException error =
        new BackendException(
            "storage",
            "The Python environment could not be built in "
                + target.getParent()
                + ": "
                + (failed.getMessage() == null ? failed.toString() : failed.getMessage())
                + ".",
            "Free space there (about 8 GB are needed), or check that you may write to it.");
    error.initCause(failed);
    return error;
  }

  private static void remove(Path folder) throws IOException {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<Path>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, IOException failed)
              throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
