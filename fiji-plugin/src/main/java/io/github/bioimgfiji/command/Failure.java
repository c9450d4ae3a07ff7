package io.github.bioimgfiji.command;

import ij.IJ;
import ij.ImageJ;
import ij.Macro;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.dialog.Lines;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.results.Notes;
import java.awt.GraphicsEnvironment;
import java.util.Arrays;

/** Tells the user of a failure, and stops the macro if there is one. */
public final class Failure {
  /** How Python names the thread on which it runs a macro. */
  private static final String PYTHON_THREAD = "bioimg_Macro$";

  private static final int WIDTH = 80;

  private Failure() {}

  /**
   * Tells of a failure and stops the macro that has called us, on whatever thread it runs.
   *
   * @param title title of the command that has failed
   * @param failure what has failed
   */
  public static void report(String title, BackendException failure) {
    if (isPython()) {
      // Python makes its own exception of it, and stops the macro.
      throw new IllegalStateException(failure.text(), failure);
    }
    String name = CommandSpec.withoutDots(title);
    boolean cancelled = failure.code().equals("cancelled");
    if (isBatch()) {
      // NB: ImageJ -batch ends with 0 whatever happens, and nobody is there to read a dialog.
      System.err.println(name + ": " + failure.text());
      System.exit(cancelled ? 130 : 1);
    }
    CallingMacro macro = CallingMacro.find();
    if (cancelled) {
      cancelled(name, failure, macro);
    } else if (macro != null) {
      macro.fail(name, failure);
    } else {
      IJ.error(name, wrapped(failure));
    }
  }

  /**
   * The same for a function that a macro calls by call(...) or Ext, where an exception would be
   * shown as a bug. Without a macro the caller is a script, and gets the exception.
   *
   * @param name the function's name
   * @param failure what has failed
   */
  public static void reportToCaller(String name, BackendException failure) {
    CallingMacro macro = CallingMacro.find();
    if (macro == null) {
      throw new IllegalStateException(failure.text(), failure);
    }
    try {
      if (isBatch()) {
        report(name, failure);
      } else if (isPython() && GraphicsEnvironment.isHeadless()) {
        // Python listens, and makes its own exception of it.
        IJ.handleException(new IllegalStateException(failure.text(), failure));
        macro.stop();
      } else {
        macro.fail(name, failure);
      }
    } catch (RuntimeException stop) {
      if (!Macro.MACRO_CANCELED.equals(stop.getMessage())) {
        throw stop;
      }
    }
  }

  private static boolean isPython() {
    return Thread.currentThread().getName().endsWith(PYTHON_THREAD);
  }

  private static void cancelled(String name, BackendException failure, CallingMacro macro) {
    if (!failure.fix().isEmpty()) {
      // What the work has kept, and how to go on from it.
      Notes.tell(name + ": " + failure.text());
    }
    IJ.showStatus(name + ": cancelled");
    if (macro == null) {
      Macro.abort();
    } else {
      macro.stop();
    }
  }

  /**
   * Tells whether this is {@code ImageJ -batch}: no window, and the process ends with the macro.
   */
  public static boolean isBatch() {
    String[] arguments = ImageJ.getArgs();
    return arguments != null
        && IJ.getInstance() == null
        && Arrays.asList(arguments).contains("-batch");
  }

  static String wrapped(BackendException failure) {
    String fix = failure.fix().isEmpty() ? "" : "\n \n" + Lines.wrap(failure.fix(), WIDTH);
    return Lines.wrap(failure.getMessage(), WIDTH) + fix;
  }
}
