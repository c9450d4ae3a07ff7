package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.util.ArrayList;
import java.util.List;

/** What a field's question mark tells. */
final class FieldHelp {
  private FieldHelp() {}

  /** Gives what it is for, its unit, range, choices and default, and its key in macros. */
  static String text(Parameter parameter) {
    List<String> sentences = new ArrayList<>();
    sentences.add(parameter.help());
    if (!parameter.unit().isEmpty()) {
      sentences.add("Unit: " + parameter.unit() + ".");
    }
    if (!parameter.range().isEmpty()) {
      sentences.add("Range: " + parameter.range() + ".");
    }
    if (!parameter.choices().isEmpty()) {
      sentences.add("Choices: " + String.join(", ", parameter.choices()) + ".");
    }
    if (!parameter.defaultText().isEmpty()) {
      sentences.add("Default: " + parameter.defaultText() + ".");
    } else if (parameter.isOptional()) {
      sentences.add("It may be left empty.");
    }
    sentences.add("Key in macros: " + parameter.key() + ".");
    return String.join(" ", sentences).trim();
  }

  /** Gives a text as HTML that breaks its lines at a width in pixels. */
  static String html(String text, int width) {
    return "<html><body style='width:" + width + "px'>" + Lines.html(text) + "</body></html>";
  }
}
