package io.github.bioimgfiji.live;

import java.awt.Dimension;
import java.awt.Graphics;
import java.awt.event.ComponentAdapter;
import java.awt.event.ComponentEvent;
import java.awt.image.BufferedImage;
import java.util.Map;
import javax.swing.JPanel;

/** Shows the curves. */
final class CurvesPanel extends JPanel {
  private static final long serialVersionUID = 1L;

  /** Its size at first, pixels. */
  static final Dimension FIRST = new Dimension(540, 250);

  private transient Map<String, double[][]> curves;
  private transient BufferedImage drawn;
  private Dimension size = FIRST;

  CurvesPanel() {
    setPreferredSize(FIRST);
    getAccessibleContext().setAccessibleName("Curves of loss and validation");
    addComponentListener(
        new ComponentAdapter() {
          @Override
          public void componentResized(ComponentEvent event) {
            resized();
          }
        });
  }

  private void resized() {
    boolean other = !size.equals(getSize());
    size = getSize();
    if (other && drawn != null) {
      // A few hundred points, drawn once for a new size: nothing to wait for.
      drawn = CurvePlot.image(curves, size);
      repaint();
    }
  }

  void show(Map<String, double[][]> newCurves, BufferedImage picture) {
    curves = newCurves;
    drawn = picture;
    repaint();
  }

  @Override
  protected void paintComponent(Graphics graphics) {
    super.paintComponent(graphics);
    if (drawn != null) {
      graphics.drawImage(drawn, 0, 0, getWidth(), getHeight(), null);
    }
  }
}
