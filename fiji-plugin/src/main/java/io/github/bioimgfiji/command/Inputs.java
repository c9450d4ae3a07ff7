package io.github.bioimgfiji.command;

import ij.ImagePlus;
import ij.WindowManager;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.util.LinkedHashMap;
import java.util.Map;

/** The images that a command works on: named by title or ID, or the active one. */
final class Inputs {
  private Inputs() {}

  /** Fails before a dialog is opened for nothing. */
  static void requireSome(CommandSpec command) throws BackendException {
    for (Parameter image : command.images()) {
      if (!image.isOptional() && WindowManager.getCurrentImage() == null) {
        throw noImage();
      }
    }
  }

  static Map<String, ImagePlus> find(CommandSpec command, Values values) throws BackendException {
    Map<String, ImagePlus> images = new LinkedHashMap<>();
    for (Parameter parameter : command.images()) {
      String name = values.image(parameter.key());
      if (!(name.isEmpty() && parameter.isOptional())) {
        images.put(parameter.key(), image(parameter.key(), name));
      }
    }
    return images;
  }

  private static ImagePlus image(String key, String name) throws BackendException {
    ImagePlus active = WindowManager.getCurrentImage();
    if (name.isEmpty()) {
      if (active == null) {
        throw noImage();
      }
      return active;
    }
    if (active != null && active.getTitle().equals(name)) {
      return active;
    }
    ImagePlus image = WindowManager.getImage(name);
    if (image == null && name.matches("-\\d{1,9}")) {
      image = WindowManager.getImage(Integer.parseInt(name));
    }
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

  private static BackendException noImage() {
    return new BackendException("image", "There is no image open.", "Open an image first.");
  }
}
