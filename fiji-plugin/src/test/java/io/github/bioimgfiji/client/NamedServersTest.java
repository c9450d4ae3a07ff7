package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.client.NamedServers.Entry;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NamedServersTest {
  private static final String URL = "https://gpu.example.org:8443";
  private static final String TOKEN = "0123456789abcdefghijABCDEFGHIJ0123456789abc";
  private static final String PIN =
      "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

  @TempDir Path folder;

  @BeforeEach
  void ownList() {
    System.setProperty(Places.SERVERS_PROPERTY, folder.resolve("servers.json").toString());
  }

  @AfterEach
  void noList() {
    System.clearProperty(Places.SERVERS_PROPERTY);
  }

  @Test
  void anEntryIsKeptFoundAndRemoved() throws BackendException, IOException {
    NamedServers.add(new Entry("gpu", URL + "/", PIN, ""), TOKEN);
    Connection connection = NamedServers.connection("gpu");
    assertEquals(URL, connection.url);
    assertEquals(TOKEN, connection.token);
    assertTrue(connection.isRemote());
    assertTrue(connection.fingerprint.startsWith("0A:1B:2C:"), connection.fingerprint);
    Path token = folder.resolve("tokens").resolve("gpu");
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(token)));
    String list =
        new String(Files.readAllBytes(folder.resolve("servers.json")), StandardCharsets.UTF_8);
    assertFalse(list.contains(TOKEN));
    NamedServers.remove("gpu");
    assertTrue(NamedServers.all().isEmpty());
    assertFalse(Files.exists(token));
  }

  @Test
  void whatCannotBeIsTold() throws BackendException {
    assertTold("https", new Entry("far", "http://gpu.example.org", "", ""));
    assertTold("local", new Entry("local", URL, "", ""));
    assertTold("64 hex", new Entry("far", URL, "12:34", ""));
    assertTold("address", new Entry("far", "gpu", "", ""));
    NamedServers.add(new Entry("tunnel", "http://127.0.0.1:8443", "", ""), TOKEN);
    BackendException unknown =
        assertThrows(BackendException.class, () -> NamedServers.connection("tunel"));
    assertTrue(unknown.fix().contains("Did you mean tunnel?"), unknown.fix());
  }

  private static void assertTold(String part, Entry entry) {
    BackendException told =
        assertThrows(BackendException.class, () -> NamedServers.add(entry, TOKEN));
    assertTrue(told.getMessage().contains(part), told.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://gpu.example.org",
        "http://127.0.0.1.evil",
        "http://127.evil:80",
        "http://localhost.evil",
        "http://127.0.0.1:80@evil",
        "https://me@gpu.example.org",
        "ftp://127.0.0.1"
      })
  void noTokenGoesInClearToAnotherComputer(String url) throws BackendException, IOException {
    assertTold("address", new Entry("far", url, "", ""));
    NamedServers.add(new Entry("far", URL, "", ""), TOKEN);
    Path list = folder.resolve("servers.json");
    String text = new String(Files.readAllBytes(list), StandardCharsets.UTF_8);
    Files.write(list, text.replace(URL, url).getBytes(StandardCharsets.UTF_8));
    BackendException told =
        assertThrows(BackendException.class, () -> NamedServers.connection("far"));
    assertTrue(told.fix().contains(list.toString()), told.fix());
    assertFalse(Connection.isLoopback(url) && !url.startsWith("ftp"), url);
  }

  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "127.3.2.255:8443", "localhost", "[::1]:8443"})
  void thisComputerNeedsNoTls(String host) throws BackendException {
    NamedServers.add(new Entry("tunnel", "http://" + host, "", ""), TOKEN);
    assertTrue(Connection.isLoopback(NamedServers.connection("tunnel").url));
  }

  @Test
  void aFingerprintThatWasDamagedIsNoneThatIsLeftOut() throws BackendException, IOException {
    NamedServers.add(new Entry("gpu", URL, PIN, ""), TOKEN);
    Path list = folder.resolve("servers.json");
    String text = new String(Files.readAllBytes(list), StandardCharsets.UTF_8);
    Files.write(list, text.replace("0A:1B:", "").getBytes(StandardCharsets.UTF_8));
    assertThrows(BackendException.class, () -> NamedServers.connection("gpu"));
  }

  @Test
  void aRenamedServerKeepsItsToken() throws BackendException {
    NamedServers.add(new Entry("old", URL, "", ""), TOKEN);
    Entry old = NamedServers.all().get("old");
    NamedServers.add(new Entry("new", URL, "", old.tokenFile), ""); // as the window does
    NamedServers.remove("old");
    assertEquals(TOKEN, NamedServers.connection("new").token);
    String other = TOKEN.replace('0', 'x');
    NamedServers.add(new Entry("old", URL, "", ""), other);
    assertEquals(TOKEN, NamedServers.connection("new").token);
    assertEquals(other, NamedServers.connection("old").token);
    for (Entry entry : NamedServers.all().values()) {
      NamedServers.remove(entry.name);
      assertFalse(Files.exists(Paths.get(entry.tokenFile)));
    }
  }

  @Test
  void aTokenThatOthersReadIsRefused() throws BackendException, IOException {
    NamedServers.add(new Entry("gpu", URL, "", ""), TOKEN);
    Path token = folder.resolve("tokens").resolve("gpu");
    Files.setPosixFilePermissions(token, PosixFilePermissions.fromString("rw-r--r--"));
    BackendException told =
        assertThrows(BackendException.class, () -> NamedServers.connection("gpu"));
    assertTrue(told.fix().contains("chmod 600"), told.fix());
  }
}
