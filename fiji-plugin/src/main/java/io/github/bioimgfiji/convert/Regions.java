package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.gui.Overlay;
import ij.gui.Roi;
import ij.io.RoiDecoder;
import ij.io.RoiEncoder;
import io.github.bioimgfiji.json.Json;
import java.util.List;

/**
 * The active selection and the overlay, as "roi" and "overlay" of the header: each encoded as a
 * .roi file.
 */
final class Regions {
  private Regions() {}

  static void describe(ImagePlus image, JsonObject header) {
    Roi active = image.getRoi();
    header.addProperty("roi", active == null ? "" : encoded(active));
    header.add("overlay", overlay(image.getOverlay()));
  }

  private static JsonArray overlay(Overlay overlay) {
    JsonArray array = new JsonArray();
    if (overlay == null) {
      return array;
    }
    for (int i = 0; i < overlay.size(); i++) {
      Roi element = overlay.get(i);
      if (i == 0) {
        // The first element carries how the overlay shows labels, as in ImageJ's own files.
        element.setPrototypeOverlay(overlay);
      }
      array.add(encoded(element));
    }
    return array;
  }

  static void apply(JsonObject header, ImagePlus image) {
    List<String> elements = Json.strings(header, "overlay");
    if (!elements.isEmpty()) {
      image.setOverlay(overlay(elements));
    }
    String active = Json.string(header, "roi", "");
    if (!active.isEmpty()) {
      image.setRoi(decoded(active), false);
    }
  }

  private static Overlay overlay(List<String> elements) {
    Overlay overlay = new Overlay();
    for (String text : elements) {
      overlay.add(decoded(text));
    }
    Overlay look = overlay.get(0).getPrototypeOverlay();
    overlay.drawLabels(look.getDrawLabels());
    overlay.drawNames(look.getDrawNames());
    overlay.drawBackgrounds(look.getDrawBackgrounds());
    overlay.setLabelColor(look.getLabelColor());
    overlay.setLabelFont(look.getLabelFont(), look.scalableLabels());
    return overlay;
  }

  private static String encoded(Roi roi) {
    byte[] bytes = RoiEncoder.saveAsByteArray(roi);
    if (bytes == null) {
      throw new IllegalArgumentException("ImageJ cannot encode the selection " + roi + ".");
    }
    return Texts.base64(bytes);
  }

  private static Roi decoded(String text) {
    Roi roi = RoiDecoder.openFromByteArray(Texts.bytes(text));
    if (roi == null) {
      throw new IllegalArgumentException("The header has a selection that is no ImageJ .roi file.");
    }
    return roi;
  }
}
