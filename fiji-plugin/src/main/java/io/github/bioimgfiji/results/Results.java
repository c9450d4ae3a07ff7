package io.github.bioimgfiji.results;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import ij.ImagePlus;
import ij.WindowManager;
import ij.measure.ResultsTable;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.CommandSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Shows a result: images and tables in windows, the rest, with its notes, in the log. */
public final class Results {
  /** Name of the main image. */
  public static final String MAIN = "output";

  private Results() {}

  /**
   * Shows a result; its main image is the active one then.
   *
   * @param title the command's title
   * @param outcome the result
   */
  public static void show(String title, Outcome outcome) {
    String command = CommandSpec.withoutDots(title);
    JsonObject result = Json.object(outcome.json());
    LastResult.keep(result);
    Map<String, ResultsTable> tables = tables(outcome);
    tables.forEach((name, table) -> table.show(command + " - " + name));
    if (outcome.images().isEmpty() && tables.isEmpty()) {
      // Beside an image they are details, and not worth a log window that pops up; its Info has
      // them.
      tell(command, Json.member(result, "figures"));
    }
    tell(command, Json.member(result, "files"));
    for (String sentence : Json.strings(result, "notes")) {
      Notes.tell(command + ": " + sentence);
    }
    for (Map.Entry<String, ImagePlus> image : outcome.images().entrySet()) {
      if (!image.getKey().equals(MAIN)) {
        show(image.getValue());
      }
    }
    if (outcome.images().containsKey(MAIN)) {
      show(outcome.images().get(MAIN));
    }
  }

  private static void show(ImagePlus image) {
    image.setTitle(uniqueTitle(image.getTitle()));
    image.show();
  }

  /** Gives the title, with -1, -2, ... when an image of that title is open. */
  public static String uniqueTitle(String title) {
    String unique = title;
    for (int i = 1; WindowManager.getImage(unique) != null; i++) {
      unique = title + "-" + i;
    }
    return unique;
  }

  /**
   * Gives the tables of a result.
   *
   * @param outcome the result
   * @return ImageJ's tables by name, not shown
   */
  public static Map<String, ResultsTable> tables(Outcome outcome) {
    JsonObject tables = Json.member(Json.object(outcome.json()), "tables");
    Map<String, ResultsTable> found = new LinkedHashMap<>();
    for (Map.Entry<String, JsonElement> table : tables.entrySet()) {
      found.put(table.getKey(), table(table.getValue().getAsJsonObject()));
    }
    return found;
  }

  /**
   * Tells whether a part of the work has failed, and the rest was done: images of a folder.
   *
   * @param outcome the result
   * @return true where the result says so itself
   */
  public static boolean isPartial(Outcome outcome) {
    return Json.bool(Json.object(outcome.json()), "partial", false);
  }

  static ResultsTable table(JsonObject json) {
    List<String> columns = Json.strings(json, "columns");
    List<String> units = Json.strings(json, "units");
    ResultsTable table = new ResultsTable();
    table.showRowNumbers(false);
    for (JsonElement row : Json.array(json, "rows")) {
      table.incrementCounter();
      JsonArray cells = row.getAsJsonArray();
      for (int i = 0; i < columns.size(); i++) {
        String unit = i < units.size() && !units.get(i).isEmpty() ? " (" + units.get(i) + ")" : "";
        add(table, columns.get(i) + unit, cells.get(i));
      }
    }
    return table;
  }

  private static void add(ResultsTable table, String column, JsonElement cell) {
    if (cell.isJsonNull()) {
      table.addValue(column, Double.NaN);
    } else if (((JsonPrimitive) cell).isNumber()) {
      table.addValue(column, cell.getAsDouble());
    } else {
      table.addValue(column, cell.getAsString());
    }
  }

  private static void tell(String command, JsonObject values) {
    for (Map.Entry<String, JsonElement> entry : values.entrySet()) {
      String name = entry.getKey().replace('_', ' ');
      Notes.tell(command + ": " + name + " = " + entry.getValue().getAsString());
    }
  }
}
