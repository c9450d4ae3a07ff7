package io.github.bioimgfiji.client;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * Reads server-sent events (the event stream format of the HTML standard, section 9.2.6).
 *
 * <p>Of an event only its data matters here. An event that broke off is none.
 */
final class EventReader implements Closeable {
  private final BufferedReader lines;

  EventReader(InputStream stream) {
    lines = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
  }

  /**
   * Waits for the next event or comment.
   *
   * @return the event's data, "" for a comment, null at the stream's end
   */
  String next() throws IOException {
    StringBuilder data = null;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      if (line.startsWith(":")) {
        return "";
      }
      if (line.isEmpty() && data != null) {
        return data.toString();
      }
      if (line.startsWith("data:")) {
        String part = line.substring(line.startsWith("data: ") ? 6 : 5);
        data = data == null ? new StringBuilder(part) : data.append('\n').append(part);
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
