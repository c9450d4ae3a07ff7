package io.github.bioimgfiji.command;

import ij.IJ;
import ij.Macro;
import ij.macro.Interpreter;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.results.Notes;
import java.awt.GraphicsEnvironment;

/**
 * The macro that has called us on this thread.
 *
 * <p>ImageJ itself tells it by the thread's name and by a static field, which are right on its own
 * macro threads only. The interpreter on the stack is right on every thread.
 */
final class CallingMacro {
  private final Interpreter interpreter;

  private CallingMacro(Interpreter interpreter) {
    this.interpreter = interpreter;
  }

  /** Gives the macro, or null when something else has called us. */
  static CallingMacro find() {
    Interpreter newest = Interpreter.getInstance();
    return newest != null && isOnStack() ? new CallingMacro(newest) : null;
  }

  private static boolean isOnStack() {
    for (StackTraceElement call : Thread.currentThread().getStackTrace()) {
      if (call.getClassName().equals(Interpreter.class.getName())) {
        return true;
      }
    }
    return false;
  }

  /**
   * Ends the macro with a message, as an error of the macro language does: its dialog names the
   * line.
   */
  void fail(String title, BackendException failure) {
    if (!GraphicsEnvironment.isHeadless() && IJ.getInstance() != null) {
      interpreter.abort(title + ":\n" + Failure.wrapped(failure));
      return;
    }
    Notes.tell(title + ": " + failure.text());
    stop();
  }

  /** Tells whether the user has stopped the macro; it ends with the statement that runs. */
  boolean isEnding() {
    return interpreter.done();
  }

  /** Ends the macro without a message. */
  void stop() {
    if (!interpreter.done()) {
      // NB: abortMacro() waits two seconds for this very thread, and then stops it by force.
      interpreter.abort((String) null);
    }
    Macro.abort();
  }
}
