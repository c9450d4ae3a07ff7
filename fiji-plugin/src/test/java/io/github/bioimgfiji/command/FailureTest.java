package io.github.bioimgfiji.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.bioimgfiji.backend.BackendException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class FailureTest {
  private static final String FIX = "The same command with resume=true goes on from /m.checkpoint.";

  /** Gives what is told without a display, where the log window's lines go to the error stream. */
  private static String told(BackendException failure) throws Exception {
    PrintStream before = System.err;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    System.setErr(new PrintStream(bytes, true, "UTF-8"));
    try {
      Failure.report("BioImg Train Denoiser...", failure);
    } finally {
      System.setErr(before);
    }
    return new String(bytes.toByteArray(), StandardCharsets.UTF_8).trim();
  }

  @Test
  void aCancelledTrainingTellsWhatIsKept() throws Exception {
    assertEquals(
        "BioImg Train Denoiser: The job was cancelled. " + FIX,
        told(new BackendException("cancelled", "The job was cancelled.", FIX)));
  }

  @Test
  void nothingIsToldWhereNothingIsKept() throws Exception {
    assertEquals("", told(BackendException.cancelled()));
  }
}
