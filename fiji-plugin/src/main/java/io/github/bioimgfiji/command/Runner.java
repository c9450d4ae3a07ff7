package io.github.bioimgfiji.command;

import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.backend.SilentMonitor;
import io.github.bioimgfiji.live.LiveWindow;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Values;
import java.util.Collections;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * Runs a command and gives its result, which nobody has been shown.
 *
 * <p>The images are locked while the command works on them, and the ROI Manager lends its regions.
 */
public final class Runner {
  private final Backend backend;
  private final CommandSpec command;

  /**
   * Prepares to run a command.
   *
   * @param backend does the work
   * @param command the command, as this backend describes it
   */
  public Runner(Backend backend, CommandSpec command) {
    this.backend = backend;
    this.command = command;
  }

  /**
   * Finds the images of a run.
   *
   * @param values the values, which may name open images
   * @param more images that need not be looked for, by key; those of a list as key.0, key.1, ...
   * @param active the image that stands in where none is named; null is ImageJ's active one
   * @return all images by key
   * @throws BackendException when one is missing, or a title fits several
   */
  public Map<String, ImagePlus> images(Values values, Map<String, ImagePlus> more, ImagePlus active)
      throws BackendException {
    Inputs inputs = new Inputs(command, values, key -> backend.hasImage(key) || has(more, key));
    Map<String, ImagePlus> images = inputs.find(active);
    images.putAll(more);
    return images;
  }

  private static boolean has(Map<String, ImagePlus> images, String key) {
    return images.keySet().stream()
        .anyMatch(name -> name.equals(key) || name.startsWith(key + "."));
  }

  /**
   * Runs on open images, with ImageJ's progress bar and the window of a training; Escape stops.
   *
   * @param values the values
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public Outcome run(Values values) throws BackendException {
    return run(values, images(values, Collections.emptyMap(), null), () -> false);
  }

  /**
   * Runs on these images, with ImageJ's progress bar and the window of a training; Escape stops.
   *
   * @param values the values
   * @param images all images by key, as {@link #images} gives them
   * @param stop tells whether somebody else than the user wants it to stop
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public Outcome run(Values values, Map<String, ImagePlus> images, BooleanSupplier stop)
      throws BackendException {
    StatusBar bar = new StatusBar(command.title());
    try (LiveWindow window = new LiveWindow(command.title())) {
      Outcome outcome = run(values, images, new Together(bar, window, new SilentMonitor(stop)));
      bar.done();
      return outcome;
    }
  }

  /**
   * Runs on these images.
   *
   * @param values the values
   * @param images all images by key, as {@link #images} gives them
   * @param monitor is told the progress, and asked whether to stop
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public Outcome run(Values values, Map<String, ImagePlus> images, Monitor monitor)
      throws BackendException {
    try (Locks locks = Locks.of(images.values());
        ManagerRegions regions = ManagerRegions.lend(command, values, images)) {
      return backend.run(command.id(), values.parametersJson(), images, monitor);
    }
  }
}
