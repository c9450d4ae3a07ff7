package io.github.bioimgfiji.dialog;

import ij.WindowManager;
import ij.gui.GenericDialog;
import ij.io.SaveDialog;
import io.github.bioimgfiji.options.Parameter;
import java.awt.Button;
import java.awt.Choice;
import java.awt.Component;
import java.awt.TextField;
import java.awt.event.ActionListener;
import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** One page of a command's dialog: a field per parameter, read back as texts. */
final class Page {
  private static final int PATH_COLUMNS = 30;
  private static final int TEXT_COLUMNS = 16;
  private static final int NUMBER_COLUMNS = 8;

  /** What stands for no image; no file has this name. */
  private static final String NO_IMAGE = "(none)";

  /** What stands for no choice. */
  private static final String NO_VALUE = "(not set)";

  /** What stands for the active image, which is meant where no other input is given. */
  private static final String ACTIVE_IMAGE = "(active image)";

  /** What stands for a value that is not among the suggested ones. */
  private static final String OTHER = "(the file below)";

  private final GenericDialog dialog;
  private final StringBuilder help;
  private final List<Reader> readers = new ArrayList<>();
  private boolean more;

  private interface Reader {
    void read(Map<String, String> texts);
  }

  Page(String title, String about) {
    dialog = new GenericDialog(title);
    dialog.addMessage(Lines.wrap(about, 64));
    help = new StringBuilder("<html><body width=400><h2>" + Lines.html(title) + "</h2>");
    help.append("<p>").append(Lines.html(about)).append("</p><dl>");
  }

  void add(Parameter parameter, String text) {
    String key = parameter.key();
    String unit = parameter.unit().isEmpty() ? "" : " (" + parameter.unit() + ")";
    String label = parameter.title() + unit + ":";
    help.append("<dt><b>").append(Lines.html(parameter.title() + unit)).append("</b> ");
    help.append("<code>").append(key).append("</code></dt><dd>");
    help.append(Lines.html(parameter.help())).append("</dd>");
    if (parameter.isImageList()) {
      addImageList(key, label, text);
    } else if (parameter.isImage()) {
      addImage(parameter, label, text);
    } else if (!parameter.choices().isEmpty()) {
      addChoice(parameter, label, text);
    } else if (parameter.type() == Parameter.Type.BOOLEAN) {
      dialog.addCheckbox(parameter.title() + unit, Boolean.parseBoolean(text));
      readers.add(texts -> texts.put(key, String.valueOf(dialog.getNextBoolean())));
    } else if (!parameter.suggestions().isEmpty()) {
      addSuggested(parameter, label, text);
    } else {
      addText(parameter, label, text);
      readers.add(texts -> texts.put(key, dialog.getNextString().trim()));
    }
  }

  private void addImage(Parameter parameter, String label, String text) {
    List<String> titles = new ArrayList<>(Arrays.asList(WindowManager.getImageTitles()));
    String none = parameter.mayBeActive() ? ACTIVE_IMAGE : NO_IMAGE;
    if (parameter.isOptional()) {
      titles.add(0, none);
    }
    dialog.addChoice(label, titles.toArray(new String[0]), text.isEmpty() ? none : text);
    readers.add(
        texts -> {
          String chosen = dialog.getNextChoice();
          texts.put(parameter.key(), chosen.equals(none) ? "" : chosen);
        });
  }

  private void addChoice(Parameter parameter, String label, String text) {
    List<String> choices = new ArrayList<>(parameter.choices());
    if (parameter.isOptional()) {
      choices.add(0, NO_VALUE);
    }
    dialog.addChoice(label, choices.toArray(new String[0]), text.isEmpty() ? NO_VALUE : text);
    readers.add(
        texts -> {
          String chosen = dialog.getNextChoice();
          texts.put(parameter.key(), chosen.equals(NO_VALUE) ? "" : chosen);
        });
  }

