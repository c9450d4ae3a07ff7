package io.github.bioimgfiji.command;

import ij.IJ;
import ij.Macro;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.dialog.CommandDialog;
import io.github.bioimgfiji.menu.MenuUpdate;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.options.Values;
import io.github.bioimgfiji.results.Results;
import java.awt.GraphicsEnvironment;
import java.util.Collections;

/** One run of a command, from its options to its result; the same for every command. */
final class CommandRun {
  private final Backend backend;
  private final String commandId;

  CommandRun(Backend backend, String commandId) {
    this.backend = backend;
    this.commandId = commandId;
  }

  void run() {
    String title = "BioImg";
    try {
      String commands = backend.commands(new StatusBar(title));
      MenuUpdate.with(commands);
      CommandSpec command = CommandSpec.find(commands, commandId);
      title = command.title();
      IJ.showStatus(""); // no server is started any more
      Values values = values(command);
      if (values != null) {
        executeTrusted(command, values);
        if (command.id().equals("models")) {
          MenuUpdate.with(backend.commands()); // one may have been pinned
        }
      }
    } catch (BackendException failure) {
      Failure.report(title, failure);
    } finally {
      IJ.showProgress(1, 1);
    }
  }

  /** Gives the values, or null when the user has cancelled the dialog. */
  private Values values(CommandSpec command) throws BackendException {
    String options = Macro.getOptions();
    if (options != null) {
      return Values.check(command, MacroLine.parse(options));
    }
    if (GraphicsEnvironment.isHeadless()) {
      throw new BackendException(
          "headless",
          command.title() + " would open a dialog, and there is no display.",
          "Give its options in the macro line: run(\"" + command.title() + "\", \"key=value\").");
    }
    Inputs.requireSome(command);
    Values values = CommandDialog.ask(command, backend);
    Recording.write(command, values);
    return values;
  }

  /** Runs the command; where a model brings code that is not trusted, asks the user and goes on. */
  private void executeTrusted(CommandSpec command, Values values) throws BackendException {
    try {
      execute(command, values);
    } catch (BackendException failure) {
      boolean asks = Macro.getOptions() == null && !GraphicsEnvironment.isHeadless();
      if (!asks || !TrustQuestion.fits(command, failure)) {
        throw failure;
      }
      TrustQuestion question = new TrustQuestion(command, values, failure);
      if (!question.ask()) {
        throw BackendException.cancelled();
      }
      backend.run("models", question.parametersJson(), Collections.emptyMap(), monitor(command));
      execute(command, values);
    }
  }

  private static StatusBar monitor(CommandSpec command) {
    return new StatusBar(command.title());
  }

  private void execute(CommandSpec command, Values values) throws BackendException {
    Outcome outcome = new Runner(backend, command).run(values);
    Results.show(command.title(), outcome);
    if (Results.isPartial(outcome)) {
      BatchExit.willFail();
    }
  }
}
