package io.github.bioimgfiji.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.Nearest;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The user's named servers: one JSON file, which this window and {@code bioimg-fiji servers} write
 * alike (docs/protocol.md, "Named servers").
 */
public final class NamedServers {
  /** The name of this computer's own server, which is in no list. */
  public static final String LOCAL = "local";

  private static final int LEAST_TOKEN = 32;

  private NamedServers() {}

  /** One entry of the list. */
  public static final class Entry {
    /** What {@code server=} says. */
    public final String name;

    /** Address, without path. */
    public final String url;

    /** Fingerprint of the certificate; "" trusts what Java trusts. */
    public final String fingerprint;

    /** Path of the file with the token. */
    public final String tokenFile;

    /**
     * Makes an entry; nothing is checked yet.
     *
     * @param fingerprint 64 hex digits in any usual form, or ""
     */
    public Entry(String name, String url, String fingerprint, String tokenFile) {
      this.name = name.trim();
      this.url = url.trim().replaceAll("/+$", "");
      this.fingerprint = fingerprint.trim();
      this.tokenFile = tokenFile.trim();
    }
  }

  /**
   * Gives all entries by name.
   *
   * @throws BackendException when the list is damaged
   */
  public static Map<String, Entry> all() throws BackendException {
    Map<String, Entry> entries = new LinkedHashMap<>();
    Path file = Places.serversFile();
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      for (JsonElement each : Json.array(Json.object(text), "servers")) {
        JsonObject json = each.getAsJsonObject();
        String name = Json.string(json, "name", "");
        entries.put(
            name,
            new Entry(
                name,
                Json.string(json, "url", ""),
                Json.string(json, "fingerprint", ""),
                Json.string(json, "token_file", "")));
      }
      return entries;
    } catch (NoSuchFileException none) {
      return entries;
    } catch (IOException | RuntimeException damaged) {
      throw wrong(
          "The list of servers " + file + " cannot be read: " + damaged.getMessage() + ".",
          "Mend or remove it.");
    }
  }

  /**
   * Gives the connection to a named server.
   *
   * @throws BackendException (code "parameter") when there is none of that name, or its token
   *     cannot be read
   */
  static Connection connection(String name) throws BackendException {
    Map<String, Entry> all = all();
    Entry entry = all.get(name);
    if (entry == null) {
      List<String> names = new ArrayList<>(all.keySet());
      names.add(0, LOCAL);
      List<String> near = Nearest.of(name, names);
      String hint = near.isEmpty() ? "" : "Did you mean " + String.join(" or ", near) + "? ";
      throw wrong(
          "server must be the name of a server, but it is \"" + name + "\".",
          hint
              + "Servers: "
              + String.join(", ", names)
              + ". Plugins > BioImg > BioImg Server... adds one.");
    }
    String pin;
    try {
      checkUrl(entry.url); // the list may have been edited by hand
      pin = pin(entry);
    } catch (BackendException damaged) {
      String fix = "Mend the entry " + name + " of " + Places.serversFile() + ". " + damaged.fix();
      throw wrong(damaged.getMessage(), fix.trim());
    }
    return Connection.named(name, entry.url, token(entry), pin);
  }

  private static String pin(Entry entry) throws BackendException {
    String pin = Pinned.form(entry.fingerprint);
    if (pin.isEmpty() && !entry.fingerprint.isEmpty()) {
      throw wrong(
          "The fingerprint must be 64 hex digits (SHA-256).",
          "The server prints it at its start; leave it out where its certificate is a usual one.");
    }
    return pin;
  }

  private static String token(Entry entry) throws BackendException {
    Path file = Paths.get(entry.tokenFile);
    try {
      if (isOpenToOthers(file)) {
        throw wrong(
            "The token file " + file + " can be read by others than its owner.",
            "In a terminal run: chmod 600 " + file);
      }
      String token = new String(Files.readAllBytes(file), StandardCharsets.US_ASCII).trim();
      return checked(token, "The token in " + file);
    } catch (IOException unreadable) {
      throw wrong(
          "The token file " + file + " of the server " + entry.name + " cannot be read.",
          "Name the right file by Plugins > BioImg > BioImg Server > Edit.");
    }
  }

  private static String checked(String token, String what) throws BackendException {
    if (token.length() < LEAST_TOKEN || !token.matches("[!-~]+")) {
      throw wrong(
          what + " is none: it has at least " + LEAST_TOKEN + " letters, without blanks.",
          "Copy it from the file that the server was started with (--token-file).");
    }
    return token;
  }

  private static boolean isOpenToOthers(Path file) throws IOException {
    try {
      Set<PosixFilePermission> may = Files.getPosixFilePermissions(file);
      may.removeAll(PosixFilePermissions.fromString("rwx------"));
      return !may.isEmpty();
    } catch (UnsupportedOperationException windows) {
      return false;
    }
  }

  /**
   * Adds an entry, or replaces the one of that name.
   *
   * @param token the token itself, for which a file is made; "" where the entry names one
   * @throws BackendException when one of the values cannot be, or they cannot be written
   */
  public static void add(Entry entry, String token) throws BackendException {
    if (!entry.name.matches("[A-Za-z0-9][A-Za-z0-9_.-]{0,39}") || entry.name.equals(LOCAL)) {
      throw wrong(
          "The name must be up to 40 letters, digits, - and _, and not \"" + LOCAL + "\".", "");
    }
    checkUrl(entry.url);
    String pin = pin(entry);
    try {
      String file = token.isEmpty() ? entry.tokenFile : keep(entry.name, token);
      Entry whole = new Entry(entry.name, entry.url, pin, file);
      token(whole);
      Map<String, Entry> all = all();
      all.put(whole.name, whole);
      store(all);
    } catch (IOException error) {
      throw unwritten(error);
    }
  }

  /**
   * Removes an entry, and its token where it was kept beside the list and no other entry has it.
   *
   * @throws BackendException when the list cannot be written
   */
  public static void remove(String name) throws BackendException {
    Map<String, Entry> all = all();
    Entry entry = all.remove(name);
    if (entry == null) {
      return;
    }
    try {
      store(all);
      Path token = Paths.get(entry.tokenFile);
      if (tokens().equals(token.getParent()) && !isUsed(token, all.values())) {
        Files.deleteIfExists(token);
      }
    } catch (IOException error) {
      throw unwritten(error);
    }
  }

  private static void checkUrl(String url) throws BackendException {
    URI parts;
    try {
      parts = URI.create(url);
    } catch (IllegalArgumentException none) {
      parts = URI.create("");
    }
    String scheme = String.valueOf(parts.getScheme());
    boolean web = scheme.equals("http") || scheme.equals("https");
    if (!web
        || parts.getHost() == null
        || !parts.getPath().isEmpty()
        || parts.getUserInfo() != null) {
      throw wrong("The address must be one like https://gpu.example.org:8443.", "");
    }
    if (scheme.equals("http") && !Connection.isLoopback(url)) {
      throw wrong(
          "The address must begin with https: token and images would go unencrypted.",
          "Start the server with TLS, or reach it by an SSH tunnel.");
    }
  }

  private static Path tokens() {
    return Places.serversFile().getParent().resolve("tokens");
  }

  /** Tells whether an entry has that file: one that was renamed keeps the file of its old name. */
  private static boolean isUsed(Path token, Collection<Entry> entries) {
    return entries.stream().anyMatch(entry -> Paths.get(entry.tokenFile).equals(token));
  }

  private static String keep(String name, String token) throws IOException, BackendException {
    Map<String, Entry> others = all();
    others.remove(name);
    Path file = tokens().resolve(name);
    while (isUsed(file, others.values())) {
      file = file.resolveSibling(file.getFileName() + "-");
    }
    write(file, checked(token.trim(), "The token") + "\n");
    return file.toString();
  }

  private static void store(Map<String, Entry> entries) throws IOException {
    JsonArray list = new JsonArray();
    for (Entry entry : entries.values()) {
      JsonObject json = new JsonObject();
      json.addProperty("name", entry.name);
      json.addProperty("url", entry.url);
      json.addProperty("token_file", entry.tokenFile);
      json.addProperty("fingerprint", entry.fingerprint);
      list.add(json);
    }
    JsonObject all = new JsonObject();
    all.add("servers", list);
    write(Places.serversFile(), Json.text(all));
  }

  /** Writes a file whole or not at all, readable by its owner only. */
  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Path temporary = Files.createTempFile(file.getParent(), ".bioimg", ""); // of mode 0600
    try {
      Files.write(temporary, text.getBytes(StandardCharsets.UTF_8));
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static BackendException unwritten(IOException error) {
    return new BackendException(
        "storage",
        "The list of servers cannot be written: " + error.getMessage() + ".",
        "Check that you may write to " + Places.serversFile().getParent() + ".");
  }

  private static BackendException wrong(String message, String fix) {
    return new BackendException("parameter", message, fix);
  }
}
