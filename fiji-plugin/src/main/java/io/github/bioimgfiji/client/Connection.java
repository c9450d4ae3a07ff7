package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the connection file says of a server. The token never shows in a message. */
final class Connection {
  final String url;
  final String token;
  final long pid;

  Connection(String url, String token, long pid) {
    this.url = url;
    this.token = token;
    this.pid = pid;
  }

  /** Reads the file; null when there is none, or nothing that a server has written. */
  static Connection read(Path file) {
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      JsonObject json = Json.object(text);
      String url = Json.string(json, "url", "");
      String token = Json.string(json, "token", "");
      long pid = (long) Json.number(json, "pid", 0);
      return url.isEmpty() || token.isEmpty() || pid == 0 ? null : new Connection(url, token, pid);
    } catch (IOException | RuntimeException unusable) {
      return null;
    }
  }
}
