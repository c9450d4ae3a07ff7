package io.github.bioimgfiji.dialog;

import ij.io.OpenDialog;
import java.awt.TextField;
import java.io.File;
import javax.swing.JFileChooser;
import javax.swing.SwingUtilities;
import javax.swing.plaf.basic.BasicFileChooserUI;

/**
 * Asks for a file or a folder and puts its path into a field. ImageJ's own choosers give either
 * files or folders, and an OME-Zarr is a folder that stands where a file may stand.
 *
 * <p>To be used on the event dispatch thread, as buttons do.
 */
final class PathChooser {
  private PathChooser() {}

  /** Lets the user choose; the field stays as it is when nothing is chosen. */
  static void choose(String title, TextField field) {
    JFileChooser chooser = chooser(title, field.getText().trim());
    int answer = chooser.showDialog(SwingUtilities.getWindowAncestor(field), "Choose");
    if (answer == JFileChooser.APPROVE_OPTION && chooser.getSelectedFile() != null) {
      field.setText(chooser.getSelectedFile().getAbsolutePath());
      remember(chooser.getSelectedFile());
    }
  }

  /** Makes the chooser: it begins at what the field names, else where ImageJ was last. */
  static JFileChooser chooser(String title, String text) {
    JFileChooser chooser = new JFileChooser();
    chooser.setFileSelectionMode(JFileChooser.FILES_AND_DIRECTORIES);
    chooser.setDialogTitle(title + ": a file or a folder");
    chooser.setApproveButtonToolTipText("Take the selected file or folder");
    chooser.addPropertyChangeListener(
        JFileChooser.DIRECTORY_CHANGED_PROPERTY, event -> nameFolder(chooser));
    String last = OpenDialog.getDefaultDirectory();
    File named = new File(text);
    if (!text.isEmpty() && named.exists()) {
      chooser.setSelectedFile(named.getAbsoluteFile());
    } else if (last != null) {
      chooser.setCurrentDirectory(new File(last));
    }
    return chooser;
  }

  /** Has the folder that was entered stand for itself: else "Choose" would do nothing there. */
  private static void nameFolder(JFileChooser chooser) {
    if (chooser.getUI() instanceof BasicFileChooserUI) {
      ((BasicFileChooserUI) chooser.getUI()).setFileName(chooser.getCurrentDirectory().getPath());
    }
  }

  /** Has ImageJ begin beside what was chosen next time. */
  static void remember(File chosen) {
    File folder = chosen.getAbsoluteFile().getParentFile();
    if (folder != null) {
      OpenDialog.setDefaultDirectory(folder.getPath());
    }
  }
}
