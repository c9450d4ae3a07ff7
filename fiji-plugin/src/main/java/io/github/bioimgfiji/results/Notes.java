package io.github.bioimgfiji.results;

import ij.IJ;
import io.github.bioimgfiji.dialog.Lines;
import java.awt.GraphicsEnvironment;

/**
 * Sentences for the user: in the log window, or on the standard error stream where there is none.
 */
public final class Notes {
  private static final int WIDTH = 100;

  private Notes() {}

  /**
   * Tells a sentence; the log window, which breaks no lines, gets it in lines of about 100 letters.
   *
   * @param sentence the sentence
   */
  public static void tell(String sentence) {
    if (GraphicsEnvironment.isHeadless() || IJ.getInstance() == null) {
      // NB: the standard output belongs to what a macro prints.
      System.err.println(sentence);
    } else {
      IJ.log(Lines.wrap(sentence, WIDTH));
    }
  }
}
