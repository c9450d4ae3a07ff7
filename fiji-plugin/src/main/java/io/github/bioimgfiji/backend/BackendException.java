package io.github.bioimgfiji.backend;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.bioimgfiji.json.Json;

/**
 * An error for users: what was wrong and what to do next, with a code that never changes.
 *
 * <p>The codes are those of the wire protocol; code that calls commands may tell errors apart by
 * them.
 */
public class BackendException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final String fix;
  private final String details;

  /**
   * Makes an error from its JSON form. Python throws this one.
   *
   * @param json {@code {"code": ..., "message": ..., "fix": ..., "details": {...}}}; any other text
   *     becomes the message
   */
  public BackendException(String json) {
    this(parsed(json));
  }

  /**
   * Makes an error.
   *
   * @param code the code, for example "parameter"
   * @param message what was wrong
   * @param fix what to do next
   */
  public BackendException(String code, String message, String fix) {
    this(code, message, fix, "{}");
  }

  /**
   * Makes an error.
   *
   * @param code the code, for example "parameter"
   * @param message what was wrong
   * @param fix what to do next
   * @param details a JSON object that belongs to the error
   */
  public BackendException(String code, String message, String fix, String details) {
    super(message);
    this.code = code;
    this.fix = fix;
    this.details = details;
  }

  private BackendException(JsonObject error) {
    this(
        Json.string(error, "code", "error"),
        Json.string(error, "message", "The command failed without saying why."),
        Json.string(error, "fix", ""),
        Json.text(Json.member(error, "details")));
  }

  /**
   * Makes an error from its JSON form.
   *
   * @param json the error, or an object whose member "error" is the error
   * @return the error
   */
  public static BackendException fromJson(String json) {
    return new BackendException(json);
  }

  /**
   * Makes the error of a job that the user has stopped.
   *
   * @return an error with the code "cancelled"
   */
  public static BackendException cancelled() {
    return new BackendException("cancelled", "The command was cancelled.", "");
  }

  /** Gives the code that tells errors apart. */
  public String code() {
    return code;
  }

  /** Gives what to do next; may be empty. */
  public String fix() {
    return fix;
  }

  /** Gives the JSON object that belongs to the error. */
  public String details() {
    return details;
  }

  /** Gives message and fix as one text for users. */
  public String text() {
    return (getMessage() + " " + fix).trim();
  }

  /** Gives the JSON form. */
  public String toJson() {
    JsonObject error = new JsonObject();
    error.addProperty("code", code);
    error.addProperty("message", getMessage());
    error.addProperty("fix", fix);
    error.add("details", Json.object(details));
    return Json.text(error);
  }

  private static JsonObject parsed(String json) {
    JsonObject error;
    try {
      error = Json.object(json);
    } catch (JsonParseException notJson) {
      error = new JsonObject();
      error.addProperty("message", json);
    }
    return error.has("error") && error.get("error").isJsonObject()
        ? error.getAsJsonObject("error")
        : error;
  }
}
