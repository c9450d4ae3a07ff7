package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConnectionTest {
  @TempDir Path folder;

  @Test
  void readsTheContractsFile() {
    Connection connection = Connection.read(FakeServer.WIRE.resolve("connection.json"));
    assertEquals("http://127.0.0.1:40123", connection.url);
    assertEquals("0123456789abcdefghijABCDEFGHIJ0123456789abc", connection.token);
    assertEquals(4711, connection.pid);
  }

  @Test
  void aMissingFileIsNoServer() {
    assertNull(Connection.read(folder.resolve("connection.json")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{", "[]", "{\"url\": \"http://127.0.0.1:1\", \"token\": {}}", "{}"})
  void aFileThatNoServerHasWrittenIsNoServer(String text) throws IOException {
    Path file = folder.resolve("connection.json");
    Files.write(file, text.getBytes(StandardCharsets.UTF_8));
    assertNull(Connection.read(file));
  }
}
