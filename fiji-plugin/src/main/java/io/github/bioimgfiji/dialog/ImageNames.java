package io.github.bioimgfiji.dialog;

import ij.ImagePlus;
import ij.WindowManager;
import io.github.bioimgfiji.options.Parameter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How fields name the open images: by title, or by ID where a title does not tell which it is. */
final class ImageNames {
  static final String ALL = "all";

  /** What stands for no image; no file has this name. */
  static final String NO_IMAGE = "(none)";

  /** What stands for the active image, which is meant where no other input is given. */
  static final String ACTIVE_IMAGE = "(active image)";

  private ImageNames() {}

  /** Makes the field for one image. */
  static ChoiceInput input(Parameter parameter) {
    Map<String, String> labels = new LinkedHashMap<>();
    if (parameter.isOptional()) {
      labels.put("", parameter.mayBeActive() ? ACTIVE_IMAGE : NO_IMAGE);
    }
    labels.putAll(labels(open()));
    return new ChoiceInput(parameter, labels);
  }

  /** Gives the open images. */
  static List<ImagePlus> open() {
    int[] ids = WindowManager.getIDList();
    List<ImagePlus> images = new ArrayList<>();
    for (int id : ids == null ? new int[0] : ids) {
      ImagePlus image = WindowManager.getImage(id);
      if (image != null) {
        images.add(image);
      }
    }
    return images;
  }

  /** Gives what is seen of images, by name: the title, and the ID where that is the name. */
  static Map<String, String> labels(List<ImagePlus> images) {
    Map<String, String> labels = new LinkedHashMap<>();
    for (ImagePlus image : images) {
      String name = name(image, images);
      String title = image.getTitle();
      labels.put(name, name.equals(title) ? title : title + " (ID " + name + ")");
    }
    return labels;
  }

  /** Gives an image's title, or its ID where the title does not tell which image it is. */
  static String name(ImagePlus image, List<ImagePlus> images) {
    List<String> titles = new ArrayList<>();
    images.forEach(each -> titles.add(each.getTitle()));
    String title = image.getTitle();
    boolean clear =
        Collections.frequency(titles, title) == 1
            && !title.contains("|")
            && !title.trim().equals(ALL)
            && !title.trim().isEmpty();
    return clear ? title : String.valueOf(image.getID());
  }
}
