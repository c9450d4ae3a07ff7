package io.github.bioimgfiji.options;

import io.github.bioimgfiji.backend.BackendException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The {@code key=value} pairs of a macro line.
 *
 * <p>A value with blanks stands in [brackets], which may nest; one whose brackets do not balance,
 * or which has a line break, stands in "quotes" with {@code \"}, {@code \\} and {@code \n}. A key
 * alone means true.
 */
public final class MacroLine {
  private final String line;
  private int place;

  private MacroLine(String line) {
    this.line = line;
  }

  /**
   * Reads a line.
   *
   * @param line the line, as {@code Macro.getOptions()} gives it; null is an empty one
   * @return texts by key, in the line's order
   * @throws BackendException for a bracket or quote that is not closed, a key twice, a value
   *     without a key
   */
  public static Map<String, String> parse(String line) throws BackendException {
    return new MacroLine(line == null ? "" : line).pairs();
  }

  /**
   * Writes a line: a blank follows each pair.
   *
   * @param values texts by key
   * @return the line
   */
  public static String format(Map<String, String> values) {
    StringBuilder text = new StringBuilder();
    values.forEach((key, value) -> text.append(key).append('=').append(quoted(value)).append(' '));
    return text.toString();
  }

  private Map<String, String> pairs() throws BackendException {
    Map<String, String> found = new LinkedHashMap<>();
    while (skipBlanks()) {
      int start = place;
      while (place < line.length() && line.charAt(place) != '=' && !isBlank(line.charAt(place))) {
        place++;
      }
      String key = line.substring(start, place);
      if (key.isEmpty()) {
        throw error("A value without a key: " + line.substring(start) + ".", "Write key=value.");
      }
      String value = "true";
      if (place < line.length() && line.charAt(place) == '=') {
        place++;
        value = value(key);
        if (place < line.length() && !isBlank(line.charAt(place))) {
          throw error(
              "\"" + line.substring(place) + "\" follows the value of " + key + " without a blank.",
              "Write " + key + "=[value] and a blank behind it.");
        }
      }
      if (found.put(key, value) != null) {
        throw error(key + " is given twice.", "Give it once.");
      }
    }
    return found;
  }

  private boolean skipBlanks() {
    while (place < line.length() && isBlank(line.charAt(place))) {
      place++;
    }
    return place < line.length();
  }

  private String value(String key) throws BackendException {
    char first = place < line.length() ? line.charAt(place) : ' ';
    if (first == '[') {
      return bracketed(key);
    }
    if (first == '"') {
      return unquoted(key);
    }
    int start = place;
    while (place < line.length() && !isBlank(line.charAt(place))) {
      place++;
    }
    return line.substring(start, place);
  }

  private String bracketed(String key) throws BackendException {
    int start = place;
    int depth = 0;
    while (place < line.length()) {
      char letter = line.charAt(place++);
      depth += letter == '[' ? 1 : letter == ']' ? -1 : 0;
      if (depth == 0) {
        return line.substring(start + 1, place - 1);
      }
    }
    throw error("The bracket of " + key + " is not closed.", "Write " + key + "=[value].");
  }

  private String unquoted(String key) throws BackendException {
    StringBuilder text = new StringBuilder();
    place++;
    while (place < line.length()) {
      char letter = line.charAt(place++);
      char next = place < line.length() ? line.charAt(place) : ' ';
      if (letter == '"') {
        return text.toString();
      }
      if (letter == '\\' && (next == '\\' || next == '"' || next == 'n')) {
        text.append(next == 'n' ? '\n' : next);
        place++;
      } else {
        text.append(letter);
      }
    }
    throw error("The quote of " + key + " is not closed.", "Write " + key + "=\"value\".");
  }

  private static String quoted(String text) {
    if (!isBalanced(text) || text.indexOf('\n') >= 0) {
      return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }
    boolean plain =
        !text.isEmpty()
            && text.chars().noneMatch(MacroLine::isBlank)
            && text.charAt(0) != '['
            && text.charAt(0) != '"';
    return plain ? text : '[' + text + ']';
  }

  private static boolean isBalanced(String text) {
    int depth = 0;
    for (int i = 0; i < text.length() && depth >= 0; i++) {
      depth += text.charAt(i) == '[' ? 1 : text.charAt(i) == ']' ? -1 : 0;
    }
    return depth == 0;
  }

  private static boolean isBlank(int letter) {
    return Character.isWhitespace(letter) || Character.isSpaceChar(letter) || letter == 0x85;
  }

  private static BackendException error(String message, String fix) {
    return new BackendException("parameter", message, fix);
  }
}
