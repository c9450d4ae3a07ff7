package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.swing.JComboBox;
import javax.swing.JComponent;

/** One of several values. */
final class ChoiceInput extends Input {
  /** What stands for no choice. */
  static final String NO_VALUE = "(not set)";

  private final Map<String, String> labels;
  private final JComboBox<String> list = new JComboBox<>();

  /**
   * Makes the field.
   *
   * @param labels what is seen of each value, by value, in their order
   */
  ChoiceInput(Parameter parameter, Map<String, String> labels) {
    super(parameter);
    this.labels = labels;
    labels.values().forEach(list::addItem);
    list.addItemListener(event -> changed());
  }

  static ChoiceInput of(Parameter parameter) {
    return of(parameter, parameter.choices());
  }

  static ChoiceInput of(Parameter parameter, List<String> choices) {
    Map<String, String> labels = new LinkedHashMap<>();
    if (parameter.isOptional()) {
      labels.put("", NO_VALUE);
    }
    choices.forEach(choice -> labels.put(choice, choice));
    return new ChoiceInput(parameter, labels);
  }

  @Override
  JComponent component() {
    return list;
  }

  @Override
  JComponent target() {
    return list;
  }

  @Override
  String text() {
    int index = list.getSelectedIndex();
    return index < 0 ? "" : labels.keySet().toArray(new String[0])[index];
  }

  @Override
  void show(String text) {
    int index = 0;
    for (String value : labels.keySet()) {
      if (value.equals(text)) {
        list.setSelectedIndex(index);
        return;
      }
      index++;
    }
  }
}
