package io.github.bioimgfiji.results;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.measure.ResultsTable;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import java.util.Collections;
import org.junit.jupiter.api.Test;

class ResultsTest {
  @Test
  void onlyAResultThatSaysSoIsPartial() {
    assertTrue(partial("{\"figures\": {\"failed\": 2}, \"partial\": true}"));
    assertFalse(
        partial("{\"figures\": {\"failed\": 2}}"), "a figure of that name may mean anything");
  }

  private static boolean partial(String json) {
    return Results.isPartial(new Outcome(json, Collections.emptyMap()));
  }

  @Test
  void tablesKeepUnitsTextsAndMissingCells() {
    ResultsTable table =
        Results.table(
            Json.object(
                "{\"columns\": [\"area\", \"class\"], \"units\": [\"µm²\", \"\"],"
                    + " \"rows\": [[12.5, \"cell\"], [null, \"debris\"]]}"));
    assertEquals(2, table.size());
    assertEquals(12.5, table.getValue("area (µm²)", 0));
    assertTrue(Double.isNaN(table.getValue("area (µm²)", 1)));
    assertEquals("debris", table.getStringValue("class", 1));
  }
}
