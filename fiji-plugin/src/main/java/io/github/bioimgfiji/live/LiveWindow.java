package io.github.bioimgfiji.live;

import ij.IJ;
import ij.Macro;
import ij.macro.Interpreter;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.options.CommandSpec;
import java.awt.Dimension;
import java.awt.GraphicsEnvironment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.swing.SwingUtilities;

/**
 * Shows curves and a preview of a command that runs, where it has some, and takes the user's wish
 * to end it.
 *
 * <p>Told by the command's thread, which draws; the event dispatch thread only shows. Closing it
 * leaves nothing.
 */
public final class LiveWindow implements Monitor, AutoCloseable {
  private static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final String title;
  private final boolean wanted;
  private final boolean fromMacro;
  private final AtomicBoolean pending = new AtomicBoolean();
  private volatile boolean finishing;
  private volatile boolean cancelled;
  private volatile boolean ended;
  private volatile boolean opens;
  private volatile String text = "";
  private volatile Drawn drawn;
  private volatile Dimension plotSize = CurvesPanel.FIRST;
  private LiveFrame frame; // of the event dispatch thread
  private String work = "";
  private long told = System.nanoTime() - SHORTEST_NANOS;

  /**
   * Prepares the window of a command; it opens when there is something to see. To be called on the
   * command's thread.
   *
   * @param title the command's title
   */
  public LiveWindow(String title) {
    this.title = CommandSpec.withoutDots(title);
    wanted =
        !GraphicsEnvironment.isHeadless() && !Interpreter.isBatchMode() && IJ.getInstance() != null;
    fromMacro = Macro.getOptions() != null;
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    long now = System.nanoTime();
    // NB: what begins now may be the last that is told for long.
    if (watches() && (now - told >= SHORTEST_NANOS || !message.equals(work))) {
      told = now;
      work = message;
      text = ProgressText.of(message, current, maximum, figuresJson);
      refresh();
    }
  }

  @Override
  public void note(String sentence) {
    // The log has it.
  }

  @Override
  public boolean cancelled() {
    return cancelled;
  }

  @Override
  public boolean watches() {
    return wanted && !ended;
  }

  @Override
  public void live(String json) {
    if (!watches()) {
      return;
    }
    LiveData data;
    try {
      data = new LiveData(json);
    } catch (RuntimeException damaged) {
      return; // work must not fail for what is only looked at
    }
    opens |= data.finishable() || !data.curves().isEmpty();
    if (opens) {
      drawn = new Drawn(data, plotSize);
      refresh();
    }
  }

  @Override
  public boolean finishing() {
    return finishing;
  }

  /** Closes the window, and a question that it asks. */
  @Override
  public void close() {
    ended = true;
    if (wanted) {
      SwingUtilities.invokeLater(this::dispose);
    }
  }

  /** Shows what is new, once however often it is asked for. */
  private void refresh() {
    if (pending.compareAndSet(false, true)) {
      SwingUtilities.invokeLater(this::show);
    }
  }

  private void show() {
    pending.set(false);
    if (ended || drawn == null) {
      return;
    }
    if (frame == null) {
      frame = new LiveFrame(title, !fromMacro, new Told());
      frame.setVisible(true);
    }
    frame.show(text, drawn);
    plotSize = frame.plotSize();
  }

  private void dispose() {
    if (frame != null) {
      frame.dispose(); // with the question, which is the frame's own
      frame = null;
    }
  }

  /** The user's wishes, told on the event dispatch thread. */
  private final class Told implements Wishes {
    @Override
    public void finish() {
      finishing = true;
    }

    @Override
    public void cancel() {
      cancelled = true;
    }

    @Override
    public void hide() {
      close();
    }
  }
}
