package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import java.awt.GridBagLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.swing.BorderFactory;
import javax.swing.Box;
import javax.swing.BoxLayout;
import javax.swing.JComponent;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JToggleButton;

/** The fields of a command: those that everybody needs, and folded below them the expert ones. */
final class Form {
  static final String SHOW = "Show expert settings";
  static final String HIDE = "Hide expert settings";
  private static final int ABOUT_WIDTH = 520;
  private static final int GAP = 8;

  private final JPanel panel = new JPanel();
  private final JPanel expertPanel = new JPanel(new GridBagLayout());
  private final JToggleButton toggle = new JToggleButton(SHOW);
  private final List<Row> rows = new ArrayList<>();
  private final Runnable resized;

  /**
   * Makes the fields, with the defaults.
   *
   * @param resized is run when the form needs more or less room
   */
  Form(CommandSpec command, ModelList models, Runnable resized) {
    this.resized = resized;
    panel.setLayout(new BoxLayout(panel, BoxLayout.Y_AXIS));
    panel.setBorder(BorderFactory.createEmptyBorder(GAP, GAP, GAP, GAP));
    JLabel about = new JLabel(FieldHelp.html(command.help(), ABOUT_WIDTH));
    panel.add(left(about));
    panel.add(Box.createVerticalStrut(GAP));
    JPanel main = new JPanel(new GridBagLayout());
    for (Parameter parameter : command.parameters()) {
      // The one image that the active one stands in for has no field.
      if (!command.isActiveImage(parameter)) {
        Row row = new Row(Input.of(parameter, models), resized);
        row.input().show(parameter.defaultText());
        row.calm();
        row.addTo(parameter.isExpert() ? expertPanel : main, rows.size());
        rows.add(row);
      }
    }
    panel.add(left(main));
    addExpert();
  }

  private void addExpert() {
    toggle.setName("expert");
    toggle.addItemListener(event -> fold(!toggle.isSelected()));
    JPanel line = new JPanel(new FlowLayout(FlowLayout.LEFT, 0, GAP));
    line.add(toggle);
    if (expertPanel.getComponentCount() > 0) {
      panel.add(left(line));
      panel.add(left(expertPanel));
    }
    expertPanel.setVisible(false);
  }

  private static JComponent left(JComponent part) {
    JPanel wrapper = new JPanel(new BorderLayout());
    wrapper.add(part, BorderLayout.CENTER);
    return wrapper;
  }

  private void fold(boolean folded) {
    toggle.setText(folded ? SHOW : HIDE);
    toggle.setSelected(!folded);
    expertPanel.setVisible(!folded);
    resized.run();
  }

  JPanel panel() {
    return panel;
  }

  List<Row> rows() {
    return rows;
  }

  boolean isFolded() {
    return !expertPanel.isVisible();
  }

  /** Shows values, and unfolds the expert section where one of its values is not the default. */
  void show(LastValues values) {
    boolean usual = true;
    for (Row row : rows) {
      Parameter parameter = row.input().parameter();
      String text = values.of(parameter);
      row.input().show(text);
      if (!row.input().wrong().isEmpty()) {
        row.input().show(parameter.defaultText());
      }
      row.calm();
      usual &= !parameter.isExpert() || text.equals(parameter.defaultText());
    }
    fold(usual);
  }

  /** Shows the defaults. */
  void reset() {
    for (Row row : rows) {
      row.input().show(row.input().parameter().defaultText());
      row.calm();
    }
  }

  /** Tells what is known now of the models. */
  void know(ModelList models) {
    for (Row row : rows) {
      if (row.input() instanceof ModelInput) {
        ((ModelInput) row.input()).know(models);
      }
    }
  }

  /** Gives the values as texts of a macro. */
  Map<String, String> texts() {
    Map<String, String> texts = new LinkedHashMap<>();
    for (Row row : rows) {
      texts.put(row.input().parameter().key(), row.input().text());
    }
    return texts;
  }

  /** Shows what is wrong, and gives the first field that is; null where all are right. */
  Input firstWrong() {
    Input first = null;
    for (Row row : rows) {
      if (!row.isRight() && first == null) {
        first = row.input();
      }
    }
    if (first != null && first.parameter().isExpert()) {
      fold(false);
    }
    return first;
  }
}
