package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.awt.BorderLayout;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JPanel;
import javax.swing.JPasswordField;
import javax.swing.JTextField;
import javax.swing.event.DocumentEvent;
import javax.swing.event.DocumentListener;

/** A text, a number, a password, or the path of a file or a folder with a button to look for it. */
final class TextInput extends Input {
  private static final int PATH_COLUMNS = 28;
  private static final int TEXT_COLUMNS = 16;
  private static final int NUMBER_COLUMNS = 8;
  private static final int GAP = 4;

  private final JTextField field;
  private final JComponent component;

  TextInput(Parameter parameter) {
    super(parameter);
    boolean secret = parameter.widget().equals("password");
    field = secret ? new JPasswordField() : new JTextField();
    field.setColumns(columns(parameter));
    field
        .getDocument()
        .addDocumentListener(
            new DocumentListener() {
              @Override
              public void insertUpdate(DocumentEvent event) {
                changed();
              }

              @Override
              public void removeUpdate(DocumentEvent event) {
                changed();
              }

              @Override
              public void changedUpdate(DocumentEvent event) {}
            });
    component = PathChooser.isPath(parameter) ? withButton(parameter) : leftAligned();
  }

  private static int columns(Parameter parameter) {
    if (PathChooser.isPath(parameter)) {
      return PATH_COLUMNS;
    }
    return parameter.type() == Parameter.Type.STRING ? TEXT_COLUMNS : NUMBER_COLUMNS;
  }

  private JPanel withButton(Parameter parameter) {
    JButton browse = new JButton("Browse...");
    browse.setToolTipText("Look for it on the disk. It can also be dropped on the field.");
    browse.addActionListener(event -> PathChooser.choose(parameter, field));
    PathChooser.acceptDrops(field);
    JPanel panel = new JPanel(new BorderLayout(GAP, 0));
    panel.add(field, BorderLayout.CENTER);
    panel.add(browse, BorderLayout.EAST);
    return panel;
  }

  private JPanel leftAligned() {
    JPanel panel = new JPanel(new BorderLayout());
    panel.add(field, BorderLayout.WEST);
    return panel;
  }

  @Override
  JComponent component() {
    return component;
  }

  @Override
  JComponent target() {
    return field;
  }

  @Override
  String text() {
    return field.getText().trim();
  }

  @Override
  void show(String text) {
    field.setText(text);
  }
}
