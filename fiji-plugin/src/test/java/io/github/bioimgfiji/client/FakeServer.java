package io.github.bioimgfiji.client;

import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.bioimgfiji.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A server that answers as a test tells it, and notes what it was asked. */
final class FakeServer implements AutoCloseable {
  static final Path WIRE = Paths.get("../tests/contract/wire");
  static final String TOKEN = "secret-of-the-test";
  static final long PID = 4711;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Map<String, Answer> answers = new HashMap<>();
  private final List<Request> requests = new ArrayList<>();

  FakeServer() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
    on("GET /v1/info", exchange -> reply(exchange, 200, golden("info.json")));
  }

  /** What the server does with a request. */
  interface Answer {
    void to(HttpExchange exchange) throws IOException;
  }

  /** What has come. */
  static final class Request {
    final String line;
    final String body;
    final com.sun.net.httpserver.Headers headers;

    Request(String line, String body, com.sun.net.httpserver.Headers headers) {
      this.line = line;
      this.body = body;
      this.headers = headers;
    }
  }

  static String golden(String name) throws IOException {
    return new String(Files.readAllBytes(WIRE.resolve(name)), StandardCharsets.UTF_8);
  }

  synchronized FakeServer on(String line, Answer answer) {
    answers.put(line, answer);
    return this;
  }

  /** Answers with a text, after other answers of the same line have been given. */
  FakeServer on(String line, int status, String body) {
    return on(line, exchange -> reply(exchange, status, body));
  }

  synchronized List<String> lines() {
    List<String> lines = new ArrayList<>();
    for (Request request : requests) {
      lines.add(request.line);
    }
    return lines;
  }

  synchronized List<Request> requests(String line) {
    List<Request> found = new ArrayList<>();
    for (Request request : requests) {
      if (request.line.equals(line)) {
        found.add(request);
      }
    }
    return found;
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  Http http() {
    return new Http(new Connection(url(), TOKEN, PID));
  }

  /** Writes the connection file of this server. */
  void writeConnection(Path file) throws IOException {
    JsonObject json = Json.object(golden("connection.json"));
    json.addProperty("url", url());
    json.addProperty("token", TOKEN);
    json.addProperty("pid", PID);
    Files.write(file, Json.text(json).getBytes(StandardCharsets.UTF_8));
  }

  static void reply(HttpExchange exchange, int status, String body) throws IOException {
    reply(exchange, status, body.getBytes(StandardCharsets.UTF_8));
  }

  static void reply(HttpExchange exchange, int status, byte[] body) throws IOException {
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    if (body.length > 0) {
      exchange.getResponseBody().write(body);
    }
    exchange.close();
  }

  /** Sends a part of what it announces, and breaks the connection. */
  static void breakOff(HttpExchange exchange, String part) throws IOException {
    byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, bytes.length + 1000L);
    exchange.getResponseBody().write(bytes);
    exchange.getResponseBody().flush();
    exchange.close();
  }

  private void handle(HttpExchange exchange) throws IOException {
    String line = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
    String body = text(exchange.getRequestBody());
    Answer answer;
    synchronized (this) {
      requests.add(new Request(line, body, exchange.getRequestHeaders()));
      answer = answers.get(line);
    }
    exchange.getResponseHeaders().set("Connection", "close"); // as the real one does when asked to
    if (!("Bearer " + TOKEN).equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
      reply(exchange, 401, "{\"error\": {\"code\": \"authentication\", \"message\": \"No.\"}}");
    } else if (answer == null) {
      reply(exchange, exchange.getRequestMethod().equals("DELETE") ? 204 : 404, "");
    } else {
      answer.to(exchange);
    }
  }

  private static String text(InputStream stream) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int each = stream.read(); each >= 0; each = stream.read()) {
      bytes.write(each);
    }
    return new String(bytes.toByteArray(), StandardCharsets.ISO_8859_1);
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
