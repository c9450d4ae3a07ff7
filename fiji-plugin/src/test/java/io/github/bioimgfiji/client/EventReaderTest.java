package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.json.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class EventReaderTest {
  @Test
  void readsTheContractsStream() throws IOException {
    List<String> data = read(FakeServer.golden("events.txt"));
    assertTrue(data.contains(""), "comments");
    data.removeIf(String::isEmpty);
    JsonObject first = Json.object(data.get(0));
    JsonObject last = Json.object(data.get(data.size() - 1));
    assertEquals("running", Json.string(first, "state", ""));
    assertFalse(JobEvents.ended(first));
    assertTrue(JobEvents.ended(last));
    JsonObject output = Json.member(Json.member(Json.member(last, "result"), "images"), "output");
    assertEquals(
        "\u00B5m",
        Json.string(
            Json.member(Json.member(Json.member(output, "header"), "scales"), "x"), "unit", ""));
  }

  @Test
  void everyStatusOfTheContractSaysWhetherItHasEnded() throws IOException {
    assertFalse(JobEvents.ended(Json.object(FakeServer.golden("job_status_running.json"))));
    for (String state : new String[] {"done", "failed", "cancelled"}) {
      String name = "job_status_" + state + ".json";
      assertTrue(JobEvents.ended(Json.object(FakeServer.golden(name))), name);
    }
  }

  @Test
  void joinsTheLinesOfOneEventAndKnowsEveryLineEnd() throws IOException {
    assertEquals(
        Arrays.asList("", "a\nb", "c"),
        read(": hello\r\n\r\nevent: x\r\ndata: a\r\ndata:b\r\n\r\nid: 3\ndata: c\n\n"));
  }

  @Test
  void anEventThatBrokeOffIsNone() throws IOException {
    assertEquals(Arrays.asList("a"), read("data: a\n\ndata: b\n"));
  }

  private static List<String> read(String text) throws IOException {
    List<String> all = new ArrayList<>();
    try (EventReader reader =
        new EventReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)))) {
      for (String data = reader.next(); data != null; data = reader.next()) {
        all.add(data);
      }
    }
    return all;
  }
}
