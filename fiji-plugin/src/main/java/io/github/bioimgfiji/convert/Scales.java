package io.github.bioimgfiji.convert;

import com.google.gson.JsonObject;
import ij.measure.Calibration;
import io.github.bioimgfiji.json.Json;

/**
 * The spatial and temporal calibration, as "scales" of the header.
 *
 * <p>An axis of which nothing is known has no scale. ImageJ's "pixel" is written as no unit.
 */
final class Scales {
  private static final String DEFAULT_TIME_UNIT = "sec";

  private Scales() {}

  static JsonObject describe(Calibration cal, Dimensions sizes) {
    JsonObject scales = new JsonObject();
    add(scales, "x", cal.pixelWidth, cal.getXUnit(), cal.xOrigin, false);
    add(scales, "y", cal.pixelHeight, cal.getYUnit(), cal.yOrigin, false);
    // A single plane of unknown distance inherits the unit of x in ImageJ: that says nothing of z.
    boolean bare = sizes.slices == 1 && cal.pixelDepth == 1 && cal.zOrigin == 0;
    add(scales, "z", cal.pixelDepth, cal.getZUnit(), cal.zOrigin, bare);
    add(scales, "t", cal.frameInterval, cal.getTimeUnit(), 0, cal.frameInterval == 0);
    return scales;
  }

  private static void add(
      JsonObject scales, String axis, double step, String unit, double origin, boolean unknown) {
    String text = Texts.unit(unit);
    if (unknown || (step == 1 && origin == 0 && text.isEmpty())) {
      return;
    }
    JsonObject scale = new JsonObject();
    scale.addProperty("step", step);
    scale.addProperty("unit", text);
    scale.addProperty("origin", origin);
    scales.add(axis, scale);
  }

  static void apply(JsonObject scales, Calibration cal) {
    JsonObject x = Json.member(scales, "x");
    JsonObject y = Json.member(scales, "y");
    JsonObject z = Json.member(scales, "z");
    JsonObject t = Json.member(scales, "t");
    String unit = Json.string(x, "unit", "");
    cal.setXUnit(unit);
    if (Json.has(y, "unit") && !unit.equals(Json.string(y, "unit", ""))) {
      cal.setYUnit(named(Json.string(y, "unit", "")));
    }
    if (Json.has(z, "unit") && !unit.equals(Json.string(z, "unit", ""))) {
      cal.setZUnit(named(Json.string(z, "unit", "")));
    }
    cal.pixelWidth = Json.number(x, "step", 1);
    cal.pixelHeight = Json.number(y, "step", 1);
    cal.pixelDepth = Json.number(z, "step", 1);
    cal.xOrigin = Json.number(x, "origin", 0);
    cal.yOrigin = Json.number(y, "origin", 0);
    cal.zOrigin = Json.number(z, "origin", 0);
    cal.frameInterval = Json.number(t, "step", 0);
    String time = Json.string(t, "unit", "");
    cal.setTimeUnit(time.isEmpty() ? DEFAULT_TIME_UNIT : time);
  }

  private static String named(String unit) {
    return unit.isEmpty() ? "pixel" : unit;
  }
}
