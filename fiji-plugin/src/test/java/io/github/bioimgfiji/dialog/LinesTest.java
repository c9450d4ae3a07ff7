package io.github.bioimgfiji.dialog;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class LinesTest {
  @Test
  void breaksBetweenWordsAndKeepsLineBreaks() {
    assertEquals("one two\nthree", Lines.wrap("one two three", 8));
    assertEquals("extraordinarily\nlong", Lines.wrap("extraordinarily long", 8));
    assertEquals("a\n \nb c", Lines.wrap("a\n \nb c", 8));
  }
}
