package io.github.bioimgfiji.convert;

import ij.CompositeImage;
import ij.ImagePlus;
import ij.ImageStack;
import ij.gui.Line;
import ij.gui.OvalRoi;
import ij.gui.Overlay;
import ij.gui.PolygonRoi;
import ij.gui.Roi;
import ij.gui.ShapeRoi;
import ij.measure.Calibration;
import ij.process.ByteProcessor;
import ij.process.ColorProcessor;
import ij.process.FloatProcessor;
import ij.process.LUT;
import ij.process.ShortProcessor;
import java.awt.Color;
import java.util.LinkedHashMap;
import java.util.Map;

/** The images whose headers lie under tests/contract/image_headers. */
public final class SampleImages {
  private SampleImages() {}

  /** All of them by the name of their file. */
  public static Map<String, ImagePlus> all() {
    Map<String, ImagePlus> images = new LinkedHashMap<>();
    images.put("hyperstack_16bit", hyperstack());
    images.put("rgb_stack", rgbStack());
    images.put("signed_16bit", signed());
    images.put("lut_8bit", coloured());
    images.put("float_plain", plain());
    return images;
  }

  /** 2 channels, 3 slices, 4 frames with everything that a hyperstack can carry. */
  public static ImagePlus hyperstack() {
    ImageStack stack = new ImageStack(8, 6);
    for (int i = 0; i < 24; i++) {
      ShortProcessor plane = new ShortProcessor(8, 6);
      for (int p = 0; p < 48; p++) {
        plane.set(p, 60000 - 1000 * i - p);
      }
      stack.addSlice(i == 5 ? null : "plane " + i + " \u00B5", plane);
    }
    ImagePlus base = new ImagePlus("cells 1.tif", stack);
    base.setDimensions(2, 3, 4);
    CompositeImage image = new CompositeImage(base, CompositeImage.COMPOSITE);
    LUT red = LUT.createLutFromColor(Color.red);
    LUT blue = LUT.createLutFromColor(new Color(10, 20, 250));
    red.min = 100;
    red.max = 4000;
    blue.min = 5;
    blue.max = 65000;
    image.setLuts(new LUT[] {red, blue});
    image.setOpenAsHyperStack(true);
    Calibration cal = image.getCalibration();
    cal.setUnit("micron");
    cal.pixelWidth = 0.1;
    cal.pixelHeight = 0.11;
    cal.pixelDepth = 0.3;
    cal.xOrigin = 3.5;
    cal.yOrigin = -2;
    cal.zOrigin = 1;
    cal.frameInterval = 2.5;
    cal.setTimeUnit("s");
    cal.setFunction(Calibration.STRAIGHT_LINE, new double[] {-100, 0.5}, "photons", true);
    image.setProp("ChannelName1", "DAPI");
    image.setProp("Objective", "63x/1.4");
    image.setProperty("Info", "Microscope: A\nGain = 3\n");
    image.setOverlay(overlay());
    Roi active = new PolygonRoi(new float[] {1, 5.5f, 3}, new float[] {1, 1.25f, 4}, Roi.POLYGON);
    active.setName("nucleus");
    image.setRoi(active);
    return image;
  }

  private static Overlay overlay() {
    Overlay overlay = new Overlay();
    OvalRoi oval = new OvalRoi(1, 1, 4, 3);
    oval.setPosition(2, 3, 4);
    oval.setStrokeColor(Color.cyan);
    oval.setStrokeWidth(2);
    Line line = new Line(0.5, 0.5, 6.25, 4.75);
    line.setPosition(7);
    ShapeRoi ring = new ShapeRoi(new OvalRoi(0, 0, 6, 6)).xor(new ShapeRoi(new Roi(2, 2, 2, 2)));
    ring.setFillColor(new Color(255, 0, 0, 100));
    overlay.add(oval, "first");
    overlay.add(line);
    overlay.add(ring);
    overlay.drawLabels(true);
    overlay.drawNames(true);
    overlay.setLabelColor(Color.yellow);
    return overlay;
  }

  /** RGB stack of two slices. */
  public static ImagePlus rgbStack() {
    ImageStack stack = new ImageStack(5, 4);
    for (int i = 0; i < 2; i++) {
      ColorProcessor plane = new ColorProcessor(5, 4);
      for (int p = 0; p < 20; p++) {
        plane.set(p, 0xFF000000 | (i * 77 + p) << 16 | (200 - p) << 8 | 13 * p);
      }
      stack.addSlice("" + i, plane);
    }
    return new ImagePlus("picture.png", stack);
  }

  /** Signed 16 bit: stored as value + 32768. */
  public static ImagePlus signed() {
    ShortProcessor plane = new ShortProcessor(4, 3);
    for (int p = 0; p < 12; p++) {
      plane.set(p, 32768 - 6 + p);
    }
    plane.setMinAndMax(32768 - 6, 32768 + 5);
    ImagePlus image = new ImagePlus("ct", plane);
    image.getCalibration().setSigned16BitCalibration();
    image.getCalibration().setUnit("mm");
    image.getCalibration().pixelWidth = 0.5;
    image.getCalibration().pixelHeight = 0.5;
    return image;
  }

  /** 8 bit with colours, a narrowed display range and a calibration of optical density. */
  public static ImagePlus coloured() {
    byte[] reds = new byte[256];
    byte[] greens = new byte[256];
    byte[] blues = new byte[256];
    for (int i = 0; i < 256; i++) {
      reds[i] = (byte) (255 - i);
      greens[i] = (byte) (i / 2);
      blues[i] = (byte) 7;
    }
    ByteProcessor plane = new ByteProcessor(4, 4);
    for (int p = 0; p < 16; p++) {
      plane.set(p, 16 * p);
    }
    plane.setLut(new LUT(reds, greens, blues));
    plane.setMinAndMax(20, 180);
    ImagePlus image = new ImagePlus("gel.gif", plane);
    image.setProp(PlaneLabels.SINGLE_PROPERTY, "lane 1");
    image.getCalibration().setFunction(Calibration.UNCALIBRATED_OD, null, "Uncalibrated OD");
    return image;
  }

  /** 32 bit with nothing known of it. */
  public static ImagePlus plain() {
    float[] values = {0.25f, -1.5f, Float.MAX_VALUE, Float.MIN_VALUE, 3e-7f, 1f};
    ImagePlus image = new ImagePlus("plain", new FloatProcessor(3, 2, values));
    image.setDisplayRange(-1.5, 1);
    return image;
  }
}
