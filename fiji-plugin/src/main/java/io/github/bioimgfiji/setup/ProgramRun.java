package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * One run of a program to its end. Its output goes into a file: a pipe that nobody empties would
 * stop it.
 */
final class ProgramRun {
  private static final long POLL_MS = 50;
  private static final long END_MS = 2000;

  private final ProcessBuilder builder;
  private final Path output;
  private BooleanSupplier cancelled = () -> false;
  private Consumer<String> listener = line -> {};

  /**
   * Prepares a run.
   *
   * @param output takes what the program prints, added to what is there
   */
  ProgramRun(List<String> command, Path output) {
    builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.redirectOutput(ProcessBuilder.Redirect.appendTo(output.toFile()));
    // The folder in which Python starts must not be searched for modules.
    builder.environment().put("PYTHONSAFEPATH", "1");
    builder.environment().put("PYTHONIOENCODING", "utf-8");
    this.output = output;
  }

  /** Adds variables to the program's environment. */
  ProgramRun with(Map<String, String> variables) {
    builder.environment().putAll(variables);
    return this;
  }

  /** Asks now and then whether to stop the program. */
  ProgramRun stoppedBy(BooleanSupplier wish) {
    cancelled = wish;
    return this;
  }

  /** Tells the last line of the output when it changes. */
  ProgramRun telling(Consumer<String> whom) {
    listener = whom;
    return this;
  }

  /**
   * Runs the program.
   *
   * @param seconds after which it is ended
   * @return its exit code; -1 when the time was over
   * @throws IOException when it cannot be started
   * @throws BackendException with the code "cancelled" when it was stopped
   */
  int run(long seconds) throws IOException, BackendException, InterruptedException {
    Process process = builder.start();
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    String told = "";
    try {
      process.getOutputStream().close();
      while (!process.waitFor(POLL_MS, TimeUnit.MILLISECONDS)) {
        if (cancelled.getAsBoolean()) {
          throw BackendException.cancelled();
        }
        if (System.nanoTime() > end) {
          return -1;
        }
        String last = last(output);
        if (!last.isEmpty() && !last.equals(told)) {
          told = last;
          listener.accept(last);
        }
      }
      return process.exitValue();
    } finally {
      end(process);
    }
  }

  private static void end(Process process) throws InterruptedException {
    if (process.isAlive()) {
      process.destroy();
      if (!process.waitFor(END_MS, TimeUnit.MILLISECONDS)) {
        process.destroyForcibly().waitFor();
      }
    }
  }

  private static String last(Path file) {
    String text = tail(file, 1);
    return text.length() > 100 ? text.substring(0, 100) : text;
  }

  /** Gives the last lines of a file that are not empty, as one text; "" when it cannot be read. */
  static String tail(Path file, int lines) {
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8).trim();
      String[] all = text.split("\\s*\\R\\s*");
      StringBuilder tail = new StringBuilder();
      for (int i = Math.max(0, all.length - lines); i < all.length; i++) {
        tail.append(tail.length() > 0 ? "\n" : "").append(all[i]);
      }
      return tail.toString();
    } catch (IOException unreadable) {
      return "";
    }
  }
}
