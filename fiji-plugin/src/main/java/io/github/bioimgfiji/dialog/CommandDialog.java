package io.github.bioimgfiji.dialog;

import ij.IJ;
import ij.Prefs;
import ij.plugin.frame.Recorder;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.awt.EventQueue;
import java.lang.reflect.InvocationTargetException;

/**
 * Asks the user for a command's values, in a dialog that is made from its schema, and remembers
 * them for the next time.
 */
public final class CommandDialog {
  private CommandDialog() {}

  /**
   * Asks for the values; the dialog does not close with wrong ones.
   *
   * @param command the command
   * @param backend tells what the models are, where the command takes one
   * @return the values, or null when the user has cancelled
   */
  public static Values ask(CommandSpec command, Backend backend) {
    LastValues last = new LastValues(command);
    DialogWindow[] window = new DialogWindow[1];
    // A file that is looked for would be written into the recorder without its command.
    Recorder.suspendRecording();
    try {
      onEvents(() -> window[0] = new DialogWindow(command, last));
      if (choosesModel(command)) {
        ModelList.ask(backend, list -> EventQueue.invokeLater(() -> window[0].know(list)));
      }
      onEvents(window[0]::show);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      EventQueue.invokeLater(() -> window[0].close());
      return null;
    } finally {
      Recorder.resumeRecording();
    }
    Values values = window[0].values();
    if (values != null) {
      Prefs.savePreferences();
    }
    return values;
  }

  private static boolean choosesModel(CommandSpec command) {
    for (Parameter parameter : command.parameters()) {
      if (parameter.widget().equals("model")) {
        return true;
      }
    }
    return false;
  }

  private static void onEvents(Runnable work) throws InterruptedException {
    if (EventQueue.isDispatchThread()) {
      work.run();
      return;
    }
    try {
      EventQueue.invokeAndWait(work);
    } catch (InvocationTargetException failed) {
      IJ.handleException(failed.getCause());
      throw new IllegalStateException("The dialog failed.", failed.getCause());
    }
  }
}
