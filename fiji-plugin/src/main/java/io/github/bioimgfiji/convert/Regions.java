package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.gui.Overlay;
import ij.gui.Roi;
import ij.io.RoiDecoder;
import ij.io.RoiEncoder;
import io.github.bioimgfiji.json.Json;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The active selection and the overlay, as "roi" and "overlay" of the header: each encoded as a
 * .roi file.
 */
public final class Regions {
  private Regions() {}

  static void describe(ImagePlus image, JsonObject header) {
    Roi active = image.getRoi();
    header.addProperty("roi", active == null ? "" : encode(active));
    JsonArray elements = new JsonArray();
    encode(image.getOverlay()).forEach(elements::add);
    header.add("overlay", elements);
  }

  /**
   * Encodes the elements of an overlay.
   *
   * @param overlay the overlay, or null
   * @return .roi files in base64
   */
  public static List<String> encode(Overlay overlay) {
    List<String> elements = new ArrayList<>();
    if (overlay == null) {
      return elements;
    }
    for (int i = 0; i < overlay.size(); i++) {
      Roi element = overlay.get(i);
      if (i == 0) {
        // The first element carries how the overlay shows labels, as in ImageJ's own files.
        element.setPrototypeOverlay(overlay);
      }
      elements.add(encode(element));
    }
    return elements;
  }

  static void apply(JsonObject header, ImagePlus image) {
    List<String> elements = Json.strings(header, "overlay");
    if (!elements.isEmpty()) {
      image.setOverlay(overlay(elements));
    }
    String active = Json.string(header, "roi", "");
    if (!active.isEmpty()) {
      image.setRoi(decode(active), false);
    }
  }

  /**
   * Makes an overlay of its encoded elements; the first tells how labels are shown.
   *
   * @param elements .roi files in base64
   * @return the overlay
   */
  public static Overlay overlay(List<String> elements) {
    Overlay overlay = new Overlay();
    if (elements.isEmpty()) {
      return overlay;
    }
    for (String text : elements) {
      overlay.add(decode(text));
    }
    Overlay look = overlay.get(0).getPrototypeOverlay();
    overlay.drawLabels(look.getDrawLabels());
    overlay.drawNames(look.getDrawNames());
    overlay.drawBackgrounds(look.getDrawBackgrounds());
    overlay.setLabelColor(look.getLabelColor());
    overlay.setLabelFont(look.getLabelFont(), look.scalableLabels());
    return overlay;
  }

  /**
   * Encodes a region of interest.
   *
   * @param roi the region
   * @return a .roi file in base64
   */
  public static String encode(Roi roi) {
    byte[] bytes = RoiEncoder.saveAsByteArray(roi);
    if (bytes == null) {
      throw new IllegalArgumentException("ImageJ cannot encode the selection " + roi + ".");
    }
    return Texts.base64(bytes);
  }

  /**
   * Decodes a region of interest.
   *
   * @param text a .roi file in base64
   * @return the region
   */
  public static Roi decode(String text) {
    Roi roi = RoiDecoder.openFromByteArray(Texts.bytes(text));
    if (roi == null) {
      throw new IllegalArgumentException("A selection is no ImageJ .roi file.");
    }
    mendProperties(roi);
    return roi;
  }

  /** ImageJ reads the UTF-8 of a region's properties as Latin-1: here that is undone. */
  private static void mendProperties(Roi roi) {
    if (roi.getPropertyCount() == 0) {
      return;
    }
    for (String line : roi.getProperties().split("\n")) {
      int colon = line.indexOf(": ");
      String key = colon < 0 ? "" : line.substring(0, colon);
      String value = key.isEmpty() ? null : roi.getProperty(key);
      if (value != null && !(mended(key) + mended(value)).equals(key + value)) {
        roi.setProperty(key, null);
        roi.setProperty(mended(key), mended(value));
      }
    }
  }

  private static String mended(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    try {
      String read = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return new String(bytes, StandardCharsets.ISO_8859_1).equals(text) ? read : text;
    } catch (CharacterCodingException e) {
      return text; // it was read as it should be
    }
  }
}
