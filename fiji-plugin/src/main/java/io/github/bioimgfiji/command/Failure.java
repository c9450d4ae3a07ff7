package io.github.bioimgfiji.command;

import ij.IJ;
import ij.ImageJ;
import ij.Macro;
import ij.macro.Interpreter;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.dialog.Lines;
import io.github.bioimgfiji.results.Notes;
import java.util.Arrays;

/** Tells the user of a failure, and stops the macro if there is one. */
public final class Failure {
  /** How Python names the thread on which it runs a macro. */
  private static final String PYTHON_THREAD = "bioimg_Macro$";

  private static final int WIDTH = 80;

  private Failure() {}

  /**
   * Tells it in the way that fits: a dialog, the standard error stream, an exception for Python.
   *
   * @param title the command's title
   * @param failure what has happened
   */
  public static void report(String title, BackendException failure) {
    if (Thread.currentThread().getName().endsWith(PYTHON_THREAD)) {
      // Python makes its own exception of it, and stops the macro.
      throw new IllegalStateException(failure.text(), failure);
    }
    boolean cancelled = failure.code().equals("cancelled");
    if (isBatch()) {
      // NB: ImageJ -batch ends with 0 whatever happens, and nobody is there to read a dialog.
      System.err.println(title.replace("...", "") + ": " + failure.text());
      System.exit(cancelled ? 130 : 1);
    }
    if (cancelled) {
      if (!failure.fix().isEmpty()) {
        // What the work has kept, and how to go on from it.
        Notes.tell(title.replace("...", "") + ": " + failure.text());
      }
      IJ.showStatus(title.replace("...", "") + ": cancelled");
      abortMacro();
      return;
    }
    IJ.error(title.replace("...", ""), wrapped(failure));
  }

  /** Ends the macro that has called the command; Escape has ended it already, a button has not. */
  private static void abortMacro() {
    Interpreter macro = Macro.getOptions() == null ? null : Interpreter.getInstance();
    if (macro != null) {
      macro.abortMacro();
    }
    Macro.abort();
  }

  private static boolean isBatch() {
    String[] arguments = ImageJ.getArgs();
    return arguments != null
        && IJ.getInstance() == null
        && Arrays.asList(arguments).contains("-batch");
  }

  private static String wrapped(BackendException failure) {
    String fix = failure.fix().isEmpty() ? "" : "\n \n" + Lines.wrap(failure.fix(), WIDTH);
    return Lines.wrap(failure.getMessage(), WIDTH) + fix;
  }
}
