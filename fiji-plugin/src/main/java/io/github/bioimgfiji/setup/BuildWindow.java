package io.github.bioimgfiji.setup;

import ij.IJ;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.results.Notes;
import java.awt.BorderLayout;
import java.awt.EventQueue;
import java.awt.GraphicsEnvironment;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JProgressBar;
import javax.swing.WindowConstants;

/**
 * Shows how far the build of an environment is, with a button that stops it; without a display it
 * says it in lines.
 */
final class BuildWindow implements Monitor, AutoCloseable {
  private static final int WIDTH = 560;
  private static final int HEIGHT = 110;

  private final boolean hasWindow = !GraphicsEnvironment.isHeadless() && IJ.getInstance() != null;
  private volatile boolean stopped;
  private String told = "";
  private JFrame frame;
  private JLabel text;
  private JProgressBar bar;

  BuildWindow(String title) {
    IJ.resetEscape();
    if (hasWindow) {
      EventQueue.invokeLater(() -> open(title));
    }
  }

  private void open(String title) {
    frame = new JFrame(title);
    text = new JLabel("Beginning");
    bar = new JProgressBar(0, 100);
    bar.setIndeterminate(true);
    JButton cancel = new JButton("Cancel");
    cancel.addActionListener(
        event -> {
          stopped = true;
          cancel.setEnabled(false);
          text.setText("Stopping");
        });
    JPanel panel = new JPanel(new BorderLayout(8, 8));
    panel.setBorder(BorderFactory.createEmptyBorder(12, 12, 12, 12));
    panel.add(text, BorderLayout.NORTH);
    panel.add(bar, BorderLayout.CENTER);
    panel.add(cancel, BorderLayout.EAST);
    frame.setContentPane(panel);
    frame.setDefaultCloseOperation(WindowConstants.DO_NOTHING_ON_CLOSE);
    frame.setSize(WIDTH, HEIGHT);
    frame.setLocationRelativeTo(null);
    frame.setVisible(true);
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    if (!message.equals(told)) {
      told = message;
      IJ.showStatus(message + " (Escape stops)");
      if (!hasWindow) {
        Notes.tell(message);
      }
    }
    if (hasWindow && !stopped) {
      EventQueue.invokeLater(() -> show(message, current, maximum));
    }
  }

  private void show(String message, double current, double maximum) {
    text.setText(message);
    if (maximum > 0) {
      bar.setIndeterminate(false);
      bar.setValue((int) (100 * current / maximum));
    }
  }

  @Override
  public void note(String sentence) {
    Notes.tell(sentence);
  }

  @Override
  public boolean cancelled() {
    return stopped || IJ.escapePressed();
  }

  @Override
  public void close() {
    if (hasWindow) {
      EventQueue.invokeLater(() -> frame.dispose());
    }
  }
}
