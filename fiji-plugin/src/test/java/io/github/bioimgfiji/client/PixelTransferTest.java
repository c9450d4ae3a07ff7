package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.ImageStack;
import ij.VirtualStack;
import ij.process.ByteProcessor;
import ij.process.ImageProcessor;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.ShownFiles;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PixelTransferTest {
  private static final int SIDE = 1024;
  private static final int PLANES = 48;
  private static final long LARGEST = 100;

  @TempDir Path folder;
  private final Witness witness = new Witness();
  private FakeServer server;
  private PixelTransfer transfer;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    transfer = new PixelTransfer(server.http(), witness, LARGEST);
  }

  @AfterEach
  void stop() {
    ShownFiles.removeAll();
    server.close();
  }

  /** Makes each plane when it is asked for, and notes which are still held by somebody. */
  private static final class Counting extends VirtualStack {
    final List<Integer> asked = new ArrayList<>();
    final List<WeakReference<Object>> given = new ArrayList<>();
    long mostAlive;

    Counting() {
      super(SIDE, SIDE, null, "");
    }

    @Override
    public ImageProcessor getProcessor(int n) {
      asked.add(n);
      if (asked.size() % 8 == 0) {
        System.gc();
        mostAlive = Math.max(mostAlive, given.stream().filter(each -> each.get() != null).count());
      }
      byte[] pixels = new byte[SIDE * SIDE];
      pixels[n] = (byte) n;
      given.add(new WeakReference<>(pixels));
      return new ByteProcessor(SIDE, SIDE, pixels);
    }

    @Override
    public Object[] getImageArray() {
      throw new AssertionError("all planes at once");
    }

    @Override
    public int getSize() {
      return PLANES;
    }

    @Override
    public int size() {
      return PLANES;
    }
  }

  @Test
  void virtualStacksAreSentPlaneByPlaneInOnePass() throws Exception {
    Counting stack = new Counting();
    ImagePlus image = new ImagePlus("virtual", stack);
    ImageHeader.describe(image);
    stack.asked.clear();
    Path file = Files.createFile(folder.resolve("buffer"));
    transfer.send(image, buffer(file));
    assertEquals((long) PLANES * SIDE * SIDE, Files.size(file));
    List<Integer> each = new ArrayList<>();
    for (int i = 1; i <= PLANES; i++) {
      each.add(i);
    }
    assertEquals(each, stack.asked);
    // The image's own current plane, the one that is written, and the one before.
    assertTrue(stack.mostAlive <= 3, stack.mostAlive + " planes were held at a time");
    byte[] bytes = Files.readAllBytes(file);
    assertEquals(7, bytes[6 * SIDE * SIDE + 7]);
  }

  @Test
  void virtualAndLargeStacksGoToTheDisk() {
    assertTrue(transfer.wantsDisk(new ImagePlus("virtual", new Counting())));
    assertTrue(transfer.wantsDisk(stack(21)));
    assertFalse(transfer.wantsDisk(stack(20)));
  }

  @Test
  void aLargeResultOnTheDiskIsAVirtualStackOverAFileOfOurOwn() throws Exception {
    ImagePlus before = stack(15);
    Path file = result(before);
    ImagePlus after = transfer.receive(part(before, file, true), () -> {});
    assertTrue(after.getStack().isVirtual());
    assertFalse(Files.exists(file), "the server's file was not taken over");
    assertEquals(1, shown().size());
    assertArrayEquals(
        (byte[]) before.getStack().getPixels(9), (byte[]) after.getStack().getPixels(9));
    assertEquals("plane 9", after.getStack().getSliceLabel(9));
    assertEquals(0.25, after.getCalibration().pixelWidth);
    ShownFiles.removeAll();
    assertEquals(0, shown().size());
  }

  @Test
  void aSmallResultComesIntoMemory() throws Exception {
    ImagePlus before = stack(10);
    Path file = result(before);
    ImagePlus after = transfer.receive(part(before, file, true), () -> {});
    assertFalse(after.getStack().isVirtual());
    assertTrue(Files.exists(file), "it is the server's");
  }

  @Test
  void aLargeResultInTheServersMemoryComesIntoMemory() throws Exception {
    ImagePlus before = stack(15);
    ImagePlus after = transfer.receive(part(before, result(before), false), () -> {});
    assertFalse(after.getStack().isVirtual());
  }

  @Test
  void aFullDiskIsToldWithTheSettingOfItsFolder() {
    Path full = Paths.get("/dev/full");
    assumeTrue(Files.isWritable(full), "a system with a device that is always full");
    assertTrue(failure(() -> transfer.send(stack(10), buffer(full))).fix().contains("_BUFFERS)"));
    String fix = failure(() -> transfer.send(stack(21), buffer(full))).fix();
    assertTrue(fix.contains("BIOIMG_FIJI_CACHE"), fix);
    assertFalse(fix.contains("BUFFERS"), fix);
  }

  @Test
  void aResultThatCannotBeTakenOverIsTold() {
    Path fixed = Paths.get("/sys/kernel/mm/transparent_hugepage/enabled");
    assumeTrue(Files.isReadable(fixed), "a system with files that nobody can move");
    BackendException error =
        failure(() -> transfer.receive(part(stack(15), fixed, true), () -> {}));
    assertTrue(error.getMessage().contains(fixed + " could not be taken over"), error.getMessage());
    assertTrue(error.fix().contains("BIOIMG_FIJI_CACHE"), error.fix());
  }

  private static BackendException failure(Executable work) {
    BackendException error = assertThrows(BackendException.class, work);
    assertEquals("storage", error.code());
    return error;
  }

  @Test
  void aDamagedResultIsAnErrorAndLeavesNothing() throws Exception {
    ImagePlus before = stack(15);
    Path file = result(before);
    Files.write(file, new byte[149]);
    BackendException wrong =
        assertThrows(
            BackendException.class, () -> transfer.receive(part(before, file, true), () -> {}));
    assertEquals("protocol", wrong.code());
    assertEquals(0, shown().size());
  }

  @Test
  void filesOfStacksThatNobodyHasAreRemoved() throws Exception {
    ImagePlus before = stack(15);
    for (int i = 0; i < 20; i++) {
      transfer.receive(part(before, result(before), true), () -> {});
      System.gc();
      Thread.sleep(20); // references are told on a thread of Java's own
    }
    assertTrue(shown().size() < 20, shown().size() + " files are left");
  }

  @Test
  void cancellingStopsBetweenPlanes() throws Exception {
    Counting stack = new Counting();
    witness.stopWhen(() -> stack.asked.size() > 5);
    ImagePlus image = new ImagePlus("virtual", stack);
    Path file = Files.createFile(folder.resolve("buffer"));
    assertThrows(CancelledIoException.class, () -> transfer.send(image, buffer(file)));
    assertTrue(stack.asked.size() <= 7, stack.asked.toString());
  }

  private List<Path> shown() throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(file -> file.getParent().getFileName().toString().startsWith("imagej-"))
          .filter(file -> file.toString().endsWith(".raw"))
          .collect(Collectors.toList());
    }
  }

  /** Gives a stack of so many planes, 10 bytes each. */
  private static ImagePlus stack(int planes) {
    ImageStack stack = new ImageStack(5, 2);
    for (int i = 1; i <= planes; i++) {
      stack.addSlice("plane " + i, new byte[] {(byte) i, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    }
    ImagePlus image = new ImagePlus("stack", stack);
    image.getCalibration().pixelWidth = 0.25;
    image.getCalibration().setUnit("mm");
    return image;
  }

  /** Writes a result as the server does, in a folder of its own. */
  private Path result(ImagePlus image) throws Exception {
    Path file = Files.createDirectories(folder.resolve("bioimg-fiji-1-x")).resolve("job.0");
    Files.deleteIfExists(file);
    Files.createFile(file);
    new PixelTransfer(server.http(), new Witness(), 0).send(image, buffer(file));
    return file;
  }

  private static JsonObject buffer(Path file) {
    JsonObject buffer = new JsonObject();
    buffer.addProperty("id", "1");
    buffer.addProperty("path", file.toString());
    return buffer;
  }

  private static JsonObject part(ImagePlus image, Path file, boolean onDisk) {
    JsonObject part = new JsonObject();
    part.add("header", Json.object(ImageHeader.describe(image)));
    part.addProperty("buffer", "1");
    part.addProperty("path", file.toString());
    part.addProperty("on_disk", onDisk);
    return part;
  }
}
