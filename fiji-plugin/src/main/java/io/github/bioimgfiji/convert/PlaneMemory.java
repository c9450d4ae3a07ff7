package io.github.bioimgfiji.convert;

import java.lang.reflect.Array;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/**
 * Copies planes to and from the memory of another language in this process, as ImageJ stores them
 * and in the machine's byte order.
 *
 * <p>Several threads copy: most of the time goes to memory that is touched for the first time,
 * which the system clears page by page. One call moves many planes, so that a movie of small frames
 * costs no more than one large image.
 */
public final class PlaneMemory {
  /** Pixels that one thread copies at a time. */
  private static final int PART = 1 << 20;

  private PlaneMemory() {}

  /**
   * Copies the same part of each plane into memory, one behind the other.
   *
   * @param planes byte[], short[], int[], long[], float[] or double[], all of one type and length
   * @param from first pixel of the part
   * @param count pixels of the part
   * @param target memory that holds them all
   */
  public static void read(Object[] planes, int from, int count, ByteBuffer target) {
    each(
        planes.length,
        count,
        (plane, start, n) ->
            get(planes[plane], from + start, n, target, plane * (long) count + start));
  }

  /**
   * Copies memory into the same part of each plane.
   *
   * @param source memory with the parts, one behind the other
   * @param planes as of {@link #read}
   * @param from first pixel of the part
   * @param count pixels of the part
   */
  public static void write(ByteBuffer source, Object[] planes, int from, int count) {
    each(
        planes.length,
        count,
        (plane, start, n) ->
            put(source, plane * (long) count + start, planes[plane], from + start, n));
  }

  /**
   * Makes planes.
   *
   * @param planes how many
   * @param pixels pixels of each
   * @param type "uint8", "uint16", "int16", "float32", or "rgb"
   * @return arrays of zeros
   */
  public static Object[] make(int planes, int pixels, String type) {
    Class<?> element = element(type);
    Object[] made = new Object[planes];
    IntStream.range(0, planes)
        .parallel()
        .forEach(i -> made[i] = Array.newInstance(element, pixels));
    return made;
  }

  private interface Part {
    void copy(int plane, int start, int count);
  }

  private static void each(int planes, int count, Part part) {
    int parts = Math.max(1, (count + PART - 1) / PART);
    IntStream.range(0, planes * parts)
        .parallel()
        .forEach(
            i -> {
              int start = i % parts * PART;
              part.copy(i / parts, start, Math.min(PART, count - start));
            });
  }

  private static Class<?> element(String type) {
    switch (type) {
      case "uint8":
        return byte.class;
      case "uint16":
      case "int16":
        return short.class;
      case "rgb":
        return int.class;
      case "float32":
        return float.class;
      default:
        throw new IllegalArgumentException("ImageJ has no pixels of type " + type + ".");
    }
  }

  private static void get(Object plane, int from, int count, ByteBuffer target, long at) {
    if (plane instanceof byte[]) {
      part(target, at, 1).put((byte[]) plane, from, count);
    } else if (plane instanceof short[]) {
      part(target, at, 2).asShortBuffer().put((short[]) plane, from, count);
    } else if (plane instanceof int[]) {
      part(target, at, 4).asIntBuffer().put((int[]) plane, from, count);
    } else if (plane instanceof long[]) {
      part(target, at, 8).asLongBuffer().put((long[]) plane, from, count);
    } else if (plane instanceof double[]) {
      part(target, at, 8).asDoubleBuffer().put((double[]) plane, from, count);
    } else {
      part(target, at, 4).asFloatBuffer().put((float[]) plane, from, count);
    }
  }

  private static void put(ByteBuffer source, long at, Object plane, int from, int count) {
    if (plane instanceof byte[]) {
      part(source, at, 1).get((byte[]) plane, from, count);
    } else if (plane instanceof short[]) {
      part(source, at, 2).asShortBuffer().get((short[]) plane, from, count);
    } else if (plane instanceof int[]) {
      part(source, at, 4).asIntBuffer().get((int[]) plane, from, count);
    } else if (plane instanceof long[]) {
      part(source, at, 8).asLongBuffer().get((long[]) plane, from, count);
    } else if (plane instanceof double[]) {
      part(source, at, 8).asDoubleBuffer().get((double[]) plane, from, count);
    } else {
      part(source, at, 4).asFloatBuffer().get((float[]) plane, from, count);
    }
  }

  private static ByteBuffer part(ByteBuffer memory, long at, int bytes) {
    ByteBuffer part = memory.duplicate().order(ByteOrder.nativeOrder());
    ((Buffer) part).position(Math.toIntExact(at * bytes));
    return part;
  }
}
