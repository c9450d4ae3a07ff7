package io.github.bioimgfiji.scijava;

import ij.ImagePlus;
import io.github.bioimgfiji.menu.MenuEntry;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.scijava.ItemIO;
import org.scijava.MenuPath;
import org.scijava.command.Command;
import org.scijava.command.CommandInfo;
import org.scijava.command.CommandModuleItem;
import org.scijava.module.Module;
import org.scijava.module.ModuleItem;

/**
 * A command of ours, as SciJava's services know it.
 *
 * <p>Its class name is its identifier, "bioimg:" and the command's id: so both {@code
 * CommandService.run(String, ...)} and {@code ModuleService.getModuleById(String)} find it. Its
 * inputs are those of the schema, which is read when somebody asks for them.
 */
final class SchemaCommandInfo extends CommandInfo {
  private static final String PREFIX = "bioimg:";

  private final String id;
  private final String title;
  private final String place;
  private final List<ModuleItem<?>> outputs;
  private Schema schema = new Schema("", null, Collections.emptyMap());

  SchemaCommandInfo(MenuEntry entry) {
    super(SchemaCommand.class);
    id = entry.id();
    title = entry.title();
    place = place(entry);
    outputs = outputItems();
    setName(id);
    setLabel(title);
    setMenuPath(new MenuPath(place));
    // ImageJ's menu has it already, and our own recorder writes the line that our parser reads.
    set("no-legacy", "");
    set("no-record", "");
  }

  /** Gives the command's title. */
  String title() {
    return title;
  }

  /** Tells whether this is the command of a menu's entry, in the same place. */
  boolean isOf(MenuEntry entry) {
    return id.equals(entry.id()) && place.equals(place(entry));
  }

  private static String place(MenuEntry entry) {
    return entry.menu() + ">" + entry.title();
  }

  /** What a list of commands tells of this one. */
  private static final class Schema {
    private final String list;
    private final String help;
    private final Map<String, CommandModuleItem<?>> inputs;

    Schema(String list, CommandSpec spec, Map<String, CommandModuleItem<?>> inputs) {
      this.list = list;
      this.help = spec == null ? "" : spec.help();
      this.inputs = inputs;
    }
  }

  private Schema read() {
    // NB: outside of the lock: it may start a server, and wait for the thread of the windows.
    String list = Schemas.list();
    synchronized (this) {
      if (!list.equals(schema.list)) {
        schema = schema(list);
      }
      return schema;
    }
  }

  private Schema schema(String list) {
    CommandSpec spec = Schemas.find(list, id);
    Map<String, CommandModuleItem<?>> items = new LinkedHashMap<>();
    if (spec != null) {
      for (Parameter parameter : spec.parameters()) {
        items.put(parameter.key(), SchemaInput.of(this, parameter));
      }
    }
    return new Schema(list, spec, items);
  }

  /** Every command has the same ones; those that it does not give are empty. */
  private List<ModuleItem<?>> outputItems() {
    return Arrays.asList(
        new SchemaItem<>(this, SchemaCommand.OUTPUT, ImagePlus.class, ItemIO.OUTPUT),
        new SchemaItem<>(this, "images", Map.class, ItemIO.OUTPUT),
        new SchemaItem<>(this, "tables", Map.class, ItemIO.OUTPUT),
        new SchemaItem<>(this, "figures", Map.class, ItemIO.OUTPUT),
        new SchemaItem<>(this, "files", Map.class, ItemIO.OUTPUT),
        new SchemaItem<>(this, "notes", List.class, ItemIO.OUTPUT));
  }

  @Override
  public String getClassName() {
    return PREFIX + id;
  }

  @Override
  public String getIdentifier() {
    return getClassName();
  }

  @Override
  public String getTitle() {
    return title;
  }

  @Override
  public String getDescription() {
    return read().help;
  }

  @Override
  public CommandModuleItem<?> getInput(String name) {
    return read().inputs.get(name);
  }

  @Override
  public Iterable<ModuleItem<?>> inputs() {
    return Collections.unmodifiableList(new ArrayList<>(read().inputs.values()));
  }

  @Override
  public Iterable<ModuleItem<?>> outputs() {
    return outputs;
  }

  @Override
  public CommandModuleItem<?> getOutput(String name) {
    for (ModuleItem<?> item : outputs) {
      if (item.getName().equals(name)) {
        return (CommandModuleItem<?>) item;
      }
    }
    return null;
  }

  @Override
  public Command createInstance() {
    return new SchemaCommand(id);
  }

  @Override
  public Module createModule() {
    return new SchemaModule(this, new SchemaCommand(id));
  }

  @Override
  public boolean canRunHeadless() {
    return true;
  }
}
