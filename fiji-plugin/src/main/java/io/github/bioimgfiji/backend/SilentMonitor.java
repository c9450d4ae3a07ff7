package io.github.bioimgfiji.backend;

import java.util.function.BooleanSupplier;

/** Shows nothing, and passes on the wish to stop. */
public class SilentMonitor implements Monitor {
  private final BooleanSupplier cancelled;

  /**
   * Makes one.
   *
   * @param cancelled whether the user wants to stop
   */
  public SilentMonitor(BooleanSupplier cancelled) {
    this.cancelled = cancelled;
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {}

  @Override
  public void note(String sentence) {}

  @Override
  public boolean cancelled() {
    return cancelled.getAsBoolean();
  }
}
