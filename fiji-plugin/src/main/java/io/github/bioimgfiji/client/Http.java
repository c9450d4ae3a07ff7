package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.SocketTimeoutException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.HttpsURLConnection;

/**
 * Requests to one server.
 *
 * <p>An answer that is an error becomes a {@link BackendException}, a broken connection stays an
 * {@link IOException}, as is a request that the server has not got to its end in time. Requests
 * never go through a proxy, and each has a connection of its own: one that was kept open may have
 * died, and a request must not be repeated without our knowing.
 */
final class Http {
  private static final int CONNECT_MS = 2000;
  private static final int FAR_CONNECT_MS = 5000;

  /** How long a server that lives may take for a usual answer. */
  static final int READ_MS = 5000;

  /** How long a slow network may take for a part of an image. */
  private static final int PART_MS = 30000;

  /** How long the server may take to store what was sent. */
  private static final int STORE_MS = 60000;

  private final Connection connection;

  Http(Connection connection) {
    this.connection = connection;
  }

  /** Writes the body of a request. */
  interface Body {
    void write(OutputStream stream) throws IOException;
  }

  Connection connection() {
    return connection;
  }

  /** Asks for a JSON object. */
  JsonObject get(String path) throws IOException, BackendException {
    return json(getText(path));
  }

  /** Asks for a text. */
  String getText(String path) throws IOException, BackendException {
    return answer(request("GET", path), 0, null);
  }

  /**
   * Prepares to ask for a text that takes longer than usual.
   *
   * @param milliseconds after which the wait for it is over
   */
  LongRequest longRequest(String path, int milliseconds) throws IOException {
    HttpURLConnection request = request("GET", path);
    request.setReadTimeout(milliseconds);
    return new LongRequest(request, () -> answer(request, 0, null));
  }

  /** Asks for a text that may take so many milliseconds. */
  String getText(String path, int milliseconds) throws IOException, BackendException {
    HttpURLConnection request = request("GET", path);
    request.setReadTimeout(milliseconds);
    return answer(request, 0, null);
  }

  /** Sets headers of a request. */
  interface Headers {
    void set(HttpURLConnection request);
  }

  /** A part of a buffer, as it has come. */
  static final class Part {
    final byte[] body;
    final boolean encoded;
    final String crc;

    Part(byte[] body, boolean encoded, String crc) {
      this.body = body;
      this.encoded = encoded;
      this.crc = crc;
    }
  }

  /**
   * Sends a part of a buffer. The connection is used again: parts may come twice, and a new one for
   * each would cost more than the part.
   */
  void putPart(String path, long size, Headers headers, Body body)
      throws IOException, BackendException {
    HttpURLConnection request = request("PUT", path);
    request.setRequestProperty("Connection", "keep-alive");
    request.setReadTimeout(PART_MS);
    request.setRequestProperty("Content-Type", "application/octet-stream");
    headers.set(request);
    send(request, size, body);
    check(request);
    text(request);
  }

  /**
   * Asks for a part of a buffer.
   *
   * @param encoding that the answer may have, or ""
   */
  Part getPart(String path, String range, String encoding) throws IOException, BackendException {
    HttpURLConnection request = request("GET", path);
    request.setRequestProperty("Connection", "keep-alive");
    request.setReadTimeout(PART_MS);
    request.setRequestProperty("Range", range);
    if (!encoding.isEmpty()) {
      request.setRequestProperty(Coding.ACCEPT, encoding);
    }
    check(request);
    boolean encoded = request.getHeaderField(Coding.HEADER) != null;
    return new Part(body(request), encoded, String.valueOf(request.getHeaderField("X-CRC32")));
  }

  /** Asks for something long; the caller reads its stream, and disconnects. */
  HttpURLConnection open(String path) throws IOException, BackendException {
    HttpURLConnection request = request("GET", path);
    check(request);
    return request;
  }

  /** Sends a JSON object and gives the answer. */
  JsonObject post(String path, JsonObject body) throws IOException, BackendException {
    return post(path, body, "", READ_MS);
  }

  /**
   * Sends a JSON object and gives the answer.
   *
   * @param key what makes the server take the request once, however often it comes; "" for none
   * @param milliseconds after which the wait for the answer is over
   */
  JsonObject post(String path, JsonObject body, String key, int milliseconds)
      throws IOException, BackendException {
    byte[] bytes = Json.text(body).getBytes(StandardCharsets.UTF_8);
    HttpURLConnection request = request("POST", path);
    request.setReadTimeout(milliseconds);
    request.setRequestProperty("Content-Type", "application/json");
    if (!key.isEmpty()) {
      request.setRequestProperty("Idempotency-Key", key);
    }
    return json(answer(request, bytes.length, stream -> stream.write(bytes)));
  }

