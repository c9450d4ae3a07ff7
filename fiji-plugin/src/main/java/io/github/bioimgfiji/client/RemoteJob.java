package io.github.bioimgfiji.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.convert.Planes;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.results.ShownFiles;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** One job on the server, from its images to its result. Closing it leaves nothing there. */
final class RemoteJob implements AutoCloseable {
  private static final String[] ACCEPT = {"uint8", "uint16", "int16", "float32"};
  private static final int LEASE_SECONDS = 10;
  private static final int FAR_LEASE_SECONDS = Endurance.SECONDS + 300;
  private static final int SUBMIT_ATTEMPTS = 3;
  private static final long POLL_MS = 100;

  /** How long a server may take to copy the pixels of a job that it keeps to a disk. */
  private static final int KEEPING_MS = 120_000;

  /** This ImageJ, among all that the server shares its time out to. */
  private static final String CLIENT = UUID.randomUUID().toString();

  private final Http http;
  private final Monitor monitor;
  private final PixelTransfer pixels;
  private final List<String> owned = new ArrayList<>();
  private String progress = "";
  private int notes;
  private final Set<Path> folders = new HashSet<>();

  RemoteJob(Http http, Monitor monitor) {
    this.http = http;
    this.monitor = monitor;
    pixels = new PixelTransfer(http, monitor, ShownFiles.largestInMemory());
  }

  /** Runs the job and gives its result. */
  Outcome run(String command, JsonObject parameters, Map<String, ImagePlus> images)
      throws IOException, BackendException, InterruptedException {
    JsonObject request = new JsonObject();
    request.addProperty("command", command);
    request.add("parameters", parameters);
    JsonObject parts = new JsonObject();
    for (Map.Entry<String, ImagePlus> image : images.entrySet()) {
      parts.add(image.getKey(), send(image.getValue()));
    }
    request.add("images", parts);
    JsonArray accept = new JsonArray();
    for (String type : ACCEPT) {
      accept.add(type);
    }
    request.add("accept", accept);
    request.addProperty("local", !http.connection().isRemote());
    request.addProperty("lease", lease());
    request.addProperty("client", CLIENT);
    String path = "/v1/jobs/" + submit(request);
    return outcome(path);
  }

  private JsonObject send(ImagePlus image) throws IOException, BackendException {
    JsonObject part = new JsonObject();
    try {
      part.add("header", Json.object(ImageHeader.describe(image)));
    } catch (IllegalArgumentException unfit) {
      throw new BackendException("image", unfit.getMessage(), "");
    }
    JsonObject wish = new JsonObject();
    wish.addProperty("size", Planes.size(image));
    wish.addProperty("local", !http.connection().isRemote());
    wish.addProperty("lease", lease());
    if (pixels.wantsDisk(image)) {
      ShownFiles.makeRoom();
      wish.addProperty("on_disk", true);
    }
    JsonObject buffer =
        Endurance.ask(http.connection(), monitor, () -> http.post("/v1/buffers", wish));
    String id = Json.string(buffer, "id", "");
    owned.add("/v1/buffers/" + id);
    String path = Json.string(buffer, "path", "");
    if (!path.isEmpty()) {
      folders.add(Paths.get(path).getParent());
    }
    pixels.send(image, buffer);
    part.addProperty("buffer", id);
    return part;
  }

  /** Gives how long the server is to wait for us, seconds. */
  private int lease() {
    return http.connection().isRemote() ? FAR_LEASE_SECONDS : LEASE_SECONDS;
  }

  private String submit(JsonObject request)
      throws IOException, BackendException, InterruptedException {
    String key = UUID.randomUUID().toString();
    int wait = http.connection().isRemote() ? KEEPING_MS : Http.READ_MS;
    for (int attempt = 1; ; ) {
      try {
        JsonObject made =
            Endurance.ask(
                http.connection(), monitor, () -> http.post("/v1/jobs", request, key, wait));
        String id = Json.string(made, "id", "");
        owned.clear(); // the buffers are the job's from now on
        owned.add("/v1/jobs/" + id);
        return id;
      } catch (BackendException refused) {
        if (!refused.code().equals(ServerErrors.BUSY)) {
          throw refused;
        }
        waitAsTold(refused);
      } catch (ConnectException gone) {
        throw gone;
      } catch (IOException broken) {
        if (attempt++ == SUBMIT_ATTEMPTS) {
          throw broken;
        }
        Thread.sleep(POLL_MS);
      }
    }
  }

