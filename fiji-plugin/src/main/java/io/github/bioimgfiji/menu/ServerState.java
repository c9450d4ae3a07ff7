package io.github.bioimgfiji.menu;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What is known of the server, as lines of name and value. */
final class ServerState {
  private static final double GIB = 1 << 30;

  private ServerState() {}

  /**
   * Gives the lines.
   *
   * @param running as HttpBackend.running gives it
   * @param machine as HttpBackend.machine gives it; "" where it is not known yet
   */
  static Map<String, String> lines(String running, String machine) {
    Map<String, String> lines = new LinkedHashMap<>();
    if (running.isEmpty()) {
      lines.put("State", "not running; the next command starts one");
      return lines;
    }
    JsonObject info = Json.object(running);
    JsonObject jobs = Json.member(info, "jobs");
    boolean fits = misfit(running).isEmpty();
    lines.put("State", fits ? "running" : "running, but this plugin cannot use it");
    lines.put("Address", Json.string(info, "url", ""));
    lines.put("Version", Json.string(info, "version", ""));
    lines.put("Process", String.valueOf((long) Json.number(info, "pid", 0)));
    lines.put(
        "Jobs",
        String.format(
            Locale.ROOT,
            "%.0f running, %.0f waiting",
            Json.number(jobs, "running", 0),
            Json.number(jobs, "queued", 0)));
    if (fits) {
      addMachine(lines, machine);
    }
    return lines;
  }

  private static void addMachine(Map<String, String> lines, String text) {
    if (text.isEmpty()) {
      lines.put("Devices", "being looked for...");
      return;
    }
    JsonObject machine = Json.object(text);
    JsonObject memory = Json.member(machine, "memory");
    String devices = String.join(", ", Json.strings(machine, "devices"));
    lines.put("Devices", devices.isEmpty() ? "not known: the log tells why" : devices);
    lines.put(
        "Memory",
        String.format(
            Locale.ROOT,
            "%.1f GiB free of %.1f GiB",
            Json.number(memory, "free", 0) / GIB,
            Json.number(memory, "total", 0) / GIB));
    lines.put("Python", Json.string(machine, "python", ""));
    lines.put("Log", Json.string(machine, "log", ""));
  }

  /** Tells why this plugin cannot use the server, and the next step; "" where it can. */
  static String misfit(String running) {
    return running.isEmpty() ? "" : Json.string(Json.object(running), "misfit", "");
  }

  /** Gives the number of jobs that would be lost with the server. */
  static int jobs(String running) {
    if (running.isEmpty()) {
      return 0;
    }
    JsonObject jobs = Json.member(Json.object(running), "jobs");
    return (int) (Json.number(jobs, "running", 0) + Json.number(jobs, "queued", 0));
  }
}
