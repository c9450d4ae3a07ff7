package io.github.bioimgfiji.menu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MenuFileTest {
  @TempDir Path folder;

  @Test
  void linesComeBackAndNoneRemoveTheFile() throws IOException {
    MenuFile file = new MenuFile(folder);
    assertEquals("", file.read());
    file.write("one\nµ\n");
    assertEquals("one\nµ\n", file.read());
    file.write("two\n");
    assertEquals("two\n", file.read());
    file.write("");
    assertFalse(Files.exists(folder.resolve(MenuFile.NAME)));
    try (java.util.stream.Stream<Path> left = Files.list(folder)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void theSameLinesAreNotWrittenAgain() throws IOException {
    MenuFile file = new MenuFile(folder);
    file.write("one\n");
    Path jar = folder.resolve(MenuFile.NAME);
    java.nio.file.attribute.FileTime before = java.nio.file.attribute.FileTime.fromMillis(1000);
    Files.setLastModifiedTime(jar, before);
    file.write("one\n");
    assertEquals(before, Files.getLastModifiedTime(jar));
  }

  @Test
  void aDamagedFileIsWrittenAnew() throws IOException {
    Files.write(folder.resolve(MenuFile.NAME), new byte[] {1, 2, 3});
    MenuFile file = new MenuFile(folder);
    assertEquals("", file.read());
    file.write("one\n");
    assertEquals("one\n", file.read());
  }

  @Test
  void anEntryGivesTheLinesOfBothTitles() {
    String json =
        "{\"commands\": [{\"id\": \"blur\", \"title\": \"BioImg Blur...\","
            + " \"menu\": \"Plugins>BioImg\"},"
            + " {\"id\": \"pinned_fox\", \"title\": \"BioImg: fox\", \"menu\": \"Plugins>BioImg\"},"
            + " {\"id\": \"bad\", \"title\": \"BioImg \\\"x\\\", evil\", \"menu\": \"Plugins>A\"},"
            + " {\"id\": \"bad2\", \"title\": \"BioImg B\", \"menu\": \"Plugins>A, \\\"x\\\"\"}]}";
    List<MenuEntry> entries = MenuEntry.read(json);
    assertEquals(2, entries.size());
    assertEquals(
        "Plugins>BioImg, \"BioImg Blur...\", io.github.bioimgfiji.command.BioImg_Command(\"blur\")\n"
            + "Help>About Plugins, \"BioImg Blur\","
            + " io.github.bioimgfiji.command.BioImg_Command(\"blur\")\n",
        entries.get(0).lines());
    assertEquals(
        "Plugins>BioImg, \"BioImg: fox\","
            + " io.github.bioimgfiji.command.BioImg_Command(\"pinned_fox\")\n",
        entries.get(1).lines());
    assertTrue(MenuEntry.isCall(entries.get(0).call()));
    assertFalse(MenuEntry.isCall("ij.plugin.Duplicator"));
  }
}
