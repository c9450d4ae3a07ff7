package io.github.bioimgfiji.dialog;

import ij.io.OpenDialog;
import ij.io.SaveDialog;
import io.github.bioimgfiji.options.Parameter;
import java.awt.datatransfer.DataFlavor;
import java.awt.datatransfer.UnsupportedFlavorException;
import java.io.File;
import java.io.IOException;
import java.util.List;
import javax.swing.JFileChooser;
import javax.swing.JTextField;
import javax.swing.SwingUtilities;
import javax.swing.TransferHandler;
import javax.swing.plaf.basic.BasicFileChooserUI;

/**
 * Asks for a file or a folder and puts its path into a field. ImageJ's own choosers give either
 * files or folders, and an OME-Zarr is a folder that stands where a file may stand.
 *
 * <p>To be used on the event dispatch thread, as buttons do.
 */
final class PathChooser {
  private static final String PATHS = "file|folder|path|save|model";

  private PathChooser() {}

  /** Tells whether a parameter's value is a path. */
  static boolean isPath(Parameter parameter) {
    return parameter.widget().matches(PATHS);
  }

  /** Lets the user choose; the field stays as it is when nothing is chosen. */
  static void choose(Parameter parameter, JTextField field) {
    if (parameter.widget().equals("save")) {
      chooseTarget(parameter, field);
      return;
    }
    JFileChooser chooser = chooser(parameter.title(), field.getText().trim(), parameter.widget());
    int answer = chooser.showDialog(SwingUtilities.getWindowAncestor(field), "Choose");
    if (answer == JFileChooser.APPROVE_OPTION && chooser.getSelectedFile() != null) {
      field.setText(chooser.getSelectedFile().getAbsolutePath());
      remember(chooser.getSelectedFile());
    }
  }

  private static void chooseTarget(Parameter parameter, JTextField field) {
    String name = field.getText().isEmpty() ? "model" : new File(field.getText()).getName();
    SaveDialog chooser = new SaveDialog(parameter.title(), name, parameter.suffix());
    if (chooser.getFileName() != null) {
      field.setText(chooser.getDirectory() + chooser.getFileName());
    }
  }

  /** Makes the chooser: it begins at what the field names, else where ImageJ was last. */
  static JFileChooser chooser(String title, String text, String widget) {
    JFileChooser chooser = new JFileChooser();
    chooser.setFileSelectionMode(mode(widget));
    chooser.setDialogTitle(title + ": " + what(widget));
    chooser.setApproveButtonToolTipText("Take what is selected");
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

  private static int mode(String widget) {
    switch (widget) {
      case "file":
        return JFileChooser.FILES_ONLY;
      case "folder":
        return JFileChooser.DIRECTORIES_ONLY;
      default:
        return JFileChooser.FILES_AND_DIRECTORIES;
    }
  }

  private static String what(String widget) {
    switch (widget) {
      case "file":
        return "a file";
      case "folder":
        return "a folder";
      default:
        return "a file or a folder";
    }
  }

  /** Has the folder that was entered stand for itself: else "Choose" would do nothing there. */
  private static void nameFolder(JFileChooser chooser) {
    boolean folders = chooser.getFileSelectionMode() != JFileChooser.FILES_ONLY;
    if (folders && chooser.getUI() instanceof BasicFileChooserUI) {
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

  /** Has a field take the path of a file that is dropped on it, and text as before. */
  static void acceptDrops(JTextField field) {
    TransferHandler texts = field.getTransferHandler();
    field.setTransferHandler(new FileDrops(texts));
  }

  private static final class FileDrops extends TransferHandler {
    private static final long serialVersionUID = 1L;

    private final transient TransferHandler texts;

    FileDrops(TransferHandler texts) {
      this.texts = texts;
    }

    @Override
    public boolean canImport(TransferSupport support) {
      return support.isDataFlavorSupported(DataFlavor.javaFileListFlavor)
          || (texts != null && texts.canImport(support));
    }

    @Override
    public boolean importData(TransferSupport support) {
      if (!support.isDataFlavorSupported(DataFlavor.javaFileListFlavor)) {
        return texts != null && texts.importData(support);
      }
      try {
        Object dropped = support.getTransferable().getTransferData(DataFlavor.javaFileListFlavor);
        if (!(dropped instanceof List) || ((List<?>) dropped).isEmpty()) {
          return false;
        }
        ((JTextField) support.getComponent()).setText(((List<?>) dropped).get(0).toString());
        return true;
      } catch (UnsupportedFlavorException | IOException refused) {
        return false;
      }
    }

    @Override
    public int getSourceActions(javax.swing.JComponent component) {
      return texts == null ? NONE : texts.getSourceActions(component);
    }

    @Override
    public void exportToClipboard(
        javax.swing.JComponent component, java.awt.datatransfer.Clipboard board, int action) {
      if (texts != null) {
        texts.exportToClipboard(component, board, action);
      }
    }
  }
}
