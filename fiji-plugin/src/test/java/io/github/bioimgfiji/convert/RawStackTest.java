package io.github.bioimgfiji.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.IJ;
import ij.ImagePlus;
import ij.ImageStack;
import ij.VirtualStack;
import ij.io.FileSaver;
import ij.plugin.HyperStackConverter;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RawStackTest {
  @TempDir Path folder;

  static Stream<Map.Entry<String, ImagePlus>> samples() {
    return SampleImages.all().entrySet().stream();
  }

  @ParameterizedTest
  @MethodSource("samples")
  void showsTheSameImageFromItsFile(Map.Entry<String, ImagePlus> sample) throws IOException {
    ImagePlus before = sample.getValue();
    ImagePlus after = virtual(before);
    assertTrue(after.getStack().isVirtual() || before.getStackSize() == 1);
    assertEquals(
        Json.object(ImageHeader.describe(before)), Json.object(ImageHeader.describe(after)));
    assertArrayEquals(before.getDimensions(), after.getDimensions());
    assertEquals(before.getType(), after.getType());
    for (int i = 1; i <= before.getStackSize(); i++) {
      assertArrayEquals(
          new Object[] {before.getStack().getPixels(i)},
          new Object[] {after.getStack().getPixels(i)},
          "plane " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("samples")
  void isSavedAsTiffWithAllOfIt(Map.Entry<String, ImagePlus> sample) throws IOException {
    ImagePlus before = sample.getValue();
    String saved = folder.resolve("saved.tif").toString();
    ImagePlus virtual = virtual(before);
    FileSaver saver = new FileSaver(virtual);
    assertTrue(virtual.getStackSize() > 1 ? saver.saveAsTiffStack(saved) : saver.saveAsTiff(saved));
    ImagePlus after = IJ.openImage(saved);
    assertArrayEquals(before.getDimensions(), after.getDimensions());
    assertEquals(before.getCalibration().pixelWidth, after.getCalibration().pixelWidth);
    assertEquals(before.getCalibration().isSigned16Bit(), after.getCalibration().isSigned16Bit());
    for (int i = 1; i <= before.getStackSize(); i++) {
      assertArrayEquals(
          new Object[] {before.getStack().getPixels(i)},
          new Object[] {after.getStack().getPixels(i)},
          "plane " + i);
    }
  }

  @Test
  void slicesCanBeDeleted() throws IOException {
    ImagePlus before = SampleImages.hyperstack();
    ImageStack stack = virtual(before).getStack();
    stack.deleteSlice(2);
    stack.deleteLastSlice();
    assertEquals(22, stack.size());
    assertArrayEquals((short[]) before.getStack().getPixels(3), (short[]) stack.getPixels(2));
    assertEquals(before.getStack().getSliceLabel(3), stack.getSliceLabel(2));
    assertThrows(IllegalArgumentException.class, () -> stack.getProcessor(23));
  }

  @Test
  void anotherOrderOfTheAxesShowsTheSamePlanesAsInMemory() throws IOException {
    ImagePlus memory = SampleImages.hyperstack();
    ImagePlus virtual = virtual(memory);
    for (String order : new String[] {"xyzct", "xytzc"}) {
      memory = HyperStackConverter.toHyperStack(memory, 2, 3, 4, order, "grayscale");
      virtual = HyperStackConverter.toHyperStack(virtual, 2, 3, 4, order, "grayscale");
      assertSamePlanes(memory.getStack(), virtual.getStack());
    }
    memory.getStack().deleteSlice(2);
    virtual.getStack().deleteSlice(2);
    assertSamePlanes(memory.getStack(), virtual.getStack());
  }

  @Test
  void reducedEachSecondSliceIsThere() throws IOException {
    ImageStack memory = SampleImages.hyperstack().getStack();
    VirtualStack virtual = (VirtualStack) virtual(SampleImages.hyperstack()).getStack();
    virtual.reduce(25);
    assertSamePlanes(memory, virtual);
    virtual.reduce(2);
    for (int i = memory.size(); i > 0; i -= 2) {
      memory.deleteSlice(i);
    }
    assertEquals(12, virtual.size());
    assertSamePlanes(memory, virtual);
  }

  private static void assertSamePlanes(ImageStack before, ImageStack after) {
    assertEquals(before.size(), after.size());
    for (int i = 1; i <= before.size(); i++) {
      assertArrayEquals((short[]) before.getPixels(i), (short[]) after.getPixels(i), "plane " + i);
      assertEquals(before.getSliceLabel(i), after.getSliceLabel(i), "plane " + i);
    }
  }

  @Test
  void aFileOfAnotherLengthIsRefused() throws IOException {
    ImagePlus image = SampleImages.hyperstack();
    Path file = written(image);
    Files.write(file, new byte[10], StandardOpenOption.APPEND);
    String header = ImageHeader.describe(image);
    Exception wrong =
        assertThrows(IllegalArgumentException.class, () -> new RawStack(header, file));
    assertTrue(wrong.getMessage().contains("2304 bytes"), wrong.getMessage());
  }

  @Test
  void aThreadThatWasInterruptedCanRead() throws IOException {
    ImageStack stack = virtual(SampleImages.hyperstack()).getStack();
    Thread.currentThread().interrupt();
    short[] pixels = (short[]) stack.getPixels(3);
    assertTrue(Thread.interrupted());
    assertArrayEquals((short[]) SampleImages.hyperstack().getStack().getPixels(3), pixels);
  }

  private ImagePlus virtual(ImagePlus image) throws IOException {
    String header = ImageHeader.describe(image);
    return ImageHeader.build(header, new RawStack(header, written(image)));
  }

  private Path written(ImagePlus image) throws IOException {
    Path file = folder.resolve("pixels");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      Planes.write(image, channel);
    }
    return file;
  }
}
