package io.github.bioimgfiji.client;

import io.github.bioimgfiji.backend.BackendException;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A server process that this ImageJ has started. */
final class ServerProcess {
  private static final int TAIL_LINES = 6;
  private static final int TAIL_CHARACTERS = 800;

  private final Process process;
  private final List<String> command;
  private final Path log;

  private ServerProcess(Process process, List<String> command, Path log) {
    this.process = process;
    this.command = command;
    this.log = log;
  }

  /**
   * Starts a server that will write this connection file.
   *
   * @param command as {@link PythonCommand#serve} gives it
   * @throws BackendException when its log cannot be written, or Python cannot be started
   */
  static ServerProcess start(List<String> command, Path connectionFile) throws BackendException {
    Path folder = connectionFile.getParent();
    Path log = folder.resolve("server-output.log");
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    // The folder in which Python starts must not be searched for modules.
    builder.environment().put("PYTHONSAFEPATH", "1");
    builder.environment().put("PYTHONIOENCODING", "utf-8");
    builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(file(log)));
    try {
      Files.createDirectories(folder);
      // A log per start, so that it does not grow for years; emptied here, where it is told what is
      // wrong, for the start would blame Python. Another ImageJ may do the same at this moment.
      Files.write(log, new byte[0]);
    } catch (IOException error) {
      throw ServerErrors.noLog(log, error);
    }
    try {
      Process process = builder.start();
      process.getOutputStream().close();
      return new ServerProcess(process, command, log);
    } catch (IOException error) {
      throw PythonCommand.unusable(command.get(0), error);
    }
  }

  private static File file(Path path) {
    return path.toFile();
  }

  boolean alive() {
    return process.isAlive();
  }

  /** Tells whether it has ended because another server runs already. */
  boolean leftToAnother() {
    return !process.isAlive() && process.exitValue() == 0;
  }

  /** Tells why it ended, by the last lines of its output. */
  BackendException failed() {
    String tail = tail();
    if (tail.contains("No module named")) {
      return new BackendException(
          "missing_part",
          "The Python " + command.get(0) + " has no bioimg-fiji: " + tail,
          ServerErrors.INSTALL);
    }
    String how = process.isAlive() ? "did not start in time" : "ended while it started";
    return new BackendException(
        ServerErrors.UNAVAILABLE,
        "The model server " + how + (tail.isEmpty() ? "." : ": " + tail),
        "To see more, run in a terminal: " + command.get(0) + " -m bioimg_fiji doctor");
  }

  private String tail() {
    try {
      String text = new String(Files.readAllBytes(log), StandardCharsets.UTF_8).trim();
      String[] lines = text.split("\\R");
      StringBuilder tail = new StringBuilder();
      for (int i = Math.max(0, lines.length - TAIL_LINES); i < lines.length; i++) {
        tail.append(lines[i].trim()).append('\n');
      }
      String last = tail.toString().trim();
      return last.substring(Math.max(0, last.length() - TAIL_CHARACTERS));
    } catch (IOException unreadable) {
      return "";
    }
  }

  /** Waits for its end, then ends it by force. */
  void end(long milliseconds) {
    try {
      if (!process.waitFor(milliseconds, TimeUnit.MILLISECONDS)) {
        process.destroy();
      }
    } catch (InterruptedException stopped) {
      process.destroy();
      Thread.currentThread().interrupt();
    }
  }
}
