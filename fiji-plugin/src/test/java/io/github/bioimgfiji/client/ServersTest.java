package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.setup.Places;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
class ServersTest {
  @TempDir Path folder;
  private FakeServer server;
  private Path file;
  private final Witness witness = new Witness();

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    file = folder.resolve("connection.json");
    System.setProperty(Places.CONNECTION_PROPERTY, file.toString());
    System.setProperty(Places.PYTHON_PROPERTY, folder.resolve("no-python").toString());
  }

  @AfterEach
  void stop() {
    System.clearProperty(Places.CONNECTION_PROPERTY);
    System.clearProperty(Places.PYTHON_PROPERTY);
    server.close();
  }

  @Test
  void takesTheServerThatAnswers() throws Exception {
    server.writeConnection(file);
    assertEquals(server.url(), new Servers().ensure(witness).connection().url);
    assertTrue(witness.messages.isEmpty(), "nothing was started");
  }

  @Test
  void anotherProcessAtThePortIsNoServer() throws IOException {
    server.writeConnection(file);
    JsonObject info = Json.object(FakeServer.golden("info.json"));
    info.addProperty("pid", FakeServer.PID + 1);
    server.on("GET /v1/info", 200, Json.text(info));
    assertEquals("missing_part", failure().code());
    assertEquals("Starting the model server (first use)", witness.messages.get(0));
  }

  @Test
  void aRefusedConnectionIsNoServer() throws IOException {
    server.writeConnection(file);
    server.close();
    BackendException error = failure();
    assertEquals("missing_part", error.code());
    assertTrue(error.getMessage().contains("no-python"), error.getMessage());
    assertTrue(error.fix().contains("bioimg-fiji install-plugin FOLDER"), error.fix());
  }

  @ParameterizedTest
  @CsvSource({"2, Update the plugin", "0, Update the server"})
  void anotherProtocolTellsWhichSideToUpdate(int protocol, String fix) throws IOException {
    server.writeConnection(file);
    JsonObject info = Json.object(FakeServer.golden("info.json"));
    info.addProperty("protocol", protocol);
    server.on("GET /v1/info", 200, Json.text(info));
    BackendException error = failure();
    assertEquals("protocol", error.code());
    assertTrue(error.fix().startsWith(fix), error.fix());
  }

  @Test
  void aProcessThatDiesIsToldWithItsLastLines() {
    // A real program that takes "-m bioimg_fiji", knows no such module, and says so.
    String java = Paths.get(System.getProperty("java.home"), "bin", "java").toString();
    System.setProperty(Places.PYTHON_PROPERTY, java);
    BackendException error = failure();
    assertEquals("server_unavailable", error.code());
    assertTrue(error.getMessage().contains("bioimg_fiji"), error.getMessage());
    assertTrue(error.getMessage().contains("ended while it started"), error.getMessage());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aProcessThatLeavesTheWorkToAnotherServerIsSuccess() throws Exception {
    Path prepared = folder.resolve("prepared.json");
    server.writeConnection(prepared);
    script("echo \"$@\" > " + folder.resolve("arguments") + "\ncp " + prepared + " \"$7\"");
    assertEquals(server.url(), new Servers().ensure(witness).connection().url);
    assertEquals(
        "-m bioimg_fiji serve --idle-exit 600 --connection " + file,
        Files.readAllLines(folder.resolve("arguments")).get(0));
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aPythonWithoutThePackageIsAMissingPart() throws IOException {
    script("echo \"$0: No module named bioimg_fiji\" >&2\nexit 1");
    BackendException error = failure();
    assertEquals("missing_part", error.code());
    assertTrue(error.fix().contains("pip install bioimg-fiji"), error.fix());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void stoppingWhileTheServerStartsEndsItsProcess() throws IOException {
    script(tellPid() + "\nexec sleep 600");
    witness.stopWhen(() -> Files.exists(folder.resolve("pid")));
    assertEquals("cancelled", failure().code());
    assertEnded();
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void whoeverWaitsForAnothersStartIsToldOfItAndCanStop() throws Exception {
    script(tellPid() + "\nexec sleep 600");
    Servers servers = new Servers();
    Starter first = new Starter(servers);
    Witness.await(() -> Files.exists(folder.resolve("pid")));
    witness.stopWhen(() -> witness.messages.contains("Starting the model server (first use), 1 s"));
    assertEquals(
        "cancelled", assertThrows(BackendException.class, () -> servers.ensure(witness)).code());
    assertTrue(first.isAlive(), "it goes on");
    Thread.currentThread().interrupt();
    assertThrows(InterruptedException.class, () -> servers.ensure(new Witness()));
    assertTrue(first.isAlive(), "it goes on");
    first.interrupt();
    assertTrue(first.failure() instanceof InterruptedException);
    assertEnded();
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void theEndWhileAServerStartsEndsItAndDoesNotWait() throws Exception {
    script(tellPid() + "\nexec sleep 600");
    Servers servers = new Servers();
    Starter first = new Starter(servers);
    Witness.await(() -> Files.exists(folder.resolve("pid")));
    servers.endStarted();
    assertEnded();
    assertEquals("server_unavailable", ((BackendException) first.failure()).code());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void oneStartServesAllWhoWaitForIt() throws Exception {
    Path prepared = folder.resolve("prepared.json");
    Path fifo = fifo();
    server.writeConnection(prepared);
    script(
        "echo x >> "
            + folder.resolve("starts")
            + "\nread ready < "
            + fifo
            + "\ncp "
            + prepared
            + " \"$7\"");
    Servers servers = new Servers();
    Starter first = new Starter(servers);
    Witness.await(() -> Files.exists(folder.resolve("starts")));
    Starter second = new Starter(servers);
    Files.write(fifo, "go\n".getBytes(StandardCharsets.UTF_8));
    assertNull(first.failure());
    assertNull(second.failure());
    assertEquals(1, Files.readAllLines(folder.resolve("starts")).size());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void manyThatStartAtOnceShareTheLog() throws Exception {
    ExecutorService starters = Executors.newFixedThreadPool(4);
    List<Future<Boolean>> starts = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      starts.add(
          starters.submit(
              () -> {
                ServerProcess.start(Collections.singletonList("/bin/true"), file).end(10000);
                return true;
              }));
    }
    for (Future<Boolean> start : starts) {
      assertTrue(start.get());
    }
    starters.shutdown();
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aLogThatCannotBeWrittenIsTold() throws IOException {
    script("exit 0");
    Path log = folder.resolve("server-output.log");
    Files.createDirectories(log.resolve("in the way"));
    BackendException error = failure();
    assertEquals("storage", error.code());
    assertTrue(error.getMessage().contains(log + " cannot be written"), error.getMessage());
    assertTrue(error.getMessage().contains("Is a directory"), error.getMessage());
    assertTrue(error.fix().contains("has it open"), error.fix());
  }

  /** Starts a server on a thread of its own. */
  private static final class Starter extends Thread {
    private final Servers servers;
    private Exception failure;

    Starter(Servers servers) {
      this.servers = servers;
      start();
    }

    @Override
    public void run() {
      try {
        servers.ensure(new Witness());
      } catch (BackendException | InterruptedException error) {
        failure = error;
      }
    }

    /** Waits for its end; gives why it has failed, or null. */
    Exception failure() throws InterruptedException {
      join();
      return failure;
    }
  }

  /** The process writes its number whole: a file that is there is not empty. */
  private String tellPid() {
    Path pid = folder.resolve("pid");
    return "echo $$ > " + pid + ".new; mv " + pid + ".new " + pid;
  }

  private void assertEnded() throws IOException {
    String pid = Files.readAllLines(folder.resolve("pid")).get(0);
    Witness.await(() -> !Files.exists(Paths.get("/proc", pid, "exe")));
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void theStartedServerIsShutDownUnlessOthersUseIt() throws Exception {
    Path prepared = folder.resolve("prepared.json");
    server.writeConnection(prepared);
    script("cp " + prepared + " \"$7\"\nread ready < " + fifo() + "\nexit 0");
    Servers servers = new Servers();
    servers.ensure(witness);
    server.on("GET /v1/info", 200, "{\"jobs\": {\"running\": 1, \"queued\": 0}}");
    servers.endStarted();
    assertTrue(server.requests("POST /v1/shutdown").isEmpty(), "another program's job runs");
    servers.openJobs().incrementAndGet();
    server.on(
        "POST /v1/shutdown",
        exchange -> {
          Files.write(folder.resolve("fifo"), "end\n".getBytes(StandardCharsets.UTF_8));
          FakeServer.reply(exchange, 202, "{}");
        });
    servers.endStarted();
    assertEquals(1, server.requests("POST /v1/shutdown").size());
    servers.endStarted();
    assertEquals(1, server.requests("POST /v1/shutdown").size(), "it has ended");
  }

  @ParameterizedTest
  @CsvSource({"0.2.0, Update the Python package", "0.0.9, Update the plugin"})
  void anotherVersionTellsBothAndWhichSideToUpdate(String plugin, String fix) throws IOException {
    server.writeConnection(file); // of version 0.1.0
    BackendException error =
        assertThrows(BackendException.class, () -> new Servers(plugin).ensure(witness));
    assertEquals("protocol", error.code());
    assertTrue(error.getMessage().contains("0.1.0"), error.getMessage());
    assertTrue(error.getMessage().contains(plugin), error.getMessage());
    assertTrue(error.fix().startsWith(fix), error.fix());
  }

  @Test
  void aServerOfAnotherVersionCanBeEnded() throws Exception {
    server.writeConnection(file);
    server.on(
        "POST /v1/shutdown",
        exchange -> {
          Files.delete(file);
          FakeServer.reply(exchange, 202, "{}");
        });
    new Servers("0.2.0").stop();
    assertEquals(1, server.requests("POST /v1/shutdown").size());
  }

  @Test
  void aServerThatRefusesToEndIsToldWithItsProcess() throws Exception {
    server.writeConnection(file);
    server.on("POST /v1/shutdown", 404, FakeServer.golden("error.json"));
    BackendException error =
        assertThrows(BackendException.class, () -> new Servers("0.2.0").stop());
    assertTrue(error.getMessage().contains("(process 4711) does not end"), error.getMessage());
    assertTrue(error.fix().contains("4711"), error.fix());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aStopWaitsForTheEndOfTheProcess() throws Exception {
    Path prepared = folder.resolve("prepared.json");
    Path ended = folder.resolve("ended");
    server.writeConnection(prepared);
    script("cp " + prepared + " \"$7\"\nread end < " + fifo() + "\nsleep 1\ntouch " + ended);
    Servers servers = new Servers();
    servers.ensure(witness);
    server.on(
        "POST /v1/shutdown",
        exchange -> {
          Files.delete(file);
          Files.write(folder.resolve("fifo"), "end\n".getBytes(StandardCharsets.UTF_8));
          FakeServer.reply(exchange, 202, "{}");
        });
    servers.stop();
    assertTrue(Files.exists(ended), "its process goes on");
  }

  @Test
  void aVersionWithMendedFaultsFits() throws Exception {
    server.writeConnection(file);
    assertEquals(server.url(), new Servers("0.1.7").ensure(witness).connection().url);
  }

  private Path fifo() throws Exception {
    Path fifo = folder.resolve("fifo");
    assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
    return fifo;
  }

  private void script(String lines) throws IOException {
    Path script = folder.resolve("python");
    Files.write(script, ("#!/bin/sh\n" + lines + "\n").getBytes(StandardCharsets.UTF_8));
    assertTrue(script.toFile().setExecutable(true));
    System.setProperty(Places.PYTHON_PROPERTY, script.toString());
  }

  private BackendException failure() {
    return assertThrows(BackendException.class, () -> new Servers().ensure(witness));
  }
}
