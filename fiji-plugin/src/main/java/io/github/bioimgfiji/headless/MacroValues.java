package io.github.bioimgfiji.headless;

import ij.Macro;
import ij.macro.Interpreter;
import java.util.Arrays;
import java.util.Locale;

/**
 * Reads the fields of a dialog from a macro's options by the rules of ij.gui.GenericDialog: a value
 * may be the name of a macro variable, and what is no number is an error.
 *
 * <p>The dialog that stands in for GenericDialog where there is no display takes the default
 * instead, and so computes something else than what the macro says.
 */
public final class MacroValues {
  private MacroValues() {}

  /**
   * Reads a numeric field.
   *
   * @param label the field's label; its first word is the key
   * @param usual the value when the options do not have the key
   * @return the value
   */
  public static double number(String label, double usual) {
    String text = option(label, null);
    if (text == null) {
      return usual;
    }
    try {
      return text.startsWith("0x")
          ? Integer.parseInt(text.substring(2), 16)
          : Double.parseDouble(text);
    } catch (NumberFormatException noNumber) {
      Interpreter interpreter = Interpreter.getInstance();
      double value = interpreter == null ? Double.NaN : interpreter.getVariable2(bare(text));
      if (Double.isNaN(value)) {
        throw Failures.stop(
            key(label) + ": expected a number or the name of a variable, got \"" + text + "\".");
      }
      return value;
    }
  }

  /**
   * Reads a text field.
   *
   * @param label the field's label
   * @param usual the value when the options do not have the key
   * @return the text
   */
  public static String text(String label, String usual) {
    String text = option(label, usual);
    if (text == null) {
      return null;
    }
    boolean named =
        label != null && !text.isEmpty() && label.toLowerCase(Locale.ENGLISH).startsWith(text);
    boolean numeric = usual != null && usual.matches("[-0-9].*");
    return text.startsWith("&") || named || numeric ? variable(text) : text;
  }

  /**
   * Reads a choice.
   *
   * @param label the field's label
   * @param items what can be chosen
   * @param usual the value when the options do not have the key
   * @return the text that was given; not always one of the items
   */
  public static String choice(String label, String[] items, String usual) {
    String first = items.length == 0 || Arrays.asList(items).contains(usual) ? usual : items[0];
    String text = option(label, first);
    if (text == null || Arrays.asList(items).contains(text)) {
      return text;
    }
    return variable(text);
  }

  /**
   * Gives the index of what was chosen.
   *
   * @param text the choice
   * @param items what can be chosen
   * @return the index, or -1
   */
  public static int index(String text, String[] items) {
    return Arrays.asList(items).indexOf(text);
  }

  /**
   * Passes an index on.
   *
   * @param index from {@link #index}
   * @param text the choice that it belongs to
   * @return the index
   */
  public static int valid(int index, String text) {
    if (index < 0) {
      throw Failures.stop("\"" + text + "\" is not a valid choice.");
    }
    return index;
  }

  private static String option(String label, String usual) {
    return Macro.getValue(Macro.getOptions(), label == null ? "" : label, usual);
  }

  private static String variable(String text) {
    Interpreter interpreter = Interpreter.getInstance();
    String name = bare(text);
    String value = interpreter == null ? null : interpreter.getStringVariable(name);
    if (value == null && interpreter != null) {
      double number = interpreter.getVariable2(name);
      if (!Double.isNaN(number)) {
        value = number == (long) number ? Long.toString((long) number) : Double.toString(number);
      }
    }
    return value == null ? text : value;
  }

  private static String bare(String text) {
    return text.startsWith("&") ? text.substring(1) : text;
  }

  private static String key(String label) {
    return Macro.trimKey(label == null ? "" : label);
  }
}
