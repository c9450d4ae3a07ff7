package io.github.bioimgfiji.dialog;

import ij.Prefs;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;

/**
 * The values that the user gave last, in ImageJ's preferences.
 *
 * <p>Passwords and images are not kept: the ones are secret, and the others closed by then. Nothing
 * is read or written while a macro runs, which must not depend on what was typed before.
 */
final class LastValues {
  /** Every key in the preferences begins with it. */
  static final String PREFIX = "bioimg.dialog.";

  private final CommandSpec command;
  private final boolean inMacro;

  LastValues(CommandSpec command) {
    // NB: so ImageJ names the threads of its macros; a command of the menu has another one.
    this(command, Thread.currentThread().getName().endsWith("Macro$"));
  }

  LastValues(CommandSpec command, boolean inMacro) {
    this.command = command;
    this.inMacro = inMacro;
  }

  /** Gives the last value of a parameter, or its default. */
  String of(Parameter parameter) {
    if (inMacro || !isKept(parameter)) {
      return parameter.defaultText();
    }
    return Prefs.get(key(parameter), parameter.defaultText());
  }

  /** Keeps a value; a default is not kept, so that it can change with the program. */
  void keep(Parameter parameter, String text) {
    if (!inMacro && isKept(parameter)) {
      boolean usual = text.equals(parameter.defaultText());
      Prefs.set(key(parameter), usual ? null : text);
    }
  }

  /** Forgets all values of the command. */
  void forget() {
    for (Parameter parameter : command.parameters()) {
      Prefs.set(key(parameter), (String) null);
    }
  }

  private static boolean isKept(Parameter parameter) {
    return !parameter.isImage() && !parameter.widget().equals("password");
  }

  private String key(Parameter parameter) {
    return PREFIX + command.id() + "." + parameter.key();
  }
}
