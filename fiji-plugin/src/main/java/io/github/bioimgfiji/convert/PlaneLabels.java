package io.github.bioimgfiji.convert;

import com.google.gson.JsonArray;
import ij.ImagePlus;
import ij.ImageStack;
import java.util.ArrayList;
import java.util.List;

/** The slice labels, as "labels" of the header: one per plane, or none at all. */
final class PlaneLabels {
  /** Where ImageJ keeps the label of an image of one plane. */
  static final String SINGLE_PROPERTY = "Slice_Label";

  private PlaneLabels() {}

  static JsonArray describe(ImagePlus image) {
    List<String> labels = new ArrayList<>();
    if (image.getStackSize() == 1) {
      labels.add(single(image));
    } else {
      ImageStack stack = image.getStack();
      for (int i = 1; i <= stack.getSize(); i++) {
        String label = stack.getSliceLabel(i);
        labels.add(label == null ? "" : label);
      }
    }
    JsonArray array = new JsonArray();
    if (labels.stream().anyMatch(label -> !label.isEmpty())) {
      labels.forEach(array::add);
    }
    return array;
  }

  static void apply(List<String> labels, ImageStack stack) {
    for (int i = 0; i < labels.size() && i < stack.getSize(); i++) {
      stack.setSliceLabel(labels.get(i).isEmpty() ? null : labels.get(i), i + 1);
    }
  }

  static void applySingle(List<String> labels, ImagePlus image) {
    if (image.getStackSize() == 1 && labels.size() == 1) {
      image.setProp(SINGLE_PROPERTY, labels.get(0));
    }
  }

  private static String single(ImagePlus image) {
    String property = image.getImageProperties().getProperty(SINGLE_PROPERTY);
    if (property != null) {
      return property;
    }
    String label = image.getStack().getSliceLabel(1);
    // NB: ImagePlus.getStack() labels an unlabelled single plane with title and Info; that is no
    // label of the user's.
    boolean made =
        label != null && label.equals(image.getTitle() + "\n" + image.getProperty("Info"));
    return label == null || made ? "" : label;
  }
}
