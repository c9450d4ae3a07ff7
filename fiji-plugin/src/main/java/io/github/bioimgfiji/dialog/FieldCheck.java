package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.Parameter;

/** Checks a field's text while it is typed, by the rules that a macro's values have. */
final class FieldCheck {
  private FieldCheck() {}

  /**
   * Tells what is wrong, as a sentence that begins with the field's label; "" where it is right.
   */
  static String sentence(Parameter parameter, String text) {
    if (parameter.isImage()) {
      return "";
    }
    if (text.isEmpty() && parameter.isOptional()) {
      return "";
    }
    if (text.isEmpty() && parameter.isRequired()) {
      return parameter.title() + " is missing. " + parameter.help();
    }
    try {
      parameter.value(text);
      return "";
    } catch (BackendException wrong) {
      String message = wrong.getMessage();
      boolean named = message.startsWith(parameter.key() + " ");
      return named ? parameter.title() + message.substring(parameter.key().length()) : message;
    }
  }
}
