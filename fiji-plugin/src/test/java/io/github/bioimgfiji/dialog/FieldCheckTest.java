package io.github.bioimgfiji.dialog;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.bioimgfiji.backend.BackendException;
import org.junit.jupiter.api.Test;

class FieldCheckTest {
  private static String sentence(String key, String text) throws BackendException {
    return FieldCheck.sentence(SampleCommand.parameter(key), text);
  }

  @Test
  void whatIsRightHasNoSentence() throws BackendException {
    assertEquals("", sentence("size", "64"));
    assertEquals("", sentence("rate", "1"));
    assertEquals("", sentence("rate", ""));
    assertEquals("", sentence("output", "/tmp/a b.zip"));
    assertEquals("", sentence("image", ""));
  }

  @Test
  void theSentenceNamesTheFieldAndWhatIsExpected() throws BackendException {
    assertEquals("Size must be at most 64 (pixels), but it is \"65\".", sentence("size", "65"));
    assertEquals("Size must be at least 0 (pixels), but it is \"-1\".", sentence("size", "-1"));
    assertEquals(
        "Size must be a whole number (pixels), but it is \"1.5\".", sentence("size", "1.5"));
    assertEquals("Size must be a whole number (pixels), but it is empty.", sentence("size", ""));
    assertEquals("Rate must be above 0, but it is \"0\".", sentence("rate", "0"));
    assertEquals("Save as is missing. A file.", sentence("output", ""));
  }

  @Test
  void theHelpTellsUnitRangeDefaultAndKey() throws BackendException {
    assertEquals(
        "How large. Unit: pixels. Range: 0 to 64. Default: 8. Key in macros: size.",
        FieldHelp.text(SampleCommand.parameter("size")));
    assertEquals(
        "How fast. Range: above 0, at most 1. It may be left empty. Key in macros: rate.",
        FieldHelp.text(SampleCommand.parameter("rate")));
    assertEquals(
        "Which one. Choices: a, b. Default: a. Key in macros: way.",
        FieldHelp.text(SampleCommand.parameter("way")));
    assertEquals(
        "Any. Range: at least 0. Default: 0. Key in macros: seed.",
        FieldHelp.text(SampleCommand.parameter("seed")));
  }
}
