package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.awt.Component;
import java.awt.Font;
import java.awt.GridBagConstraints;
import java.awt.GridBagLayout;
import java.util.ArrayList;
import java.util.List;
import javax.swing.DefaultListCellRenderer;
import javax.swing.JComboBox;
import javax.swing.JComponent;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JPanel;

/** A model: one of the store, of which is told what it is and whether it fits, or a path. */
final class ModelInput extends Input {
  /** What stands for a model that is not in the store. */
  static final String OTHER = "A file or a folder:";

  private static final int WIDTH = 380;

  private final List<String> names;
  private final JComboBox<String> list = new JComboBox<>();
  private final TextInput path;
  private final JLabel about = new JLabel();
  private final JPanel component = new JPanel(new GridBagLayout());
  private ModelList models;

  ModelInput(Parameter parameter, ModelList models) {
    super(parameter);
    this.models = models;
    names = new ArrayList<>(parameter.suggestions());
    path = new TextInput(parameter);
    path.whenChanged(this::changed);
    if (parameter.isOptional()) {
      list.addItem(ChoiceInput.NO_VALUE);
    }
    names.forEach(list::addItem);
    list.addItem(OTHER);
    about.setFont(about.getFont().deriveFont(Font.PLAIN));
    about.setName("about " + parameter.key());
    list.setRenderer(new Renderer());
    list.addItemListener(
        event -> {
          update();
          changed();
        });
    layOut();
    update();
  }

  private void layOut() {
    GridBagConstraints place = new GridBagConstraints();
    place.gridx = 0;
    place.weightx = 1;
    place.fill = GridBagConstraints.HORIZONTAL;
    place.anchor = GridBagConstraints.WEST;
    if (!names.isEmpty()) {
      component.add(list, place);
    }
    component.add(path.component(), place);
    component.add(about, place);
  }

  private void update() {
    String chosen = chosen();
    path.component().setVisible(names.isEmpty() || OTHER.equals(chosen));
    String text = names.contains(chosen) ? models.description(chosen) : "";
    about.setText(FieldHelp.html(text, WIDTH));
    about.setForeground(models.isUnfit(chosen) ? Row.WRONG : Row.QUIET);
    about.setVisible(!text.isEmpty());
  }

  /** Tells what is known now of the models. */
  void know(ModelList known) {
    models = known;
    update();
    list.repaint();
    changed();
  }

  private String chosen() {
    return String.valueOf(list.getSelectedItem());
  }

  @Override
  JComponent component() {
    return component;
  }

  @Override
  JComponent target() {
    return names.isEmpty() || OTHER.equals(chosen()) ? path.target() : list;
  }

  @Override
  String text() {
    if (names.isEmpty() || OTHER.equals(chosen())) {
      return path.text();
    }
    return ChoiceInput.NO_VALUE.equals(chosen()) ? "" : chosen();
  }

  /** Shows a value; none is the first model of the store, unless it may be left empty. */
  @Override
  void show(String text) {
    if (text.isEmpty() && !names.isEmpty()) {
      list.setSelectedIndex(0);
      path.show("");
    } else if (names.contains(text)) {
      list.setSelectedItem(text);
      path.show("");
    } else {
      list.setSelectedItem(OTHER);
      path.show(text);
    }
  }

  private final class Renderer extends DefaultListCellRenderer {
    private static final long serialVersionUID = 1L;

    @Override
    public Component getListCellRendererComponent(
        JList<?> all, Object value, int index, boolean selected, boolean focused) {
      // The index is -1 for the closed list, where the sentence below tells the rest.
      String text = index < 0 ? String.valueOf(value) : models.line(String.valueOf(value));
      super.getListCellRendererComponent(all, text, index, selected, focused);
      if (models.isUnfit(String.valueOf(value)) && !selected) {
        setForeground(Row.WRONG);
      }
      return this;
    }
  }
}
