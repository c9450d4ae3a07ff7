package io.github.bioimgfiji.command;

import com.google.gson.JsonObject;
import ij.IJ;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.dialog.Lines;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;
import io.github.bioimgfiji.options.Values;
import javax.swing.JOptionPane;

/** Asks whether a model may run the code that it brings, and shows what that is. */
final class TrustQuestion {
  private static final int WIDTH = 80;
  private static final String TRUST = "Trust it and run";
  private static final String REFUSE = "Do not run";

  private final CommandSpec command;
  private final BackendException refusal;
  private final String model;
  private final String server;

  TrustQuestion(CommandSpec command, Values values, BackendException refusal) {
    this.command = command;
    this.refusal = refusal;
    this.model = values.text(model(command).key());
    this.server = values.text("server");
  }

  /** Tells whether a failure is a refusal that the user can lift. */
  static boolean fits(CommandSpec command, BackendException failure) {
    return failure.code().equals("untrusted")
        && !sha256(failure).isEmpty()
        && model(command) != null;
  }

  /** Asks; the answer that changes nothing is the one that Enter gives. */
  boolean ask() {
    String[] answers = {TRUST, REFUSE};
    return JOptionPane.showOptionDialog(
            IJ.getInstance(),
            text(),
            CommandSpec.withoutDots(command.title()),
            JOptionPane.YES_NO_OPTION,
            JOptionPane.WARNING_MESSAGE,
            null,
            answers,
            REFUSE)
        == JOptionPane.YES_OPTION;
  }

  /** Gives what to tell the command "models" when the answer was yes. */
  String parametersJson() {
    JsonObject parameters = new JsonObject();
    parameters.addProperty("action", "trust");
    parameters.addProperty("source", model);
    parameters.addProperty("trust", sha256(refusal));
    if (!server.isEmpty()) {
      parameters.addProperty("server", server); // which keeps a list of its own
    }
    return Json.text(parameters);
  }

  String text() {
    String folder = Json.string(Json.object(refusal.details()), "folder", "");
    return Lines.wrap(refusal.getMessage(), WIDTH)
        + "\n \n"
        + Lines.wrap(
            "Code can do on the computer that runs it whatever you can do. Run it only if you know where the"
                + " package comes from. Your answer holds until a file of the package changes.",
            WIDTH)
        + "\n \nTo read it: "
        + folder
        + "\nSHA-256: "
        + sha256(refusal);
  }

  private static String sha256(BackendException refusal) {
    return Json.string(Json.object(refusal.details()), "sha256", "");
  }

  private static Parameter model(CommandSpec command) {
    for (Parameter parameter : command.parameters()) {
      if (parameter.widget().equals("model")) {
        return parameter;
      }
    }
    return null;
  }
}
