package io.github.bioimgfiji.api;

import ij.ImagePlus;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What a script gives to a command: values, and images that need not be open. */
final class Given {
  private static final String UNNAMED = "image";

  final Values values;
  final Map<String, ImagePlus> images = new LinkedHashMap<>();

  private final CommandSpec command;

  private Given(CommandSpec command, Map<String, ?> options) throws BackendException {
    this.command = command;
    Map<String, String> texts = new LinkedHashMap<>();
    for (Map.Entry<String, ?> option : options.entrySet()) {
      if (option.getValue() != null) {
        texts.put(option.getKey(), text(option.getKey(), option.getValue()));
      }
    }
    values = Values.check(command, texts);
  }

  /**
   * Reads the options of a macro line.
   *
   * @throws BackendException as for the command itself
   */
  static Given line(CommandSpec command, String line) throws BackendException {
    return new Given(command, MacroLine.parse(line));
  }

  /**
   * Reads options by key: texts, numbers, truth values, files, images, lists of images.
   *
   * @throws BackendException as for the command itself, and for an image where a text belongs
   */
  static Given map(CommandSpec command, Map<String, ?> options) throws BackendException {
    return new Given(command, options);
  }

  private String text(String key, Object value) throws BackendException {
    List<ImagePlus> several = images(value);
    if (several.isEmpty()) {
      if (value instanceof List || value instanceof Object[]) {
        throw new BackendException(
            "parameter",
            key + " must be one value or a list of images, but it is another list.",
            "Give a list with nothing but ImagePlus in it, or a text with | between the parts.");
      }
      return String.valueOf(value);
    }
    Parameter parameter = parameter(key, several.size());
    for (int i = 0; i < several.size(); i++) {
      String number = parameter.isImageList() ? "." + i : "";
      images.put(parameter.key() + number, several.get(i));
    }
    String titles = several.stream().map(ImagePlus::getTitle).collect(Collectors.joining("|"));
    return titles.isEmpty() ? UNNAMED : titles; // only tells that the key has a value
  }

  private static List<ImagePlus> images(Object value) {
    Object[] several =
        value instanceof List
            ? ((List<?>) value).toArray()
            : value instanceof Object[] ? (Object[]) value : new Object[] {value};
    boolean all =
        several.length > 0 && Arrays.stream(several).allMatch(ImagePlus.class::isInstance);
    List<ImagePlus> images = new ArrayList<>();
    if (all) {
      Arrays.stream(several).forEach(each -> images.add((ImagePlus) each));
    }
    return images;
  }

  /** Gives the image input of this key, or of an older name of it. */
  private Parameter parameter(String key, int count) throws BackendException {
    for (Parameter parameter : command.images()) {
      boolean named = parameter.key().equals(key) || parameter.aliases().contains(key);
      if (named && (count == 1 || parameter.isImageList())) {
        return parameter;
      }
    }
    List<String> keys = command.images().stream().map(Parameter::key).collect(Collectors.toList());
    throw new BackendException(
        "parameter",
        key + " must not be " + (count == 1 ? "an image" : "a list of images") + ".",
        command.title() + " takes images as " + String.join(", ", keys) + ".");
  }
}