  /** Sends bytes. */
  void put(String path, long size, String crc, Body body) throws IOException, BackendException {
    HttpURLConnection request = request("PUT", path);
    request.setReadTimeout(STORE_MS);
    request.setRequestProperty("Content-Type", "application/octet-stream");
    request.setRequestProperty("X-CRC32", crc);
    answer(request, size, body);
  }

  /** Removes something on the server. */
  void delete(String path) throws IOException, BackendException {
    answer(request("DELETE", path), 0, null);
  }

  private HttpURLConnection request(String method, String path) throws IOException {
    URL url = new URL(connection.url + path);
    HttpURLConnection request = (HttpURLConnection) url.openConnection(Proxy.NO_PROXY);
    request.setRequestMethod(method);
    if (request instanceof HttpsURLConnection && !connection.fingerprint.isEmpty()) {
      Pinned.apply((HttpsURLConnection) request, connection.fingerprint);
    }
    request.setConnectTimeout(connection.isRemote() ? FAR_CONNECT_MS : CONNECT_MS);
    request.setReadTimeout(READ_MS);
    request.setUseCaches(false);
    request.setInstanceFollowRedirects(false);
    request.setRequestProperty("Authorization", "Bearer " + connection.token);
    // NB: it is the server's answer in kind that keeps Java from using the connection again.
    request.setRequestProperty("Connection", "close");
    return request;
  }

  /** Sends a request, with a body or null, and gives the answer's text. */
  private String answer(HttpURLConnection request, long size, Body body)
      throws IOException, BackendException {
    try {
      if (body != null) {
        send(request, size, body);
      }
      check(request);
      return text(request);
    } finally {
      request.disconnect(); // also when something has failed in the middle
    }
  }

  private static void send(HttpURLConnection request, long size, Body body) throws IOException {
    request.setDoOutput(true);
    // NB: a body of announced length also keeps Java from sending a POST again by itself.
    request.setFixedLengthStreamingMode(size);
    try (OutputStream stream = request.getOutputStream()) {
      body.write(stream);
    }
  }

  private void check(HttpURLConnection request) throws IOException, BackendException {
    int status = request.getResponseCode();
    if (status >= 200 && status < 300) {
      return;
    }
    if (status == HttpURLConnection.HTTP_CLIENT_TIMEOUT) {
      request.disconnect(); // the server closes it, and what is left of the body lies in it
      throw new SocketTimeoutException("the request has not come to its end there in time");
    }
    String body = "";
    try (InputStream stream = request.getErrorStream()) {
      body = stream == null ? "" : new String(bytes(stream), StandardCharsets.UTF_8);
    } catch (IOException broken) {
      // The status is known, which is more than a broken connection would say.
    }
    throw error(status, body);
  }

  private BackendException error(int status, String body) {
    try {
      if (Json.object(body).has("error")) {
        return BackendException.fromJson(body);
      }
    } catch (JsonParseException notOurs) {
      // Falls through: some other program answers, or Java has thrown the body away.
    }
    if (status == HttpURLConnection.HTTP_UNAUTHORIZED) {
      return connection.isRemote()
          ? ServerErrors.token(connection)
          : new BackendException(
              "authentication",
              "The model server was restarted and does not know this request's token.",
              "Run the command again.");
    }
    return ServerErrors.protocol(
        "The model server answered with HTTP status " + status + " and without a reason.");
  }

  private static String text(HttpURLConnection request) throws IOException {
    return new String(body(request), StandardCharsets.UTF_8);
  }

  /** Reads an answer. NB: Java takes one that broke off for whole. */
  private static byte[] body(HttpURLConnection request) throws IOException {
    try (InputStream stream = request.getInputStream()) {
      byte[] bytes = bytes(stream);
      long announced = request.getContentLengthLong();
      if (announced >= 0 && bytes.length != announced) {
        throw new EOFException("The model server's answer broke off.");
      }
      return bytes;
    }
  }

  private static JsonObject json(String text) throws BackendException {
    try {
      return Json.object(text);
    } catch (JsonParseException notJson) {
      throw ServerErrors.protocol("The model server's answer is not JSON.");
    }
  }

  private static byte[] bytes(InputStream stream) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    byte[] part = new byte[8192];
    for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
      bytes.write(part, 0, count);
    }
    return bytes.toByteArray();
  }
}
