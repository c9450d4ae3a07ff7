package io.github.bioimgfiji.options;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** One parameter of a command, as its schema declares it. */
public final class Parameter {
  /** The JSON types that a parameter can have. */
  public enum Type {
    STRING,
    INTEGER,
    NUMBER,
    BOOLEAN,
    ARRAY
  }

  private final String key;
  private final JsonObject schema;
  private final boolean required;

  Parameter(String key, JsonObject schema, boolean required) {
    this.key = key;
    this.schema = schema;
    this.required = required;
  }

  /** Gives the key in macros. */
  public String key() {
    return key;
  }

  /** Gives the label in the dialog. */
  public String title() {
    return Json.string(schema, "title", key);
  }

  /** Gives the help text. */
  public String help() {
    return Json.string(schema, "description", "");
  }

  /** Gives the unit, or "". */
  public String unit() {
    return Json.string(schema, "x-unit", "");
  }

  /**
   * Gives the kind of field ("file", "folder", "path", "save", "model", "models", "password"), or
   * "".
   */
  public String widget() {
    return Json.string(schema, "x-widget", "");
  }

  /** Gives the extension of a file to be saved, or "". */
  public String suffix() {
    return Json.string(schema, "x-suffix", "");
  }

  /** Tells whether this is an image input, or a list of them: pixels travel, not its text. */
  public boolean isImage() {
    return Json.bool(schema, "x-image", false) || isImageList();
  }

  /** Tells whether this is a list of image inputs. */
  public boolean isImageList() {
    return Json.bool(schema, "x-images", false);
  }

  /**
   * Gives the keys of which one makes this image unnecessary; without them all it is the active
   * image. None for an image that is optional or needed in itself.
   */
  public List<String> unless() {
    return Collections.unmodifiableList(Json.strings(schema, "x-unless"));
  }

  /**
   * Gives the keys of which any makes it unnecessary that the regions of the ROI Manager go with
   * this image; empty where nobody wants them.
   */
  public List<String> regionsUnless() {
    return Collections.unmodifiableList(Json.strings(schema, "x-regions-unless"));
  }

  /** Tells whether the active image stands in where none is named. */
  public boolean mayBeActive() {
    return isImage() && !isImageList() && (!isOptional() || !unless().isEmpty());
  }

  /** Tells whether it may be left empty. */
  public boolean isOptional() {
    return Json.bool(schema, "x-optional", false);
  }

  /** Tells whether it must be given, having no default. */
  public boolean isRequired() {
    return required;
  }

  /** Tells whether it belongs to the expert section. */
  public boolean isExpert() {
    return Json.bool(schema, "x-expert", false);
  }

  /** Gives older names of the key. */
  public List<String> aliases() {
    return Json.strings(schema, "x-aliases");
  }

  /** Gives the values to choose from, or none. */
  public List<String> choices() {
    return Collections.unmodifiableList(Json.strings(schema, "enum"));
  }

  /** Gives values that the user may want, of many others; or none. */
  public List<String> suggestions() {
    return Collections.unmodifiableList(Json.strings(schema, "x-suggestions"));
  }

  /** Gives the default as text, or "". */
  public String defaultText() {
    return Json.string(schema, "default", "");
  }

  /**
   * Gives the range of a number in words, for example "0 to 1" or "above 0"; "" where it has none.
   */
  public String range() {
    String low = limit("minimum", "at least ") + limit("exclusiveMinimum", "above ");
    String high = limit("maximum", "at most ") + limit("exclusiveMaximum", "below ");
    if (Json.has(schema, "minimum") && Json.has(schema, "maximum")) {
      return limit("minimum", "") + " to " + limit("maximum", "");
    }
    return low + (low.isEmpty() || high.isEmpty() ? "" : ", ") + high;
  }

  /** Gives the lowest value that a number may have, or null. */
  public BigDecimal minimum() {
    return Json.has(schema, "minimum") ? schema.get("minimum").getAsBigDecimal() : null;
  }

  /** Gives the highest value that a number may have, or null. */
  public BigDecimal maximum() {
    return Json.has(schema, "maximum") ? schema.get("maximum").getAsBigDecimal() : null;
  }

