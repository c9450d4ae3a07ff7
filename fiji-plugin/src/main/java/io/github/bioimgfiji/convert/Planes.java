package io.github.bioimgfiji.convert;

import ij.ImagePlus;
import ij.ImageStack;
import io.github.bioimgfiji.json.Json;
import java.io.EOFException;
import java.io.IOException;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/**
 * The pixels of an image as the bytes that its header describes: C order, little-endian.
 *
 * <p>Bytes go through one small buffer, plane by plane, so that an image of any size, virtual
 * stacks among them, needs no second copy in memory. Files are written, never mapped: a full
 * memory-backed disk must be an error, and not a crash.
 */
public final class Planes {
  private static final int CHUNK = 1 << 20;

  private Planes() {}

  /**
   * Tells how many bytes the pixels have.
   *
   * @param image the image
   * @return bytes
   */
  public static long size(ImagePlus image) {
    Dimensions sizes = Dimensions.of(image);
    return (long) sizes.planes() * sizes.planeSize() * PixelType.of(image).bytesPerPixel;
  }

  /**
   * Tells how many bytes the pixels of a header have.
   *
   * @param headerJson the header
   * @return bytes
   */
  public static long size(String headerJson) {
    Dimensions sizes = Dimensions.of(Json.object(headerJson));
    return (long) sizes.planes() * sizes.planeSize() * type(headerJson).bytesPerPixel;
  }

  /** Gives the bytes of a value of an image. */
  public static int bytesPerPixel(ImagePlus image) {
    return perValue(PixelType.of(image));
  }

  /** Gives the bytes of a value of a header's image. */
  public static int bytesPerPixel(String headerJson) {
    return perValue(type(headerJson));
  }

  private static int perValue(PixelType type) {
    return type == PixelType.RGB ? 1 : type.bytesPerPixel;
  }

  private static PixelType type(String headerJson) {
    com.google.gson.JsonObject header = Json.object(headerJson);
    return PixelType.of(Json.string(header, "dtype", ""), Dimensions.of(header).rgb);
  }

  /**
   * Writes the pixels.
   *
   * @param image the image
   * @param channel where to
   * @throws IOException when the channel cannot take them all
   */
  public static void write(ImagePlus image, WritableByteChannel channel) throws IOException {
    PixelType type = PixelType.of(image);
    ImageStack stack = image.getStack();
    ByteBuffer buffer = buffer();
    for (int i = 1; i <= stack.getSize(); i++) {
      writePlane(stack.getPixels(i), type, buffer, channel);
    }
  }

  /**
   * Reads the planes that a header describes.
   *
   * @param headerJson the header
   * @param channel where from
   * @return planes for {@link ImageHeader#build}
   * @throws IOException when the channel cannot give them all
   */
  public static Object[] read(String headerJson, ReadableByteChannel channel) throws IOException {
    Dimensions sizes = Dimensions.of(Json.object(headerJson));
    PixelType type = type(headerJson);
    ByteBuffer buffer = buffer();
    Object[] planes = new Object[sizes.planes()];
    for (int i = 0; i < planes.length; i++) {
      planes[i] = readPlane(sizes.planeSize(), type, buffer, channel);
    }
    return planes;
  }

  static void check(Object[] planes, Dimensions sizes, PixelType type) {
    if (planes.length != sizes.planes()) {
      throw new IllegalArgumentException(
          "The header describes "
              + sizes.planes()
              + " planes, but there are "
              + planes.length
              + ".");
    }
    for (Object plane : planes) {
      int length = length(plane, type);
      if (length != sizes.planeSize()) {
        throw new IllegalArgumentException(
            "A plane of "
                + type.dtype
                + " has "
                + sizes.planeSize()
                + " pixels, but one is "
                + (length < 0 ? "of class " + plane.getClass().getSimpleName() : "" + length)
                + ".");
      }
    }
  }

  private static int length(Object plane, PixelType type) {
    switch (type) {
      case UINT8:
        return plane instanceof byte[] ? ((byte[]) plane).length : -1;
      case FLOAT32:
        return plane instanceof float[] ? ((float[]) plane).length : -1;
      case RGB:
        return plane instanceof int[] ? ((int[]) plane).length : -1;
      default:
        return plane instanceof short[] ? ((short[]) plane).length : -1;
    }
  }

