package io.github.bioimgfiji.setup;

import ij.plugin.PlugIn;

/** The menu's command that checks the installation, and mends its Python. */
public class BioImg_Check implements PlugIn {
  /**
   * Checks and reports in the log; with windows it offers to mend what is wrong with Python.
   *
   * @param argument not used
   */
  @Override
  public void run(String argument) {
    new CheckRun().run();
  }
}
