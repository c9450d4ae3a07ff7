package io.github.bioimgfiji.setup;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;

/** One line of the check's report. */
final class Finding {
  final String name;
  final String value;
  final boolean ok;
  final String fix;

  private Finding(String name, String value, boolean ok, String fix) {
    this.name = name;
    this.value = value;
    this.ok = ok;
    this.fix = fix;
  }

  static Finding fine(String name, String value) {
    return new Finding(name, value, true, "");
  }

  static Finding wrong(String name, String value, String fix) {
    return new Finding(name, value, false, fix);
  }

  /** Gives the same finding with another next step. */
  Finding mendedBy(String other) {
    return new Finding(name, value, ok, other);
  }

  /** Reads one of those that {@code bioimg-fiji doctor --json} prints. */
  static Finding of(JsonObject json) {
    return new Finding(
        Json.string(json, "name", ""),
        Json.string(json, "value", ""),
        Json.bool(json, "ok", false),
        Json.string(json, "fix", ""));
  }

  @Override
  public String toString() {
    return (ok ? "ok  " : "!!  ")
        + name
        + ": "
        + value
        + (fix.isEmpty() ? "" : "\n      -> " + fix);
  }
}
