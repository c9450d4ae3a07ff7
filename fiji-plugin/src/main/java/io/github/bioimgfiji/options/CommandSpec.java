package io.github.bioimgfiji.options;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** A command as the backend declares it: names, help and parameters in the dialog's order. */
public final class CommandSpec {
  private final JsonObject command;
  private final List<Parameter> parameters;

  private CommandSpec(JsonObject command) {
    this.command = command;
    JsonObject schema = Json.member(command, "schema");
    List<String> required = Json.strings(schema, "required");
    List<Parameter> list = new ArrayList<>();
    for (Map.Entry<String, JsonElement> entry : Json.member(schema, "properties").entrySet()) {
      JsonObject property = entry.getValue().getAsJsonObject();
      list.add(new Parameter(entry.getKey(), property, required.contains(entry.getKey())));
    }
    list.sort(Comparator.comparingInt(Parameter::order));
    parameters = Collections.unmodifiableList(list);
  }

  /**
   * Finds a command in the backend's list.
   *
   * @param commandsJson the list, as {@code GET /v1/commands} gives it
   * @param name the command's id, or its title with or without the dots
   * @return the command
   * @throws BackendException (code "unknown_command") when there is none; names the nearest ones
   */
  public static CommandSpec find(String commandsJson, String name) throws BackendException {
    List<String> names = new ArrayList<>();
    try {
      for (JsonElement element : Json.array(Json.object(commandsJson), "commands")) {
        CommandSpec spec = new CommandSpec(element.getAsJsonObject());
        if (spec.id().equals(name) || withoutDots(spec.title()).equals(withoutDots(name))) {
          return spec;
        }
        names.add(name.startsWith("BioImg") ? spec.title() : spec.id());
      }
    } catch (JsonParseException | IllegalStateException | IllegalArgumentException damaged) {
      String fix = "Update the Python side and this plugin to the same version.";
      throw new BackendException(
          "protocol", "The list of commands is damaged: " + damaged.getMessage(), fix);
    }
    List<String> near = Nearest.of(name, names);
    String fix =
        near.isEmpty() ? "There are " + String.join(", ", names) + "." : Parameter.hint(near);
    throw new BackendException("unknown_command", "There is no command \"" + name + "\".", fix);
  }

  /** Gives the id. */
  public String id() {
    return Json.string(command, "id", "");
  }

  /** Gives the title: the name in the menu and in macros. */
  public String title() {
    return Json.string(command, "title", id());
  }

  /** Gives the help text. */
  public String help() {
    return Json.string(command, "help", "");
  }

  /** Gives the parameters in the dialog's order. */
  public List<Parameter> parameters() {
    return parameters;
  }

  /** Gives the image inputs, and the lists of them, in the dialog's order. */
  public List<Parameter> images() {
    List<Parameter> images = new ArrayList<>(parameters);
    images.removeIf(parameter -> !parameter.isImage());
    return images;
  }

  /** Tells whether a parameter is the one image that the active image stands in for. */
  public boolean isActiveImage(Parameter parameter) {
    List<Parameter> needed = images();
    needed.removeIf(image -> !image.mayBeActive());
    return needed.size() == 1 && needed.get(0).key().equals(parameter.key());
  }

  /**
   * Gives a title as the windows and messages of a command have it.
   *
   * @param title the title in the menu, with or without the dots
   * @return the title without the dots
   */
  public static String withoutDots(String title) {
    return title.endsWith("...") ? title.substring(0, title.length() - 3) : title;
  }
}
