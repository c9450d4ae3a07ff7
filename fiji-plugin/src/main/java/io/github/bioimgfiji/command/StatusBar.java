package io.github.bioimgfiji.command;

import ij.IJ;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.live.ProgressText;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.results.Notes;

/** Shows the progress in ImageJ's status bar; Escape stops the command. */
public final class StatusBar implements Monitor {
  private static final long SHORTEST_MILLIS = 50;

  private final String title;
  private final CallingMacro macro;
  private long shown;
  private String told = "";

  /**
   * Shows the progress of a command.
   *
   * @param title the command's title
   */
  public StatusBar(String title) {
    this.title = CommandSpec.withoutDots(title);
    macro = CallingMacro.find();
    if (macro == null) {
      // A macro has not been told of an Escape before: it would have ended.
      IJ.resetEscape();
    }
    IJ.showStatus(this.title);
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    long now = System.currentTimeMillis();
    boolean last = maximum > 0 && current >= maximum;
    boolean other = !message.equals(told);
    if (now - shown < SHORTEST_MILLIS && !last && !other) {
      return;
    }
    told = message;
    shown = now;
    if (maximum > 0) {
      // NB: ImageJ takes 1.0 as the end and clears the bar.
      IJ.showProgress(Math.min(current / maximum, 0.999));
    }
    IJ.showStatus(ProgressText.of(message, current, maximum, figuresJson) + " (Escape stops)");
  }

  @Override
  public void note(String sentence) {
    Notes.tell(title + ": " + sentence);
  }

  @Override
  public boolean cancelled() {
    return IJ.escapePressed() || (macro != null && macro.isEnding());
  }

  void done() {
    IJ.showStatus(title + ": done");
  }
}
