package io.github.bioimgfiji.json;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.util.ArrayList;
import java.util.List;

/** Reading and writing of JSON, with defaults for what is missing. */
public final class Json {
  private static final Gson GSON =
      new GsonBuilder()
          .disableHtmlEscaping()
          .serializeNulls()
          .serializeSpecialFloatingPointValues()
          .create();

  private Json() {}

  /**
   * Reads a JSON object.
   *
   * @param text JSON
   * @return the object
   * @throws JsonParseException when the text is no JSON object
   */
  public static JsonObject object(String text) {
    JsonElement element = JsonParser.parseString(text);
    if (!element.isJsonObject()) {
      throw new JsonParseException("Expected a JSON object, but got: " + shortened(text));
    }
    return element.getAsJsonObject();
  }

  /**
   * Writes an element as JSON on one line.
   *
   * @param element any element
   * @return JSON
   */
  public static String text(JsonElement element) {
    return GSON.toJson(element);
  }

  /** Gives a member as text; the fallback when it is missing or null. */
  public static String string(JsonObject object, String key, String fallback) {
    return has(object, key) ? object.get(key).getAsString() : fallback;
  }

  /** Gives a member as a number; the fallback when it is missing or null. */
  public static double number(JsonObject object, String key, double fallback) {
    return has(object, key) ? object.get(key).getAsDouble() : fallback;
  }

  /** Gives a member as a truth value; the fallback when it is missing or null. */
  public static boolean bool(JsonObject object, String key, boolean fallback) {
    return has(object, key) ? object.get(key).getAsBoolean() : fallback;
  }

  /** Gives a member that is an object; an empty object when it is missing or null. */
  public static JsonObject member(JsonObject object, String key) {
    return has(object, key) ? object.getAsJsonObject(key) : new JsonObject();
  }

  /** Gives a member that is a list; an empty list when it is missing or null. */
  public static JsonArray array(JsonObject object, String key) {
    return has(object, key) ? object.getAsJsonArray(key) : new JsonArray();
  }

  /** Gives a member that is a list of texts; an empty list when it is missing or null. */
  public static List<String> strings(JsonObject object, String key) {
    List<String> texts = new ArrayList<>();
    for (JsonElement element : array(object, key)) {
      texts.add(element.isJsonNull() ? "" : element.getAsString());
    }
    return texts;
  }

  /** Makes a list of numbers. */
  public static JsonArray numbers(double... values) {
    JsonArray array = new JsonArray();
    for (double value : values) {
      array.add(value);
    }
    return array;
  }

  /** Tells whether the object has a member that is not null. */
  public static boolean has(JsonObject object, String key) {
    return object.has(key) && !object.get(key).isJsonNull();
  }

  private static String shortened(String text) {
    return text.length() <= 80 ? text : text.substring(0, 77) + "...";
  }
}
