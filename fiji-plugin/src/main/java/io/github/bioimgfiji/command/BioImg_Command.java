package io.github.bioimgfiji.command;

import ij.plugin.PlugIn;
import io.github.bioimgfiji.backend.Backends;

/** The one class behind every command of the menu; which command, its argument says. */
public class BioImg_Command implements PlugIn {
  /**
   * Runs a command: on the options of a macro, or on what the user says in a dialog.
   *
   * @param commandId the command's id, from plugins.config
   */
  @Override
  public void run(String commandId) {
    new CommandRun(Backends.get(), commandId).run();
  }
}
