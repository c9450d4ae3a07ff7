package io.github.bioimgfiji.results;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.ImagePlus;
import ij.ImageStack;
import ij.VirtualStack;
import ij.WindowManager;
import ij.io.FileInfo;
import ij.macro.Interpreter;
import io.github.bioimgfiji.convert.ImageHeader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** When the files of virtual results go: never while anything has the stack, soon after that. */
@Timeout(60)
class ShownFilesTest {
  private static final int WIDTH = 4;
  private static final int HEIGHT = 3;
  private static final int PLANES = 2;

  /** Longer than any time after which a file is removed at the first look. */
  private static final long LONG_MS = 5000;

  @TempDir Path folder;
  private Path file;

  @AfterEach
  void end() {
    Interpreter.batchMode = false;
    ShownFiles.removeAll();
  }

  @Test
  void anImageThatIsHiddenAndShownAgainHasItsPixels() throws Exception {
    ImagePlus image = image();
    image.lock();
    image
        .flush(); // as hide() does: all listeners are told that it was closed, and nothing is freed
    image.unlock();
    Thread.sleep(LONG_MS);
    assertPixels(image.getImageStack());
  }

  @Test
  void aStackThatIsGivenToAnotherImageHasItsPixels() throws Exception {
    ImagePlus image = image();
    ImagePlus other = new ImagePlus("other", image.getImageStack());
    image.flush();
    Thread.sleep(LONG_MS);
    assertPixels(other.getImageStack());
  }

  @Test
  void aResultThatIsClosedInBatchModeIsRemoved() throws Exception {
    Interpreter.batchMode = true;
    show();
    Thread.sleep(LONG_MS / 2);
    assertPixels(WindowManager.getCurrentImage().getImageStack());
    WindowManager.getCurrentImage().close();
    assertRemoved();
  }

  @Test
  void aResultThatWasSavedAndClosedIsRemovedAlthoughItsWindowIsKept() throws Exception {
    ImagePlus image = image();
    FileInfo saved = image.getFileInfo(); // as File > Save As > Tiff... leaves it
    saved.virtualStack = (VirtualStack) image.getImageStack();
    image.setFileInfo(saved);
    image.flush();
    assertRemoved();
    assertFalse(image.hasImageStack(), "it is still here, as in the window that was closed last");
  }

  @Test
  void aResultThatWasClosedMakesRoomAtOnceForTheNext() throws Exception {
    Interpreter.batchMode = true;
    show();
    WindowManager.getCurrentImage().close();
    ShownFiles.makeRoom();
    assertFalse(Files.exists(file), "it is in the way of the next");
  }

  @Test
  void aResultThatNobodyHasShownIsRemoved() throws Exception {
    image();
    assertRemoved();
  }

  @Test
  void anImageThatReadsSlowlyKeepsNoOneWaiting() throws Exception {
    Path other = written("other");
    Object lock = ShownFiles.class;
    Thread holder =
        new Thread(
            () -> {
              synchronized (lock) {
                sleep();
              }
            });
    holder.start();
    while (holder.getState() != Thread.State.TIMED_WAITING) {
      Thread.yield();
    }
    Thread reader = new Thread(() -> open(other));
    reader.start();
    while (reader.getState() != Thread.State.BLOCKED) {
      Thread.yield();
    }
    StackTraceElement[] trace = reader.getStackTrace();
    holder.interrupt();
    reader.join();
    assertEquals("add", trace[0].getMethodName(), "it has been built before the lock is asked for");
  }

  private static void sleep() {
    try {
      TimeUnit.HOURS.sleep(1);
    } catch (InterruptedException done) {
      // The other thread waits for the lock.
    }
  }

  private static void open(Path file) {
    try {
      ShownFiles.image(header(), file);
    } catch (IOException unreadable) {
      throw new IllegalStateException(unreadable);
    }
  }

  private void show() throws IOException {
    image().show();
  }

  private ImagePlus image() throws IOException {
    file = ShownFiles.take(written("job.0"));
    return ShownFiles.image(header(), file);
  }

  /** Writes a result where a server has its own. */
  private Path written(String name) throws IOException {
    Path result = Files.createDirectories(folder.resolve("bioimg-fiji-1-x")).resolve(name);
    byte[] pixels = new byte[WIDTH * HEIGHT * PLANES];
    pixels[WIDTH * HEIGHT] = 7;
    return Files.write(result, pixels);
  }

  private static String header() {
    ImageStack stack = new ImageStack(WIDTH, HEIGHT);
    for (int i = 0; i < PLANES; i++) {
      stack.addSlice("", new byte[WIDTH * HEIGHT]);
    }
    return ImageHeader.describe(new ImagePlus("result", stack));
  }

  private void assertPixels(ImageStack stack) {
    assertTrue(Files.exists(file), "its file was removed");
    assertEquals(7, ((byte[]) stack.getPixels(2))[0]);
  }

  private void assertRemoved() throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(2 * LONG_MS);
    while (Files.exists(file)) {
      assertTrue(System.nanoTime() < end, "its file is still there");
      Thread.sleep(50);
    }
  }
}
