package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.convert.Planes;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.ShownFiles;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;

/**
 * Images to the server and back: by files where both see the same disk, else by HTTP.
 *
 * <p>Pixels pass through one small buffer; files are written, not mapped. A virtual stack, or an
 * image of more than a quarter of Java's memory, goes to a file on a disk; of such a run, a result
 * of more than an eighth of it is a virtual stack.
 */
final class PixelTransfer {
  private static final Runnable NOTHING = () -> {};

  private final Http http;
  private final Monitor monitor;
  private final long largest;
  private boolean kept;

  /**
   * Prepares to carry images.
   *
   * @param largest bytes of a stack that Java takes into its memory where it may also stay on disk
   */
  PixelTransfer(Http http, Monitor monitor, long largest) {
    this.http = http;
    this.monitor = monitor;
    this.largest = largest;
  }

  /** Takes note of whether a server that is started again has the result too. */
  void kept(boolean isKept) {
    kept = isKept;
  }

  /** Tells whether an image is to be processed from the disk: a virtual stack, or a large one. */
  boolean wantsDisk(ImagePlus image) {
    return image.getStack().isVirtual() || Planes.size(image) > 2 * largest;
  }

  /**
   * Fills a buffer of the server with an image's pixels.
   *
   * @param image the image
   * @param buffer the server's answer that made the buffer
   */
  void send(ImagePlus image, JsonObject buffer) throws IOException, BackendException {
    String path = Json.string(buffer, "path", "");
    if (http.connection().isRemote()) {
      sendParts(image, "/v1/buffers/" + Json.string(buffer, "id", ""));
    } else if (!path.isEmpty() && Files.isWritable(Paths.get(path))) {
      write(image, Paths.get(path));
    } else {
      upload(image, "/v1/buffers/" + Json.string(buffer, "id", ""));
    }
  }

  private void sendParts(ImagePlus image, String path) throws IOException, BackendException {
    long size = Planes.size(image);
    Transit transit = transit("Sending " + image.getTitle(), size, NOTHING);
    try {
      Planes.write(
          image, transit.into(parts(path, size, Planes.bytesPerPixel(image), false).sender()));
    } catch (Parts.Failure failure) {
      throw failure.error;
    }
  }

  private Parts parts(String path, long size, int bytesPerPixel, boolean isKept) {
    return new Parts(http, monitor, path, size, bytesPerPixel, isKept);
  }

  private Object[] receiveParts(String header, String path) throws IOException, BackendException {
    long size = Planes.size(header);
    Transit transit = transit("Receiving the result", size, NOTHING);
    try {
      return planes(
          header, transit.outOf(parts(path, size, Planes.bytesPerPixel(header), kept).receiver()));
    } catch (Parts.Failure failure) {
      throw failure.error;
    }
  }

  private void write(ImagePlus image, Path file) throws IOException, BackendException {
    Transit transit = transit("Sending " + image.getTitle(), Planes.size(image), this::ping);
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
      Planes.write(image, transit.into(channel));
    } catch (CancelledIoException | java.nio.channels.ClosedByInterruptException stopped) {
      throw stopped;
    } catch (IOException error) {
      throw ServerErrors.unwritten(file, wantsDisk(image), error);
    }
  }

  /** Shows an otherwise idle server that somebody is there. */
  private void ping() {
    try {
      http.get("/v1/info");
    } catch (IOException | BackendException gone) {
      // Writing goes on; the job's request will tell.
    }
  }

  private void upload(ImagePlus image, String path) throws IOException, BackendException {
    long size = Planes.size(image);
    // The sum stands in the header, before the bytes: they are gone through twice.
    Transit sum = transit("Reading " + image.getTitle(), size, NOTHING);
    Planes.write(image, sum.into(null));
    Transit transit = transit("Sending " + image.getTitle(), size, NOTHING);
    http.put(
        path,
        size,
        sum.crc(),
        stream -> Planes.write(image, transit.into(Channels.newChannel(stream))));
  }

  /**
   * Fetches an image of a result.
   *
   * @param part the image as the job status has it: header, buffer, path
   * @param beat is run now and then while the pixels come
   * @return the image
   */
  ImagePlus receive(JsonObject part, Runnable beat) throws IOException, BackendException {
    String header = Json.text(Json.member(part, "header"));
    String path = Json.string(part, "path", "");
    boolean local = !path.isEmpty() && Files.isReadable(Paths.get(path));
    boolean onDisk = local && Json.bool(part, "on_disk", false);
    try {
      if (onDisk && Files.size(Paths.get(path)) > largest) {
        return virtual(header, Paths.get(path));
      }
      String buffer = "/v1/buffers/" + Json.string(part, "buffer", "");
      if (http.connection().isRemote()) {
        return ImageHeader.build(header, receiveParts(header, buffer));
      }
      Object[] planes =
          local ? read(header, Paths.get(path), beat) : download(header, buffer, beat);
      return ImageHeader.build(header, planes);
    } catch (IllegalArgumentException wrong) {
      throw ServerErrors.protocol("The result's image cannot be built: " + wrong.getMessage());
    } catch (OutOfMemoryError full) {
      if (onDisk) {
        return virtual(header, Paths.get(path));
      }
      throw new BackendException(
          "storage",
          "ImageJ has not enough memory for the result.",
          "Close images, or give ImageJ more memory by Edit > Options > Memory & Threads..., and"
              + " run the command again.");
    }
  }

  /** Gives a result as a virtual stack over its file, which is ImageJ's from now on. */
  private static ImagePlus virtual(String header, Path file) throws BackendException {
    try {
      return ShownFiles.image(header, ShownFiles.take(file));
    } catch (IOException error) {
      throw ServerErrors.notTaken(file, error);
    }
  }

  private Object[] read(String header, Path file, Runnable beat)
      throws IOException, BackendException {
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
      return planes(header, transit("Reading the result", channel.size(), beat).outOf(channel));
    }
  }

  private Object[] download(String header, String path, Runnable beat)
      throws IOException, BackendException {
    HttpURLConnection answer = http.open(path);
    Transit transit = transit("Receiving the result", answer.getContentLengthLong(), beat);
    try (InputStream stream = answer.getInputStream()) {
      Object[] planes = planes(header, transit.outOf(Channels.newChannel(stream)));
      String announced = answer.getHeaderField("X-CRC32");
      if (!transit.crc().equalsIgnoreCase(announced)) {
        throw ServerErrors.protocol(
            "The result's pixels were damaged on their way: their CRC-32 is "
                + transit.crc()
                + ", announced was "
                + announced
                + ".");
      }
      return planes;
    } finally {
      answer.disconnect();
    }
  }

  private static Object[] planes(String header, ReadableByteChannel channel)
      throws IOException, BackendException {
    Object[] planes;
    try {
      planes = Planes.read(header, channel);
    } catch (java.io.EOFException tooShort) {
      throw ServerErrors.protocol("The result has fewer pixels than its header says.");
    }
    if (channel.read(ByteBuffer.allocate(1)) > 0) {
      throw ServerErrors.protocol("The result has more pixels than its header says.");
    }
    return planes;
  }

  private Transit transit(String message, long size, Runnable beat) {
    return new Transit(message, size, monitor, beat);
  }
}
