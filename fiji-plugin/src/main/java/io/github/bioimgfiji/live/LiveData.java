package io.github.bioimgfiji.live;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What can be looked at while a job runs: "Live" of the wire protocol. Never changes. */
final class LiveData {
  private final Map<String, double[][]> curves = new LinkedHashMap<>();
  private final Preview preview;
  private final boolean finishable;

  /**
   * Reads the JSON form.
   *
   * @param json "Live" of the wire protocol
   * @throws RuntimeException when it is something else
   */
  LiveData(String json) {
    JsonObject live = Json.object(json);
    for (Map.Entry<String, JsonElement> each : Json.member(live, "curves").entrySet()) {
      double[][] points = points(each.getValue().getAsJsonArray());
      if (points[0].length > 0) {
        curves.put(each.getKey(), points);
      }
    }
    preview = Json.has(live, "preview") ? new Preview(Json.member(live, "preview")) : null;
    finishable = Json.bool(live, "finishable", false);
  }

  /** Gives the steps and the values of the points that can be drawn. */
  private static double[][] points(JsonArray pairs) {
    double[] steps = new double[pairs.size()];
    double[] values = new double[pairs.size()];
    int count = 0;
    for (JsonElement pair : pairs) {
      JsonElement value = pair.getAsJsonArray().get(1);
      if (!value.isJsonNull() && isFinite(value.getAsDouble())) {
        steps[count] = pair.getAsJsonArray().get(0).getAsDouble();
        values[count++] = value.getAsDouble();
      }
    }
    return new double[][] {Arrays.copyOf(steps, count), Arrays.copyOf(values, count)};
  }

  private static boolean isFinite(double value) {
    return !Double.isNaN(value) && !Double.isInfinite(value);
  }

  /** Gives the curves by name: the steps, and the value at each; none is empty. */
  Map<String, double[][]> curves() {
    return Collections.unmodifiableMap(curves);
  }

  /** Gives the preview, or null. */
  Preview preview() {
    return preview;
  }

  /** Tells whether the work would end early with a result if it were asked to. */
  boolean finishable() {
    return finishable;
  }
}
