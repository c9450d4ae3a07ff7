package io.github.bioimgfiji.results;

import ij.ImagePlus;
import ij.ImageStack;
import ij.WindowManager;
import ij.io.FileInfo;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.convert.RawStack;
import java.io.IOException;
import java.lang.management.ManagementFactory;
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
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.Timer;
import java.util.TimerTask;
import java.util.WeakHashMap;
import java.util.stream.Collectors;

/**
 * The files of results that are virtual stacks. They are ImageJ's own: the server may end.
 *
 * <p>A file is removed when nothing refers to its stack any more, and at ImageJ's end. An image
 * that is closed may be shown again, and its stack be that of another one: so only Java's garbage
 * collection knows. It is asked for a little after no open image has the stack any more, whether or
 * not ImageJ has told of a closing (in batch mode it does not). What a killed ImageJ leaves is
 * swept by the next server: the folder has a lock that only a living process holds.
 */
public final class ShownFiles {
  private static final String PREFIX = "imagej-";
  private static final String LOCK = "lock";
  private static final int MEMORY_PARTS = 8;

  /** How often the open images are looked at. */
  private static final long LOOK_MS = 1000;

  /** Looks without an open image after which the garbage is collected; each time twice as many. */
  private static final int FIRST_WAIT = 1;

  private static final int LAST_WAIT = 64;

  private static final Map<Path, Path> FOLDERS = new HashMap<>();
  private static final List<FileChannel> LOCKS = new ArrayList<>();
  private static final Set<Shown> ALL = new HashSet<>();
  private static Timer timer;
  private static int count;

  private ShownFiles() {}

  /** The stack over one file, the images that had it, and for how long no open one has. */
  private static final class Shown extends WeakReference<ImageStack> {
    final Path file;
    private final Set<ImagePlus> images = Collections.newSetFromMap(new WeakHashMap<>());
    private int looks;
    private int wait = FIRST_WAIT;

    Shown(ImageStack stack, Path file, ImagePlus image) {
      super(stack);
      this.file = file;
      images.add(image);
    }

    /** Notes a look; tells whether it is time to ask whether the stack is garbage. */
    boolean isDue(Map<ImageStack, ImagePlus> open) {
      ImagePlus image = open.get(get());
      if (image != null) {
        images.add(image);
        looks = 0;
        wait = FIRST_WAIT;
        return false;
      }
      looks++;
      boolean due = looks == wait;
      if (due) {
        wait = wait < LAST_WAIT ? 2 * wait : 0; // a stack that a script keeps is not asked for ever
      }
      return due;
    }

    /**
     * Frees the stack of what ImageJ has noted when it saved an image that is closed now: a window
     * that was closed last is kept by Java, with its image, until another one is worked in.
     */
    void forgetSaved() {
      ImageStack stack = get();
      for (ImagePlus image : images) {
        FileInfo saved = image.getOriginalFileInfo();
        boolean closed = !image.hasImageStack() || image.getImageStack() != stack;
        if (closed && saved != null && saved.virtualStack == stack) {
          saved.virtualStack = null;
        }
      }
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
  public static Path take(Path file) throws IOException {
    Path folder = file.toAbsolutePath().getParent().getParent();
    long size = Files.size(file);
    sweep();
    if (Files.getFileStore(folder).getUsableSpace() < size) {
      collect(); // the next result of this kind needs as much
    }
    Path target = place(folder);
    return Files.move(file, target);
  }

  /**
   * Removes the files of results that were closed a moment ago, before the next ones need the disk.
   */
  public static void makeRoom() {
    if (isAnyClosed(open())) {
      collect();
    }
  }

  private static synchronized boolean isAnyClosed(Map<ImageStack, ImagePlus> open) {
    return ALL.stream().anyMatch(shown -> !open.containsKey(shown.get()));
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
  public static ImagePlus image(String header, Path file) throws IOException {
    try {
      RawStack stack = new RawStack(header, file);
      // NB: it reads planes, and those who wait for the lock must not wait for that.
      ImagePlus image = ImageHeader.build(header, stack);
      add(new Shown(stack, file, image));
      return image;
    } catch (IllegalArgumentException wrong) {
      Files.delete(file);
      throw wrong;
    }
  }

  private static synchronized void add(Shown shown) {
    ALL.add(shown);
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

  /** Gives the path of a new file in our folder beside the server's. */
  private static synchronized Path place(Path parent) throws IOException {
    Path folder = FOLDERS.get(parent);
    if (folder == null || !Files.isDirectory(folder)) {
      if (timer == null) {
        timer = new Timer("BioImg closed results", true);
        timer.schedule(new Look(), LOOK_MS, LOOK_MS);
        Runtime.getRuntime()
            .addShutdownHook(new Thread(ShownFiles::removeAll, "BioImg results' end"));
      }
      folder = made(parent);
      FOLDERS.put(parent, folder);
    }
    return folder.resolve(count++ + ".raw");
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

  /** Collects the garbage, and removes the files of stacks that were some. */
  private static void collect() {
    forgetSaved();
    System.gc();
    sweep();
  }

  /** Removes files whose stack nothing refers to any more. */
  private static void sweep() {
    for (Shown shown : gone()) {
      try {
        Files.deleteIfExists(shown.file);
      } catch (IOException busy) {
        // It goes with the folder.
      }
    }
  }

  private static synchronized List<Shown> gone() {
    List<Shown> gone =
        ALL.stream().filter(shown -> shown.get() == null).collect(Collectors.toList());
    ALL.removeAll(gone);
    return gone;
  }

  private static synchronized void forgetSaved() {
    ALL.forEach(Shown::forgetSaved);
  }

  private static synchronized boolean isEmpty() {
    return ALL.isEmpty();
  }

  private static synchronized boolean isDue(Map<ImageStack, ImagePlus> open) {
    boolean due = false;
    for (Shown shown : ALL) {
      due |= shown.isDue(open);
    }
    return due;
  }

  /** Gives the images that are open, in windows or in a macro's batch mode, by their stacks. */
  private static Map<ImageStack, ImagePlus> open() {
    Map<ImageStack, ImagePlus> open = new IdentityHashMap<>();
    int[] ids = WindowManager.getIDList();
    for (int id : ids == null ? new int[0] : ids) {
      ImagePlus image = WindowManager.getImage(id);
      if (image != null && image.hasImageStack()) {
        open.put(image.getImageStack(), image);
      }
    }
    return open;
  }

  /** Looks now and then for stacks that no open image has. */
  private static final class Look extends TimerTask {
    @Override
    public void run() {
      try {
        if (!isEmpty() && isDue(open())) {
          collect();
        } else {
          sweep();
        }
      } catch (RuntimeException changed) {
        // An image was closed at this very moment; the next look will see.
      }
    }
  }
}
