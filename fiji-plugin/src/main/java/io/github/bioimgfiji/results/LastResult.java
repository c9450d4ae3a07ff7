package io.github.bioimgfiji.results;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the last command that has ended tells in numbers and texts; its images are not kept. */
public final class LastResult {
  private static JsonObject result = new JsonObject();

  private LastResult() {}

  static synchronized void keep(JsonObject last) {
    result = last;
  }

  /**
   * Gives figures, and files, whose figure is their path.
   *
   * @return texts by name, in the command's order
   */
  public static synchronized Map<String, String> figures() {
    Map<String, String> found = new LinkedHashMap<>();
    for (String part : new String[] {"figures", "files"}) {
      for (Map.Entry<String, JsonElement> each : Json.member(result, part).entrySet()) {
        if (each.getValue().isJsonPrimitive()) {
          found.put(each.getKey(), each.getValue().getAsString());
        }
      }
    }
    return Collections.unmodifiableMap(found);
  }
}