  private static void writePlane(
      Object plane, PixelType type, ByteBuffer buffer, WritableByteChannel channel)
      throws IOException {
    int pixels = java.lang.reflect.Array.getLength(plane);
    int parts = type == PixelType.RGB ? 3 : 1;
    for (int part = 0; part < parts; part++) {
      int width = type == PixelType.RGB ? 1 : type.bytesPerPixel;
      for (int from = 0; from < pixels; from += CHUNK / width) {
        int count = Math.min(CHUNK / width, pixels - from);
        rewind(buffer, count * width);
        put(plane, type, part, from, count, buffer);
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
      }
    }
  }

  private static void put(
      Object plane, PixelType type, int part, int from, int count, ByteBuffer buffer) {
    switch (type) {
      case UINT8:
        buffer.duplicate().put((byte[]) plane, from, count);
        break;
      case UINT16:
        buffer.asShortBuffer().put((short[]) plane, from, count);
        break;
      case INT16:
        for (int i = 0; i < count; i++) {
          buffer.putShort(2 * i, flipped(((short[]) plane)[from + i]));
        }
        break;
      case FLOAT32:
        buffer.asFloatBuffer().put((float[]) plane, from, count);
        break;
      default:
        for (int i = 0; i < count; i++) {
          buffer.put(i, (byte) (((int[]) plane)[from + i] >> shift(part)));
        }
    }
  }

  /** Reads one plane. */
  static Object readPlane(int pixels, PixelType type, ReadableByteChannel channel)
      throws IOException {
    // NB: direct buffers are given back late, and a viewer reads planes by the hundred.
    ByteBuffer buffer = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
    return readPlane(pixels, type, buffer, channel);
  }

  private static Object readPlane(
      int pixels, PixelType type, ByteBuffer buffer, ReadableByteChannel channel)
      throws IOException {
    Object plane = create(pixels, type);
    int parts = type == PixelType.RGB ? 3 : 1;
    for (int part = 0; part < parts; part++) {
      int width = type == PixelType.RGB ? 1 : type.bytesPerPixel;
      for (int from = 0; from < pixels; from += CHUNK / width) {
        int count = Math.min(CHUNK / width, pixels - from);
        rewind(buffer, count * width);
        while (buffer.hasRemaining()) {
          if (channel.read(buffer) < 0) {
            throw new EOFException("The pixels end before the header's shape is full.");
          }
        }
        rewind(buffer, count * width);
        get(plane, type, part, from, count, buffer);
      }
    }
    return plane;
  }

  private static Object create(int pixels, PixelType type) {
    switch (type) {
      case UINT8:
        return new byte[pixels];
      case FLOAT32:
        return new float[pixels];
      case RGB:
        return new int[pixels];
      default:
        return new short[pixels];
    }
  }

  private static void get(
      Object plane, PixelType type, int part, int from, int count, ByteBuffer buffer) {
    switch (type) {
      case UINT8:
        buffer.get((byte[]) plane, from, count);
        break;
      case UINT16:
        buffer.asShortBuffer().get((short[]) plane, from, count);
        break;
      case INT16:
        for (int i = 0; i < count; i++) {
          ((short[]) plane)[from + i] = flipped(buffer.getShort(2 * i));
        }
        break;
      case FLOAT32:
        buffer.asFloatBuffer().get((float[]) plane, from, count);
        break;
      default:
        int[] colors = (int[]) plane;
        for (int i = 0; i < count; i++) {
          colors[from + i] |= 0xFF000000 | (buffer.get(i) & 0xFF) << shift(part);
        }
    }
  }

  /** Turns a signed value into ImageJ's value + 32768, and back. */
  private static short flipped(short value) {
    return (short) (value ^ PixelType.SIGNED_OFFSET);
  }

  private static int shift(int part) {
    return 16 - 8 * part;
  }

  private static ByteBuffer buffer() {
    return ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Readies the buffer for so many bytes. NB: Buffer, not ByteBuffer, or Java 8 misses the methods
   * of Java 9.
   */
  private static void rewind(Buffer buffer, int bytes) {
    buffer.clear();
    buffer.limit(bytes);
  }
}
