package io.github.bioimgfiji.command;

import io.github.bioimgfiji.backend.Monitor;
import java.util.Arrays;
import java.util.List;

/** Several who are told of one run; what one of them wishes, all wish. */
final class Together implements Monitor {
  private final List<Monitor> all;

  Together(Monitor... all) {
    this.all = Arrays.asList(all);
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    all.forEach(each -> each.progress(message, current, maximum, figuresJson));
  }

  @Override
  public void note(String sentence) {
    all.forEach(each -> each.note(sentence));
  }

  @Override
  public boolean cancelled() {
    return all.stream().anyMatch(Monitor::cancelled);
  }

  @Override
  public boolean watches() {
    return all.stream().anyMatch(Monitor::watches);
  }

  @Override
  public void live(String json) {
    all.forEach(each -> each.live(json));
  }

  @Override
  public boolean finishing() {
    return all.stream().anyMatch(Monitor::finishing);
  }
}
