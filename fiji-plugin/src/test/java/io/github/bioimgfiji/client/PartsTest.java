package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.bioimgfiji.backend.BackendException;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Random;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PartsTest {
  private static final int PART = 4 << 20;
  private static final String PATH = "/v1/buffers/7";

  private final byte[] data = new byte[PART + 1000];
  private final Witness witness = new Witness();
  private FakeServer server;
  private Http http;

  @BeforeEach
  void start() throws IOException {
    new Random(1).nextBytes(data);
    server = new FakeServer();
    http = new Http(Connection.named("gpu", server.url(), FakeServer.TOKEN, ""));
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Parts parts() {
    return new Parts(http, witness, PATH, data.length, 1, false);
  }

  private static String crc(byte[] bytes, int from, int to) {
    CRC32 crc = new CRC32();
    crc.update(bytes, from, to - from);
    return String.format("%08x", crc.getValue());
  }

  private void send() throws IOException {
    WritableByteChannel channel = parts().sender();
    for (int from = 0; from < data.length; from += 100_000) {
      channel.write(ByteBuffer.wrap(data, from, Math.min(100_000, data.length - from)));
    }
  }

  @Test
  void aPartWhoseAnswerIsLostIsSentAgain() throws IOException {
    int[] asked = {0};
    server.on(
        "PUT " + PATH,
        exchange -> {
          if (asked[0]++ == 0) {
            exchange.close(); // the part has come, its answer goes nowhere
          } else {
            FakeServer.reply(exchange, 204, "");
          }
        });
    send();
    java.util.List<FakeServer.Request> requests = server.requests("PUT " + PATH);
    assertEquals(3, requests.size());
    String first = "bytes 0-" + (PART - 1) + "/" + data.length;
    assertEquals(first, requests.get(0).headers.getFirst("Content-Range"));
    assertEquals(first, requests.get(1).headers.getFirst("Content-Range"));
    FakeServer.Request last = requests.get(2);
    assertEquals(
        "bytes " + PART + "-" + (data.length - 1) + "/" + data.length,
        last.headers.getFirst("Content-Range"));
    assertEquals(crc(data, PART, data.length), last.headers.getFirst("X-CRC32"));
    assertEquals(crc(data, 0, data.length), last.headers.getFirst("X-CRC32-Whole"));
    assertTrue(witness.messages.stream().anyMatch(text -> text.contains("waited for")));
  }

  @Test
  void aPartThatCameTooSlowlyIsSentAgain() throws IOException {
    int[] asked = {0};
    server.on(
        "PUT " + PATH, exchange -> FakeServer.reply(exchange, asked[0]++ == 0 ? 408 : 204, ""));
    send();
    assertEquals(3, server.requests("PUT " + PATH).size());
  }

  /** Answers the first request before its body has come, and closes; takes all others. */
  private static void answerEarly(ServerSocket listening) {
    try {
      for (int number = 0; ; number++) {
        try (Socket socket = listening.accept()) {
          socket.setSoTimeout(5000);
          InputStream in = socket.getInputStream();
          if (number == 0) {
            in.read(new byte[1000]);
            socket
                .getOutputStream()
                .write("HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n".getBytes());
            continue; // what has come and was not read makes of the close a reset
          }
          StringBuilder head = new StringBuilder();
          while (head.indexOf("\r\n\r\n") < 0) {
            head.append((char) in.read());
          }
          String length = head.toString().split("(?i)content-length: ")[1].split("\r")[0];
          byte[] body = new byte[Integer.parseInt(length)];
          new DataInputStream(in).readFully(body);
          socket.getOutputStream().write("HTTP/1.1 204 X\r\nConnection: close\r\n\r\n".getBytes());
        }
      }
    } catch (IOException closed) {
      // The test is over.
    }
  }

  @Test
  void anAnswerBeforeThePartHasComeIsALostConnection() throws IOException {
    try (ServerSocket listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      new Thread(() -> answerEarly(listening)).start();
      String url = "http://127.0.0.1:" + listening.getLocalPort();
      http = new Http(Connection.named("gpu", url, FakeServer.TOKEN, ""));
      send();
    }
    assertTrue(witness.messages.stream().anyMatch(text -> text.contains("waited for")));
  }

  @Test
  void aRefusalEndsIt() {
    String body =
        "{\"error\": {\"code\": \"protocol\", \"message\": \"no\", \"details\": {\"received\": 1}}}";
    server.on("PUT " + PATH, 409, body);
    Parts.Failure failure = assertThrows(Parts.Failure.class, this::send);
    assertEquals("protocol", failure.error.code());
    assertEquals(1, server.requests("PUT " + PATH).size());
  }

  @Test
  void aPartThatCameDamagedIsSentAgainAFewTimes() throws IOException {
    int[] asked = {0};
    String crc = "{\"error\": {\"code\": \"protocol\", \"message\": \"CRC-32\"}}";
    server.on(
        "PUT " + PATH,
        exchange ->
            FakeServer.reply(exchange, asked[0]++ < 3 ? 400 : 204, asked[0] <= 3 ? crc : ""));
    send();
    assertEquals(5, server.requests("PUT " + PATH).size());
    server.on("PUT " + PATH, 400, crc);
    assertEquals("CRC-32", assertThrows(Parts.Failure.class, this::send).error.getMessage());
    assertEquals(9, server.requests("PUT " + PATH).size());
  }

  @Test
  void aPartThatComesDamagedIsAskedForAgain() throws IOException {
    serve(crc(data, 0, data.length), 3);
    assertArrayEquals(data, receive());
  }

  /** Gives parts, so many of them damaged, and a sum over all. */
  private void serve(String sum, int damaged) {
    int[] left = {damaged};
    server.on(
        "GET " + PATH,
        exchange -> {
          String[] range = exchange.getRequestHeaders().getFirst("Range").split("[=-]");
          int from = Integer.parseInt(range[1]);
          int to = Integer.parseInt(range[2]) + 1;
          byte[] part = java.util.Arrays.copyOfRange(data, from, to);
          exchange.getResponseHeaders().set("X-CRC32", crc(part, 0, part.length));
          part[0] ^= left[0]-- > 0 ? (byte) 1 : 0;
          FakeServer.reply(exchange, 206, part);
        });
    server.on("GET " + PATH + "/state", 200, "{\"crc32\": \"" + sum + "\"}");
  }

  private byte[] receive() throws IOException {
    ByteBuffer all = ByteBuffer.allocate(data.length);
    java.nio.channels.ReadableByteChannel channel = parts().receiver();
    while (all.hasRemaining() && channel.read(all) >= 0) {
      continue;
    }
    return all.array();
  }

  @Test
  void partsAreReceivedAndSummedUp() throws IOException {
    serve(crc(data, 0, data.length), 0);
    assertArrayEquals(data, receive());
    assertEquals(1, server.requests("GET " + PATH + "/state").size());
  }

  @Test
  void damagedPixelsAreNoResult() {
    serve(crc(data, 0, data.length), 4);
    assertEquals("protocol", assertThrows(Parts.Failure.class, this::receive).error.code());
    serve("00000000", 0);
    assertEquals("protocol", assertThrows(Parts.Failure.class, this::receive).error.code());
  }

  @Test
  void whoDoesNotWantToWaitGoes() {
    server.close();
    witness.stopWhen(() -> true);
    BackendException told =
        assertThrows(
            BackendException.class,
            () -> Endurance.ask(http.connection(), witness, () -> http.get("/v1/info")));
    assertEquals("cancelled", told.code());
  }
}
