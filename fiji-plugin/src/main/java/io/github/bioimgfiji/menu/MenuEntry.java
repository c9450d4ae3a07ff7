package io.github.bioimgfiji.menu;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.CommandSpec;
import java.util.ArrayList;
import java.util.List;

/** One command as a menu has it. */
final class MenuEntry {
  private static final String COMMAND = "io.github.bioimgfiji.command.BioImg_Command";

  /** A menu whose items nobody looks for: the titles without dots stand there. */
  static final String ALIASES = "Help>About Plugins";

  private final String menu;
  private final String title;
  private final String id;

  MenuEntry(String menu, String title, String id) {
    this.menu = menu;
    this.title = title;
    this.id = id;
  }

  /** Reads the backend's list; what a line of plugins.config cannot hold is left out. */
  static List<MenuEntry> read(String commandsJson) {
    List<MenuEntry> entries = new ArrayList<>();
    for (JsonElement element : Json.array(Json.object(commandsJson), "commands")) {
      JsonObject command = element.getAsJsonObject();
      MenuEntry entry =
          new MenuEntry(
              Json.string(command, "menu", ""),
              Json.string(command, "title", ""),
              Json.string(command, "id", ""));
      if (entry.isWritable()) {
        entries.add(entry);
      }
    }
    return entries;
  }

  private boolean isWritable() {
    return id.matches("\\w+")
        && title.matches("BioImg[^\"\\r\\n>\\[\\]]*")
        && menu.matches("[^,\"\\r\\n]+>[^,\"\\r\\n]+");
  }

  String title() {
    return title;
  }

  String menu() {
    return menu;
  }

  /** Gives the title without dots. */
  String alias() {
    return CommandSpec.withoutDots(title);
  }

  /** Gives what ImageJ's table of commands has for it. */
  String call() {
    return COMMAND + "(\"" + id + "\")";
  }

  /** Tells whether a value of ImageJ's table of commands is one of ours. */
  static boolean isCall(Object value) {
    return value != null && value.toString().startsWith(COMMAND + "(\"");
  }

  /** Gives its lines of plugins.config. */
  String lines() {
    String line = menu + ", \"" + title + "\", " + call() + "\n";
    String other = ALIASES + ", \"" + alias() + "\", " + call() + "\n";
    return alias().equals(title) ? line : line + other;
  }
}
