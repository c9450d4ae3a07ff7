package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.awt.Dimension;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.swing.BoxLayout;
import javax.swing.JCheckBox;
import javax.swing.JComponent;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;

/** Any number of the open images, as titles or IDs with "|" between them. */
final class ImagesInput extends Input {
  private static final int MOST_ROWS = 5;
  private static final int STEP = 16;

  private final Map<String, JCheckBox> boxes = new LinkedHashMap<>();
  private final JPanel list = new JPanel();
  private final JScrollPane pane;

  ImagesInput(Parameter parameter) {
    super(parameter);
    list.setLayout(new BoxLayout(list, BoxLayout.Y_AXIS));
    ImageNames.labels(ImageNames.open()).forEach(this::add);
    if (boxes.isEmpty()) {
      list.add(new JLabel("No image is open."));
    }
    pane = new JScrollPane(list);
    Dimension size = list.getPreferredSize();
    if (boxes.size() > MOST_ROWS) {
      int height = size.height / boxes.size() * MOST_ROWS;
      pane.setPreferredSize(new Dimension(size.width + 2 * STEP, height));
    }
    pane.getVerticalScrollBar().setUnitIncrement(STEP);
  }

  private void add(String name, String label) {
    JCheckBox box = new JCheckBox(label);
    box.addItemListener(event -> changed());
    boxes.put(name, box);
    list.add(box);
  }

  @Override
  JComponent component() {
    return pane;
  }

  @Override
  JComponent target() {
    return boxes.isEmpty() ? pane : boxes.values().iterator().next();
  }

  @Override
  String text() {
    List<String> chosen = new ArrayList<>();
    boxes.forEach(
        (name, box) -> {
          if (box.isSelected()) {
            chosen.add(name);
          }
        });
    return String.join("|", chosen);
  }

  @Override
  void show(String text) {
    List<String> chosen = Arrays.asList(text.split("\\|"));
    boxes.forEach(
        (name, box) -> box.setSelected(text.equals(ImageNames.ALL) || chosen.contains(name)));
  }
}
