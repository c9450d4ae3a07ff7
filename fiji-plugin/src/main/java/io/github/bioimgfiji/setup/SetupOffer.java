package io.github.bioimgfiji.setup;

import ij.IJ;
import ij.gui.GenericDialog;
import ij.io.OpenDialog;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.dialog.Lines;
import java.nio.file.Paths;

/**
 * Asks the user, where no Python was found or the one that was built has a fault, whether to build
 * one or to choose one; and does it.
 */
public final class SetupOffer {
  private static final int WIDTH = 90;

  private SetupOffer() {}

  /**
   * Asks, where there is somebody to be asked.
   *
   * @param found what was found, for the user; may be empty
   * @return whether there is a Python now
   * @throws BackendException when the build fails or is stopped
   */
  public static boolean ask(String found) throws BackendException, InterruptedException {
    String what =
        "BioImg needs Python with its packages. It can build one of its own, in "
            + Places.builtEnvironment()
            + ": about 8 GB, some minutes, once. Nothing else of the computer is changed.";
    return ask("BioImg: Python is missing", what, found);
  }

  /**
   * Asks whether to build the plugin's own environment anew.
   *
   * @return whether that was done, or another Python was chosen
   * @throws BackendException when the build fails or is stopped
   */
  static boolean repair() throws BackendException, InterruptedException {
    String what =
        "The Python environment that BioImg has built, in "
            + Places.builtEnvironment()
            + ", has a fault: the log tells which. Building it anew repairs it: about 8 GB, some"
            + " minutes. What is there stays until the new one is whole.";
    return ask("BioImg: Python needs repair", what, "");
  }

  private static boolean ask(String title, String what, String found)
      throws BackendException, InterruptedException {
    if (!CheckRun.isInteractive() || java.awt.EventQueue.isDispatchThread()) {
      return false;
    }
    GenericDialog dialog = new GenericDialog(title);
    dialog.addMessage(Lines.wrap(what, WIDTH));
    if (!found.isEmpty()) {
      dialog.addMessage(Lines.wrap(found, WIDTH));
    }
    dialog.addMessage("Without a network, from a folder of wheels (else leave it empty):");
    dialog.addDirectoryField("Folder of wheels", "");
    dialog.enableYesNoCancel("Build", "Choose a Python...");
    dialog.showDialog();
    if (dialog.wasCanceled()) {
      return false;
    }
    if (!dialog.wasOKed()) {
      return choose();
    }
    String wheels = dialog.getNextString().trim();
    CheckRun.build(wheels.isEmpty() ? null : Paths.get(wheels));
    return true;
  }

  private static boolean choose() throws BackendException, InterruptedException {
    String path = new OpenDialog("Choose the program python of an environment").getPath();
    if (path == null) {
      return false;
    }
    IJ.showStatus("Asking " + path);
    CheckRun.use(path);
    return true;
  }
}
