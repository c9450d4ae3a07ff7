package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.Monitor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;

/** Notes what it is told, and stops the work at a message. */
final class Listener implements Monitor {
  final List<String> messages = Collections.synchronizedList(new ArrayList<>());
  private volatile Predicate<String> stop = message -> false;
  private volatile boolean stopped;

  Listener stopAt(Predicate<String> message) {
    stop = message;
    return this;
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    messages.add(message);
    stopped |= stop.test(message);
  }

  @Override
  public void note(String sentence) {
    messages.add(sentence);
  }

  @Override
  public boolean cancelled() {
    return stopped;
  }
}
