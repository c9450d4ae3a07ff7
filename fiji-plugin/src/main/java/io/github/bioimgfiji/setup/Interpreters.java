package io.github.bioimgfiji.setup;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * The Pythons of this computer, in the order in which they are tried: Fiji's own first, then the
 * one that the plugin has built, then the usual places.
 */
final class Interpreters {
  private static final String[] IN_FIJI = {"python", "env", "envs", "venv", ".venv", ".pixi/envs"};
  private static final String[] CONDAS = {
    "miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda", ".mamba"
  };
  private static final String[] ENVIRONMENTS = {
    ".virtualenvs",
    "venvs",
    ".venvs",
    "envs",
    ".pyenv/versions",
    ".local/share/appose",
    ".pixi/envs",
    ".local/share/pipx/venvs",
    ".local/pipx/venvs",
    ".local/share/uv/tools"
  };

  private final UnaryOperator<String> environment;
  private final Path home;
  private final List<Candidate> found = new ArrayList<>();
  private final Set<Path> seen = new LinkedHashSet<>();

  /** One Python. */
  static final class Candidate {
    /** Where it comes from, for people. */
    final String source;

    /** Path of the program. */
    final Path program;

    /** Whether its folders show without starting it whether the package may be there. */
    final boolean isEnvironment;

    Candidate(String source, Path program, boolean isEnvironment) {
      this.source = source;
      this.program = program;
      this.isEnvironment = isEnvironment;
    }

    /** Tells whether it is worth to be started: an environment's folder shows what is in it. */
    boolean mayHavePackage() {
      if (!isEnvironment) {
        return true;
      }
      Path root = program.toAbsolutePath().getParent();
      root = root.getFileName().toString().matches("bin|Scripts") ? root.getParent() : root;
      if (holds(root.resolve("Lib").resolve("site-packages"))) {
        return true;
      }
      for (Path library : children(root.resolve("lib"), "python3*")) {
        if (holds(library.resolve("site-packages"))) {
          return true;
        }
      }
      return false;
    }

    private static boolean holds(Path folder) {
      return !children(folder, "bioimg_fiji*").isEmpty();
    }
  }

  private Interpreters(UnaryOperator<String> environment, Path home) {
    this.environment = environment;
    this.home = home;
  }

  /**
   * Gives the candidates that nobody has named.
   *
   * @param environment gives a variable of the environment, or null
   * @param home the user's home folder
   * @param fiji the folder of Fiji or ImageJ, or null
   * @param fijiPython the property scijava.python.dir, or ""
   * @param built the environment that the plugin builds
   */
  static List<Candidate> automatic(
      UnaryOperator<String> environment, Path home, Path fiji, String fijiPython, Path built) {
    Interpreters all = new Interpreters(environment, home);
    all.fiji(fiji, fijiPython);
    all.environment("built by this plugin", built);
    all.inFiji(fiji);
    all.usual();
    all.path();
    return all.found;
  }

  private void fiji(Path fiji, String folder) {
    if (folder.isEmpty()) {
      return;
    }
    Path path = path(folder);
    if (path != null) {
      environment(
          "Fiji's own Python (Edit > Options > Python)",
          path.isAbsolute() || fiji == null ? path : fiji.resolve(path));
    }
  }

  private void inFiji(Path fiji) {
    for (String name : fiji == null ? new String[0] : IN_FIJI) {
      folder("in the folder of Fiji", fiji.resolve(name));
    }
  }

  private void usual() {
    for (String name : new String[] {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
      String value = environment.apply(name);
      Path path = value == null || value.isEmpty() ? null : path(value);
      if (path != null) {
        environment("variable " + name, path);
      }
    }
    List<Path> roots = new ArrayList<>();
    for (String name : CONDAS) {
      roots.add(home.resolve(name));
      roots.add(Paths.get("/opt").resolve(name));
    }
    roots.add(Paths.get("/opt/conda"));
    String root = environment.apply("MAMBA_ROOT_PREFIX");
    if (root != null && !root.isEmpty() && path(root) != null) {
      roots.add(path(root));
    }
    for (Path each : roots) {
      environment("conda", each);
      folder("conda", each.resolve("envs"));
    }
    for (String line : lines(home.resolve(".conda").resolve("environments.txt"))) {
      if (path(line) != null) {
        environment("conda", path(line));
      }
    }
    for (String name : ENVIRONMENTS) {
      folder("environment", home.resolve(name));
    }
  }

  private void path() {
    String value = environment.apply("PATH");
    for (String part : value == null ? new String[0] : value.split(java.io.File.pathSeparator)) {
      Path folder = part.isEmpty() ? null : path(part);
      for (String name : folder == null ? new String[0] : programs()) {
        add("PATH", folder.resolve(name), false);
      }
    }
  }

  /** Takes a folder that is an environment itself, or holds some. */
  private void folder(String source, Path folder) {
    environment(source, folder);
    for (Path child : children(folder, "*")) {
      environment(source, child);
    }
  }

  private void environment(String source, Path root) {
    Path program = programOf(root);
    if (program != null) {
      add(source, program, true);
    }
  }

  private void add(String source, Path program, boolean isEnvironment) {
    if (Files.isExecutable(program) && seen.add(program.toAbsolutePath().normalize())) {
      found.add(new Candidate(source, program, isEnvironment));
    }
  }

  /** Gives the Python of an environment: of venv or of conda; null when there is none. */
  static Path programOf(Path root) {
    for (String folder : new String[] {"bin", "Scripts", ""}) {
      for (String name : programs()) {
        Path program = root.resolve(folder).resolve(name);
        boolean outside = folder.isEmpty() && !Places.isWindows(); // conda on Windows only
        if (!outside && Files.isRegularFile(program) && Files.isExecutable(program)) {
          return program;
        }
      }
    }
    return null;
  }

  private static String[] programs() {
    return Places.isWindows() ? new String[] {"python.exe"} : new String[] {"python3", "python"};
  }

  private static List<Path> children(Path folder, String pattern) {
    List<Path> children = new ArrayList<>();
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, pattern)) {
        stream.forEach(children::add);
      } catch (IOException | java.nio.file.DirectoryIteratorException unreadable) {
        // The same as an empty folder.
      }
    }
    children.sort(null);
    return children;
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file, StandardCharsets.UTF_8);
    } catch (IOException missing) {
      return new ArrayList<>();
    }
  }

  private static Path path(String text) {
    try {
      return text.trim().isEmpty() ? null : Paths.get(text.trim());
    } catch (InvalidPathException broken) {
      return null;
    }
  }
}
