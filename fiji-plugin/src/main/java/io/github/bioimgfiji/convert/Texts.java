package io.github.bioimgfiji.convert;

import java.util.Base64;

/** Bytes and units as texts of the image header. */
final class Texts {
  static final String MICRON = "\u00B5m";

  private Texts() {}

  static String base64(byte[] bytes) {
    return bytes == null ? "" : Base64.getEncoder().encodeToString(bytes);
  }

  static byte[] bytes(String base64) {
    return Base64.getDecoder().decode(base64);
  }

  /**
   * Gives a length or time unit as the header has it: every spelling of micron is "µm", none is "".
   */
  static String unit(String unit) {
    if (unit == null) {
      return "";
    }
    switch (unit) {
      case "um":
      case "\u03BCm":
      case "micron":
      case "microns":
      case "micrometer":
      case "micrometers":
      case "micrometre":
      case "micrometres":
      case "\\u00B5m":
        return MICRON;
      case "pixel":
      case "pixels":
        return "";
      default:
        return unit;
    }
  }
}
