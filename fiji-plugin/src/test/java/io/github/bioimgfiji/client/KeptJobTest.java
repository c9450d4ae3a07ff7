package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.net.ConnectException;
import java.util.Arrays;
import java.util.Collections;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A job of a named server that keeps it for the next server. */
@Timeout(60)
class KeptJobTest {
  private static final String JOB = "/v1/jobs/4";
  private static final String EVENTS = "GET " + JOB + "/events";
  private static final int SLOW_MS = 5500;

  private final byte[] pixels = new byte[4 * 96 * 96 * 4];
  private final Witness witness = new Witness();
  private FakeServer server;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    Arrays.fill(pixels, (byte) 65);
    server.on("POST /v1/jobs", 202, "{\"id\": \"4\"}");
    server.on(
        "GET /v1/buffers/before",
        404,
        "{\"error\": {\"code\": \"unknown_job\", \"message\": \"There is no buffer before.\"}}");
    server.on("GET /v1/buffers/after", this::sendPixels);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private void sendPixels(HttpExchange exchange) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(pixels);
    exchange.getResponseHeaders().set("X-CRC32", String.format("%08x", crc.getValue()));
    FakeServer.reply(exchange, 206, pixels);
  }

  /** Tells the end of the job; its result is in the buffers of this server. */
  private static String ended(String buffer, boolean kept) throws IOException {
    String[] events = FakeServer.golden("events.txt").trim().split("\n\n");
    String last = events[events.length - 1];
    JsonObject status = Json.object(last.substring(last.indexOf("data: ") + 6));
    JsonObject image = Json.member(Json.member(Json.member(status, "result"), "images"), "output");
    image.addProperty("buffer", buffer);
    image.remove("path");
    status.addProperty("kept", kept);
    return "event: state\ndata: " + Json.text(status) + "\n\n";
  }

  private Outcome run() throws Exception {
    Http http = new Http(Connection.named("gpu", server.url(), FakeServer.TOKEN, ""));
    try (RemoteJob job = new RemoteJob(http, witness)) {
      return job.run("run_model", new JsonObject(), Collections.emptyMap());
    }
  }

  @Test
  void itsResultIsFetchedFromTheNextServer() throws Exception {
    server.on(
        EVENTS,
        exchange -> {
          boolean first = server.requests(EVENTS).size() == 1;
          FakeServer.reply(exchange, 200, ended(first ? "before" : "after", true));
        });
    float[] plane = (float[]) run().images().get("output").getStack().getPixels(1);
    assertEquals(Float.intBitsToFloat(0x41414141), plane[0]);
    assertEquals(2, server.requests(EVENTS).size());
    assertEquals(1, server.requests("DELETE " + JOB).size());
  }

  @Test
  void aResultThatIsGoneIsTold() throws Exception {
    for (boolean kept : new boolean[] {true, false}) {
      server.on(EVENTS, 200, ended("before", kept));
      BackendException told = assertThrows(BackendException.class, this::run);
      assertEquals("unknown_job", told.code());
    }
  }

  @Test
  void theServerMayTakeItsTimeToKeepIt() throws Exception {
    server.on(
        "POST /v1/jobs",
        exchange -> {
          try {
            Thread.sleep(SLOW_MS);
          } catch (InterruptedException over) {
            Thread.currentThread().interrupt();
          }
          FakeServer.reply(exchange, 202, "{\"id\": \"4\"}");
        });
    server.on(EVENTS, 200, ended("after", true));
    run();
    assertEquals(1, server.requests("POST /v1/jobs").size());
  }

  @Test
  void theNextServerIsWaitedFor() {
    assertEquals(5, limit("https://gpu.example.org", false));
    assertEquals(5, limit("http://127.0.0.1.evil", false));
    assertEquals(600, limit("https://gpu.example.org", true));
    assertEquals(600, limit("http://127.0.0.1:8443", false)); // a tunnel
  }

  private int limit(String url, boolean kept) {
    Endurance endurance = new Endurance(Connection.named("gpu", url, "t", ""), witness);
    endurance.kept(kept);
    return endurance.limit(new ConnectException());
  }
}
