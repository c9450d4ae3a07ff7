package io.github.bioimgfiji.menu;

import ij.IJ;
import ij.Macro;
import ij.plugin.PlugIn;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.client.HttpBackend;
import io.github.bioimgfiji.command.Failure;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.results.EscapableStatus;
import io.github.bioimgfiji.results.Notes;
import java.awt.EventQueue;
import java.awt.GraphicsEnvironment;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Shows the model server, and starts and ends it. From a macro it tells the state; {@code stop}
 * ends the server, of whatever version and whoever has started it, with its jobs.
 */
public class BioImg_Server implements PlugIn {
  private static final String TITLE = "BioImg Server";
  private static final List<String> KEYS = Arrays.asList("tell", "stop");

  @Override
  public void run(String argument) {
    HttpBackend server = Backends.server();
    if (Backends.get() != server) {
      Notes.tell("BioImg Server: Python has opened this ImageJ and runs the commands itself.");
      return;
    }
    if (Macro.getOptions() != null || GraphicsEnvironment.isHeadless()) {
      try {
        obey(server, MacroLine.parse(Macro.getOptions()).keySet());
      } catch (BackendException failure) {
        Failure.report(TITLE, failure);
      }
      return;
    }
    ServerWindow[] window = new ServerWindow[1];
    try {
      EventQueue.invokeAndWait(
          () -> {
            window[0] = new ServerWindow(server);
            window[0].setVisible(true);
          });
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      return;
    } catch (InvocationTargetException failed) {
      IJ.handleException(failed.getCause());
      return;
    }
    Thread thread = new Thread(window[0]::watch, "BioImg server's window");
    thread.setDaemon(true);
    thread.start();
  }

  private static void obey(HttpBackend server, Set<String> keys) throws BackendException {
    for (String key : keys) {
      if (!KEYS.contains(key)) {
        throw new BackendException(
            "unknown_key",
            "There is no key \"" + key + "\".",
            "The keys are " + String.join(", ", KEYS) + ".");
      }
    }
    if (keys.contains("stop")) {
      server.stop();
    }
    tell(server);
  }

  private static void tell(HttpBackend server) {
    try {
      String running = server.running();
      String machine = running.isEmpty() ? "" : server.machine(new EscapableStatus());
      ServerState.lines(running, machine)
          .forEach((name, value) -> Notes.tell("BioImg Server: " + name + ": " + value));
      String misfit = ServerState.misfit(running);
      if (!misfit.isEmpty()) {
        Notes.tell("BioImg Server: " + misfit);
      }
    } catch (BackendException failure) {
      Notes.tell("BioImg Server: " + failure.text());
    }
  }
}
