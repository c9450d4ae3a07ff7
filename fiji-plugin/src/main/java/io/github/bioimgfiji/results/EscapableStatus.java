package io.github.bioimgfiji.results;

import ij.IJ;
import io.github.bioimgfiji.backend.Monitor;

/** Shows in the status bar what is waited for outside of a command; Escape stops it. */
public final class EscapableStatus implements Monitor {
  /** Forgets an Escape that was meant for something else. */
  public EscapableStatus() {
    IJ.resetEscape();
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    IJ.showStatus(message + " (Escape stops)");
  }

  @Override
  public void note(String sentence) {
    Notes.tell(sentence);
  }

  @Override
  public boolean cancelled() {
    return IJ.escapePressed();
  }
}
