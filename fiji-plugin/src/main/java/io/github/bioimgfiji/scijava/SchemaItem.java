package io.github.bioimgfiji.scijava;

import java.lang.reflect.Field;
import java.lang.reflect.Type;
import org.scijava.ItemIO;
import org.scijava.command.CommandModuleItem;
import org.scijava.module.ModuleInfo;
import org.scijava.plugin.Parameter;

/**
 * An input or output that no Java field declares. What is not told here is that of {@link
 * Template}: above all, no value is kept from one run to the next.
 *
 * @param <T> the type of its values
 */
class SchemaItem<T> extends CommandModuleItem<T> {
  private static final Field TEMPLATE = template();

  private final String name;
  private final Class<T> type;
  private final ItemIO direction;

  SchemaItem(ModuleInfo info, String name, Class<T> type, ItemIO direction) {
    super(info, TEMPLATE);
    this.name = name;
    this.type = type;
    this.direction = direction;
  }

  /** The annotation that all items share. */
  private static final class Template {
    @Parameter(persist = false, required = false)
    private Object value;
  }

  private static Field template() {
    try {
      return Template.class.getDeclaredField("value");
    } catch (NoSuchFieldException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  @Override
  public String getName() {
    return name;
  }

  @Override
  public Class<T> getType() {
    return type;
  }

  @Override
  public Type getGenericType() {
    return type;
  }

  @Override
  public ItemIO getIOType() {
    return direction;
  }

  @Override
  public String getLabel() {
    return name;
  }

  @Override
  public T getDefaultValue() {
    return null;
  }
}
