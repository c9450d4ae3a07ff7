package io.github.bioimgfiji.convert;

import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.ImageStack;
import ij.measure.Calibration;
import io.github.bioimgfiji.json.Json;

/**
 * Everything of an image but its pixels, as JSON: the one place where ImagePlus and the header of
 * the wire protocol meet.
 *
 * <p>Building an image from its own header and planes gives an equal image, and describing it again
 * the same header.
 */
public final class ImageHeader {
  private ImageHeader() {}

  /**
   * Describes an image.
   *
   * @param image any image that ImageJ can hold
   * @return the header, a JSON object
   * @throws IllegalArgumentException when the image has RGB pixels and several channels
   */
  public static String describe(ImagePlus image) {
    PixelType type = PixelType.of(image);
    Dimensions sizes = Dimensions.of(image);
    Calibration cal = image.getCalibration();
    JsonObject header = new JsonObject();
    header.addProperty("title", image.getTitle());
    sizes.describe(header);
    header.addProperty("dtype", type.dtype);
    header.addProperty("rgb", sizes.rgb);
    header.add("scales", Scales.describe(cal, sizes));
    ChannelDisplay.describe(image, type, header);
    header.add("labels", PlaneLabels.describe(image));
    header.add("intensity", IntensityFunction.describe(cal, type));
    Regions.describe(image, header);
    header.add("properties", TextProperties.describe(image));
    return Json.text(header);
  }

  /**
   * Builds an image, without showing it.
   *
   * @param headerJson the header
   * @param planes one array per plane in ImageJ's order (channel fastest, then slice, then frame):
   *     byte[], short[] (int16 as value + 32768), float[], or int[] for RGB; they are not copied
   * @return the image
   * @throws IllegalArgumentException when the header is wrong, or the planes are not those it
   *     describes
   */
  public static ImagePlus build(String headerJson, Object[] planes) {
    JsonObject header = Json.object(headerJson);
    Dimensions sizes = Dimensions.of(header);
    PixelType type = PixelType.of(Json.string(header, "dtype", ""), sizes.rgb);
    Planes.check(planes, sizes, type);
    ImageStack stack = new ImageStack(sizes.width, sizes.height);
    for (Object plane : planes) {
      stack.addSlice(null, plane);
    }
    return build(header, sizes, type, stack);
  }

  /**
   * Builds an image whose pixels stay in a file, without showing it.
   *
   * @param headerJson the header
   * @param stack the file's stack, opened with the same header
   * @return the image
   * @throws IllegalArgumentException when the header is wrong
   */
  public static ImagePlus build(String headerJson, RawStack stack) {
    JsonObject header = Json.object(headerJson);
    Dimensions sizes = Dimensions.of(header);
    PixelType type = PixelType.of(Json.string(header, "dtype", ""), sizes.rgb);
    return build(header, sizes, type, stack);
  }

  private static ImagePlus build(
      JsonObject header, Dimensions sizes, PixelType type, ImageStack stack) {
    PlaneLabels.apply(Json.strings(header, "labels"), stack);
    ImagePlus image = new ImagePlus(Json.string(header, "title", "image"), stack);
    image.setDimensions(sizes.channels, sizes.slices, sizes.frames);
    Calibration cal = new Calibration(image);
    Scales.apply(Json.member(header, "scales"), cal);
    IntensityFunction.apply(header, cal, type);
    image.setCalibration(cal);
    image = ChannelDisplay.apply(header, image, type);
    image.setOpenAsHyperStack(isHyperstack(sizes));
    PlaneLabels.applySingle(Json.strings(header, "labels"), image);
    TextProperties.apply(Json.member(header, "properties"), image);
    Regions.apply(header, image);
    return image;
  }

  private static boolean isHyperstack(Dimensions sizes) {
    int axes = 0;
    for (int size : new int[] {sizes.channels, sizes.slices, sizes.frames}) {
      axes += size > 1 ? 1 : 0;
    }
    return axes > 1 || sizes.channels > 1 || sizes.frames > 1;
  }
}
