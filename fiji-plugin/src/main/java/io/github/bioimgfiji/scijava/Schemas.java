package io.github.bioimgfiji.scijava;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.menu.MenuUpdate;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.KnownCommands;
import java.awt.EventQueue;

/** The commands' schemas, asked for when somebody wants to know them. */
final class Schemas {
  private Schemas() {}

  /**
   * Gives the list of commands.
   *
   * <p>Fiji's windows ask for parameters, too, while they are drawn: they get no more than what is
   * known, for a server takes seconds to start.
   *
   * @return JSON; "" when it cannot be had, of which a run of the command tells the reason
   */
  static String list() {
    if (KnownCommands.last().isEmpty() && !EventQueue.isDispatchThread()) {
      try {
        refresh();
      } catch (BackendException unknown) {
        return "";
      }
    }
    return KnownCommands.last();
  }

  /** Asks the backend, which may start a server, and tells the answer; the menu follows it, too. */
  static void refresh() throws BackendException {
    MenuUpdate.with(Backends.get().commands());
  }

  /** Finds a command in a list; null where it is not. */
  static CommandSpec find(String commandsJson, String id) {
    try {
      return commandsJson.isEmpty() ? null : CommandSpec.find(commandsJson, id);
    } catch (BackendException gone) {
      return null;
    }
  }
}
