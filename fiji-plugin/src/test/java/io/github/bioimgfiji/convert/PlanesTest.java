package io.github.bioimgfiji.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ij.ImagePlus;
import ij.ImageStack;
import ij.VirtualStack;
import ij.process.FloatProcessor;
import ij.process.ImageProcessor;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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

class PlanesTest {
  @TempDir Path folder;

  static Stream<Map.Entry<String, ImagePlus>> samples() {
    return SampleImages.all().entrySet().stream();
  }

  @ParameterizedTest
  @MethodSource("samples")
  void pixelsComeBackBitForBit(Map.Entry<String, ImagePlus> sample) throws IOException {
    ImagePlus image = sample.getValue();
    Path file = written(image);
    assertEquals(Planes.size(image), Files.size(file));
    Object[] planes = read(image, file);
    ImageStack stack = image.getStack();
    for (int i = 0; i < planes.length; i++) {
      assertEquals(stack.getProcessor(i + 1).getClass(), processor(image, planes[i]).getClass());
      assertArrayEquals(
          new Object[] {stack.getPixels(i + 1)}, new Object[] {planes[i]}, "plane " + i);
    }
  }

  @Test
  void signedValuesAreWrittenAsSigned() throws IOException {
    ByteBuffer bytes = bytes(written(SampleImages.signed()));
    assertEquals(-6, bytes.getShort(0));
    assertEquals(5, bytes.getShort(22));
  }

  @Test
  void coloursAreWrittenPlaneByPlane() throws IOException {
    ByteBuffer bytes = bytes(written(SampleImages.rgbStack()));
    assertEquals(3, bytes.get(3), "red of the fourth pixel");
    assertEquals((byte) 197, bytes.get(20 + 3), "green");
    assertEquals(39, bytes.get(40 + 3), "blue");
    assertEquals(77 + 3, bytes.get(60 + 3), "red in the second slice");
  }

  @Test
  void planesLargerThanTheBufferComeBack() throws IOException {
    float[] values = new float[700 * 701];
    for (int i = 0; i < values.length; i++) {
      values[i] = i * 1.5f;
    }
    ImagePlus image = new ImagePlus("large", new FloatProcessor(700, 701, values));
    assertArrayEquals(values, (float[]) read(image, written(image))[0]);
  }

  @Test
  void virtualStacksAreReadPlaneByPlane() throws IOException {
    ImageStack stack =
        new VirtualStack(2, 1, null, "") {
          @Override
          public ImageProcessor getProcessor(int n) {
            return new FloatProcessor(2, 1, new float[] {n, -n});
          }

          @Override
          public int getSize() {
            return 3;
          }
        };
    ByteBuffer bytes = bytes(written(new ImagePlus("virtual", stack)));
    assertEquals(24, bytes.limit());
    assertEquals(-3f, bytes.getFloat(20));
  }

  @Test
  void aShortFileIsAnError() throws IOException {
    ImagePlus image = SampleImages.plain();
    Path file = written(image);
    Files.write(file, new byte[23]);
    assertThrows(EOFException.class, () -> read(image, file));
  }

  private Path written(ImagePlus image) throws IOException {
    Path file = folder.resolve(image.getTitle() + ".raw");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      Planes.write(image, channel);
    }
    return file;
  }

  private static Object[] read(ImagePlus image, Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return Planes.read(ImageHeader.describe(image), channel);
    }
  }

  private static ImageProcessor processor(ImagePlus image, Object plane) {
    ImageStack stack = new ImageStack(image.getWidth(), image.getHeight());
    stack.addSlice(null, plane);
    return stack.getProcessor(1);
  }

  private static ByteBuffer bytes(Path file) throws IOException {
    return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
  }
}
