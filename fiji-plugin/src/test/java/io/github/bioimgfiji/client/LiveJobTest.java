package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is looked at while a job runs, and the wish to end it early, over HTTP. */
@Timeout(60)
class LiveJobTest {
  private static final String JOB = "/v1/jobs/00000000000000000000000000000004";
  private static final String EVENTS = "GET " + JOB + "/events";
  private static final String LIVE = "GET " + JOB + "/live";
  private static final String FINISH = "POST " + JOB + "/finish";

  @TempDir Path folder;
  private final Witness witness = new Witness();
  private FakeServer server;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    Path file = folder.resolve("connection.json");
    server.writeConnection(file);
    System.setProperty(Places.CONNECTION_PROPERTY, file.toString());
    server.on("POST /v1/jobs", 202, "{\"id\": \"" + JOB.substring(9) + "\"}");
  }

  @AfterEach
  void stop() {
    System.clearProperty(Places.CONNECTION_PROPERTY);
    server.close();
  }

  @Test
  void whatIsNewIsFetchedOnceWhereSomebodyLooks() throws Exception {
    witness.watches = true;
    server.on(LIVE, 200, "{\"finishable\": true}");
    // Three events of the same number are one thing that is new.
    events(() -> !server.requests(LIVE).isEmpty(), running(0), running(7), running(7), running(7));
    run();
    assertEquals(Collections.singletonList("{\"finishable\": true}"), witness.shown);
    assertEquals(1, server.requests(LIVE).size());
  }

  @Test
  void nothingIsFetchedWhereNobodyLooks() throws Exception {
    server.on(LIVE, 200, "{}");
    events(() -> true, running(1), running(2));
    run();
    assertEquals(Collections.emptyList(), server.requests(LIVE));
    assertEquals(Collections.emptyList(), server.requests(FINISH));
  }

  @Test
  void thePauseBetweenFetchesHoldsHoweverOftenThereIsNews() throws Exception {
    witness.watches = true;
    server.on(LIVE, 200, "{}");
    JsonObject[] many = new JsonObject[200];
    for (int i = 0; i < many.length; i++) {
      many[i] = running(i + 1);
    }
    events(() -> server.requests(LIVE).size() >= 2, many);
    run();
    // One for the first news; the last one is not missed, for the pause ends while the job runs.
    assertEquals(2, server.requests(LIVE).size());
  }

  @Test
  void aFetchThatFailsDoesNotFailTheJob() throws Exception {
    witness.watches = true;
    server.on(
        LIVE,
        exchange -> {
          if (server.requests(LIVE).size() == 1) {
            FakeServer.reply(exchange, 404, FakeServer.golden("error.json"));
          } else {
            FakeServer.breakOff(exchange, "{");
          }
        });
    events(() -> server.requests(LIVE).size() == 2, running(1), running(2));
    assertEquals("{\"figures\":{}}", run());
    assertEquals(Collections.emptyList(), witness.shown);
  }

  @Test
  void theWishToFinishIsSentOnce() throws Exception {
    server.on(FINISH, 202, "{}");
    witness.finishWhen(() -> !server.requests(EVENTS).isEmpty());
    events(() -> !server.requests(FINISH).isEmpty(), running(0), running(0), running(0));
    run();
    assertEquals(1, server.requests(FINISH).size());
    assertFalse(server.lines().contains("POST " + JOB + "/cancel"));
  }

  @Test
  void aWishThatTheServerDidNotGetIsSentAgain() throws Exception {
    server.on(
        FINISH,
        exchange -> {
          if (server.requests(FINISH).size() == 1) {
            FakeServer.breakOff(exchange, "{");
          } else {
            FakeServer.reply(exchange, 202, "{}");
          }
        });
    witness.finishWhen(() -> true);
    events(() -> server.requests(FINISH).size() == 2, running(0));
    run();
    assertEquals(2, server.requests(FINISH).size());
  }

  @Test
  void aServerThatDoesNotKnowTheWishLetsTheJobEndByItself() throws Exception {
    server.on(FINISH, 404, FakeServer.golden("error.json"));
    witness.finishWhen(() -> true);
    events(() -> !server.requests(FINISH).isEmpty(), running(0));
    run();
    assertEquals(1, server.requests(FINISH).size());
  }

  private String run() throws Exception {
    String outcome =
        new HttpBackend().run("train_denoiser", "{}", Collections.emptyMap(), witness).json();
    List<String> lines = server.lines();
    assertTrue(lines.contains("DELETE " + JOB), lines.toString());
    return outcome;
  }

  /** Sends statuses, waits, and sends that of the end. */
  private void events(BooleanSupplier until, JsonObject... statuses) {
    server.on(
        EVENTS,
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          for (JsonObject status : statuses) {
            send(exchange, status);
          }
          Witness.await(until);
          JsonObject done = running(0);
          done.addProperty("state", "done");
          done.add("result", Json.object("{\"images\": {}, \"figures\": {}}"));
          send(exchange, done);
          exchange.close();
        });
  }

  private static void send(HttpExchange exchange, JsonObject status) throws IOException {
    byte[] event = ("event: live\ndata: " + Json.text(status) + "\n\n").getBytes("UTF-8");
    exchange.getResponseBody().write(event);
    exchange.getResponseBody().flush();
  }

  private static JsonObject running(int live) throws IOException {
    JsonObject status = Json.object(FakeServer.golden("job_status_running.json"));
    status.addProperty("live", live);
    return status;
  }
}
