package io.github.bioimgfiji.client;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * The private folder of a server's pixel files, when the server was killed and cannot remove it
 * itself.
 */
final class PixelFolder {
  private PixelFolder() {}

  /**
   * Removes the folder of a server that has died; the next server would, but pixels in memory are
   * not to wait for it.
   *
   * @param folder parent of the files that the server has named
   * @param server the server's process id, which is part of the folder's name
   */
  static void remove(Path folder, long server) {
    boolean theirs =
        folder.getFileName().toString().startsWith("bioimg-fiji-" + server + "-")
            && Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS);
    if (!theirs) {
      return;
    }
    try {
      empty(folder);
    } catch (IOException busy) {
      // The next server sweeps it.
    }
  }

  /** Removes a folder with its files, and the folders of its jobs; links are not followed. */
  private static void empty(Path folder) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
          empty(file);
        } else {
          Files.delete(file);
        }
      }
    }
    Files.delete(folder);
  }
}
