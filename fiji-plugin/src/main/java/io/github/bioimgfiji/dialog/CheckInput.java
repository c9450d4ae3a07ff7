package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import javax.swing.JCheckBox;
import javax.swing.JComponent;

/** Yes or no. */
final class CheckInput extends Input {
  private final JCheckBox box;

  CheckInput(Parameter parameter) {
    super(parameter);
    String unit = parameter.unit().isEmpty() ? "" : " (" + parameter.unit() + ")";
    box = new JCheckBox(parameter.title() + unit);
    box.addItemListener(event -> changed());
  }

  @Override
  JComponent component() {
    return box;
  }

  @Override
  JComponent target() {
    return box;
  }

  @Override
  boolean isLabelled() {
    return true;
  }

  @Override
  String text() {
    return String.valueOf(box.isSelected());
  }

  @Override
  void show(String text) {
    box.setSelected(Boolean.parseBoolean(text));
  }
}
