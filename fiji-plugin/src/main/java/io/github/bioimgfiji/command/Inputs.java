package io.github.bioimgfiji.command;

import ij.ImagePlus;
import ij.WindowManager;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The images that a command works on: named by title or ID, all that are open, or the active one.
 */
final class Inputs {
  private static final String ALL = "all";

  private final CommandSpec command;
  private final Values values;
  private final Predicate<String> given;

  /**
   * Prepares to look for images.
   *
   * @param given tells the keys of images that come in another way
   */
  Inputs(CommandSpec command, Values values, Predicate<String> given) {
    this.command = command;
    this.values = values;
    this.given = given;
  }

  /** Fails before a dialog is opened for nothing. */
  static void requireSome(CommandSpec command) throws BackendException {
    for (Parameter image : command.images()) {
      if (!image.isOptional() && WindowManager.getCurrentImage() == null) {
        throw noImage("");
      }
    }
  }

  /** Gives the images by key; those of a list as key.0, key.1, and so on. */
  Map<String, ImagePlus> find() throws BackendException {
    Map<String, ImagePlus> images = new LinkedHashMap<>();
    for (Parameter parameter : command.images()) {
      String key = parameter.key();
      String name = values.image(key);
      if (given.test(key)) {
        continue;
      }
      if (!name.isEmpty() && parameter.isImageList()) {
        List<ImagePlus> list = list(key, name);
        for (int i = 0; i < list.size(); i++) {
          images.put(key + "." + i, list.get(i));
        }
      } else if (!name.isEmpty()) {
        images.put(key, named(key, name));
      } else if (parameter.mayBeActive() && !isLeftOut(parameter)) {
        images.put(key, active(parameter));
      }
    }
    return images;
  }

  private boolean isLeftOut(Parameter parameter) {
    return parameter.unless().stream().anyMatch(key -> given.test(key) || values.has(key));
  }

  private static ImagePlus active(Parameter parameter) throws BackendException {
    ImagePlus active = WindowManager.getCurrentImage();
    if (active == null) {
      throw noImage(String.join(" or ", parameter.unless()));
    }
    return active;
  }

  private static List<ImagePlus> list(String key, String names) throws BackendException {
    List<ImagePlus> images = new ArrayList<>();
    if (names.trim().equals(ALL)) {
      int[] open = WindowManager.getIDList();
      if (open == null) {
        throw noImage("");
      }
      for (int id : open) {
        images.add(WindowManager.getImage(id));
      }
      return images;
    }
    for (String name : names(names)) {
      images.add(named(key, name));
    }
    return images;
  }

  /** Takes a list apart. A title may itself have the sign that stands between two. */
  private static List<String> names(String text) {
    List<String> names = new ArrayList<>();
    String[] parts = text.split("\\|", -1);
    for (int start = 0, next; start < parts.length; start = next) {
      next = start + 1;
      StringBuilder title = new StringBuilder(parts[start]);
      String name = parts[start].trim();
      for (int end = start + 1; end < parts.length; end++) {
        title.append('|').append(parts[end]);
        if (open(title.toString()) != null) {
          name = title.toString();
          next = end + 1;
        }
      }
      names.add(name);
    }
    return names;
  }

  private static ImagePlus named(String key, String name) throws BackendException {
    ImagePlus image = open(name);
    if (image == null) {
      String[] titles = WindowManager.getImageTitles();
      String open = titles.length == 0 ? "none" : String.join(", ", titles);
      throw new BackendException(
          "parameter",
          key + " must be the title or the ID of an open image, but it is \"" + name + "\".",
          "Open images: " + open + ".");
    }
    return image;
  }

  /** Gives an open image by its title or ID, or null; of several with a title the active one. */
  private static ImagePlus open(String name) {
    ImagePlus active = WindowManager.getCurrentImage();
    if (active != null && active.getTitle().equals(name)) {
      return active;
    }
    ImagePlus image = WindowManager.getImage(name);
    return image == null && name.matches("-\\d{1,9}")
        ? WindowManager.getImage(Integer.parseInt(name))
        : image;
  }

  private static BackendException noImage(String others) {
    String fix = "Open an image first" + (others.isEmpty() ? "." : ", or give " + others + ".");
    return new BackendException("image", "There is no image open.", fix);
  }
}