  private String limit(String name, String words) {
    return Json.has(schema, name)
        ? words + schema.get(name).getAsBigDecimal().stripTrailingZeros().toPlainString()
        : "";
  }

  /** Gives the type. */
  public Type type() {
    return Type.valueOf(Json.string(schema, "type", "string").toUpperCase(Locale.ROOT));
  }

  int order() {
    return (int) Json.number(schema, "x-order", Integer.MAX_VALUE);
  }

  /**
   * Checks a text and gives its JSON value.
   *
   * @param text a value of a macro line or of a dialog's field
   * @return the value
   * @throws BackendException (code "parameter") when it is of the wrong type, out of range or none
   *     of the choices
   */
  public JsonElement value(String text) throws BackendException {
    JsonPrimitive value = typed(text);
    List<String> choices = choices();
    if (!choices.isEmpty() && !choices.contains(text.trim())) {
      List<String> near = Nearest.of(text, choices);
      throw wrong(text, "one of " + String.join(", ", choices), near.isEmpty() ? "" : hint(near));
    }
    if (type() == Type.INTEGER || type() == Type.NUMBER) {
      checkRange(text, value.getAsBigDecimal());
    }
    return value;
  }

  private JsonPrimitive typed(String text) throws BackendException {
    switch (type()) {
      case INTEGER:
        return new JsonPrimitive(integer(text));
      case NUMBER:
        return new JsonPrimitive(number(text, "a number"));
      case BOOLEAN:
        return new JsonPrimitive(truth(text));
      default:
        return new JsonPrimitive(choices().isEmpty() ? text : text.trim());
    }
  }

  private BigInteger integer(String text) throws BackendException {
    try {
      return number(text, "a whole number").toBigIntegerExact();
    } catch (ArithmeticException fraction) {
      throw wrong(text, "a whole number", "");
    }
  }

  private BigDecimal number(String text, String expected) throws BackendException {
    try {
      return new BigDecimal(text.trim());
    } catch (NumberFormatException noNumber) {
      boolean comma = text.contains(",");
      throw wrong(text, expected, comma ? "Write decimals with a point." : "");
    }
  }

  private boolean truth(String text) throws BackendException {
    switch (text.trim().toLowerCase(Locale.ROOT)) {
      case "true":
      case "1":
      case "yes":
      case "on":
        return true;
      case "false":
      case "0":
      case "no":
      case "off":
        return false;
      default:
        throw wrong(text, "true or false", "");
    }
  }

  private void checkRange(String text, BigDecimal value) throws BackendException {
    checkLimit(text, value, "minimum", "at least", -1, false);
    checkLimit(text, value, "exclusiveMinimum", "above", -1, true);
    checkLimit(text, value, "maximum", "at most", 1, false);
    checkLimit(text, value, "exclusiveMaximum", "below", 1, true);
  }

  private void checkLimit(
      String text, BigDecimal value, String name, String words, int side, boolean open)
      throws BackendException {
    if (Json.has(schema, name)) {
      BigDecimal limit = schema.get(name).getAsBigDecimal();
      int compared = value.compareTo(limit);
      if (compared == side || (open && compared == 0)) {
        throw wrong(text, words + " " + limit.stripTrailingZeros().toPlainString(), "");
      }
    }
  }

  private BackendException wrong(String got, String expected, String hint) {
    JsonObject details = new JsonObject();
    details.addProperty("field", key);
    details.addProperty("expected", expected);
    details.addProperty("got", got);
    String given = got.isEmpty() ? "empty" : "\"" + got + "\"";
    String unit = unit().isEmpty() ? "" : " (" + unit() + ")";
    String message = key + " must be " + expected + unit + ", but it is " + given + ".";
    String byDefault = "By default it is " + defaultText() + ".";
    String fix = (hint + " " + (Json.has(schema, "default") ? byDefault : help())).trim();
    return new BackendException("parameter", message, fix, Json.text(details));
  }

  static String hint(List<String> near) {
    return "Did you mean " + String.join(" or ", near) + "?";
  }
}
