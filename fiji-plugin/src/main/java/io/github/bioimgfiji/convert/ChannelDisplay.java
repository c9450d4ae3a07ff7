package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import ij.CompositeImage;
import ij.ImagePlus;
import ij.process.LUT;
import io.github.bioimgfiji.json.Json;
import java.awt.image.IndexColorModel;
import java.util.Arrays;
import java.util.Locale;

/**
 * Colours, display ranges, names and mode of the channels, as "channels" and "mode" of the header.
 */
final class ChannelDisplay {
  /** Image property that keeps the name of channel 1, 2, ...; ImageJ itself has no place for it. */
  static final String NAME_PROPERTY = "ChannelName";

  private static final int LUT_BYTES = 768;

  private ChannelDisplay() {}

  static void describe(ImagePlus image, PixelType type, JsonObject header) {
    JsonArray channels = new JsonArray();
    String mode = "grayscale";
    if (type != PixelType.RGB) {
      LUT[] luts = luts(image);
      for (int i = 0; i < luts.length; i++) {
        channels.add(channel(luts[i], property(image, i), offset(type)));
      }
      mode = mode(image, luts);
    }
    header.add("channels", channels);
    header.addProperty("mode", mode);
  }

  /**
   * Gives an image that shows the channels as the header says: the given one, or a composite of it.
   */
  static ImagePlus apply(JsonObject header, ImagePlus image, PixelType type) {
    JsonArray channels = Json.array(header, "channels");
    if (type == PixelType.RGB) {
      return image;
    }
    for (int i = 0; i < channels.size(); i++) {
      String name = Json.string(channels.get(i).getAsJsonObject(), "name", "");
      image.setProp(NAME_PROPERTY + (i + 1), name);
    }
    if (image.getNChannels() == 1) {
      if (channels.size() == 1) {
        applySingle(channels.get(0).getAsJsonObject(), image, offset(type));
      } else {
        image.resetDisplayRange();
      }
      return image;
    }
    return composite(header, channels, image, offset(type));
  }

  private static LUT[] luts(ImagePlus image) {
    if (image.isComposite() && image.getNChannels() > 1) {
      return ((CompositeImage) image).getLuts();
    }
    LUT[] luts = new LUT[image.getNChannels()];
    for (int i = 0; i < luts.length; i++) {
      luts[i] = image.getProcessor().getLut();
    }
    return luts;
  }

  private static String mode(ImagePlus image, LUT[] luts) {
    if (luts.length == 1) {
      return "grayscale";
    }
    if (image.isComposite()) {
      return ((CompositeImage) image).getModeAsString();
    }
    return isGrey(bytes(luts[0])) ? "grayscale" : "color";
  }

  private static JsonObject channel(LUT lut, String name, int offset) {
    byte[] bytes = bytes(lut);
    JsonObject channel = new JsonObject();
    channel.addProperty("name", name);
    channel.addProperty("lut", isGrey(bytes) ? "" : Texts.base64(bytes));
    channel.add("display", Json.numbers(lut.min - offset, lut.max - offset));
    return channel;
  }

  private static void applySingle(JsonObject channel, ImagePlus image, int offset) {
    String lut = Json.string(channel, "lut", "");
    if (!lut.isEmpty()) {
      IndexColorModel colors = colors(lut);
      image.getProcessor().setColorModel(colors);
      if (image.getStackSize() > 1) {
        image.getStack().setColorModel(colors);
      }
      // Makes ImageJ see an 8-bit image with colours as "8-bit color".
      image.setProcessor(image.getProcessor());
    }
    JsonArray display = Json.array(channel, "display");
    if (display.size() == 2) {
      image.setDisplayRange(
          display.get(0).getAsDouble() + offset, display.get(1).getAsDouble() + offset);
    } else {
      image.resetDisplayRange();
    }
  }

  private static ImagePlus composite(
      JsonObject header, JsonArray channels, ImagePlus image, int offset) {
    int mode = modeNumber(Json.string(header, "mode", "grayscale"));
    CompositeImage composite = new CompositeImage(image, mode);
    composite.resetDisplayRanges();
    LUT[] luts = composite.getLuts();
    for (int i = 0; i < luts.length && i < channels.size(); i++) {
      JsonObject channel = channels.get(i).getAsJsonObject();
      JsonArray display = Json.array(channel, "display");
      boolean known = display.size() == 2;
      double min = known ? display.get(0).getAsDouble() + offset : luts[i].min;
      double max = known ? display.get(1).getAsDouble() + offset : luts[i].max;
      luts[i] = new LUT(colors(Json.string(channel, "lut", "")), min, max);
    }
    composite.setLuts(luts);
    return composite;
  }

  private static int modeNumber(String mode) {
    switch (mode.toLowerCase(Locale.ROOT)) {
      case "composite":
        return CompositeImage.COMPOSITE;
      case "color":
        return CompositeImage.COLOR;
      default:
        return CompositeImage.GRAYSCALE;
    }
  }

  private static String property(ImagePlus image, int channel) {
    return image.getImageProperties().getProperty(NAME_PROPERTY + (channel + 1), "");
  }

  private static int offset(PixelType type) {
    return type == PixelType.INT16 ? PixelType.SIGNED_OFFSET : 0;
  }

  private static byte[] bytes(LUT lut) {
    byte[] bytes = new byte[LUT_BYTES];
    byte[] part = new byte[256];
    lut.getReds(part);
    System.arraycopy(part, 0, bytes, 0, 256);
    lut.getGreens(part);
    System.arraycopy(part, 0, bytes, 256, 256);
    lut.getBlues(part);
    System.arraycopy(part, 0, bytes, 512, 256);
    return bytes;
  }

  private static boolean isGrey(byte[] lut) {
    return Arrays.equals(lut, grey());
  }

  private static IndexColorModel colors(String base64) {
    byte[] bytes = base64.isEmpty() ? grey() : Texts.bytes(base64);
    if (bytes.length != LUT_BYTES) {
      throw new IllegalArgumentException(
          "A channel's lookup table has " + LUT_BYTES + " bytes, not " + bytes.length + ".");
    }
    byte[] reds = Arrays.copyOfRange(bytes, 0, 256);
    byte[] greens = Arrays.copyOfRange(bytes, 256, 512);
    byte[] blues = Arrays.copyOfRange(bytes, 512, LUT_BYTES);
    return new IndexColorModel(8, 256, reds, greens, blues);
  }

  private static byte[] grey() {
    byte[] bytes = new byte[LUT_BYTES];
    for (int i = 0; i < LUT_BYTES; i++) {
      bytes[i] = (byte) (i % 256);
    }
    return bytes;
  }
}
