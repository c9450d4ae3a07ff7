package io.github.bioimgfiji.setup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.junit.jupiter.api.Test;

class VersionsTest {
  @Test
  void fitsWhatTheGoldenFileSays() throws Exception {
    byte[] golden = Files.readAllBytes(Paths.get("../tests/contract/versions.json"));
    int count = 0;
    for (JsonElement each :
        JsonParser.parseString(new String(golden, StandardCharsets.UTF_8)).getAsJsonArray()) {
      JsonObject one = each.getAsJsonObject();
      boolean fit = Versions.fit(Json.string(one, "plugin", "?"), Json.string(one, "python", "?"));
      assertEquals(one.get("fit").getAsBoolean(), fit, each.toString());
      count++;
    }
    assertEquals(8, count);
  }

  @Test
  void theMessageNamesBothAndTheOlderOneIsToBeUpdated() {
    BackendException error =
        assertThrows(
            BackendException.class, () -> Versions.require("0.1.0", "0.10.2", "The server"));
    assertEquals("The server is bioimg-fiji 0.10.2, this plugin is 0.1.0.", error.getMessage());
    assertTrue(error.fix().startsWith("Update the plugin"), error.fix());
    error =
        assertThrows(
            BackendException.class, () -> Versions.require("1.0.0", "0.10.2", "The server"));
    assertTrue(error.fix().startsWith("Update the Python package"), error.fix());
  }
}
