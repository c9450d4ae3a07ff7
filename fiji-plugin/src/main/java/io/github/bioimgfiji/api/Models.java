package io.github.bioimgfiji.api;

import com.google.gson.JsonElement;
import io.github.bioimgfiji.backend.BackendException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The models of the store, and what they are, as the command "models" tells it. */
public final class Models {
  private Models() {}

  /**
   * Lists the models of the store.
   *
   * @return their names
   * @throws BackendException when the list cannot be had
   */
  public static List<String> names() throws BackendException {
    List<String> names = new ArrayList<>();
    for (JsonElement row : rows("list", "", "models")) {
      names.add(row.getAsJsonArray().get(0).getAsString());
    }
    return names;
  }

  /**
   * Describes a model.
   *
   * @param model its name in the store, or a path
   * @return texts by property, such as "name", "weights", "sha256"
   * @throws BackendException when there is no such model
   */
  public static Map<String, String> properties(String model) throws BackendException {
    Map<String, String> properties = new LinkedHashMap<>();
    for (JsonElement row : rows("describe", model, "model")) {
      properties.put(
          row.getAsJsonArray().get(0).getAsString(), row.getAsJsonArray().get(1).getAsString());
    }
    return properties;
  }

  /**
   * Gives one property of a model.
   *
   * @param model its name in the store, or a path
   * @param property the property's name
   * @return its value
   * @throws BackendException when there is no such model or property
   */
  public static String property(String model, String property) throws BackendException {
    Map<String, String> properties = properties(model);
    if (!properties.containsKey(property)) {
      throw new BackendException(
          "parameter",
          "The property must be one of the model's, but it is \"" + property + "\".",
          "It has " + String.join(", ", properties.keySet()) + ".");
    }
    return properties.get(property);
  }

  private static Iterable<JsonElement> rows(String action, String model, String table)
      throws BackendException {
    Map<String, String> options = new LinkedHashMap<>();
    options.put("action", action);
    options.put("source", model);
    return Call.of("models", null, options).run().rows(table);
  }
}
