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
import java.util.List;
import java.util.Map;

/** Shows a result: images and tables in windows, the rest in the log. */
public final class Results {
  private static final String MAIN = "output";

  private Results() {}

  /**
   * Shows a result; its main image is the active one then.
   *
   * @param title the command's title
   * @param outcome the result
   */
  public static void show(String title, Outcome outcome) {
    String command = title.replace("...", "");
    JsonObject result = Json.object(outcome.json());
    for (Map.Entry<String, JsonElement> table : Json.member(result, "tables").entrySet()) {
      table(table.getValue().getAsJsonObject()).show(command + " - " + table.getKey());
    }
    if (outcome.images().isEmpty() && Json.member(result, "tables").size() == 0) {
      // Beside an image they are details, and not worth a log window that pops up; its Info has
      // them.
      tell(command, Json.member(result, "figures"));
    }
    tell(command, Json.member(result, "files"));
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
