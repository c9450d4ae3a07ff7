package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import ij.measure.Calibration;
import ij.measure.CurveFitter;
import io.github.bioimgfiji.json.Json;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The intensity calibration, as "intensity" of the header.
 *
 * <p>A custom function has its table (256 or 65536 values) as coefficients. A 32-bit image has a
 * unit only: ImageJ takes its pixels for physical values.
 */
final class IntensityFunction {
  private static final String UNIT_ONLY = "none";
  private static final Map<String, Integer> NUMBERS = new LinkedHashMap<>();

  static {
    NUMBERS.put("straight_line", Calibration.STRAIGHT_LINE);
    NUMBERS.put("poly2", Calibration.POLY2);
    NUMBERS.put("poly3", Calibration.POLY3);
    NUMBERS.put("poly4", Calibration.POLY4);
    NUMBERS.put("exponential", Calibration.EXPONENTIAL);
    NUMBERS.put("power", Calibration.POWER);
    NUMBERS.put("log", Calibration.LOG);
    NUMBERS.put("rodbard", Calibration.RODBARD);
    NUMBERS.put("gamma_variate", Calibration.GAMMA_VARIATE);
    NUMBERS.put("log2", Calibration.LOG2);
    NUMBERS.put("rodbard2", Calibration.RODBARD2);
    NUMBERS.put("exp_with_offset", Calibration.EXP_WITH_OFFSET);
    NUMBERS.put("gaussian", Calibration.GAUSSIAN);
    NUMBERS.put("exp_recovery", Calibration.EXP_RECOVERY);
    // poly8 has the number of "no function" in Calibration, so ImageJ cannot hold it.
    NUMBERS.put("poly5", CurveFitter.POLY5);
    NUMBERS.put("poly6", CurveFitter.POLY6);
    NUMBERS.put("poly7", CurveFitter.POLY7);
    NUMBERS.put("uncalibrated_od", Calibration.UNCALIBRATED_OD);
    NUMBERS.put("custom", Calibration.CUSTOM);
  }

  private IntensityFunction() {}

  static JsonElement describe(Calibration cal, PixelType type) {
    if (type == PixelType.FLOAT32) {
      return unitOnly(cal.getValueUnit());
    }
    String name = name(cal.getFunction());
    boolean eightOrSixteen = type == PixelType.UINT8 || type == PixelType.UINT16;
    if (name == null || !eightOrSixteen) {
      return JsonNull.INSTANCE;
    }
    JsonObject intensity = new JsonObject();
    intensity.addProperty("function", name);
    intensity.add("coefficients", coefficients(cal));
    intensity.addProperty("unit", cal.getValueUnit());
    intensity.addProperty("zero_clip", cal.zeroClip());
    return intensity;
  }

  static void apply(JsonObject header, Calibration cal, PixelType type) {
    if (type == PixelType.INT16) {
      cal.setSigned16BitCalibration();
      return;
    }
    JsonObject intensity = Json.member(header, "intensity");
    String function = Json.string(intensity, "function", "");
    if (function.equals(UNIT_ONLY)) {
      cal.setValueUnit(Json.string(intensity, "unit", ""));
      return;
    }
    if (function.isEmpty() || type == PixelType.RGB) {
      return;
    }
    if (type == PixelType.FLOAT32) {
      throw new IllegalArgumentException(
          "ImageJ has no intensity calibration for 32-bit images: their pixels are physical values");
    }
    if (!NUMBERS.containsKey(function)) {
      throw new IllegalArgumentException(
          "ImageJ has no intensity function \""
              + function
              + "\"; it has "
              + NUMBERS.keySet()
              + ".");
    }
    double[] values = values(Json.array(intensity, "coefficients"));
    String unit = Json.string(intensity, "unit", "");
    int number = NUMBERS.get(function);
    if (number == Calibration.CUSTOM) {
      cal.setCTable(floats(values), unit);
    } else {
      cal.setFunction(number, values, unit, Json.bool(intensity, "zero_clip", false));
    }
  }

  /**
   * Describes an image whose pixels are physical values: ImageJ knows their unit, and no function.
   */
  private static JsonElement unitOnly(String unit) {
    if (unit == null || unit.isEmpty() || unit.equals(Calibration.DEFAULT_VALUE_UNIT)) {
      return JsonNull.INSTANCE;
    }
    JsonObject intensity = new JsonObject();
    intensity.addProperty("function", UNIT_ONLY);
    intensity.add("coefficients", new JsonArray());
    intensity.addProperty("unit", unit);
    intensity.addProperty("zero_clip", false);
    return intensity;
  }

  private static String name(int number) {
    for (Map.Entry<String, Integer> entry : NUMBERS.entrySet()) {
      if (entry.getValue() == number) {
        return entry.getKey();
      }
    }
    return null;
  }

  private static JsonArray coefficients(Calibration cal) {
    if (cal.getFunction() == Calibration.CUSTOM) {
      float[] table = cal.getCTable();
      double[] values = new double[table == null ? 0 : table.length];
      Arrays.setAll(values, i -> table[i]);
      return Json.numbers(values);
    }
    return cal.getCoefficients() == null ? new JsonArray() : Json.numbers(cal.getCoefficients());
  }

  private static double[] values(JsonArray array) {
    double[] values = new double[array.size()];
    Arrays.setAll(values, i -> array.get(i).getAsDouble());
    return values;
  }

  private static float[] floats(double[] values) {
    float[] table = new float[values.length];
    for (int i = 0; i < table.length; i++) {
      table[i] = (float) values[i];
    }
    return table;
  }
}
