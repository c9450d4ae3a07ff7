package io.github.bioimgfiji.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MacroLineTest {
  static Stream<JsonObject> cases() throws IOException {
    List<JsonObject> cases = Golden.cases("macro_lines.json");
    assertEquals(41, cases.size());
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void readsAndWritesAsTheContractSays(JsonObject golden) throws BackendException {
    String line = golden.get("line").getAsString();
    if (golden.has("error")) {
      BackendException error =
          assertThrows(BackendException.class, () -> MacroLine.parse(line), line);
      assertEquals("parameter", error.code());
      return;
    }
    assertEquals(Golden.texts(golden), MacroLine.parse(line), line);
    assertEquals(golden.get("canonical").getAsString(), MacroLine.format(Golden.texts(golden)));
    List<String> order = new ArrayList<>(MacroLine.parse(line).keySet());
    assertEquals(new ArrayList<>(Golden.texts(golden).keySet()), order);
  }

  @Test
  void anAbsentLineIsEmpty() throws BackendException {
    assertEquals(0, MacroLine.parse(null).size());
  }
}
