package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.Monitor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Notes what a command tells, and stops it when told to. */
final class Witness implements Monitor {
  final List<String> messages = new ArrayList<>();
  final List<String> figures = new ArrayList<>();
  final List<String> notes = new ArrayList<>();
  final List<String> shown = new ArrayList<>();
  boolean watches;
  private BooleanSupplier stop = () -> false;
  private BooleanSupplier finish = () -> false;

  void stopWhen(BooleanSupplier condition) {
    stop = condition;
  }

  void finishWhen(BooleanSupplier condition) {
    finish = condition;
  }

  /** Waits for what must come; the test run's own time limit is the only one. */
  static void await(BooleanSupplier condition) {
    while (!condition.getAsBoolean()) {
      Thread.yield();
    }
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    messages.add(message);
    figures.add(figuresJson);
  }

  @Override
  public void note(String sentence) {
    notes.add(sentence);
  }

  @Override
  public boolean cancelled() {
    return stop.getAsBoolean();
  }

  @Override
  public boolean watches() {
    return watches;
  }

  @Override
  public void live(String json) {
    shown.add(json);
  }

  @Override
  public boolean finishing() {
    return finish.getAsBoolean();
  }
}
