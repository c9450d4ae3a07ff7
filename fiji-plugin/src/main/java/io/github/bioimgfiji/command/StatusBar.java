package io.github.bioimgfiji.command;

import com.google.gson.JsonObject;
import ij.IJ;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.Notes;
import java.util.Locale;

/** Shows the progress in ImageJ's status bar; Escape stops the command. */
final class StatusBar implements Monitor {
  private static final long SHORTEST_MILLIS = 50;

  private final String title;
  private long shown;

  StatusBar(String title) {
    this.title = title.replace("...", "");
    IJ.resetEscape();
    IJ.showStatus(this.title);
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    long now = System.currentTimeMillis();
    boolean last = maximum > 0 && current >= maximum;
    if (now - shown < SHORTEST_MILLIS && !last) {
      return;
    }
    shown = now;
    if (maximum > 0) {
      // NB: ImageJ takes 1.0 as the end and clears the bar.
      IJ.showProgress(Math.min(current / maximum, 0.999));
    }
    IJ.showStatus(text(message, current, maximum, Json.object(figuresJson)));
  }

  @Override
  public void note(String sentence) {
    Notes.tell(title + ": " + sentence);
  }

  @Override
  public boolean cancelled() {
    return IJ.escapePressed();
  }

  void done() {
    IJ.showStatus(title + ": done");
  }

  private static String text(String message, double current, double maximum, JsonObject figures) {
    StringBuilder text = new StringBuilder(message);
    if (maximum > 1) {
      text.append(String.format(Locale.ROOT, " %.0f/%.0f", current, maximum));
    }
    if (Json.has(figures, "loss")) {
      text.append(String.format(Locale.ROOT, ", loss %.4g", Json.number(figures, "loss", 0)));
    }
    if (Json.has(figures, "seconds_left")) {
      text.append(", ").append(duration(Json.number(figures, "seconds_left", 0))).append(" left");
    }
    return text.append(" (Escape stops)").toString();
  }

  private static String duration(double seconds) {
    long whole = Math.max(0, Math.round(seconds));
    if (whole < 60) {
      return whole + " s";
    }
    return whole < 3600
        ? String.format(Locale.ROOT, "%d min %02d s", whole / 60, whole % 60)
        : String.format(Locale.ROOT, "%d h %02d min", whole / 3600, whole / 60 % 60);
  }
}
