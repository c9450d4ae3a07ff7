package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.zip.CRC32;

/**
 * The bytes of one image to a named server or from it, part by part: each is checked, and may come
 * again, so that a cut of the network costs one part at most.
 */
final class Parts {
  private static final int PART = 4 << 20;

  /** So often a part that came damaged is sent once more. */
  private static final int AGAIN = 3;

  private static final int SUM_MS = 600_000;

  private final Http http;
  private final Monitor monitor;
  private final String path;
  private final long size;
  private final Coding coding;
  private final CRC32 whole = new CRC32();
  private final boolean kept;
  private long place;

  /**
   * Prepares for an image.
   *
   * @param path of the buffer
   * @param size bytes in all
   * @param kept whether a server that is started again has it too
   */
  Parts(Http http, Monitor monitor, String path, long size, int bytesPerPixel, boolean kept) {
    this.kept = kept;
    this.http = http;
    this.monitor = monitor;
    this.path = path;
    this.size = size;
    coding = new Coding(bytesPerPixel);
  }

  /** A failure of the server's, on its way through a channel. */
  static final class Failure extends IOException {
    private static final long serialVersionUID = 1L;
    final BackendException error;

    Failure(BackendException error) {
      super(error);
      this.error = error;
    }
  }

  /** Takes bytes, and sends them when there are enough for a part or no more will come. */
  WritableByteChannel sender() {
    byte[] part = new byte[(int) Math.min(PART, size)];
    return new Channel() {
      private int filled;

      @Override
      public int write(ByteBuffer bytes) throws IOException {
        int before = bytes.remaining();
        while (bytes.hasRemaining()) {
          int count = Math.min(bytes.remaining(), part.length - filled);
          bytes.get(part, filled, count);
          filled += count;
          if (filled == part.length || place + filled == size) {
            sendPart(part, filled);
            filled = 0;
          }
        }
        return before;
      }
    };
  }

  /** Gives the bytes as they come. */
  ReadableByteChannel receiver() {
    return new Channel() {
      private byte[] part = new byte[0];
      private int taken;

      @Override
      public int read(ByteBuffer bytes) throws IOException {
        if (taken == part.length) {
          if (place == size) {
            return -1;
          }
          part = receivePart();
          taken = 0;
        }
        int count = Math.min(bytes.remaining(), part.length - taken);
        bytes.put(part, taken, count);
        taken += count;
        return count;
      }
    };
  }

  private void sendPart(byte[] part, int length) throws IOException {
    whole.update(part, 0, length);
    String range = "bytes " + place + "-" + (place + length - 1) + "/" + size;
    CRC32 crc = new CRC32();
    crc.update(part, 0, length);
    undamaged(
        () -> {
          boolean compress = coding.choose();
          long start = System.nanoTime();
          byte[] body = compress ? coding.encode(part, length) : part;
          int count = compress ? body.length : length;
          Http.Headers headers =
              request -> {
                request.setRequestProperty("Content-Range", range);
                request.setRequestProperty("X-CRC32", text(crc));
                request.setRequestProperty("X-CRC32-Whole", text(whole));
                if (compress) {
                  request.setRequestProperty(Coding.HEADER, coding.header());
                }
              };
          http.putPart(path, count, headers, stream -> stream.write(body, 0, count));
          coding.took(compress, length, System.nanoTime() - start);
          return null;
        });
    place += length;
  }

  private byte[] receivePart() throws IOException {
    int length = (int) Math.min(PART, size - place);
    String range = "bytes=" + place + "-" + (place + length - 1);
    byte[] part =
        undamaged(
            () -> {
              boolean compress = coding.choose();
              long start = System.nanoTime();
              Http.Part answer = http.getPart(path, range, compress ? coding.header() : "");
              byte[] data = answer.encoded ? coding.decode(answer.body, length) : answer.body;
              coding.took(compress, length, System.nanoTime() - start);
              CRC32 crc = new CRC32();
              crc.update(data, 0, data.length);
              if (data.length != length || !text(crc).equalsIgnoreCase(answer.crc)) {
                throw damaged(text(crc), answer.crc);
              }
              return data;
            });
    whole.update(part, 0, length);
    place += length;
    if (place == size && size > PART) {
      checkWhole();
    }
    return part;
  }

  /** Compares the sum over all with the server's. */
  private void checkWhole() throws IOException {
    JsonObject state = lasting(() -> Json.object(http.getText(path + "/state", SUM_MS)));
    String theirs = Json.string(state, "crc32", "");
    if (!text(whole).equalsIgnoreCase(theirs)) {
      throw new Failure(damaged(text(whole), theirs));
    }
  }

  /** Carries a part, a few times where other bytes have come than were sent. */
  private <T> T undamaged(Endurance.Question<T> question) throws IOException {
    for (int time = 0; ; time++) {
      try {
        return lasting(question);
      } catch (Failure failure) {
        boolean order = Json.object(failure.error.details()).has("received"); // whole, not the next
        if (time == AGAIN || order || !failure.error.code().equals("protocol")) {
          throw failure;
        }
      }
    }
  }

  private <T> T lasting(Endurance.Question<T> question) throws IOException {
    try {
      return Endurance.ask(http.connection(), monitor, kept, question);
    } catch (BackendException error) {
      throw new Failure(error);
    }
  }

  private static BackendException damaged(String ours, String theirs) {
    return ServerErrors.protocol(
        "The result's pixels were damaged on their way: their CRC-32 is "
            + ours
            + ", announced was "
            + theirs
            + ".");
  }

  private static String text(CRC32 crc) {
    return String.format("%08x", crc.getValue());
  }

  /** What both directions have in common. */
  private abstract static class Channel implements WritableByteChannel, ReadableByteChannel {
    @Override
    public int write(ByteBuffer bytes) throws IOException {
      throw new UnsupportedOperationException();
    }

    @Override
    public int read(ByteBuffer bytes) throws IOException {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean isOpen() {
      return true;
    }

    @Override
    public void close() {}
  }
}
