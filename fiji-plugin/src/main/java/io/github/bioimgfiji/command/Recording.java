package io.github.bioimgfiji.command;

import ij.IJ;
import ij.plugin.frame.Recorder;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;

/** Writes the command into the macro recorder, with every key. */
final class Recording {
  private Recording() {}

  /** Writes the line; nothing when the values are null because the user has cancelled. */
  static void write(CommandSpec command, Values values) {
    if (!IJ.recording()) {
      return;
    }
    // ImageJ would write the command without its options after it has ended.
    Recorder.setCommand(null);
    if (values != null) {
      Recorder.recordString(line(command, values, Recorder.scriptMode()));
    }
  }

  static String line(CommandSpec command, Values values, boolean script) {
    String call = !script ? "run(\"" : takesActive(command) ? "IJ.run(imp, \"" : "IJ.run(\"";
    String options = MacroLine.format(values.recorded());
    return call + escaped(command.title()) + "\", \"" + escaped(options) + "\");\n";
  }

  /** Tells whether the active image is, or may be, worked on. */
  private static boolean takesActive(CommandSpec command) {
    return command.images().stream().anyMatch(Parameter::mayBeActive);
  }

  private static String escaped(String text) {
    return text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }
}
