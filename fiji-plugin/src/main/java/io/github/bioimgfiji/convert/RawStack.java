package io.github.bioimgfiji.convert;

import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.VirtualStack;
import ij.WindowManager;
import ij.process.ByteProcessor;
import ij.process.ColorProcessor;
import ij.process.FloatProcessor;
import ij.process.ImageProcessor;
import ij.process.ShortProcessor;
import io.github.bioimgfiji.json.Json;
import java.awt.image.ColorModel;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A virtual stack over a file with the pixels that a header describes: each plane is read when it
 * is asked for.
 *
 * <p>As in ImageJ's own virtual stacks, changes of pixels are lost when another plane is shown.
 */
public final class RawStack extends VirtualStack {
  private final Path file;
  private final Dimensions sizes;
  private final PixelType type;

  /** Which plane of the file each slice is: slices may be deleted, and their order changed. */
  private final List<Integer> planes = new ArrayList<>();

  private final List<String> labels = new ArrayList<>();

  /**
   * Opens a file.
   *
   * @param headerJson the header
   * @param file the file, which must stay there as long as the stack is used
   * @throws IllegalArgumentException when the header is none that ImageJ can show, or the file has
   *     another length
   * @throws IOException when there is no such file
   */
  public RawStack(String headerJson, Path file) throws IOException {
    this(Json.object(headerJson), file);
  }

  private RawStack(JsonObject header, Path file) throws IOException {
    super(Dimensions.of(header).width, Dimensions.of(header).height, null, "");
    this.file = file;
    sizes = Dimensions.of(header);
    type = PixelType.of(Json.string(header, "dtype", ""), sizes.rgb);
    long expected = sizes.planes() * planeBytes();
    if (Files.size(file) != expected) {
      throw new IllegalArgumentException(
          "The header describes "
              + expected
              + " bytes, but the file has "
              + Files.size(file)
              + ".");
    }
    for (int i = 0; i < sizes.planes(); i++) {
      planes.add(i);
      labels.add(null);
    }
  }

  @Override
  public ImageProcessor getProcessor(int n) {
    check(n);
    ImageProcessor processor = processor(pixels(planes.get(n - 1)));
    ColorModel colors = getColorModel();
    if (colors != null && type != PixelType.RGB) {
      processor.setColorModel(colors);
    }
    return processor;
  }

  private Object pixels(int plane) {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "r")) {
      open.seek(plane * planeBytes());
      return Planes.readPlane(sizes.planeSize(), type, new Reader(open));
    } catch (IOException gone) {
      throw new IllegalStateException(
          "The pixels of this virtual stack cannot be read from " + file + ": " + gone.getMessage(),
          gone);
    }
  }

  private ImageProcessor processor(Object pixels) {
    switch (type) {
      case UINT8:
        return new ByteProcessor(getWidth(), getHeight(), (byte[]) pixels);
      case FLOAT32:
        return new FloatProcessor(getWidth(), getHeight(), (float[]) pixels);
      case RGB:
        return new ColorProcessor(getWidth(), getHeight(), (int[]) pixels);
      default:
        return new ShortProcessor(getWidth(), getHeight(), (short[]) pixels, null);
    }
  }

  private long planeBytes() {
    return (long) sizes.planeSize() * type.bytesPerPixel;
  }

  private void check(int n) {
    if (n < 1 || n > planes.size()) {
      throw new IllegalArgumentException("Argument out of range: " + n);
    }
  }

  @Override
  public int size() {
    return planes.size();
  }

  @Override
  public int getSize() {
    return planes.size();
  }

  @Override
  public int getBitDepth() {
    return type == PixelType.RGB ? 24 : 8 * type.bytesPerPixel;
  }

  @Override
  public String getSliceLabel(int n) {
    check(n);
    return labels.get(n - 1);
  }

  @Override
  public void setSliceLabel(String label, int n) {
    check(n);
    labels.set(n - 1, label);
  }

  @Override
  public void deleteSlice(int n) {
    check(n);
    planes.remove(n - 1);
    labels.remove(n - 1);
  }

  @Override
  public void deleteLastSlice() {
    deleteSlice(planes.size());
  }

  /**
   * Changes the order of the slices, as Image &gt; Hyperstacks &gt; Stack to Hyperstack... does.
   *
   * <p>NB: ImageJ's own virtual stacks keep the indexes and translate each number by them; here the
   * slices themselves change places, so that labels go with them, and slices can be deleted or
   * their order changed again afterwards.
   *
   * @param indexes for each slice the one that takes its place, counted from 0; of another length
   *     they are not followed, as in ImageJ
   */
  @Override
  public void setIndexes(int[] indexes) {
    if (indexes != null && indexes.length == planes.size()) {
      take(indexes);
    }
  }

  /**
   * Keeps the first of every so many slices, as Image &gt; Stacks &gt; Tools &gt; Reduce... does.
   *
   * @param factor how many slices become one; at least 2, and at most as many as there are
   */
  @Override
  public void reduce(int factor) {
    if (factor < 2 || factor > planes.size()) {
      return;
    }
    int[] kept = new int[(planes.size() + factor - 1) / factor];
    for (int i = 0; i < kept.length; i++) {
      kept[i] = i * factor;
    }
    take(kept);
    ImagePlus shown = WindowManager.getCurrentImage();
    if (shown != null && shown.getImageStack() == this) {
      shown.setSlice(1);
      shown.updateAndRepaintWindow();
    }
  }

  /** Makes these slices, counted from 0, the stack. */
  private void take(int[] slices) {
    List<Integer> before = new ArrayList<>(planes);
    List<String> named = new ArrayList<>(labels);
    planes.clear();
    labels.clear();
    for (int slice : slices) {
      planes.add(before.get(slice));
      labels.add(named.get(slice));
    }
  }

  /**
   * Reads a file. NB: not a FileChannel, which a thread that was interrupted would close unread.
   */
  private static final class Reader implements ReadableByteChannel {
    private static final int CHUNK = 1 << 16;

    private final RandomAccessFile open;
    private final byte[] chunk = new byte[CHUNK];

    Reader(RandomAccessFile open) {
      this.open = open;
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
      int count = open.read(chunk, 0, Math.min(CHUNK, target.remaining()));
      if (count > 0) {
        target.put(chunk, 0, count);
      }
      return count;
    }

    @Override
    public boolean isOpen() {
      return true;
    }

    @Override
    public void close() {}
  }
}
