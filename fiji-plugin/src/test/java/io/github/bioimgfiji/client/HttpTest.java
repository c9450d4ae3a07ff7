package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HttpTest {
  private FakeServer server;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
  }

  @AfterEach
  void stop() {
    server.close();
  }

  @Test
  void asksWithTheTokenAndNoKeptConnection() throws Exception {
    JsonObject info = server.http().get("/v1/info");
    assertEquals(Json.object(FakeServer.golden("info.json")), info);
    FakeServer.Request request = server.requests("GET /v1/info").get(0);
    assertEquals("Bearer " + FakeServer.TOKEN, request.headers.getFirst("Authorization"));
    assertEquals("close", request.headers.getFirst("Connection"));
  }

  @Test
  void aWrongTokenIsAnAuthenticationErrorForEveryMethod() {
    Http http = new Http(new Connection(server.url(), "another", 1));
    JsonObject body = new JsonObject();
    assertEquals("authentication", failure(() -> http.get("/v1/info")).code());
    assertEquals("authentication", failure(() -> http.delete("/v1/jobs/1")).code());
    assertEquals("authentication", failure(() -> http.post("/v1/jobs", body)).code());
    assertEquals(
        "authentication",
        failure(() -> http.put("/v1/buffers/1", 1, "00000000", out -> out.write(1))).code());
  }

  @Test
  void anErrorBodyKeepsCodeMessageFixAndDetails() throws IOException {
    JsonObject golden = Json.object(FakeServer.golden("error.json"));
    server.on("GET /v1/jobs/nothing", 404, FakeServer.golden("error.json"));
    BackendException error = failure(() -> server.http().get("/v1/jobs/nothing"));
    assertEquals(Json.member(golden, "error"), Json.object(error.toJson()));
    String told =
        "{\"error\": {\"code\": \"parameter\", \"message\": \"m\", \"fix\": \"f\","
            + " \"details\": {\"field\": \"tile\"}}}";
    server.on("POST /v1/jobs", 400, told);
    error = failure(() -> server.http().post("/v1/jobs", new JsonObject()));
    assertEquals("parameter", error.code());
    assertEquals("m f", error.text());
    assertEquals("{\"field\":\"tile\"}", error.details());
  }

  @Test
  void anAnswerThatIsNotOursIsAProtocolError() {
    server.on("GET /a", 502, "<html>").on("GET /b", 200, "<html>").on("GET /c", 302, "");
    assertEquals("protocol", failure(() -> server.http().get("/a")).code());
    assertEquals("protocol", failure(() -> server.http().get("/b")).code());
    assertEquals("protocol", failure(() -> server.http().get("/c")).code());
  }

  @Test
  void proxiesAreNotUsed() throws Exception {
    String[] names = {"http.proxyHost", "http.proxyPort", "http.nonProxyHosts", "socksProxyHost"};
    String[] values = {"127.0.0.1", "1", "", "127.0.0.1"};
    String[] before = new String[names.length];
    for (int i = 0; i < names.length; i++) {
      before[i] = System.getProperty(names[i]);
      System.setProperty(names[i], values[i]);
    }
    try {
      assertEquals(1, Json.number(server.http().get("/v1/info"), "protocol", 0));
    } finally {
      for (int i = 0; i < names.length; i++) {
        if (before[i] == null) {
          System.clearProperty(names[i]);
        } else {
          System.setProperty(names[i], before[i]);
        }
      }
    }
  }

  @Test
  void aPostIsNotRepeatedBehindOurBack() {
    server.on("POST /v1/jobs", exchange -> FakeServer.breakOff(exchange, ""));
    JsonObject body = new JsonObject();
    assertThrows(IOException.class, () -> server.http().post("/v1/jobs", body, "key-1", 5000));
    assertEquals(1, server.requests("POST /v1/jobs").size());
    assertEquals(
        "key-1", server.requests("POST /v1/jobs").get(0).headers.getFirst("Idempotency-Key"));
  }

  @Test
  void aPortWithoutServerRefuses() {
    server.close();
    IOException error = assertThrows(ConnectException.class, () -> server.http().get("/v1/info"));
    BackendException told = ServerErrors.lost(error);
    assertEquals("server_unavailable", told.code());
    assertTrue(told.fix().contains("Run the command again"), told.fix());
  }

  @Test
  void aHandshakeThatIsCutOffIsNoOtherCertificate() throws Exception {
    try (ServerSocket listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Thread thread =
          new Thread(
              () -> {
                try (Socket socket = listening.accept()) {
                  socket.getInputStream().read();
                  socket.shutdownOutput();
                  while (socket.getInputStream().read() >= 0) {
                    continue; // a close with unread bytes would be a reset
                  }
                } catch (IOException closed) {
                  // The client has gone first.
                }
              });
      thread.start();
      Connection connection =
          Connection.named("gpu", "https://127.0.0.1:" + listening.getLocalPort(), "t", "");
      IOException cut =
          assertThrows(SSLHandshakeException.class, () -> new Http(connection).get("/v1/info"));
      assertEquals("server_unavailable", ServerErrors.lost(cut, connection).code());
      new Endurance(connection, new Witness()).lost(cut); // waits, and does not throw it
    }
  }

  private static BackendException failure(org.junit.jupiter.api.function.Executable request) {
    return assertThrows(BackendException.class, request);
  }
}
