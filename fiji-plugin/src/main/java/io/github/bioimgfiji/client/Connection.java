package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * How a server is reached: as its connection file says, or the list of named servers. The token
 * never shows in a message.
 */
final class Connection {
  private static final Pattern LOOPBACK =
      Pattern.compile(
          "(?i)localhost|\\[::1]|127(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}");

  final String url;
  final String token;
  final long pid;

  /** SHA-256 of its certificate, which has to be this very one; "" trusts what Java trusts. */
  final String fingerprint;

  /** Its name in the list of servers; "" for that of this computer. */
  final String name;

  Connection(String url, String token, long pid) {
    this(url, token, pid, "", "");
  }

  Connection(String url, String token, long pid, String fingerprint, String name) {
    this.url = url;
    this.token = token;
    this.pid = pid;
    this.fingerprint = fingerprint;
    this.name = name;
  }

  /** Gives the connection to a named server. */
  static Connection named(String name, String url, String token, String fingerprint) {
    return new Connection(url, token, 0, fingerprint, name);
  }

  /** Tells whether it may be on another computer: no files in common, and a network in between. */
  boolean isRemote() {
    return !name.isEmpty();
  }

  /** Tells whether only this computer reaches an address: by no name that begins like one of it. */
  static boolean isLoopback(String url) {
    try {
      String host = URI.create(url).getHost();
      return host != null && LOOPBACK.matcher(host).matches();
    } catch (IllegalArgumentException none) {
      return false;
    }
  }

  /** Reads the file; null when there is none, or nothing that a server has written. */
  static Connection read(Path file) {
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      JsonObject json = Json.object(text);
      String url = Json.string(json, "url", "");
      String token = Json.string(json, "token", "");
      long pid = (long) Json.number(json, "pid", 0);
      String fingerprint = Json.string(json, "fingerprint", "");
      return url.isEmpty() || token.isEmpty() || pid == 0
          ? null
          : new Connection(url, token, pid, fingerprint, "");
    } catch (IOException | RuntimeException unusable) {
      return null;
    }
  }
}
