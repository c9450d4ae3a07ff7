package io.github.bioimgfiji.menu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Map;
import org.junit.jupiter.api.Test;

class ServerStateTest {
  private static final String RUNNING =
      "{\"url\": \"http://127.0.0.1:1\", \"version\": \"0.1.0\", \"pid\": 7,"
          + " \"jobs\": {\"running\": 1, \"queued\": 2}}";

  @Test
  void withoutAServerThereIsOneLine() {
    String text = "not running; the next command starts one";
    assertEquals(text, ServerState.lines("", "").get("State"));
    assertEquals(1, ServerState.lines("", "").size());
    assertEquals(0, ServerState.jobs(""));
  }

  @Test
  void aServerThatCannotBeUsedIsShownAsRunning() {
    String running = RUNNING.replace("\"pid\"", "\"misfit\": \"It is of 0.9.\", \"pid\"");
    Map<String, String> lines = ServerState.lines(running, "");
    assertEquals("running, but this plugin cannot use it", lines.get("State"));
    assertEquals("7", lines.get("Process"));
    assertFalse(lines.containsKey("Devices"));
    assertEquals("It is of 0.9.", ServerState.misfit(running));
    assertEquals("", ServerState.misfit(RUNNING));
    assertEquals("", ServerState.misfit(""));
  }

  @Test
  void allThatIsKnownIsTold() {
    String machine =
        "{\"python\": \"3.11.2\", \"devices\": [\"cpu (2 cores)\"], \"log\": \"/a/server.log\","
            + " \"memory\": {\"free\": 1073741824, \"total\": 4294967296}}";
    Map<String, String> lines = ServerState.lines(RUNNING, machine);
    assertEquals("running", lines.get("State"));
    assertEquals("http://127.0.0.1:1", lines.get("Address"));
    assertEquals("7", lines.get("Process"));
    assertEquals("1 running, 2 waiting", lines.get("Jobs"));
    assertEquals("cpu (2 cores)", lines.get("Devices"));
    assertEquals("1.0 GiB free of 4.0 GiB", lines.get("Memory"));
    assertEquals("/a/server.log", lines.get("Log"));
    assertEquals("being looked for...", ServerState.lines(RUNNING, "").get("Devices"));
    assertEquals(3, ServerState.jobs(RUNNING));
  }
}
