package io.github.bioimgfiji.menu;

import com.google.gson.JsonParseException;
import ij.IJ;
import ij.Menus;
import io.github.bioimgfiji.options.KnownCommands;
import io.github.bioimgfiji.results.Notes;
import java.awt.GraphicsEnvironment;
import java.awt.Menu;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Brings the menu up to date with the commands that the backend has: those of third-party packages
 * and the pinned models, which our plugins.config does not know. They come at once into the menu of
 * this ImageJ, and into the {@link MenuFile} for the next start.
 */
public final class MenuUpdate {
  private static String done = "";

  private MenuUpdate() {}

  /**
   * Compares and changes; does nothing without a menu, and nothing when the list is the one of the
   * last time.
   *
   * @param commandsJson the list, as {@code GET /v1/commands} gives it
   */
  public static void with(String commandsJson) {
    change(commandsJson);
    KnownCommands.tell(commandsJson); // after it: the search bar runs items of the menu
  }

  private static synchronized void change(String commandsJson) {
    boolean menu = !GraphicsEnvironment.isHeadless() && IJ.getInstance() != null;
    if (!menu || commandsJson.equals(done)) {
      return;
    }
    try {
      List<MenuEntry> all = MenuEntry.read(commandsJson);
      hideAliases(all);
      List<MenuEntry> more = new ArrayList<>(all);
      more.removeIf(entry -> isFixed(entry.title()));
      removeGone(all);
      more.forEach(MenuUpdate::add);
      write(more);
      done = commandsJson;
    } catch (JsonParseException | IllegalStateException notOurs) {
      // Whoever needs the list says that it is damaged.
    }
  }

  /**
   * Tells whether a title is from another jar than the cache: from ours, or from somebody else's.
   */
  private static boolean isFixed(String title) {
    String jar = Menus.getJarFileForMenuEntry(title);
    return jar != null && !jar.endsWith(MenuFile.NAME);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, String> table() {
    return Menus.getCommands();
  }

  private static void add(MenuEntry entry) {
    if (table().putIfAbsent(entry.title(), entry.call()) == null) {
      Menus.add(entry.menu() + ">" + entry.title(), entry.call());
    }
    table().putIfAbsent(entry.alias(), entry.call());
  }

  /** Takes out what came from the cache, or by us, and is no command any more. */
  private static void removeGone(List<MenuEntry> all) {
    List<String> calls = new ArrayList<>();
    all.forEach(entry -> calls.add(entry.call()));
    Map<String, String> known = new HashMap<>(table());
    known.forEach(
        (title, call) -> {
          if (MenuEntry.isCall(call) && !calls.contains(call) && !isFixed(title)) {
            table().remove(title);
            removeItem(Menus.getMenuBar(), title);
          }
        });
  }

  private static void removeItem(java.awt.MenuBar bar, String title) {
    for (int i = 0; bar != null && i < bar.getMenuCount(); i++) {
      removeItem(bar.getMenu(i), title);
    }
  }

  private static void removeItem(Menu menu, String title) {
    for (int i = menu.getItemCount() - 1; i >= 0; i--) {
      if (menu.getItem(i) instanceof Menu) {
        removeItem((Menu) menu.getItem(i), title);
      } else if (menu.getItem(i).getLabel().equals(title)) {
        menu.remove(i);
      }
    }
  }

  /**
   * Takes the titles without dots out of the menu: they stay in the table of commands, where a
   * macro finds them, and need no place any more.
   */
  private static void hideAliases(List<MenuEntry> all) {
    Menu menu = Menus.getImageJMenu(MenuEntry.ALIASES);
    if (menu == null) {
      return;
    }
    removeItem(menu, "BioImg Server");
    for (MenuEntry entry : all) {
      if (!entry.alias().equals(entry.title())) {
        removeItem(menu, entry.alias());
      }
    }
  }

  private static void write(List<MenuEntry> more) {
    Path folder = folder();
    if (folder == null) {
      return;
    }
    StringBuilder lines = new StringBuilder();
    more.forEach(entry -> lines.append(entry.lines()));
    String text =
        lines.length() == 0 ? "" : "# The menu's cache; written anew when needed.\n" + lines;
    try {
      new MenuFile(folder).write(text);
    } catch (IOException refused) {
      Notes.tell(
          "BioImg: the menu of the next start will lack what has changed, because "
              + folder
              + " cannot be written to ("
              + refused
              + ").");
    }
  }

  /** Gives the plugins folder that our own jar is in; null where it was not started from there. */
  private static Path folder() {
    String plugins = Menus.getPlugInsPath();
    CodeSource source = MenuUpdate.class.getProtectionDomain().getCodeSource();
    if (plugins == null || source == null || source.getLocation() == null) {
      return null;
    }
    try {
      Path folder = Paths.get(plugins).toRealPath();
      Path jar = Paths.get(source.getLocation().toURI()).toRealPath();
      return jar.startsWith(folder) ? folder : null;
    } catch (IOException | URISyntaxException | RuntimeException elsewhere) {
      return null;
    }
  }
}
