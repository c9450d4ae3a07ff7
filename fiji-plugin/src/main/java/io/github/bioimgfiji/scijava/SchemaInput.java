package io.github.bioimgfiji.scijava;

import ij.ImagePlus;
import io.github.bioimgfiji.options.Parameter;
import java.io.File;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.scijava.ItemIO;
import org.scijava.module.ModuleInfo;

/**
 * An input as a parameter of the schema declares it.
 *
 * @param <T> the type of its values
 */
final class SchemaInput<T> extends SchemaItem<T> {
  private final Parameter parameter;
  private final Function<String, T> reader;

  private SchemaInput(
      ModuleInfo info, Parameter parameter, Class<T> type, Function<String, T> reader) {
    super(info, parameter.key(), type, ItemIO.INPUT);
    this.parameter = parameter;
    this.reader = reader;
  }

  /** Gives the input of a parameter, with the Java type that fits it. */
  static SchemaInput<?> of(ModuleInfo info, Parameter parameter) {
    if (parameter.isImageList()) {
      return new SchemaInput<>(info, parameter, ImagePlus[].class, text -> null);
    }
    if (parameter.isImage()) {
      return new SchemaInput<>(info, parameter, ImagePlus.class, text -> null);
    }
    switch (parameter.type()) {
      case INTEGER:
        return new SchemaInput<>(info, parameter, Long.class, SchemaInput::whole);
      case NUMBER:
        return new SchemaInput<>(info, parameter, Double.class, Double::valueOf);
      case BOOLEAN:
        return new SchemaInput<>(info, parameter, Boolean.class, Boolean::valueOf);
      default:
        return text(info, parameter);
    }
  }

  private static SchemaInput<?> text(ModuleInfo info, Parameter parameter) {
    // NB: a path may also be an address, and a model an id: those are texts.
    boolean file = parameter.widget().matches("file|folder|save");
    return file
        ? new SchemaInput<>(info, parameter, File.class, File::new)
        : new SchemaInput<>(info, parameter, String.class, text -> text);
  }

  private static Long whole(String text) {
    return new BigDecimal(text).longValue();
  }

  @Override
  public boolean isRequired() {
    // The active image stands in for one that is not given, or the command itself says what lacks.
    return parameter.isRequired() && !parameter.isImage();
  }

  @Override
  public T getDefaultValue() {
    String text = parameter.defaultText();
    return text.isEmpty() ? null : reader.apply(text);
  }

  @Override
  public T getMinimumValue() {
    return limit(parameter.minimum());
  }

  @Override
  public T getMaximumValue() {
    return limit(parameter.maximum());
  }

  private T limit(BigDecimal limit) {
    return limit == null ? null : reader.apply(limit.toPlainString());
  }

  @Override
  public List<T> getChoices() {
    List<T> choices = new ArrayList<>();
    parameter.choices().forEach(each -> choices.add(reader.apply(each)));
    return choices;
  }

  @Override
  public String getWidgetStyle() {
    switch (parameter.widget()) {
      case "password":
        return "password";
      case "folder":
        return "directory";
      case "save":
        return "save";
      case "file":
        return "open";
      default:
        return "";
    }
  }

  @Override
  public String getLabel() {
    String unit = parameter.unit();
    return parameter.title() + (unit.isEmpty() ? "" : " (" + unit + ")");
  }

  @Override
  public String getDescription() {
    String range = parameter.range();
    return parameter.help() + (range.isEmpty() ? "" : " (" + range + ")");
  }
}
