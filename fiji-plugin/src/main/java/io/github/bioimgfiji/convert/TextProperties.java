package io.github.bioimgfiji.convert;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/**
 * The texts that hang on an image, as "properties" of the header; "Info" is what Image > Show Info
 * prints.
 */
final class TextProperties {
  private static final String INFO = "Info";

  private TextProperties() {}

  static JsonObject describe(ImagePlus image) {
    Map<String, String> texts = new TreeMap<>();
    Properties objects = image.getProperties();
    if (objects != null) {
      objects.forEach((key, value) -> addText(texts, key, value));
    }
    image.getImageProperties().forEach((key, value) -> addText(texts, key, value));
    JsonObject json = new JsonObject();
    texts.forEach(json::addProperty);
    return json;
  }

  static void apply(JsonObject properties, ImagePlus image) {
    for (Map.Entry<String, JsonElement> entry : properties.entrySet()) {
      String value = entry.getValue().getAsString();
      if (entry.getKey().equals(INFO)) {
        image.setProperty(INFO, value);
      } else {
        image.setProp(entry.getKey(), value);
      }
    }
  }

  private static void addText(Map<String, String> texts, Object key, Object value) {
    String name = String.valueOf(key);
    boolean elsewhere =
        name.equals(PlaneLabels.SINGLE_PROPERTY)
            || name.matches(ChannelDisplay.NAME_PROPERTY + "[0-9]+");
    if (value instanceof String && !elsewhere) {
      texts.put(name, (String) value);
    }
  }
}
