package io.github.bioimgfiji.live;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.util.Locale;

/** Progress as one line of text. */
public final class ProgressText {
  private static final String[] CURVES = {"loss", "validation"};

  private ProgressText() {}

  /**
   * Writes the line.
   *
   * @param message what is being done
   * @param current steps done
   * @param maximum steps in all; 0 when nobody knows
   * @param figuresJson a JSON object of numbers, of which loss, validation and seconds_left are
   *     told
   * @return for example "Training 120/400, loss 0.21, validation 0.19, 12 s left"
   */
  public static String of(String message, double current, double maximum, String figuresJson) {
    JsonObject figures = Json.object(figuresJson);
    StringBuilder text = new StringBuilder(message);
    if (maximum > 1) {
      text.append(String.format(Locale.ROOT, " %.0f/%.0f", current, maximum));
    }
    for (String name : CURVES) {
      if (Json.has(figures, name)) {
        text.append(String.format(Locale.ROOT, ", %s %.4g", name, Json.number(figures, name, 0)));
      }
    }
    if (Json.has(figures, "seconds_left")) {
      text.append(", ").append(duration(Json.number(figures, "seconds_left", 0))).append(" left");
    }
    return text.toString();
  }

  private static String duration(double seconds) {
    long whole = Math.max(0, Math.round(seconds));
    if (whole < 60) {
      return whole + " s";
    }
    return whole < 3600
        ? String.format(Locale.ROOT, "%d min %02d s", whole / 60, whole % 60)
        : String.format(Locale.ROOT, "%d h %02d min", whole / 3600, whole / 60 % 60);
  }
}
