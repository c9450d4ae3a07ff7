package io.github.bioimgfiji.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.bioimgfiji.backend.Monitor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class TogetherTest {
  private final List<String> told = new ArrayList<>();

  /** Notes what it is told; wishes nothing. */
  private class Listener implements Monitor {
    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      told.add(message);
    }

    @Override
    public void note(String sentence) {
      told.add(sentence);
    }

    @Override
    public boolean cancelled() {
      return false;
    }
  }

  @Test
  void allAreTold() {
    Monitor looking =
        new Listener() {
          @Override
          public void live(String json) {
            told.add(json);
          }
        };
    Monitor both = new Together(new Listener(), looking);
    both.progress("step", 1, 2, "{}");
    both.note("note");
    both.live("live");
    assertEquals(Arrays.asList("step", "step", "note", "note", "live"), told);
  }

  @Test
  void oneWishIsEnough() {
    Monitor none = new Together(new Listener(), new Listener());
    assertFalse(none.cancelled() || none.watches() || none.finishing());
    Monitor one =
        new Together(
            new Listener(),
            new Listener() {
              @Override
              public boolean cancelled() {
                return true;
              }

              @Override
              public boolean watches() {
                return true;
              }

              @Override
              public boolean finishing() {
                return true;
              }
            });
    assertTrue(one.cancelled() && one.watches() && one.finishing());
  }
}
