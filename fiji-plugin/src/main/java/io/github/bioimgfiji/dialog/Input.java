package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.options.Parameter;
import java.util.ArrayList;
import java.util.List;
import javax.swing.JComponent;

/** One field of a dialog: what is seen of a parameter, read and written as the text of a macro. */
abstract class Input {
  private final Parameter parameter;
  private final List<Runnable> listeners = new ArrayList<>();

  Input(Parameter parameter) {
    this.parameter = parameter;
  }

  /**
   * Makes the field that suits a parameter.
   *
   * @param models what is known of the models, for a parameter that names one
   */
  static Input of(Parameter parameter, ModelList models) {
    if (parameter.isImageList()) {
      return new ImagesInput(parameter);
    }
    if (parameter.isImage()) {
      return ImageNames.input(parameter);
    }
    if (!parameter.choices().isEmpty()) {
      return ChoiceInput.of(parameter);
    }
    if (parameter.type() == Parameter.Type.BOOLEAN) {
      return new CheckInput(parameter);
    }
    if (parameter.widget().equals("model")) {
      return new ModelInput(parameter, models);
    }
    return parameter.suggestions().isEmpty()
        ? new TextInput(parameter)
        : ChoiceInput.of(parameter, parameter.suggestions());
  }

  final Parameter parameter() {
    return parameter;
  }

  /** Gives what is put beside the label. */
  abstract JComponent component();

  /** Gives the part that has the keyboard, and turns red. */
  abstract JComponent target();

  /** Gives the value as the text of a macro; "" is none. */
  abstract String text();

  /** Shows a value; one that cannot be shown leaves the field as it is. */
  abstract void show(String text);

  /** Tells whether the component says itself what it is, without a label beside it. */
  boolean isLabelled() {
    return false;
  }

  /** Tells what is wrong with the value, as a sentence; "" where it is right. */
  final String wrong() {
    return FieldCheck.sentence(parameter, text());
  }

  final void whenChanged(Runnable listener) {
    listeners.add(listener);
  }

  final void changed() {
    listeners.forEach(Runnable::run);
  }
}
