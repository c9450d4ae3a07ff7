package io.github.bioimgfiji.live;

import java.awt.Dimension;
import java.awt.FontMetrics;
import java.awt.Graphics;
import java.awt.image.BufferedImage;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import javax.swing.JPanel;

/** Shows the pictures of a preview side by side, with what each is under it. */
final class PreviewPanel extends JPanel {
  private static final long serialVersionUID = 1L;
  private static final Dimension FIRST = new Dimension(540, 280);
  private static final int GAP = 6;

  private transient Preview preview;
  private transient List<BufferedImage> pictures = Collections.emptyList();

  PreviewPanel() {
    setPreferredSize(FIRST);
    getAccessibleContext().setAccessibleName("Preview of one tile");
  }

  void show(Preview newPreview, List<BufferedImage> drawn) {
    preview = newPreview;
    pictures = drawn;
    String names = String.join(" and ", preview.names());
    getAccessibleContext().setAccessibleDescription(names + ", " + stepText());
    repaint();
  }

  @Override
  protected void paintComponent(Graphics graphics) {
    super.paintComponent(graphics);
    FontMetrics letters = graphics.getFontMetrics();
    if (preview == null) {
      String text = "No preview yet";
      int x = (getWidth() - letters.stringWidth(text)) / 2;
      graphics.drawString(text, x, getHeight() / 2);
      return;
    }
    int width = (getWidth() - GAP * (pictures.size() + 1)) / pictures.size();
    int height = getHeight() - GAP - letters.getHeight() - 2;
    for (int i = 0; i < pictures.size(); i++) {
      BufferedImage picture = pictures.get(i);
      double zoom =
          Math.min((double) width / picture.getWidth(), (double) height / picture.getHeight());
      int wide = (int) Math.max(1, zoom * picture.getWidth());
      int high = (int) Math.max(1, zoom * picture.getHeight());
      int left = GAP + i * (width + GAP) + (width - wide) / 2;
      int top = GAP + (height - high) / 2;
      graphics.drawImage(picture, left, top, wide, high, null);
      String caption = preview.names().get(i) + (i == 0 ? "" : ", " + stepText());
      int x = left + (wide - letters.stringWidth(caption)) / 2;
      graphics.drawString(caption, x, top + high + letters.getAscent() + 2);
    }
  }

  private String stepText() {
    return String.format(Locale.ROOT, "step %.0f", preview.step());
  }
}