  private void addImageList(String key, String label, String text) {
    dialog.addStringField(label, "", TEXT_COLUMNS);
    ImageList list = new ImageList(text);
    list.replace((TextField) dialog.getStringFields().lastElement());
    readers.add(
        texts -> {
          dialog.getNextString(); // the field that the list stands in for
          texts.put(key, list.text());
        });
  }

  /** Adds a choice of the suggested values, and a field for any other. */
  private void addSuggested(Parameter parameter, String label, String text) {
    List<String> choices = new ArrayList<>(parameter.suggestions());
    choices.add(OTHER);
    boolean first = text.isEmpty();
    String chosen = first ? choices.get(0) : choices.contains(text) ? text : OTHER;
    dialog.addChoice(label, choices.toArray(new String[0]), chosen);
    addText(parameter, "or a file:", chosen.equals(OTHER) ? text : "");
    Choice list = (Choice) dialog.getChoices().lastElement();
    TextField field = (TextField) dialog.getStringFields().lastElement();
    // The one that was used last is meant: the other shows that it is not.
    field.addTextListener(
        event -> {
          if (!field.getText().isEmpty()) {
            list.select(OTHER);
          }
        });
    list.addItemListener(
        event -> {
          if (!list.getSelectedItem().equals(OTHER)) {
            field.setText("");
          }
        });
    readers.add(
        texts -> {
          String choice = dialog.getNextChoice();
          String other = dialog.getNextString().trim();
          texts.put(parameter.key(), choice.equals(OTHER) ? other : choice);
        });
  }

  private void addText(Parameter parameter, String label, String text) {
    switch (parameter.widget()) {
      case "file":
      case "model":
        dialog.addFileField(label, text, PATH_COLUMNS);
        break;
      case "folder":
        dialog.addDirectoryField(label, text, PATH_COLUMNS);
        break;
      case "path":
        dialog.addFileField(label, text, PATH_COLUMNS);
        browseWith(field -> PathChooser.choose(parameter.title(), field));
        break;
      case "save":
        dialog.addFileField(label, text, PATH_COLUMNS);
        browseWith(field -> chooseTarget(parameter, field));
        break;
      case "password":
        dialog.setEchoChar('*');
        dialog.addStringField(label, text, TEXT_COLUMNS);
        break;
      default:
        boolean number = parameter.type() != Parameter.Type.STRING;
        dialog.addStringField(label, text, number ? NUMBER_COLUMNS : TEXT_COLUMNS);
    }
  }

  /** Makes the browse button of the last field ask in another way: ImageJ's asks for a file. */
  private void browseWith(Consumer<TextField> chooser) {
    TextField field = (TextField) dialog.getStringFields().lastElement();
    for (Component component : field.getParent().getComponents()) {
      if (component instanceof Button) {
        Button browse = (Button) component;
        for (ActionListener listener : browse.getActionListeners()) {
          browse.removeActionListener(listener);
        }
        browse.addActionListener(event -> chooser.accept(field));
      }
    }
  }

  private static void chooseTarget(Parameter parameter, TextField field) {
    String name = field.getText().isEmpty() ? "model" : new File(field.getText()).getName();
    SaveDialog chooser = new SaveDialog(parameter.title(), name, parameter.suffix());
    if (chooser.getFileName() != null) {
      field.setText(chooser.getDirectory() + chooser.getFileName());
    }
  }

  /** Adds the checkbox that leads to the expert settings. */
  void addMore() {
    dialog.addCheckbox("Show expert settings", false);
    readers.add(texts -> more = dialog.getNextBoolean());
  }

  /** Shows the page; false when the user has cancelled. */
  boolean show(Map<String, String> texts) {
    dialog.addHelp(help + "</dl></body></html>");
    dialog.showDialog();
    if (!dialog.wasOKed()) {
      return false;
    }
    readers.forEach(reader -> reader.read(texts));
    return true;
  }

  boolean more() {
    return more;
  }
}
