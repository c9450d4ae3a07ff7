package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.Monitor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.zip.CRC32;

/** Pixels on their way: counts them, tells the user, sums them up, and stops when told to. */
final class Transit {
  private static final long STEP = 8 << 20;
  private static final long BEAT = 256 << 20;
  private static final double MEGA = 1e6;

  private final String message;
  private final long size;
  private final Monitor monitor;
  private final CRC32 crc = new CRC32();
  private final Runnable beat;
  private long done;

  /**
   * Starts a count.
   *
   * @param message what the user is told
   * @param size bytes in all
   * @param monitor is told, and asked whether to stop
   * @param beat is run now and then, to show the server that somebody is still busy
   */
  Transit(String message, long size, Monitor monitor, Runnable beat) {
    this.message = message;
    this.size = size;
    this.monitor = monitor;
    this.beat = beat;
  }

  /** Gives the CRC-32 of what has passed, as the header X-CRC32 has it. */
  String crc() {
    return String.format("%08x", crc.getValue());
  }

  private void passed(ByteBuffer bytes) throws IOException {
    if (monitor.cancelled()) {
      throw new CancelledIoException();
    }
    long before = done;
    done += bytes.remaining();
    crc.update(bytes);
    if (done / STEP > before / STEP) {
      monitor.progress(message, done / MEGA, size / MEGA, "{}");
    }
    if (done / BEAT > before / BEAT) {
      beat.run();
    }
  }

  /** Watches what goes into a channel; with no channel, it is only summed up. */
  WritableByteChannel into(WritableByteChannel target) {
    return new WritableByteChannel() {
      @Override
      public int write(ByteBuffer bytes) throws IOException {
        int count = bytes.remaining();
        ByteBuffer same = bytes.duplicate();
        passed(same);
        while (target != null && bytes.hasRemaining()) {
          target.write(bytes);
        }
        ((java.nio.Buffer) bytes).position(bytes.limit());
        return count;
      }

      @Override
      public boolean isOpen() {
        return true;
      }

      @Override
      public void close() {}
    };
  }

  /** Watches what comes out of a channel. */
  ReadableByteChannel outOf(ReadableByteChannel source) {
    return new ReadableByteChannel() {
      @Override
      public int read(ByteBuffer bytes) throws IOException {
        java.nio.Buffer seen = bytes.duplicate();
        int count = source.read(bytes);
        if (count > 0) {
          seen.limit(seen.position() + count);
          passed((ByteBuffer) seen);
        }
        return count;
      }

      @Override
      public boolean isOpen() {
        return true;
      }

      @Override
      public void close() {}
    };
  }
}
