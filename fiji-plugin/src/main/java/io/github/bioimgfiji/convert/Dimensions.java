package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import io.github.bioimgfiji.json.Json;

/** An image's sizes, as ImageJ has them and as axes and shape of the header. */
final class Dimensions {
  private static final String AXES = "tzcyx";

  final int width;
  final int height;

  /** Channels in ImageJ's count: 1 for an RGB image. */
  final int channels;

  final int slices;
  final int frames;
  final boolean rgb;

  private Dimensions(int width, int height, int channels, int slices, int frames, boolean rgb) {
    this.width = width;
    this.height = height;
    this.channels = channels;
    this.slices = slices;
    this.frames = frames;
    this.rgb = rgb;
  }

  static Dimensions of(ImagePlus image) {
    int[] sizes = image.getDimensions();
    boolean rgb = image.getType() == ImagePlus.COLOR_RGB;
    if (rgb && sizes[2] > 1) {
      throw new IllegalArgumentException(
          image.getTitle()
              + " has RGB pixels and "
              + sizes[2]
              + " channels. Choose Image > Hyperstacks > Stack to Hyperstack... and set channels to 1.");
    }
    return new Dimensions(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], rgb);
  }

  static Dimensions of(JsonObject header) {
    String axes = Json.string(header, "axes", "");
    JsonArray shape = Json.array(header, "shape");
    boolean rgb = Json.bool(header, "rgb", false);
    int[] sizes = {1, 1, 1, 1, 1};
    int last = -1;
    for (int i = 0; i < axes.length(); i++) {
      int axis = AXES.indexOf(axes.charAt(i));
      if (axis <= last || i >= shape.size()) {
        throw wrong(axes, shape);
      }
      sizes[axis] = shape.get(i).getAsInt();
      last = axis;
    }
    boolean planar = axes.endsWith("yx") && shape.size() == axes.length();
    if (!planar || (rgb && sizes[2] != 3)) {
      throw wrong(axes, shape);
    }
    return new Dimensions(sizes[4], sizes[3], rgb ? 1 : sizes[2], sizes[1], sizes[0], rgb);
  }

  int planes() {
    return channels * slices * frames;
  }

  int planeSize() {
    return width * height;
  }

  /** Writes axes and shape: y and x always, of t, z and c those with more than one element. */
  void describe(JsonObject header) {
    int[] sizes = {frames, slices, rgb ? 3 : channels, height, width};
    StringBuilder axes = new StringBuilder();
    JsonArray shape = new JsonArray();
    for (int i = 0; i < sizes.length; i++) {
      if (i >= 3 || sizes[i] > 1) {
        axes.append(AXES.charAt(i));
        shape.add(sizes[i]);
      }
    }
    header.addProperty("axes", axes.toString());
    header.add("shape", shape);
  }

  private static IllegalArgumentException wrong(String axes, JsonElement shape) {
    return new IllegalArgumentException(
        "Axes \""
            + axes
            + "\" with shape "
            + shape
            + " are none of ImageJ's: they must be a part of \"tzcyx\", in that order, with y and x.");
  }
}
