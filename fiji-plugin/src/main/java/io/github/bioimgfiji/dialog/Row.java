package io.github.bioimgfiji.dialog;

import java.awt.Color;
import java.awt.Component;
import java.awt.Font;
import java.awt.GridBagConstraints;
import java.awt.Insets;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JPanel;

/** One line of a form: label, field, question mark; and below what is wrong, or the help. */
final class Row {
  static final Color WRONG = new Color(0xB0, 0x00, 0x20);
  static final Color QUIET = new Color(0x50, 0x50, 0x50);
  private static final Color WRONG_FIELD = new Color(0xFF, 0xD9, 0xD9);
  private static final int WIDTH = 380;
  private static final int GAP = 3;

  private final Input input;
  private final JLabel label = new JLabel();
  private final JButton help = new JButton("?");
  private final JLabel note = new JLabel();
  private final Color usual;
  private final Runnable resized;
  private boolean touched;
  private boolean helping;

  /**
   * Makes a line.
   *
   * @param resized is run when it needs more or less room
   */
  Row(Input input, Runnable resized) {
    this.input = input;
    this.resized = resized;
    usual = input.target().getBackground();
    String unit = input.parameter().unit();
    label.setText(input.parameter().title() + (unit.isEmpty() ? ":" : " (" + unit + "):"));
    label.setLabelFor(input.target());
    help.setMargin(new Insets(0, GAP, 0, GAP));
    help.setFocusable(false);
    help.setName("help " + input.parameter().key());
    help.getAccessibleContext().setAccessibleName("Help on " + input.parameter().title());
    help.addActionListener(event -> toggleHelp());
    String tip = FieldHelp.html(FieldHelp.text(input.parameter()), WIDTH);
    label.setToolTipText(tip);
    help.setToolTipText(tip);
    input.target().setToolTipText(tip);
    input.target().setName(input.parameter().key());
    note.setName("note " + input.parameter().key());
    note.setFont(note.getFont().deriveFont(Font.PLAIN));
    note.setVisible(false);
    input.whenChanged(
        () -> {
          touched = true;
          update();
        });
  }

  Input input() {
    return input;
  }

  /** Puts the line into a panel of three columns. */
  void addTo(JPanel panel, int row) {
    GridBagConstraints place = new GridBagConstraints();
    place.gridy = 2 * row;
    place.insets = new Insets(GAP, GAP, 0, GAP);
    place.anchor = GridBagConstraints.EAST;
    if (!input.isLabelled()) {
      put(panel, label, place, 0);
    }
    place.anchor = GridBagConstraints.WEST;
    place.fill = GridBagConstraints.HORIZONTAL;
    place.weightx = 1;
    put(panel, input.component(), place, 1);
    place.fill = GridBagConstraints.NONE;
    place.weightx = 0;
    put(panel, help, place, 2);
    place.gridy = 2 * row + 1;
    place.insets = new Insets(0, GAP, 0, GAP);
    place.fill = GridBagConstraints.HORIZONTAL;
    put(panel, note, place, 1);
  }

  private static void put(JPanel panel, Component part, GridBagConstraints place, int column) {
    place.gridx = column;
    panel.add(part, place);
  }

  /** Shows whether the value is right, from now on also where it was never touched. */
  boolean isRight() {
    touched = true;
    update();
    return input.wrong().isEmpty();
  }

  /** Forgets that the value was touched. */
  void calm() {
    touched = false;
    update();
  }

  private void toggleHelp() {
    helping = !helping;
    update();
  }

  private void update() {
    String wrong = touched ? input.wrong() : "";
    input.target().setBackground(wrong.isEmpty() ? usual : WRONG_FIELD);
    String text = wrong.isEmpty() && helping ? FieldHelp.text(input.parameter()) : wrong;
    String html = text.isEmpty() ? "" : FieldHelp.html(text, WIDTH);
    if (!html.equals(note.getText())) {
      note.setForeground(wrong.isEmpty() ? QUIET : WRONG);
      note.setText(html);
      note.setVisible(!text.isEmpty());
    }
    resized.run();
  }
}
