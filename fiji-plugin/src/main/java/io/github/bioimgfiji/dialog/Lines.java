package io.github.bioimgfiji.dialog;

/** Texts for windows. */
public final class Lines {
  private Lines() {}

  /**
   * Breaks lines between words: ImageJ's windows do not.
   *
   * @param text any text
   * @param width most letters of a line, where words are not longer
   * @return the text with line breaks
   */
  public static String wrap(String text, int width) {
    StringBuilder wrapped = new StringBuilder();
    int used = 0;
    for (String word : text.split(" ")) {
      boolean full = used > 0 && used + word.length() > width;
      wrapped.append(full ? "\n" : used > 0 ? " " : "").append(word);
      int lineBreak = word.lastIndexOf('\n');
      used = (full ? 0 : used) + word.length() + 1;
      used = lineBreak < 0 ? used : word.length() - lineBreak;
    }
    return wrapped.toString();
  }

  static String html(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
