package io.github.bioimgfiji.live;

import java.awt.Component;
import java.util.ArrayList;
import java.util.List;
import javax.swing.JOptionPane;

/** Asks what is to become of work that runs. */
final class StopQuestion {
  static final String FINISH = "Finish now";
  static final String CANCEL = "Cancel training";
  static final String HIDE = "Keep training without window";
  static final String KEEP = "Keep training";

  private StopQuestion() {}

  /**
   * Asks; the answer that changes nothing of the work is the one that Enter gives.
   *
   * @param finishable whether the work can end early with a result
   * @param keep {@link #HIDE} or {@link #KEEP}: what can be done besides stopping
   * @return one of the answers; "" when the question was closed
   */
  static String ask(Component parent, String title, boolean finishable, String keep) {
    List<String> answers = new ArrayList<>();
    if (finishable) {
      answers.add(FINISH);
    }
    answers.add(CANCEL);
    answers.add(keep);
    String text =
        finishable
            ? "The training goes on.\nFinish now keeps the best model so far."
            : "The training goes on.";
    int answer =
        JOptionPane.showOptionDialog(
            parent,
            text,
            title,
            JOptionPane.DEFAULT_OPTION,
            JOptionPane.QUESTION_MESSAGE,
            null,
            answers.toArray(),
            keep);
    return answer < 0 ? "" : answers.get(answer);
  }
}
