package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.menu.MenuFile;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.List;

/** The jar that this plugin was loaded from. */
final class PluginJar {
  private PluginJar() {}

  /** Gives its path; null where the classes lie in no jar. */
  static Path path() {
    CodeSource source = PluginJar.class.getProtectionDomain().getCodeSource();
    try {
      Path path = source == null ? null : Paths.get(source.getLocation().toURI());
      return path != null && Files.isRegularFile(path) ? path : null;
    } catch (URISyntaxException | IllegalArgumentException | FileSystemNotFoundException noFile) {
      return null;
    }
  }

  /**
   * Gives all jars of this plugin in a folder of plugins; more than one get in each other's way.
   * The {@link MenuFile} beside them is none of them.
   */
  static List<Path> all(Path plugins) {
    List<Path> jars = new ArrayList<>();
    if (plugins != null && Files.isDirectory(plugins)) {
      try (DirectoryStream<Path> found = Files.newDirectoryStream(plugins, "bioimg_fiji*.jar")) {
        found.forEach(jars::add);
        jars.removeIf(jar -> jar.endsWith(MenuFile.NAME));
      } catch (IOException unreadable) {
        // The same as an empty folder.
      }
    }
    return jars;
  }
}
