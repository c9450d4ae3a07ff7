package io.github.bioimgfiji.dialog;

import ij.IJ;
import ij.plugin.frame.Recorder;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Asks the user for a command's values, in one dialog and, when asked for, a second one with the
 * expert settings. It remembers the values until ImageJ ends.
 */
public final class CommandDialog {
  private static final Map<String, Map<String, String>> LAST = new HashMap<>();

  private final CommandSpec command;
  private final Map<String, String> texts = new LinkedHashMap<>();

  private CommandDialog(CommandSpec command) {
    this.command = command;
    Map<String, String> last = LAST.getOrDefault(command.id(), new HashMap<>());
    for (Parameter parameter : command.parameters()) {
      texts.put(parameter.key(), last.getOrDefault(parameter.key(), parameter.defaultText()));
    }
  }

  /**
   * Asks for the values, again and again until they are right.
   *
   * @param command the command
   * @return the values, or null when the user has cancelled
   */
  public static Values ask(CommandSpec command) {
    CommandDialog dialog = new CommandDialog(command);
    // The dialog's labels are no keys: the command writes its own line into the recorder.
    Recorder.suspendRecording();
    try {
      return dialog.askUntilRight();
    } finally {
      Recorder.resumeRecording();
    }
  }

  private Values askUntilRight() {
    while (showPages()) {
      try {
        Values values = Values.check(command, texts);
        LAST.put(command.id(), new HashMap<>(texts));
        return values;
      } catch (BackendException wrong) {
        IJ.showMessage(name(), Lines.wrap(wrong.getMessage() + "\n \n" + wrong.fix(), 80));
      }
    }
    return null;
  }

  private boolean showPages() {
    List<Parameter> main = parameters(false);
    List<Parameter> expert = parameters(true);
    Page page = new Page(name(), command.help());
    main.forEach(parameter -> page.add(parameter, texts.get(parameter.key())));
    if (!expert.isEmpty()) {
      page.addMore();
    }
    if (!page.show(texts)) {
      return false;
    }
    if (!page.more()) {
      return true;
    }
    Page second = new Page(name() + " - expert settings", command.help());
    expert.forEach(parameter -> second.add(parameter, texts.get(parameter.key())));
    return second.show(texts);
  }

  /**
   * Gives the parameters of a page. The one image that the active one stands in for has no field.
   */
  private List<Parameter> parameters(boolean expert) {
    List<Parameter> found = new ArrayList<>(command.parameters());
    found.removeIf(parameter -> parameter.isExpert() != expert);
    found.removeIf(command::isActiveImage);
    return found;
  }

  private String name() {
    return command.title().replace("...", "");
  }
}
