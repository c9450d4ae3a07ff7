package io.github.bioimgfiji.setup;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** The lists of packages, pinned by hash, that lie in the plugin's jar. */
final class Pins {
  private Pins() {}

  /** Gives the list for people who only run bioimg-fiji: its dependencies, not itself. */
  static String packages() throws IOException {
    return text("requirements-plugin.txt");
  }

  /** Gives the list with uv. */
  static String tools() throws IOException {
    return text("requirements-tools.txt");
  }

  private static String text(String name) throws IOException {
    try (InputStream stream = Pins.class.getResourceAsStream("/bioimg_fiji/" + name)) {
      if (stream == null) {
        throw new FileNotFoundException("the plugin's jar lacks " + name);
      }
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] part = new byte[8192];
      for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
        bytes.write(part, 0, count);
      }
      return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }
  }
}
