package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CodingTest {
  private static final int SIZE = 1 << 20;

  @Test
  void whatPythonHasEncodedIsRead() throws IOException, BackendException {
    JsonArray cases = JsonParser.parseString(FakeServer.golden("encodings.json")).getAsJsonArray();
    assertEquals(3, cases.size());
    for (JsonElement each : cases) {
      String encoding = Json.string(each.getAsJsonObject(), "encoding", "");
      int width = encoding.contains("=") ? Integer.parseInt(encoding.split("=")[1]) : 1;
      byte[] bytes = bytes(each, "bytes");
      Coding coding = new Coding(width);
      assertEquals(encoding, coding.header());
      assertArrayEquals(bytes, coding.decode(bytes(each, "encoded"), bytes.length));
    }
  }

  private static byte[] bytes(JsonElement json, String key) {
    return Base64.getDecoder().decode(Json.string(json.getAsJsonObject(), key, ""));
  }

  @Test
  void everyLengthComesBack() throws BackendException {
    byte[] noise = new byte[4099];
    new Random(1).nextBytes(noise);
    for (int width : new int[] {1, 2, 4}) {
      for (int size : new int[] {1, 7, 64, 4096, 4099}) {
        Coding coding = new Coding(width);
        byte[] coded = coding.encode(noise, size);
        assertArrayEquals(Arrays.copyOf(noise, size), coding.decode(coded, size));
        byte[] half = Arrays.copyOf(coded, coded.length / 2);
        assertThrows(BackendException.class, () -> coding.decode(half, size));
      }
    }
  }

  @Test
  void theFasterWayIsTaken() {
    Coding coding = new Coding(2);
    assertFalse(coding.choose(), "first as it is");
    coding.took(false, SIZE, 1000);
    assertTrue(coding.choose(), "then compressed");
    coding.took(true, SIZE, 100);
    int compressed = 0;
    for (int i = 0; i < 32; i++) {
      boolean compress = coding.choose();
      compressed += compress ? 1 : 0;
      coding.took(compress, SIZE, compress ? 100 : 1000);
    }
    assertEquals(30, compressed, "the other way is tried now and then");
  }
}
