package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/**
 * Pixels compressed on their way, without loss: a shuffle of their bytes, then deflate, which Java
 * has in itself (docs/protocol.md, "Parts").
 *
 * <p>It is fast enough to pay on networks below some 40 MB/s; {@link #choose} finds out.
 */
final class Coding {
  static final String HEADER = "X-Encoding";
  static final String ACCEPT = "X-Accept-Encoding";

  private static final int LEVEL = 1;
  private static final int TRY_EVERY = 16;
  private static final int LEAST = 1 << 18;

  private final int shuffle;
  private final double[] speeds = new double[2];
  private int count;

  /**
   * Prepares for pixels of this size.
   *
   * @param bytesPerPixel by which they are shuffled
   */
  Coding(int bytesPerPixel) {
    shuffle = bytesPerPixel;
  }

  /** Gives it as the header has it. */
  String header() {
    return shuffle == 1 ? "deflate" : "deflate; shuffle=" + shuffle;
  }

  /** Tells whether to compress the next part: the way that was faster when both were last tried. */
  boolean choose() {
    if (speeds[0] == 0 || speeds[1] == 0) {
      return speeds[0] > 0;
    }
    return (speeds[1] > speeds[0]) == (count % TRY_EVERY != 0);
  }

  /** Takes note of how long a part took. */
  void took(boolean compressed, int size, long nanos) {
    if (size >= LEAST) {
      count++;
      speeds[compressed ? 1 : 0] = (double) size / Math.max(1, nanos);
    }
  }

  byte[] encode(byte[] data, int size) {
    byte[] plain = size % shuffle == 0 ? shuffled(data, size) : data;
    Deflater machine = new Deflater(LEVEL);
    try {
      machine.setInput(plain, 0, size);
      machine.finish();
      byte[] coded = new byte[size / 2 + 64];
      int length = 0;
      while (!machine.finished()) {
        if (length == coded.length) {
          coded = Arrays.copyOf(coded, 2 * length);
        }
        length += machine.deflate(coded, length, coded.length - length);
      }
      return Arrays.copyOf(coded, length);
    } finally {
      machine.end();
    }
  }

  byte[] decode(byte[] coded, int size) throws BackendException {
    byte[] plain = new byte[size];
    Inflater machine = new Inflater();
    try {
      machine.setInput(coded);
      int length = 0;
      while (length < size && !machine.needsInput()) {
        length += machine.inflate(plain, length, size - length);
      }
      boolean more = !machine.finished() && machine.inflate(new byte[1]) > 0; // reads the sum
      if (length != size || more || !machine.finished()) {
        throw ServerErrors.protocol("The result's compressed pixels break off.");
      }
      return size % shuffle == 0 ? ordered(plain) : plain;
    } catch (DataFormatException damaged) {
      throw ServerErrors.protocol("The result's compressed pixels are damaged.");
    } finally {
      machine.end();
    }
  }

  private byte[] shuffled(byte[] data, int size) {
    byte[] all = new byte[size];
    int pixels = size / shuffle;
    for (int part = 0, to = 0; part < shuffle; part++) {
      for (int pixel = 0, from = part; pixel < pixels; pixel++, from += shuffle) {
        all[to++] = data[from];
      }
    }
    return all;
  }

  private byte[] ordered(byte[] data) {
    byte[] all = new byte[data.length];
    int pixels = data.length / shuffle;
    for (int part = 0, from = 0; part < shuffle; part++) {
      for (int pixel = 0, to = part; pixel < pixels; pixel++, to += shuffle) {
        all[to] = data[from++];
      }
    }
    return all;
  }
}
