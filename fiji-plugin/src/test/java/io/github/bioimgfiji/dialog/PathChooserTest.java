package io.github.bioimgfiji.dialog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import ij.io.OpenDialog;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.swing.JFileChooser;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PathChooserTest {
  @TempDir Path folder;
  private String before;

  @BeforeEach
  void remember() {
    before = OpenDialog.getDefaultDirectory();
    OpenDialog.setDefaultDirectory(folder.toString());
  }

  @AfterEach
  void restore() {
    OpenDialog.setDefaultDirectory(before);
  }

  @Test
  void filesAndFoldersCanBeChosen() {
    JFileChooser chooser = PathChooser.chooser("Folder or file", "", "path");
    assertEquals(JFileChooser.FILES_AND_DIRECTORIES, chooser.getFileSelectionMode());
    assertEquals("Folder or file: a file or a folder", chooser.getDialogTitle());
  }

  @Test
  void aFieldForFilesTakesNoFolderAndOneForFoldersNoFile() {
    JFileChooser file = PathChooser.chooser("Regions", "", "file");
    assertEquals(JFileChooser.FILES_ONLY, file.getFileSelectionMode());
    assertEquals("Regions: a file", file.getDialogTitle());
    JFileChooser folder = PathChooser.chooser("Results to", "", "folder");
    assertEquals(JFileChooser.DIRECTORIES_ONLY, folder.getFileSelectionMode());
    assertEquals("Results to: a folder", folder.getDialogTitle());
  }

  @Test
  void itBeginsWhereImagejWasLast() {
    for (String text : new String[] {"", folder.resolve("gone").toString()}) {
      JFileChooser chooser = PathChooser.chooser("Source", text, "path");
      assertEquals(folder.toFile(), chooser.getCurrentDirectory());
      assertNull(chooser.getSelectedFile());
    }
  }

  @Test
  void itBeginsAtWhatTheFieldNames() throws IOException {
    Path zarr = Files.createDirectories(folder.resolve("deep").resolve("cells.zarr"));
    JFileChooser chooser = PathChooser.chooser("Source", zarr.toString(), "path");
    assertEquals(zarr.toFile(), chooser.getSelectedFile());
    assertEquals(zarr.getParent().toFile(), chooser.getCurrentDirectory());
  }

  @Test
  void imagejGoesOnBesideWhatWasChosen() throws IOException {
    Path zarr = Files.createDirectories(folder.resolve("deep").resolve("cells.zarr"));
    PathChooser.remember(zarr.toFile());
    assertEquals(zarr.getParent().toFile(), new File(OpenDialog.getDefaultDirectory()));
  }
}
