package io.github.bioimgfiji.options;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Checked values of a command's parameters, images apart. */
public final class Values {
  private static final String LOCAL = "local";
  private static final String ON_SERVER = "server:";

  private final CommandSpec command;
  private final Map<String, String> texts;
  private final JsonObject parameters;

  private Values(CommandSpec command, Map<String, String> texts) throws BackendException {
    this.command = command;
    this.texts = texts;
    parameters = new JsonObject();
    for (Parameter parameter : command.parameters()) {
      String text = texts.get(parameter.key());
      if (!parameter.isImage() && text != null) {
        boolean here = server().isEmpty() || server().equals(LOCAL);
        parameters.add(parameter.key(), parameter.value(here ? path(parameter, text) : text));
      } else if (text != null && isOnServer(text)) {
        parameters.addProperty(parameter.key(), text);
      }
    }
  }

  /**
   * Checks texts, and fills in defaults.
   *
   * @param command the command
   * @param given texts by key or by an older name of it
   * @return the values
   * @throws BackendException (code "unknown_key" or "parameter") for a key that the command does
   *     not have, a key that is missing or given twice, or a wrong value
   */
  public static Values check(CommandSpec command, Map<String, String> given)
      throws BackendException {
    Map<String, String> named = new LinkedHashMap<>();
    for (Map.Entry<String, String> entry : given.entrySet()) {
      String key = known(command, entry.getKey());
      if (named.put(key, entry.getValue()) != null) {
        throw new BackendException("parameter", key + " is given twice.", "Give it once.");
      }
    }
    Map<String, String> texts = new LinkedHashMap<>();
    for (Parameter parameter : command.parameters()) {
      String text = named.getOrDefault(parameter.key(), parameter.defaultText());
      boolean empty = text.isEmpty();
      if (empty && !parameter.isImage() && parameter.isRequired()) {
        throw missing(parameter);
      }
      boolean left = empty && (parameter.isOptional() || parameter.isImage());
      if (!left) {
        texts.put(parameter.key(), text);
      }
    }
    return new Values(command, texts);
  }

  /** Tells whether an image's text names one that the server has, and none that is open. */
  public static boolean isOnServer(String text) {
    return text.startsWith(ON_SERVER);
  }

  private String server() {
    return texts.getOrDefault("server", LOCAL);
  }

  /** Gives the values as a JSON object, images apart: what the backend is sent. */
  public String parametersJson() {
    return Json.text(parameters);
  }

  /** Gives what was given for an image input, titles or IDs; "" where none was. */
  public String image(String key) {
    return texts.getOrDefault(key, "");
  }

  /** Tells whether a key has a value, an image's title included. */
  public boolean has(String key) {
    return !texts.getOrDefault(key, "").isEmpty();
  }

  /** Gives the text of a value as the backend is sent it, or "". */
  public String text(String key) {
    return Json.string(parameters, key, "");
  }

  /**
   * Gives the texts to record: every key in the dialog's order, and empty texts for what is not
   * set, since defaults may change.
   *
   * <p>The one image that the active image stands in for is left out, so that the macro works on
   * whatever is active; so are passwords.
   */
  public Map<String, String> recorded() {
    Map<String, String> recorded = new LinkedHashMap<>();
    for (Parameter parameter : command.parameters()) {
      if (!command.isActiveImage(parameter) && !parameter.widget().equals("password")) {
        recorded.put(parameter.key(), texts.getOrDefault(parameter.key(), ""));
      }
    }
    return Collections.unmodifiableMap(recorded);
  }

  private static String known(CommandSpec command, String key) throws BackendException {
    List<String> keys = new ArrayList<>();
    for (Parameter parameter : command.parameters()) {
      if (parameter.key().equals(key) || parameter.aliases().contains(key)) {
        return parameter.key();
      }
      keys.add(parameter.key());
    }
    List<String> near = Nearest.of(key, keys);
    String hint = near.isEmpty() ? "" : Parameter.hint(near) + " ";
    String fix =
        hint
            + "The keys are "
            + String.join(", ", keys)
            + ". A value with blanks stands in [brackets].";
    JsonObject details = new JsonObject();
    details.addProperty("field", key);
    details.addProperty("expected", String.join(", ", keys));
    details.addProperty("got", key);
    throw new BackendException(
        "unknown_key", command.title() + " has no key \"" + key + "\".", fix, Json.text(details));
  }

  private static BackendException missing(Parameter parameter) {
    JsonObject details = new JsonObject();
    details.addProperty("field", parameter.key());
    details.addProperty("expected", parameter.title());
    details.addProperty("got", "");
    return new BackendException(
        "parameter",
        parameter.key() + " is missing (" + parameter.title() + ").",
        "Add " + parameter.key() + "=... to the macro line. " + parameter.help(),
        Json.text(details));
  }

  /** Gives a path as seen from this process, for the server may run in another folder. */
  private static String path(Parameter parameter, String text) {
    if (!parameter.widget().equals("models")) {
      return path(parameter.widget(), text);
    }
    return Stream.of(text.split(";"))
        .map(String::trim)
        .filter(each -> !each.isEmpty())
        .map(each -> path("model", each))
        .collect(Collectors.joining(";"));
  }

  private static String path(String widget, String text) {
    boolean isPath = widget.matches("file|folder|path|save|model") && !text.isEmpty();
    if (!isPath || text.contains("://")) {
      return text;
    }
    boolean home = text.startsWith("~/") || text.startsWith("~\\");
    File file = new File(home ? System.getProperty("user.home") + text.substring(1) : text);
    // The name of a model may also be its id in a catalogue.
    return widget.equals("model") && !file.exists() ? file.getPath() : file.getAbsolutePath();
  }
}
