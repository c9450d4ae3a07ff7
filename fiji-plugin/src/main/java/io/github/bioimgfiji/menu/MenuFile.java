package io.github.bioimgfiji.menu;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * The menu's cache: a jar beside ours that holds only a plugins.config, which ImageJ reads when it
 * starts, as it reads ours. So nothing of ours runs at the start.
 */
public final class MenuFile {
  /** Its name; the underscore makes ImageJ look into it. */
  public static final String NAME = "bioimg_fiji-menu.jar";

  private static final String ENTRY = "plugins.config";

  private final Path path;

  MenuFile(Path folder) {
    path = folder.resolve(NAME);
  }

  /** Gives the lines that it has; "" where there is none, or a damaged one. */
  String read() {
    if (!Files.isRegularFile(path)) {
      return "";
    }
    try (ZipFile zip = new ZipFile(path.toFile())) {
      ZipEntry entry = zip.getEntry(ENTRY);
      return entry == null ? "" : text(zip.getInputStream(entry));
    } catch (IOException damaged) {
      return "";
    }
  }

  private static String text(InputStream stream) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    byte[] part = new byte[8192];
    for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
      bytes.write(part, 0, count);
    }
    return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
  }

  /** Writes lines, where they differ from those that it has; no lines remove it. */
  void write(String lines) throws IOException {
    if (lines.isEmpty()) {
      Files.deleteIfExists(path);
    } else if (!lines.equals(read())) {
      put(jar(lines));
    }
  }

  private static byte[] jar(String lines) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry(ENTRY));
      zip.write(lines.getBytes(StandardCharsets.UTF_8));
      zip.closeEntry();
    }
    return bytes.toByteArray();
  }

  private void put(byte[] bytes) throws IOException {
    // NB: no name of a jar until it is whole, or an ImageJ that starts now reads half of it.
    Path part = path.resolveSibling(NAME + ".part");
    Files.write(part, bytes);
    try {
      Files.move(part, path, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException inUse) {
      // On Windows an open jar can be written to, but not replaced.
      Files.write(path, bytes);
      Files.deleteIfExists(part);
    }
  }
}
