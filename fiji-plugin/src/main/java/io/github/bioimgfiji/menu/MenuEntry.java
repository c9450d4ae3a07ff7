package io.github.bioimgfiji.menu;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.CommandSpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One command as a menu has it. */
public final class MenuEntry {
  /** The class behind every command of the menu. */
  public static final String COMMAND = "io.github.bioimgfiji.command.BioImg_Command";

  private static final Pattern CALL = Pattern.compile(Pattern.quote(COMMAND) + "\\(\"(\\w+)\"\\)");

  /** A menu whose items nobody looks for: the titles without dots stand there. */
  public static final String ALIASES = "Help>About Plugins";

  private final String menu;
  private final String title;
  private final String id;

  MenuEntry(String menu, String title, String id) {
    this.menu = menu;
    this.title = title;
    this.id = id;
  }

  /** Reads the backend's list; what a line of plugins.config cannot hold is left out. */
  public static List<MenuEntry> read(String commandsJson) {
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

  /**
   * Reads ImageJ's table of commands, which does not tell their places in the menu.
   *
   * @param table what is called, by title
   * @param menus the menus by id, as far as they are known
   * @param other the menu of those that are not among them
   */
  public static List<MenuEntry> of(Map<?, ?> table, Map<String, String> menus, String other) {
    Map<?, ?> copy;
    synchronized (table) { // which ImageJ's table locks, too: others write into it meanwhile
      copy = new HashMap<>(table);
    }
    Map<String, String> titles = new TreeMap<>();
    for (Map.Entry<?, ?> each : copy.entrySet()) {
      Matcher call = CALL.matcher(each.getValue().toString());
      if (call.matches()) {
        // The title with dots is the longer one of a command's two.
        titles.merge(call.group(1), each.getKey().toString(), MenuEntry::longer);
      }
    }
    List<MenuEntry> entries = new ArrayList<>();
    titles.forEach(
        (id, title) -> entries.add(new MenuEntry(menus.getOrDefault(id, other), title, id)));
    return entries;
  }

  private static String longer(String one, String other) {
    return one.length() > other.length() ? one : other;
  }

  private boolean isWritable() {
    return id.matches("\\w+")
        && title.matches("BioImg[^\"\\r\\n>\\[\\]]*")
        && menu.matches("[^,\"\\r\\n]+>[^,\"\\r\\n]+");
  }

  /** Gives the title. */
  public String title() {
    return title;
  }

  /** Gives the menu, its parts parted by {@code >}. */
  public String menu() {
    return menu;
  }

  /** Gives the command's id. */
  public String id() {
    return id;
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