  /** Waits as long as a server with too many jobs asks for, or until the user has stopped. */
  private void waitAsTold(BackendException busy) throws BackendException, InterruptedException {
    monitor.progress("Waiting: the model server has too many jobs", 0, 0, "{}");
    double seconds = Json.number(Json.object(busy.details()), "retry_after", 1);
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < end) {
      if (monitor.cancelled()) {
        throw BackendException.cancelled();
      }
      Thread.sleep(POLL_MS);
    }
  }

  /** Waits for the job's end; gives its last status. */
  private JsonObject follow(String path) throws BackendException, InterruptedException {
    boolean asked = false;
    boolean finishing = false;
    LiveReader live = new LiveReader(http, path, monitor);
    try (JobEvents events = new JobEvents(http, path, monitor)) {
      while (true) {
        JsonObject status = events.poll(POLL_MS);
        if (status != null) {
          tell(status);
          live.tell(status);
          if (JobEvents.ended(status)) {
            return status;
          }
        }
        if (!asked && monitor.cancelled()) {
          asked = cancel(path);
        }
        if (!finishing && monitor.finishing()) {
          finishing = finish(path);
        }
        live.read();
      }
    }
  }

  /** Asks the job to stop; false when the server has not got it and is to be asked again. */
  private boolean cancel(String path) throws BackendException {
    try {
      http.post(path + "/cancel", new JsonObject());
      return true;
    } catch (IOException broken) {
      return !http.connection().isRemote(); // the events tell whether the server is still there
    }
  }

  /** Asks the job to end early; false when the server has not got it and is to be asked again. */
  private boolean finish(String path) {
    try {
      http.post(path + "/finish", new JsonObject());
      return true;
    } catch (BackendException ended) {
      return true; // or the server is too old to know it: the job goes on to its end
    } catch (IOException broken) {
      return false; // the events tell whether the server is still there
    }
  }

  private void tell(JsonObject status) {
    JsonObject now = Json.member(status, "progress");
    String text = Json.text(now);
    if (!text.equals(progress)) {
      progress = text;
      monitor.progress(
          Json.string(now, "message", ""),
          Json.number(now, "current", 0),
          Json.number(now, "maximum", 0),
          Json.text(Json.member(now, "figures")));
    }
    List<String> all = Json.strings(status, "notes");
    for (; notes < all.size(); notes++) {
      monitor.note(all.get(notes));
    }
  }

  private static JsonObject result(JsonObject status) throws BackendException {
    if (Json.string(status, "state", "").equals("done")) {
      return Json.member(status, "result");
    }
    throw BackendException.fromJson(Json.text(Json.member(status, "error")));
  }

  /** Waits for the result and fetches it; the next server has it in buffers of its own. */
  private Outcome outcome(String path) throws IOException, BackendException, InterruptedException {
    JsonElement before = null;
    while (true) {
      JsonObject status = follow(path);
      JsonObject result = result(status);
      boolean kept = Json.bool(status, "kept", false);
      pixels.kept(kept);
      try {
        return outcome(result, path);
      } catch (BackendException gone) {
        JsonElement images = result.get("images");
        if (!kept || !gone.code().equals("unknown_job") || images.equals(before)) {
          throw gone;
        }
        before = images;
      }
    }
  }

  private Outcome outcome(JsonObject result, String path) throws IOException, BackendException {
    Map<String, ImagePlus> images = new LinkedHashMap<>();
    for (Map.Entry<String, JsonElement> each : Json.member(result, "images").entrySet()) {
      images.put(
          each.getKey(), pixels.receive(each.getValue().getAsJsonObject(), () -> touch(path)));
    }
    JsonObject rest = result.deepCopy();
    rest.remove("images");
    return new Outcome(Json.text(rest), images);
  }

  /** Keeps the server from forgetting the job while its result is being read. */
  private void touch(String path) {
    try {
      http.get(path);
    } catch (IOException | BackendException gone) {
      // Reading goes on, or tells what is wrong.
    }
  }

  /** Frees what the server keeps for this job, and stops the job if it still runs. */
  @Override
  public void close() {
    for (String path : owned) {
      try {
        http.delete(path);
      } catch (ConnectException dead) {
        // Of a named server the lease does it.
        folders.forEach(folder -> PixelFolder.remove(folder, http.connection().pid));
      } catch (IOException | BackendException gone) {
        // A server that has ended has freed everything; else the lease does it.
      }
    }
    owned.clear();
  }
}
