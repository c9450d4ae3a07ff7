package io.github.bioimgfiji.api;

import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.command.Runner;
import io.github.bioimgfiji.command.StatusBar;
import io.github.bioimgfiji.options.CommandSpec;
import java.util.Map;
import java.util.function.BooleanSupplier;

/** One call of a command by a script: checked, its images found, and not yet run. */
public final class Call {
  private final CommandSpec command;
  private final Runner runner;
  private final Given given;
  private final Map<String, ImagePlus> images;

  private Call(Runner runner, CommandSpec command, Given given, ImagePlus active)
      throws BackendException {
    this.runner = runner;
    this.command = command;
    this.given = given;
    images = runner.images(given.values, given.images, active);
  }

  /**
   * Prepares a call with the options of a macro line.
   *
   * @param title the command's title, with or without the dots, or its id
   * @param active the image to work on; null is ImageJ's active one
   * @param line {@code key=value} pairs
   * @return the call
   * @throws BackendException for what is wrong, as for the command itself
   */
  public static Call of(String title, ImagePlus active, String line) throws BackendException {
    Backend backend = Backends.get();
    CommandSpec command = CommandSpec.find(backend.commands(new StatusBar(title)), title);
    return new Call(new Runner(backend, command), command, Given.line(command, line), active);
  }

  /**
   * Prepares a call with options by key.
   *
   * @param title the command's title, with or without the dots, or its id
   * @param active the image to work on; null is ImageJ's active one
   * @param options texts, numbers, truth values, files, images and lists of images by key
   * @return the call
   * @throws BackendException for what is wrong, as for the command itself
   */
  public static Call of(String title, ImagePlus active, Map<String, ?> options)
      throws BackendException {
    Backend backend = Backends.get();
    CommandSpec command = CommandSpec.find(backend.commands(new StatusBar(title)), title);
    return new Call(new Runner(backend, command), command, Given.map(command, options), active);
  }

  /**
   * Runs it, with ImageJ's progress bar; Escape stops.
   *
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public RunResult run() throws BackendException {
    return run(() -> false);
  }

  /**
   * Runs it, with ImageJ's progress bar; Escape stops, and so does the caller.
   *
   * @param stop tells whether the caller wants it to stop
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public RunResult run(BooleanSupplier stop) throws BackendException {
    return new RunResult(command.title(), runner.run(given.values, images, stop));
  }

  RunResult run(Monitor monitor) throws BackendException {
    return new RunResult(command.title(), runner.run(given.values, images, monitor));
  }

  String title() {
    return command.title();
  }
}
