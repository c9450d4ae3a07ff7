package io.github.bioimgfiji.menu;

import ij.IJ;
import ij.plugin.PlugIn;
import io.github.bioimgfiji.results.Notes;
import java.awt.EventQueue;
import java.awt.GraphicsEnvironment;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Shows the documentation that came with the plugin; the network is not needed. */
public class BioImg_Help implements PlugIn {
  private static final String[][] TOPICS = {
    {"Fiji and ImageJ", "fiji.md"}, {"Training", "training.md"}
  };

  @Override
  public void run(String argument) {
    try {
      String[] names = new String[TOPICS.length];
      String[] pages = new String[TOPICS.length];
      for (int i = 0; i < TOPICS.length; i++) {
        names[i] = TOPICS[i][0];
        pages[i] = text(TOPICS[i][1]);
      }
      if (GraphicsEnvironment.isHeadless()) {
        Notes.tell(pages[0]);
        return;
      }
      EventQueue.invokeLater(() -> new HelpWindow(names, pages).setVisible(true));
    } catch (IOException missing) {
      IJ.error(
          "BioImg Help",
          "The documentation is missing in the plugin's jar.\n"
              + "Install the plugin again: bioimg-fiji install-plugin FOLDER");
    }
  }

  private static String text(String name) throws IOException {
    try (InputStream stream =
        BioImg_Help.class.getResourceAsStream("/io/github/bioimgfiji/help/" + name)) {
      if (stream == null) {
        throw new IOException(name);
      }
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] part = new byte[8192];
      for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
        bytes.write(part, 0, count);
      }
      return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }
  }
}
