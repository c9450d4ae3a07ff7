package io.github.bioimgfiji.scijava;

import ij.Menus;
import io.github.bioimgfiji.menu.MenuEntry;
import io.github.bioimgfiji.options.KnownCommands;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.scijava.Context;
import org.scijava.MenuPath;
import org.scijava.command.CommandInfo;
import org.scijava.command.CommandService;
import org.scijava.event.EventHandler;
import org.scijava.module.ModuleInfo;
import org.scijava.module.ModuleService;
import org.scijava.module.event.ModulesAddedEvent;
import org.scijava.module.process.PreprocessorPlugin;
import org.scijava.plugin.Parameter;
import org.scijava.plugin.Plugin;
import org.scijava.plugin.PluginInfo;
import org.scijava.plugin.PluginService;
import org.scijava.plugin.event.PluginsAddedEvent;
import org.scijava.service.AbstractService;
import org.scijava.service.SciJavaService;
import org.scijava.service.Service;
import org.scijava.service.ServiceHelper;

/**
 * Keeps SciJava's list of modules in step with the menu: each command once, under its title.
 *
 * <p>At the start, which asks no server, the commands are those of ImageJ's menu; later those of
 * the backend's list, whenever that is told. The modules that imagej-legacy has made of our menu
 * items are taken out, or the search bar would show every title twice.
 *
 * <p>NB: it is loaded before imagej-legacy, which fails when a class of ImageJ was loaded before
 * it. So nothing of ImageJ is touched here until imagej-legacy has added the commands of the menu.
 */
@Plugin(type = Service.class)
public final class BioImgCommands extends AbstractService implements SciJavaService {
  private static final String PACKAGE = "io.github.bioimgfiji.";
  private static final String CLASS = "className";
  private static final String MENU = "Plugins>BioImg";

  private final Consumer<String> listener = told -> update();
  private final AtomicInteger wanted = new AtomicInteger();
  private final Map<String, String> menus = new HashMap<>();
  private volatile boolean menuIsMade;

  @Parameter private PluginService plugins;
  @Parameter private ModuleService modules;

  /** Makes a module of each of our plugins; it must be there before. */
  @Parameter private CommandService commands;

  /**
   * Has a SciJava that was there before our jar know our commands; it has found those plugins only
   * that were on the class path when it began.
   *
   * @param context SciJava's
   */
  public static void join(Context context) {
    PluginService plugins = context.service(PluginService.class);
    if (plugins.getPlugin(Preparation.class) == null) {
      Plugin priority = Preparation.class.getAnnotation(Plugin.class);
      plugins.addPlugin(new PluginInfo<>(Preparation.class, PreprocessorPlugin.class, priority));
    }
    if (context.getService(BioImgCommands.class) == null) {
      new ServiceHelper(context).loadService(BioImgCommands.class);
    }
  }

  @Override
  public void initialize() {
    KnownCommands.listen(listener);
    update();
  }

  @Override
  public void dispose() {
    KnownCommands.unlisten(listener);
  }

  @EventHandler
  void onEvent(ModulesAddedEvent event) {
    if (event.getItems().stream().anyMatch(each -> !preset(each, CLASS).isEmpty())) {
      menuIsMade = true;
      update();
    }
  }

  /** SciJava may have read its plugins anew, which forgets ours. */
  @EventHandler
  void onEvent(PluginsAddedEvent event) {
    if (event.getItems().stream().anyMatch(each -> !(each instanceof SchemaCommandInfo))) {
      update();
    }
  }

  /**
   * Brings the list up to date; where another thread is about that, that one does it once more.
   *
   * <p>NB: there is no lock to wait for: those who are told of a change run on the thread of the
   * windows, which may be the one that wants the next.
   */
  private void update() {
    if (wanted.getAndIncrement() > 0) {
      return;
    }
    int seen = 1;
    try {
      do {
        seen = wanted.get();
        modules.removeModules(legacy());
        change(entries(KnownCommands.last()));
      } while (!wanted.compareAndSet(seen, 0));
    } catch (RuntimeException | Error failed) {
      wanted.set(0);
      throw failed;
    }
  }

  private void change(List<MenuEntry> entries) {
    List<CommandInfo> gone = new ArrayList<>();
    for (ModuleInfo each : modules.getModules()) {
      if (each instanceof SchemaCommandInfo) {
        gone.add((SchemaCommandInfo) each);
      }
    }
    List<CommandInfo> come = new ArrayList<>();
    for (MenuEntry entry : entries) {
      if (!gone.removeIf(each -> ((SchemaCommandInfo) each).isOf(entry))) {
        come.add(new SchemaCommandInfo(entry));
      }
    }
    plugins.removePlugins(gone);
    plugins.addPlugins(come);
  }

  private List<MenuEntry> entries(String commandsJson) {
    if (!commandsJson.isEmpty()) {
      return MenuEntry.read(commandsJson);
    }
    Map<?, ?> table = menuIsMade ? Menus.getCommands() : null;
    return table == null ? Collections.emptyList() : MenuEntry.of(table, menus, MENU);
  }

  /** Gives what imagej-legacy has made of our commands, and notes where they stand in the menu. */
  private List<ModuleInfo> legacy() {
    List<ModuleInfo> found = new ArrayList<>();
    for (ModuleInfo module : modules.getModules()) {
      String name = preset(module, CLASS);
      boolean command = name.equals(MenuEntry.COMMAND);
      MenuPath path = module.getMenuPath();
      String menu = path == null ? "" : path.getMenuString(false).replace(" > ", ">");
      boolean alias = menu.equals(MenuEntry.ALIASES);
      if (command || (alias && name.startsWith(PACKAGE))) {
        found.add(module);
      }
      if (command && !alias && !menu.isEmpty()) {
        menus.put(preset(module, "arg"), menu);
      }
    }
    return found;
  }

  private static String preset(ModuleInfo module, String name) {
    Object value =
        module instanceof CommandInfo ? ((CommandInfo) module).getPresets().get(name) : null;
    return value == null ? "" : value.toString();
  }
}
