package io.github.bioimgfiji.live;

import ij.ImagePlus;
import ij.gui.GUI;
import io.github.bioimgfiji.results.Results;
import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.event.ActionEvent;
import java.awt.event.KeyEvent;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.util.Locale;
import java.util.Map;
import javax.swing.AbstractAction;
import javax.swing.BorderFactory;
import javax.swing.Box;
import javax.swing.BoxLayout;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.KeyStroke;

/** The window itself; only to be touched on the event dispatch thread. */
final class LiveFrame extends JFrame {
  private static final long serialVersionUID = 1L;
  private static final int GAP = 6;

  private final transient Wishes wishes;
  private final boolean asks;
  private final String command;
  private final CurvesPanel curves = new CurvesPanel();
  private final PreviewPanel pictures = new PreviewPanel();
  private final JLabel status = new JLabel(" ");
  private final JButton finish =
      button("Finish now", KeyEvent.VK_F, "End the training here and keep the best state so far.");
  private final JButton cancel =
      button("Cancel", KeyEvent.VK_C, "Stop without a model; a checkpoint stays to resume from.");
  private final JButton openCurves =
      button("Open curves", KeyEvent.VK_U, "Open the curves as an ImageJ plot.");
  private final JButton openPreview =
      button("Open preview", KeyEvent.VK_P, "Open the preview's pictures as an ImageJ stack.");
  private transient LiveData data;

  /**
   * Makes the window; it is not shown yet.
   *
   * @param command the command's title
   * @param asks whether it asks what to do when it is closed
   */
  LiveFrame(String command, boolean asks, Wishes wishes) {
    super(command);
    this.command = command;
    this.asks = asks;
    this.wishes = wishes;
    setDefaultCloseOperation(DO_NOTHING_ON_CLOSE);
    setAutoRequestFocus(false); // it comes while the user may be typing elsewhere
    setContentPane(content());
    finish.addActionListener(event -> finish());
    cancel.addActionListener(event -> cancel());
    openCurves.addActionListener(event -> openCurves());
    openPreview.addActionListener(event -> openPreview());
    enableButtons();
    addWindowListener(
        new WindowAdapter() {
          @Override
          public void windowClosing(WindowEvent event) {
            closing();
          }
        });
    pack();
    setMinimumSize(new Dimension(getWidth(), 300));
    GUI.centerOnImageJScreen(this);
  }

  private JPanel content() {
    JPanel views = new JPanel();
    views.setLayout(new BoxLayout(views, BoxLayout.Y_AXIS));
    views.add(curves);
    views.add(pictures);
    JPanel buttons = new JPanel();
    buttons.setLayout(new BoxLayout(buttons, BoxLayout.X_AXIS));
    buttons.add(finish);
    buttons.add(Box.createHorizontalStrut(GAP));
    buttons.add(cancel);
    buttons.add(Box.createHorizontalGlue());
    buttons.add(Box.createHorizontalStrut(2 * GAP));
    buttons.add(openCurves);
    buttons.add(Box.createHorizontalStrut(GAP));
    buttons.add(openPreview);
    JPanel below = new JPanel(new BorderLayout(GAP, GAP));
    below.add(status, BorderLayout.NORTH);
    below.add(buttons, BorderLayout.SOUTH);
    JPanel content = new JPanel(new BorderLayout(GAP, GAP));
    content.setBorder(BorderFactory.createEmptyBorder(GAP, GAP, GAP, GAP));
    content.add(views, BorderLayout.CENTER);
    content.add(below, BorderLayout.SOUTH);
    KeyStroke escape = KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0);
    content.getInputMap(JComponent.WHEN_IN_FOCUSED_WINDOW).put(escape, "escape");
    content
        .getActionMap()
        .put(
            "escape",
            new AbstractAction() {
              private static final long serialVersionUID = 1L;

              @Override
              public void actionPerformed(ActionEvent event) {
                escape();
              }
            });
    return content;
  }

  private static JButton button(String text, int mnemonic, String help) {
    JButton button = new JButton(text);
    button.setMnemonic(mnemonic);
    button.setToolTipText(help);
    button.getAccessibleContext().setAccessibleName(text);
    return button;
  }

  /** Gives the size in which curves are to be drawn. */
  Dimension plotSize() {
    return curves.getSize();
  }

  void show(String text, Drawn drawn) {
    status.setText(text.isEmpty() ? " " : text);
    if (drawn == null || drawn.data == data) {
      return;
    }
    data = drawn.data;
    curves.show(data.curves(), drawn.curves);
    if (data.preview() != null) {
      pictures.show(data.preview(), drawn.pictures);
    }
    enableButtons();
  }

  private void enableButtons() {
    boolean running = cancel.getText().equals("Cancel");
    boolean asked = finish.getText().endsWith("...");
    finish.setEnabled(running && !asked && data != null && data.finishable());
    cancel.setEnabled(running);
    openCurves.setEnabled(data != null && !data.curves().isEmpty());
    openPreview.setEnabled(data != null && data.preview() != null);
  }

  private void finish() {
    wishes.finish();
    finish.setText("Finishing...");
    enableButtons();
  }

  private void cancel() {
    wishes.cancel();
    cancel.setText("Cancelling...");
    enableButtons();
  }

  private void escape() {
    if (cancel.isEnabled()) {
      if (asks) {
        ask(StopQuestion.KEEP);
      } else {
        cancel();
      }
    }
  }

  private void closing() {
    if (asks && cancel.isEnabled()) {
      ask(StopQuestion.HIDE);
    } else {
      wishes.hide();
    }
  }

  private void ask(String keep) {
    String answer = StopQuestion.ask(this, command, finish.isEnabled(), keep);
    if (answer.equals(StopQuestion.FINISH)) {
      finish();
    } else if (answer.equals(StopQuestion.CANCEL)) {
      cancel();
    } else if (answer.equals(StopQuestion.HIDE)) {
      wishes.hide();
    }
  }

  private void openCurves() {
    Map<String, double[][]> shown = data.curves();
    double step = 0;
    for (double[][] points : shown.values()) {
      step = Math.max(step, points[0][points[0].length - 1]);
    }
    CurvePlot.of(title("curves", step), shown).show();
  }

  private void openPreview() {
    ImagePlus image = data.preview().image(title("preview", data.preview().step()));
    image.show();
  }

  private String title(String what, double step) {
    String title = String.format(Locale.ROOT, "%s - %s at step %.0f", command, what, step);
    return Results.uniqueTitle(title);
  }
}
