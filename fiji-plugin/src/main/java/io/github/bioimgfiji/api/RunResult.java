package io.github.bioimgfiji.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import ij.ImagePlus;
import ij.measure.ResultsTable;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.Results;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a command has given; nothing of it is shown before {@link #show}.
 *
 * <p>Its getters are properties in Jython and Groovy: {@code result.image}, {@code result.figures}.
 */
public final class RunResult {
  private final String title;
  private final Outcome outcome;
  private final JsonObject json;

  RunResult(String title, Outcome outcome) {
    this.title = title;
    this.outcome = outcome;
    json = Json.object(outcome.json());
  }

  /**
   * Gives the main image.
   *
   * @return the image named "output", else the first; null when the command gives none
   */
  public ImagePlus getImage() {
    Map<String, ImagePlus> images = outcome.images();
    return images.containsKey(Results.MAIN)
        ? images.get(Results.MAIN)
        : images.values().stream().findFirst().orElse(null);
  }

  /**
   * Gives all images.
   *
   * @return images by name ("output" is the main one), not to be changed
   */
  public Map<String, ImagePlus> getImages() {
    return outcome.images();
  }

  /**
   * Gives the tables.
   *
   * @return ImageJ's tables by name
   */
  public Map<String, ResultsTable> getTables() {
    return Results.tables(outcome);
  }

  /** Gives the rows of a table. */
  JsonArray rows(String table) {
    return Json.array(Json.member(Json.member(json, "tables"), table), "rows");
  }

  /**
   * Gives numbers and short texts.
   *
   * @return Double, String or Boolean by name
   */
  public Map<String, Object> getFigures() {
    Map<String, Object> figures = new LinkedHashMap<>();
    for (Map.Entry<String, JsonElement> each : Json.member(json, "figures").entrySet()) {
      if (each.getValue().isJsonPrimitive()) {
        figures.put(each.getKey(), plain(each.getValue().getAsJsonPrimitive()));
      }
    }
    return Collections.unmodifiableMap(figures);
  }

  private static Object plain(JsonPrimitive value) {
    if (value.isNumber()) {
      return value.getAsDouble();
    }
    return value.isBoolean() ? (Object) value.getAsBoolean() : value.getAsString();
  }

  /**
   * Gives the files that the command has written.
   *
   * @return paths by name
   */
  public Map<String, String> getFiles() {
    Map<String, String> files = new LinkedHashMap<>();
    Json.member(json, "files")
        .entrySet()
        .forEach(each -> files.put(each.getKey(), each.getValue().getAsString()));
    return Collections.unmodifiableMap(files);
  }

  /**
   * Gives what the user should know.
   *
   * @return sentences
   */
  public List<String> getNotes() {
    return Collections.unmodifiableList(Json.strings(json, "notes"));
  }

  /** Shows images, tables and notes, as the command of the menu does. */
  public void show() {
    Results.show(title, outcome);
  }

  @Override
  public String toString() {
    return title + ": images " + getImages().keySet() + ", figures " + getFigures();
  }
}
