package io.github.bioimgfiji.convert;

import ij.ImagePlus;

/** The pixel types that ImageJ and the image header share. */
enum PixelType {
  UINT8("uint8", 1),
  UINT16("uint16", 2),
  INT16("int16", 2),
  FLOAT32("float32", 4),
  RGB("uint8", 3);

  /** What ImageJ adds to a signed 16-bit value to store it. */
  static final int SIGNED_OFFSET = 32768;

  final String dtype;
  final int bytesPerPixel;

  PixelType(String dtype, int bytesPerPixel) {
    this.dtype = dtype;
    this.bytesPerPixel = bytesPerPixel;
  }

  static PixelType of(ImagePlus image) {
    switch (image.getType()) {
      case ImagePlus.GRAY16:
        return image.getCalibration().isSigned16Bit() ? INT16 : UINT16;
      case ImagePlus.GRAY32:
        return FLOAT32;
      case ImagePlus.COLOR_RGB:
        return RGB;
      default:
        return UINT8;
    }
  }

  static PixelType of(String dtype, boolean rgb) {
    for (PixelType type : values()) {
      if (type.dtype.equals(dtype) && rgb == (type == RGB)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "ImageJ has no pixels of type "
            + dtype
            + (rgb ? " in RGB" : "")
            + "; it has uint8, uint16, int16, float32 and RGB of uint8.");
  }
}
