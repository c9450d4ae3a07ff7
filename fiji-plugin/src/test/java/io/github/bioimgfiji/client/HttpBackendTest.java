package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.convert.Planes;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.setup.Places;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Collections;
import java.util.concurrent.CountDownLatch;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class HttpBackendTest {
  private static final String BUFFER = "/v1/buffers/00000000000000000000000000000001";
  private static final String JOB = "/v1/jobs/00000000000000000000000000000004";
  private static final String RESULT = "/v1/buffers/00000000000000000000000000000004.0";
  private static final String FULL = "/dev/full";

  @TempDir Path folder;
  private final Witness witness = new Witness();
  private FakeServer server;
  private HttpBackend backend;
  private JsonObject request;
  private byte[] pixels;

  @BeforeEach
  void start() throws IOException {
    server = new FakeServer();
    Path file = folder.resolve("connection.json");
    server.writeConnection(file);
    System.setProperty(Places.CONNECTION_PROPERTY, file.toString());
    backend = new HttpBackend();
    request = Json.object(FakeServer.golden("job_request.json"));
    pixels = new byte[4 * 96 * 96 * 4];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (i % 120);
    }
    server.on("POST /v1/buffers", 201, buffer(folder.resolve("input")));
    Files.createFile(folder.resolve("input"));
    server.on("POST /v1/jobs", 202, "{\"id\": \"" + JOB.substring(9) + "\"}");
    server.on("GET " + JOB + "/events", 200, FakeServer.golden("events.txt"));
    server.on("GET " + RESULT, exchange -> sendPixels(exchange, crc(pixels)));
  }

  @AfterEach
  void stop() {
    System.clearProperty(Places.CONNECTION_PROPERTY);
    System.clearProperty(Places.PYTHON_PROPERTY);
    server.close();
  }

  @Test
  void asksForTheJobAsTheContractSays() throws Exception {
    run();
    FakeServer.Request asked = server.requests("POST /v1/jobs").get(0);
    JsonObject wished = Json.object(utf8(asked.body));
    assertEquals(36, Json.string(wished, "client", "").length());
    wished.add("client", request.get("client"));
    assertEquals(request, wished);
    assertEquals(36, asked.headers.getFirst("Idempotency-Key").length());
    JsonObject wish = Json.object(server.requests("POST /v1/buffers").get(0).body);
    assertEquals(73728, Json.number(wish, "size", 0));
    assertTrue(Json.bool(wish, "local", false));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Planes.write(image(), Channels.newChannel(bytes));
    assertEquals(
        crc(bytes.toByteArray()), crc(Files.readAllBytes(folder.resolve("input"))), "pixels");
  }

  @Test
  void buildsTheResultAndFreesTheJob() throws Exception {
    Outcome outcome = run();
    ImagePlus output = outcome.images().get("output");
    assertEquals("cells-denoised", output.getTitle());
    assertEquals("\u00B5m", output.getCalibration().getXUnit());
    assertEquals(0.1, output.getCalibration().pixelWidth);
    float[] plane = (float[]) output.getStack().getPixels(1);
    assertEquals(Float.intBitsToFloat(0x03020100), plane[0]);
    JsonObject rest = Json.object(outcome.json());
    assertFalse(rest.has("images"));
    assertEquals("/home/me/y.zip", Json.string(Json.member(rest, "files"), "model", ""));
    assertTrue(witness.messages.contains("Training"), witness.messages.toString());
    assertTrue(witness.figures.get(witness.messages.indexOf("Training") + 1).contains("loss"));
    assertEquals(Collections.singletonList("DELETE " + JOB), deletes());
  }

  @Test
  void asksAgainWhenAServerWithTooManyJobsSaysSo() throws Exception {
    String busy = FakeServer.golden("error_busy.json");
    long[] times = new long[2];
    server.on(
        "POST /v1/jobs",
        exchange -> {
          boolean first = server.requests("POST /v1/jobs").size() == 1;
          times[first ? 0 : 1] = System.nanoTime();
          String taken = "{\"id\": \"" + JOB.substring(9) + "\"}";
          FakeServer.reply(exchange, first ? 429 : 202, first ? busy : taken);
        });
    assertEquals(1, run().images().size());
    assertTrue(times[1] - times[0] >= 1_000_000_000L, "it has not waited as long as it was told");
    assertTrue(witness.messages.contains("Waiting: the model server has too many jobs"));
    assertEquals(Collections.singletonList("DELETE " + JOB), deletes());
  }

  @Test
  void whoWaitsForAServerWithTooManyJobsMayStop() throws Exception {
    String busy = FakeServer.golden("error_busy.json").replace(": 1\n", ": 30\n");
    server.on("POST /v1/jobs", 429, busy);
    witness.stopWhen(() -> !server.requests("POST /v1/jobs").isEmpty());
    failure("cancelled");
    assertEquals(1, server.requests("POST /v1/jobs").size());
    Witness.await(() -> deletes().contains("DELETE " + BUFFER));
  }

  @Test
  void readsAResultThatLiesInAFile() throws Exception {
    Path result = folder.resolve("result");
    Files.write(result, pixels);
    JsonObject status = done();
    Json.member(Json.member(Json.member(status, "result"), "images"), "output")
        .addProperty("path", result.toString());
    server.on("GET " + JOB + "/events", 200, event(status));
    float[] plane = (float[]) run().images().get("output").getStack().getPixels(4);
    assertEquals(9216, plane.length);
    assertTrue(server.requests("GET " + RESULT).isEmpty());
  }

  @Test
  void aResultOfTheWrongSizeIsAProtocolError() throws IOException {
    pixels = new byte[pixels.length - 4];
    assertTrue(failure("protocol").getMessage().contains("fewer pixels"));
    pixels = new byte[pixels.length + 8];
    assertTrue(failure("protocol").getMessage().contains("more pixels"));
  }

  @Test
  void damagedPixelsAreAnError() {
    server.on("GET " + RESULT, exchange -> sendPixels(exchange, "00000000"));
    assertTrue(failure("protocol").getMessage().contains("damaged"));
    assertEquals(Collections.singletonList("DELETE " + JOB), deletes());
  }

  @Test
  void pixelsTravelInTheBodyWhenThereIsNoCommonDisk() throws Exception {
    server.on("POST /v1/buffers", 201, buffer(folder.resolve("not-here")));
    server.on("PUT " + BUFFER, 204, "");
    run();
    FakeServer.Request put = server.requests("PUT " + BUFFER).get(0);
    byte[] bytes = put.body.getBytes(StandardCharsets.ISO_8859_1);
    assertEquals(73728, bytes.length);
    assertEquals(crc(bytes), put.headers.getFirst("X-CRC32"));
  }

  @Test
  void aStreamThatBrokeOffIsTakenUpAgain() throws Exception {
    JsonObject running = Json.object(FakeServer.golden("job_status_running.json"));
    String events = FakeServer.golden("events.txt");
    String half = events.substring(0, events.indexOf("\"current\": 2"));
    server.on(
        "GET " + JOB + "/events",
        exchange -> {
          boolean first = server.requests("GET " + JOB + "/events").size() == 1;
          if (first) {
            FakeServer.breakOff(exchange, half);
          } else {
            FakeServer.reply(exchange, 200, events);
          }
        });
    server.on("GET " + JOB, 200, Json.text(running));
    assertEquals(1, run().images().size());
    assertEquals(2, server.requests("GET " + JOB + "/events").size());
    assertEquals(1, server.requests("GET " + JOB).size());
  }

  @Test
  void theStatusIsEnoughWhenTheJobHasEndedMeanwhile() throws Exception {
    server.on("GET " + JOB + "/events", exchange -> FakeServer.breakOff(exchange, ": hm\n\n"));
    server.on("GET " + JOB, 200, Json.text(done()));
    assertEquals(1, run().images().size());
  }

  @Test
  void aServerThatEndsIsAnErrorWithTheNextStep() {
    server.on(
        "GET " + JOB + "/events",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          exchange.getResponseBody().write(": still here\n\n".getBytes(StandardCharsets.UTF_8));
          exchange.getResponseBody().flush();
          server.close();
        });
    BackendException error = failure("server_unavailable");
    assertTrue(error.getMessage().startsWith("The model server has ended"), error.getMessage());
    assertTrue(error.fix().contains("a new server is started"), error.fix());
  }

  @Test
  void aJobThatTheServerHasForgottenIsItsError() throws IOException {
    server.on("GET " + JOB + "/events", 404, FakeServer.golden("error.json"));
    failure("unknown_job");
  }

  @Test
  void aFailedJobIsTheErrorOfTheServer() throws IOException {
    JsonObject failed = Json.object(FakeServer.golden("job_status_failed.json"));
    server.on("GET " + JOB + "/events", 200, event(failed));
    BackendException error = failure("model_not_found");
    assertEquals(Json.member(failed, "error"), Json.object(error.toJson()));
    assertEquals(Collections.singletonList("DELETE " + JOB), deletes());
  }

  @Test
  void notesAreToldOnce() throws Exception {
    JsonObject running = Json.object(FakeServer.golden("job_status_running.json"));
    running.add("notes", Json.array(Json.object("{\"n\": [\"first\"]}"), "n"));
    JsonObject done = done();
    done.add("notes", Json.array(Json.object("{\"n\": [\"first\", \"second\"]}"), "n"));
    server.on("GET " + JOB + "/events", 200, event(running) + event(running) + event(done));
    run();
    assertEquals(java.util.Arrays.asList("first", "second"), witness.notes);
  }

  @Test
  void stoppingAsksTheServerToCancelOnce() throws IOException {
    JsonObject cancelled = Json.object(FakeServer.golden("job_status_cancelled.json"));
    CountDownLatch asked = new CountDownLatch(1);
    server.on(
        "GET " + JOB + "/events",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          exchange.getResponseBody().write(": still here\n\n".getBytes(StandardCharsets.UTF_8));
          exchange.getResponseBody().flush();
          await(asked);
          exchange.getResponseBody().write(event(cancelled).getBytes(StandardCharsets.UTF_8));
          exchange.close();
        });
    server.on(
        "POST " + JOB + "/cancel",
        exchange -> {
          FakeServer.reply(exchange, 202, Json.text(cancelled));
          asked.countDown();
        });
    witness.stopWhen(() -> !server.requests("GET " + JOB + "/events").isEmpty());
    BackendException told = failure("cancelled");
    assertEquals(Json.member(cancelled, "error"), Json.object(told.toJson()));
    assertEquals(1, server.requests("POST " + JOB + "/cancel").size());
    assertEquals(Collections.singletonList("DELETE " + JOB), deletes());
  }

  @Test
  void stoppingWhileAnImageIsSentFreesItsBuffer() {
    witness.stopWhen(() -> !server.requests("POST /v1/buffers").isEmpty());
    failure("cancelled");
    assertEquals(Collections.singletonList("DELETE " + BUFFER), deletes());
    assertTrue(server.requests("POST /v1/jobs").isEmpty());
  }

  @Test
  void aRefusedJobFreesItsBuffers() throws IOException {
    server.on("POST /v1/jobs", 404, FakeServer.golden("error.json"));
    failure("unknown_job");
    assertEquals(Collections.singletonList("DELETE " + BUFFER), deletes());
  }

  @Test
  void aLostAnswerToTheJobIsAskedForWithTheSameKey() throws Exception {
    server.on(
        "POST /v1/jobs",
        exchange -> {
          if (server.requests("POST /v1/jobs").size() == 1) {
            FakeServer.breakOff(exchange, "{");
          } else {
            FakeServer.reply(exchange, 202, "{\"id\": \"" + JOB.substring(9) + "\"}");
          }
        });
    run();
    assertEquals(2, server.requests("POST /v1/jobs").size());
    FakeServer.Request first = server.requests("POST /v1/jobs").get(0);
    FakeServer.Request second = server.requests("POST /v1/jobs").get(1);
    assertEquals(
        first.headers.getFirst("Idempotency-Key"), second.headers.getFirst("Idempotency-Key"));
    assertEquals(first.body, second.body);
  }

  @Test
  void aFullDiskIsAStorageErrorAndFreesTheBuffer() {
    assumeTrue(Files.isWritable(Paths.get(FULL)), "a system with a device that is always full");
    server.on("POST /v1/buffers", 201, buffer(Paths.get(FULL)));
    BackendException error = failure("storage");
    assertTrue(error.getMessage().contains("No space left"), error.getMessage());
    assertTrue(error.fix().contains("BIOIMG_FIJI_BUFFERS"), error.fix());
    assertEquals(Collections.singletonList("DELETE " + BUFFER), deletes());
  }

  @Test
  void listsTheCommandsAsTheServerDoes() throws Exception {
    server.on("GET /v1/commands", 200, "{\"commands\": []}");
    assertEquals("{\"commands\": []}", backend.commands());
    assertEquals(server.url(), backend.name());
  }

  @Test
  void asksHowModelsFitWithTheHeaderOrWithoutOne() throws Exception {
    server.on("POST /v1/models", 200, "{\"models\": []}");
    backend.models("{\"axes\":\"yx\"}");
    backend.models("");
    assertEquals("{\"image\":{\"axes\":\"yx\"}}", server.requests("POST /v1/models").get(0).body);
    assertEquals("{}", server.requests("POST /v1/models").get(1).body);
  }

  @Test
  void tellsWhatRunsAndStartsNothingForIt() throws Exception {
    assertEquals(server.url(), Json.string(Json.object(backend.running()), "url", ""));
    server.on("GET /v1/machine", 200, "{\"devices\": []}");
    assertEquals("{\"devices\": []}", backend.machine(witness));
    server.close();
    assertEquals("", backend.running());
    assertEquals("", backend.machine(witness));
    backend.stop(); // there is nothing to stop
  }

  @Test
  void theLookAtTheMachineIsGivenUpWhenTheUserStops() {
    CountDownLatch over = new CountDownLatch(1);
    server.on("GET /v1/machine", exchange -> await(over));
    witness.stopWhen(() -> !server.requests("GET /v1/machine").isEmpty());
    BackendException told =
        assertThrows(BackendException.class, () -> backend.machine(witness), "no answer");
    over.countDown();
    assertEquals("cancelled", told.code());
  }

  @Test
  void theLookAtTheMachineIsGivenUpWhenTheServerEnds() throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    server.on(
        "GET /v1/machine",
        exchange -> {
          Files.delete(folder.resolve("connection.json")); // the first that an ending server does
          await(over);
        });
    assertEquals("", backend.machine(witness));
    over.countDown();
  }

  @Test
  void aRefusalOfAServerThatEndsIsNoError() throws Exception {
    server.on(
        "GET /v1/machine",
        exchange -> {
          Files.delete(folder.resolve("connection.json"));
          FakeServer.reply(exchange, 503, FakeServer.golden("error.json"));
        });
    assertEquals("", backend.machine(witness));
    server.writeConnection(folder.resolve("connection.json"));
    server.on("GET /v1/machine", 500, FakeServer.golden("error.json"));
    assertThrows(BackendException.class, () -> backend.machine(witness));
  }

  @Test
  void anEnvironmentWithAForeignServerIsNotLeft() throws Exception {
    Path environment = Files.createDirectories(folder.resolve("environment"));
    backend.leave(environment, witness); // the server is of another one
    server.on("GET /v1/info", 200, info(environment, 0));
    BackendException error =
        assertThrows(BackendException.class, () -> backend.leave(environment, witness));
    assertTrue(error.getMessage().contains("(process 4711) runs from it"), error.getMessage());
    assertTrue(error.getMessage().contains(environment.toString()), error.getMessage());
    assertTrue(error.fix().startsWith("End it by Plugins > BioImg > BioImg Server"), error.fix());
    assertTrue(server.requests("POST /v1/shutdown").isEmpty());
  }

  @Test
  void aServerThatCannotBeUsedIsToldAndCanBeEnded() throws Exception {
    server.on("GET /v1/info", 200, misfit(folder, 1));
    server.on("GET /v1/machine", 200, "{\"devices\": []}");
    JsonObject running = Json.object(backend.running());
    assertEquals(server.url(), Json.string(running, "url", ""));
    String misfit = Json.string(running, "misfit", "");
    assertEquals(misfit, backend.misfit());
    assertTrue(misfit.contains("speaks protocol 2"), misfit);
    assertEquals("", backend.machine(witness));
    endsWhenAsked();
    backend.stop();
    assertEquals("", backend.running());
    assertEquals("", backend.misfit());
  }

  @Test
  void anIdleServerThatCannotBeUsedIsEndedForANewEnvironment() throws Exception {
    Path environment = Files.createDirectories(folder.resolve("environment"));
    endsWhenAsked();
    server.on("GET /v1/info", 200, misfit(folder, 1));
    backend.leave(environment, witness); // of another environment, and busy
    server.on("GET /v1/info", 200, misfit(environment, 1));
    BackendException busy =
        assertThrows(BackendException.class, () -> backend.leave(environment, witness));
    assertTrue(busy.fix().contains("run(\"BioImg Server\", \"stop\")"), busy.fix());
    assertTrue(busy.fix().contains("4711"), busy.fix());
    assertTrue(server.requests("POST /v1/shutdown").isEmpty());
    server.on("GET /v1/info", 200, misfit(folder, 0));
    backend.leave(environment, witness);
    assertEquals(1, server.requests("POST /v1/shutdown").size());
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aServerThatHangsStopsOnlyABuildOfItsOwnEnvironment() throws Exception {
    assumeTrue(Files.isDirectory(Paths.get("/proc/self")), "a system that tells of its processes");
    CountDownLatch over = new CountDownLatch(1);
    server.on("GET /v1/info", exchange -> await(over));
    Path environment = folder.resolve("environment");
    Path inside = environment.resolve("bin").resolve("sleep");
    connect(0);
    backend.leave(environment, witness); // there is none yet
    Files.createDirectories(inside.getParent());
    Path outside = Paths.get("/bin/sleep");
    Files.createSymbolicLink(inside, outside);
    Process other = new ProcessBuilder(outside.toString(), "60").start();
    Process own = new ProcessBuilder(inside.toString(), "60").start();
    try {
      connect(pid(other));
      backend.leave(environment, witness);
      connect(pid(own));
      BackendException error =
          assertThrows(BackendException.class, () -> backend.leave(environment, witness));
      assertTrue(error.fix().contains("End the process " + pid(own)), error.fix());
      BackendException hangs = assertThrows(BackendException.class, backend::stop);
      assertTrue(hangs.getMessage().contains("(process " + pid(own) + ")"), hangs.getMessage());
    } finally {
      other.destroy();
      own.destroy();
      over.countDown();
    }
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aServerThatIsStartingIsWaitedForAndEnded() throws Exception {
    Path environment = Files.createDirectories(folder.resolve("environment"));
    Path file = folder.resolve("connection.json");
    Path prepared = Files.move(file, folder.resolve("prepared.json"));
    Path fifo = folder.resolve("fifo");
    Path start = folder.resolve("start"); // of its own: the first reader might see the second's end
    for (Path each : new Path[] {start, fifo}) {
      assertEquals(0, new ProcessBuilder("mkfifo", each.toString()).start().waitFor());
    }
    python(
        String.format(
            "touch %s/started\nread go < %s\ncp %s \"$7\"\nread end < %s",
            folder, start, prepared, fifo));
    server.on("GET /v1/info", 200, info(environment, 0));
    endsWhenAsked();
    Thread starter = new Thread(this::startQuietly);
    starter.start();
    Witness.await(() -> Files.exists(folder.resolve("started")));
    Thread leaver = new Thread(() -> leaveQuietly(environment));
    leaver.start();
    Witness.await(
        () ->
            leaver.getState() == Thread.State.TIMED_WAITING
                || leaver.getState() == Thread.State.TERMINATED);
    write(start, "go\n");
    starter.join();
    leaver.join();
    assertEquals(1, server.requests("POST /v1/shutdown").size(), "it was not seen");
  }

  private void leaveQuietly(Path environment) {
    try {
      backend.leave(environment, new Witness());
    } catch (BackendException | InterruptedException failed) {
      throw new IllegalStateException(failed);
    }
  }

  private void startQuietly() {
    try {
      backend.start(witness);
    } catch (BackendException ended) {
      // It may be ended before it is asked.
    }
  }

  /** Has the server end when it is asked to, with the process that waits at the fifo. */
  private void endsWhenAsked() {
    server.on(
        "POST /v1/shutdown",
        exchange -> {
          Files.deleteIfExists(folder.resolve("connection.json"));
          FakeServer.reply(exchange, 202, "{}");
          if (Files.exists(folder.resolve("fifo"))) {
            write(folder.resolve("fifo"), "end\n");
          }
        });
  }

  private static void write(Path file, String text) {
    try {
      Files.write(file, text.getBytes(StandardCharsets.UTF_8));
    } catch (IOException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** Writes a connection file that names a process. */
  private void connect(long pid) throws IOException {
    Path file = folder.resolve("connection.json");
    server.writeConnection(file);
    JsonObject json = Json.object(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
    json.addProperty("pid", pid == 0 ? FakeServer.PID : pid);
    write(file, Json.text(json));
  }

  private static long pid(Process process) throws Exception {
    return (long) Process.class.getMethod("pid").invoke(process); // Java 8 has none
  }

  private void python(String lines) throws IOException {
    Path python = folder.resolve("python");
    write(python, "#!/bin/sh\n" + lines + "\n");
    assertTrue(python.toFile().setExecutable(true));
    System.setProperty(Places.PYTHON_PROPERTY, python.toString());
  }

  private static String misfit(Path environment, int jobs) throws IOException {
    JsonObject info = Json.object(info(environment, jobs));
    info.addProperty("protocol", 2);
    return Json.text(info);
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void anEnvironmentIsLeftByTheServerOfThisImageJ() throws Exception {
    Path environment = Files.createDirectories(folder.resolve("environment"));
    Path file = folder.resolve("connection.json");
    Path prepared = Files.move(file, folder.resolve("prepared.json"));
    Path fifo = folder.resolve("fifo");
    assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
    python("cp " + prepared + " \"$7\"\nread end < " + fifo);
    backend.start(witness);
    server.on("GET /v1/info", 200, info(environment, 2));
    assertTrue(
        assertThrows(BackendException.class, () -> backend.leave(environment, witness))
            .getMessage()
            .endsWith("has 2 jobs."));
    server.on("GET /v1/info", 200, info(environment, 0));
    endsWhenAsked();
    backend.leave(environment, witness);
    assertEquals(1, server.requests("POST /v1/shutdown").size());
    assertEquals("", backend.running());
  }

  private static String info(Path environment, int jobs) throws IOException {
    JsonObject info = Json.object(FakeServer.golden("info.json"));
    info.addProperty("environment", environment.toString());
    Json.member(info, "jobs").addProperty("running", jobs);
    return Json.text(info);
  }

  private Outcome run() throws BackendException {
    String parameters = Json.text(Json.member(request, "parameters"));
    return backend.run(
        "run_model", parameters, Collections.singletonMap("image", image()), witness);
  }

  private BackendException failure(String code) {
    BackendException error = assertThrows(BackendException.class, this::run);
    assertEquals(code, error.code(), error.text());
    return error;
  }

  private ImagePlus image() {
    JsonObject part = Json.member(Json.member(request, "images"), "image");
    Object[] planes = new Object[4];
    for (int i = 0; i < planes.length; i++) {
      short[] plane = new short[96 * 96];
      java.util.Arrays.fill(plane, (short) (1000 * i + 7));
      planes[i] = plane;
    }
    return ImageHeader.build(Json.text(Json.member(part, "header")), planes);
  }

  private java.util.List<String> deletes() {
    java.util.List<String> lines = server.lines();
    lines.removeIf(line -> !line.startsWith("DELETE"));
    return lines;
  }

  private void sendPixels(HttpExchange exchange, String crc) throws IOException {
    exchange.getResponseHeaders().set("X-CRC32", crc);
    FakeServer.reply(exchange, 200, pixels);
  }

  private static JsonObject done() throws IOException {
    String[] events = FakeServer.golden("events.txt").trim().split("\n\n");
    String last = events[events.length - 1];
    return Json.object(last.substring(last.indexOf("data: ") + 6));
  }

  private static String buffer(Path path) {
    JsonObject buffer = new JsonObject();
    buffer.addProperty("id", BUFFER.substring(12));
    buffer.addProperty("size", 73728);
    buffer.addProperty("path", path.toString());
    return Json.text(buffer);
  }

  private static String event(JsonObject status) {
    return "event: progress\ndata: " + Json.text(status) + "\n\n";
  }

  private static String crc(byte[] bytes) {
    CRC32 crc = new CRC32();
    crc.update(bytes);
    return String.format("%08x", crc.getValue());
  }

  private static String utf8(String latin) {
    return new String(latin.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }
}
