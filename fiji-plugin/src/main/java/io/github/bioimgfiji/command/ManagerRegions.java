package io.github.bioimgfiji.command;

import ij.ImagePlus;
import ij.gui.Overlay;
import ij.gui.Roi;
import ij.plugin.frame.RoiManager;
import io.github.bioimgfiji.headless.HiddenManager;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.awt.GraphicsEnvironment;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the user has collected in the ROI Manager, lent to an image as its overlay while a command
 * runs that wants regions. An overlay of the image's own goes first. Closing takes it back.
 */
final class ManagerRegions implements AutoCloseable {
  private final Map<ImagePlus, Overlay> before = new LinkedHashMap<>();

  private ManagerRegions() {}

  static ManagerRegions lend(CommandSpec command, Values values, Map<String, ImagePlus> images) {
    ManagerRegions lent = new ManagerRegions();
    RoiManager manager =
        GraphicsEnvironment.isHeadless() ? HiddenManager.current() : RoiManager.getInstance2();
    if (manager == null || manager.getCount() == 0) {
      return lent;
    }
    for (Parameter parameter : command.images()) {
      ImagePlus image = images.get(parameter.key());
      boolean wanted = parameter.regionsUnless().stream().noneMatch(values::has);
      if (image != null && !parameter.regionsUnless().isEmpty() && wanted && isBare(image)) {
        lent.lend(image, manager.getRoisAsArray());
      }
    }
    return lent;
  }

  private static boolean isBare(ImagePlus image) {
    return image.getOverlay() == null || image.getOverlay().size() == 0;
  }

  private void lend(ImagePlus image, Roi[] regions) {
    before.put(image, image.getOverlay());
    Overlay overlay = new Overlay();
    for (Roi region : regions) {
      overlay.add((Roi) region.clone());
    }
    image.setOverlay(overlay);
  }

  @Override
  public void close() {
    before.forEach(ImagePlus::setOverlay);
    before.clear();
  }
}
