package io.github.bioimgfiji.headless;

import ij.IJ;
import ij.Macro;

/** Stops a macro where ImageJ would go on with default values. */
public final class Failures {
  private Failures() {}

  /**
   * Throws what ij.plugin.filter.PlugInFilterRunner would drop: an exception while the dialog's
   * values are read, after which it would run the filter with whatever values it has.
   *
   * @param failure what was caught
   */
  public static void passOn(Throwable failure) {
    if (!Macro.MACRO_CANCELED.equals(failure.getMessage())) {
      Failures.<RuntimeException>raise(failure);
    }
  }

  /** Throws when a dialog is to be opened, and there are no options to take its values from. */
  public static void needOptions() {
    if (Macro.getOptions() == null) {
      throw new java.awt.HeadlessException("This command would open a dialog.");
    }
  }

  /**
   * Stops the macro in ImageJ's own way.
   *
   * @param message what was wrong
   * @return never anything
   */
  static RuntimeException stop(String message) {
    IJ.error("Macro Error", message);
    return new RuntimeException(Macro.MACRO_CANCELED);
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void raise(Throwable failure) throws T {
    throw (T) failure;
  }
}
