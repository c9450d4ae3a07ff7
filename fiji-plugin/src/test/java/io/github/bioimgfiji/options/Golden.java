package io.github.bioimgfiji.options;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The golden files that pytest reads, too. */
final class Golden {
  private static final Path FOLDER = Paths.get("../tests/contract");

  private Golden() {}

  static String text(String name) throws IOException {
    return new String(Files.readAllBytes(FOLDER.resolve(name)), StandardCharsets.UTF_8);
  }

  static List<JsonObject> cases(String name) throws IOException {
    List<JsonObject> cases = new ArrayList<>();
    for (JsonElement element : JsonParser.parseString(text(name)).getAsJsonArray()) {
      cases.add(element.getAsJsonObject());
    }
    return cases;
  }

  static Map<String, String> texts(JsonObject golden) {
    Map<String, String> texts = new LinkedHashMap<>();
    Json.member(golden, "values")
        .entrySet()
        .forEach(entry -> texts.put(entry.getKey(), entry.getValue().getAsString()));
    return texts;
  }
}
