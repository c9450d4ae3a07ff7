package io.github.bioimgfiji.results;

import ij.ImageListener;
import ij.ImagePlus;
import ij.ImageStack;
import ij.WindowManager;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.convert.RawStack;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.Timer;
import java.util.TimerTask;
import java.util.WeakHashMap;

/**
 * The files of results that are virtual stacks. They are ImageJ's own: the server may end.
 *
 * <p>A file is removed a little after its last image was closed, when nothing refers to its stack
 * any more, and at ImageJ's end. What a killed ImageJ leaves is swept by the next server: the
 * folder has a lock that only a living process holds.
 */
public final class ShownFiles {
  private static final String PREFIX = "imagej-";
  private static final String LOCK = "lock";
  private static final int MEMORY_PARTS = 8;

  /** Commands that change an image's kind close it and show its stack in another one. */
  private static final long GRACE_MS = 1500;

  private static final Map<Path, Path> FOLDERS = new HashMap<>();
  private static final List<FileChannel> LOCKS = new ArrayList<>();
  private static final Set<Shown> ALL = new HashSet<>();
  private static final ReferenceQueue<ImageStack> GONE = new ReferenceQueue<>();
  private static Timer timer;
  private static int count;

  private ShownFiles() {}

  /** The stack over one file, and the images that show it. */
  private static final class Shown extends WeakReference<ImageStack> {
    final Path file;
    final Set<ImagePlus> images = Collections.newSetFromMap(new WeakHashMap<>());

    Shown(ImageStack stack, Path file) {
      super(stack, GONE);
      this.file = file;
    }
  }

  /**
   * Makes a server's file ours: it is renamed into a folder beside the server's, or copied where
   * that cannot be.
   *
   * @param file the file, in a private folder of the server
   * @return where it is now
   * @throws IOException when it can be neither renamed nor copied
   */
  public static synchronized Path take(Path file) throws IOException {
    Path parent = file.toAbsolutePath().getParent().getParent();
    Path target = folder(parent).resolve(count++ + ".raw");
    return Files.move(file, target);
  }

  /**
   * Tells how large a stack may be that Java takes into its memory although it could stay on disk.
   *
   * @return bytes
   */
  public static long largestInMemory() {
    return Runtime.getRuntime().maxMemory() / MEMORY_PARTS;
  }

  /**
   * Gives a virtual stack over a file, which is removed when it is not needed any more.
   *
   * @param header the image's header
   * @param file the file, which {@link #take} gave
   * @return the image
   * @throws IllegalArgumentException when the header does not fit the file; the file is removed
   * @throws IOException when the file cannot be read
   */
  public static synchronized ImagePlus image(String header, Path file) throws IOException {
    try {
      RawStack stack = new RawStack(header, file);
      ImagePlus image = ImageHeader.build(header, stack);
      Shown shown = new Shown(stack, file);
      shown.images.add(image);
      ALL.add(shown);
      sweep();
      return image;
    } catch (IllegalArgumentException wrong) {
      Files.delete(file);
      throw wrong;
    }
  }

  /** Removes all files: ImageJ ends. */
  public static synchronized void removeAll() {
    ALL.clear();
    for (FileChannel lock : LOCKS) {
      try {
        lock.close();
      } catch (IOException closed) {
        // The end of the process frees it.
      }
    }
    LOCKS.clear();
    FOLDERS.values().forEach(ShownFiles::remove);
    FOLDERS.clear();
  }

  private static Path folder(Path parent) throws IOException {
    Path folder = FOLDERS.get(parent);
    if (folder == null || !Files.isDirectory(folder)) {
      if (timer == null) {
        timer = new Timer("BioImg closed results", true);
        ImagePlus.addImageListener(new Watch());
        Runtime.getRuntime()
            .addShutdownHook(new Thread(ShownFiles::removeAll, "BioImg results' end"));
      }
      folder = made(parent);
      FOLDERS.put(parent, folder);
    }
    return folder;
  }

  /** Makes a folder that no one else may enter, and locks it. */
  private static Path made(Path parent) throws IOException {
    Path folder = Files.createTempDirectory(parent, PREFIX + process() + "-");
    FileChannel channel =
        FileChannel.open(
            folder.resolve(LOCK), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    LOCKS.add(channel);
    channel.lock();
    return folder;
  }

  private static String process() {
    // NB: Java 8 has no other way to the process id.
    return ManagementFactory.getRuntimeMXBean().getName().replaceAll("\\D.*", "");
  }

  private static void remove(Path folder) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Files.delete(file);
      }
      Files.delete(folder);
    } catch (IOException busy) {
      // The next server sweeps it.
    }
  }

  /** Removes files whose stack nothing refers to any more. */
  private static void sweep() {
    for (Object gone = GONE.poll(); gone != null; gone = GONE.poll()) {
      free((Shown) gone);
    }
  }

  private static void free(Shown shown) {
    if (ALL.remove(shown)) {
      try {
        Files.deleteIfExists(shown.file);
      } catch (IOException busy) {
        // It goes with the folder.
      }
    }
  }

  private static synchronized void opened(ImagePlus image) {
    ImageStack stack = image.getImageStack();
    for (Shown shown : ALL) {
      if (shown.get() == stack) {
        shown.images.add(image);
      }
    }
    sweep();
  }

  private static synchronized void closed(ImagePlus image) {
    for (Shown shown : ALL) {
      if (shown.images.remove(image)) {
        timer.schedule(
            new TimerTask() {
              @Override
              public void run() {
                freeUnlessShown(shown);
              }
            },
            GRACE_MS);
      }
    }
    sweep();
  }

  private static synchronized void freeUnlessShown(Shown shown) {
    int[] open = WindowManager.getIDList();
    for (int id : open == null ? new int[0] : open) {
      ImagePlus image = WindowManager.getImage(id);
      if (image != null && image.getImageStack() == shown.get()) {
        shown.images.add(image);
      }
    }
    if (shown.images.isEmpty()) {
      free(shown);
    }
  }

  private static final class Watch implements ImageListener {
    @Override
    public void imageOpened(ImagePlus image) {
      opened(image);
    }

    @Override
    public void imageClosed(ImagePlus image) {
      closed(image);
    }

    @Override
    public void imageUpdated(ImagePlus image) {}
  }
}
