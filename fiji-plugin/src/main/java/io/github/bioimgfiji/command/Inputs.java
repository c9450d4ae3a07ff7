package io.github.bioimgfiji.command;

import ij.ImagePlus;
import ij.WindowManager;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;

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

  /**
   * Gives the images by key; those of a list as key.0, key.1, and so on.
   *
   * @param standIn the image that stands in where none is named; null is ImageJ's active one
   */
  Map<String, ImagePlus> find(ImagePlus standIn) throws BackendException {
    Map<String, ImagePlus> images = new LinkedHashMap<>();
    for (Parameter parameter : command.images()) {
      String key = parameter.key();
      String name = values.image(key);
      if (given.test(key) || Values.isOnServer(name)) {
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
        images.put(key, standIn == null ? active(parameter) : standIn);
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
      images.addAll(images());
      if (images.isEmpty()) {
        throw noImage("");
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
        if (!open(title.toString()).isEmpty()) {
          name = title.toString();
          next = end + 1;
        }
      }
      names.add(name);
    }
    return names;
  }

  private static ImagePlus named(String key, String name) throws BackendException {
    List<ImagePlus> found = open(name);
    if (found.size() == 1) {
      return found.get(0);
    }
    if (found.isEmpty()) {
      throw new BackendException(
          "parameter",
          key + " must be the title or the ID of an open image, but it is \"" + name + "\".",
          "Open images: " + titles() + ".");
    }
    throw new BackendException(
        "parameter",
        key
            + " must name one image, but "
            + found.size()
            + " open images are called \""
            + name
            + "\".",
        "Name the one that is meant by its ID, which getImageID() gives: " + ids(found) + ".");
  }

  /** Gives the open images of this title, else the one with this ID. */
  private static List<ImagePlus> open(String name) {
    List<ImagePlus> found = images();
    found.removeIf(image -> !image.getTitle().equals(name));
    if (found.isEmpty() && name.matches("-\\d{1,9}")) {
      ImagePlus image = WindowManager.getImage(Integer.parseInt(name));
      return image == null ? found : Collections.singletonList(image);
    }
    return found;
  }

  /** Gives the open images, and the active one, which a script may have made so unseen. */
  private static List<ImagePlus> images() {
    int[] open = WindowManager.getIDList();
    List<ImagePlus> images = new ArrayList<>();
    for (int id : open == null ? new int[0] : open) {
      images.add(WindowManager.getImage(id));
    }
    ImagePlus active = WindowManager.getCurrentImage();
    if (active != null && !images.contains(active)) {
      images.add(active);
    }
    return images;
  }

  private static String titles() {
    String titles = images().stream().map(ImagePlus::getTitle).collect(Collectors.joining(", "));
    return titles.isEmpty() ? "none" : titles;
  }

  private static String ids(List<ImagePlus> images) {
    return images.stream()
        .map(image -> String.valueOf(image.getID()))
        .collect(Collectors.joining(", "));
  }

  private static BackendException noImage(String others) {
    String fix = "Open an image first" + (others.isEmpty() ? "." : ", or give " + others + ".");
    return new BackendException("image", "There is no image open.", fix);
  }
}
