package io.github.bioimgfiji.setup;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * The program uv, which makes Python environments: the one of this computer, else the one that
 * Appose has installed, else one from its wheel, which is taken only when its SHA-256 is among the
 * pinned ones.
 */
final class Uv {
  static final String PROPERTY = "bioimg_fiji.uv";
  static final String VARIABLE = "BIOIMG_FIJI_UV";

  private static final String PYPI = "https://pypi.org/simple";
  private static final Pattern LINK = Pattern.compile("href=\"([^\"#]*/(uv-[^\"/#]*\\.whl))[\"#]");
  private static final int CONNECT_MS = 10000;
  private static final int READ_MS = 30000;

  private final Path folder;
  private final Monitor monitor;

  /**
   * Prepares to look for it.
   *
   * @param folder takes the program when it comes from a wheel
   */
  Uv(Path folder, Monitor monitor) {
    this.folder = folder;
    this.monitor = monitor;
  }

  /**
   * Gives the program.
   *
   * @param wheels folder of wheels, from which it is taken where the computer has none; null asks
   *     the package index
   */
  Path find(Path wheels) throws BackendException {
    String given = Places.given(PROPERTY, VARIABLE);
    if (!given.isEmpty()) {
      if (Files.isExecutable(Paths.get(given))) {
        return Paths.get(given);
      }
      throw missing("There is no program uv at " + given + ".", null);
    }
    Path own = folder.resolve(program());
    if (Files.isExecutable(own)) {
      return own;
    }
    Path present = onThisComputer();
    if (present != null) {
      return present;
    }
    Path ofAppose = ApposeUv.find(monitor);
    if (ofAppose != null) {
      monitor.note("Using uv of Appose: " + ofAppose);
      return ofAppose;
    }
    try {
      return wheels == null ? fromIndex(own) : fromFolder(wheels);
    } catch (IOException failed) {
      throw missing("The program uv cannot be had: " + reason(failed) + ".", failed);
    }
  }

  private static Path onThisComputer() {
    String home = Places.userFolder().toString();
    String path = System.getenv("PATH");
    String all =
        String.join(
            java.io.File.pathSeparator,
            path == null ? "" : path,
            Paths.get(home, ".local", "bin").toString(),
            Paths.get(home, ".cargo", "bin").toString(),
            "/opt/homebrew/bin",
            "/usr/local/bin");
    for (String part : all.split(java.io.File.pathSeparator)) {
      if (!part.isEmpty() && Files.isExecutable(Paths.get(part, program()))) {
        return Paths.get(part, program());
      }
    }
    return null;
  }

  Path fromFolder(Path wheels) throws IOException, BackendException {
    Path target = folder.resolve(program());
    try (DirectoryStream<Path> found = Files.newDirectoryStream(wheels, "uv-*.whl")) {
      for (Path wheel : found) {
        if (isOfThisComputer(wheel.getFileName().toString())) {
          return unpacked(Files.readAllBytes(wheel), wheel.getFileName().toString(), target);
        }
      }
    }
    throw new IOException("no wheel of uv for this computer is in " + wheels);
  }

  private Path fromIndex(Path target) throws IOException, BackendException {
    String index = index();
    URL page = new URL(index + (index.endsWith("/") ? "" : "/") + "uv/");
    monitor.progress("Fetching uv", 0, 0, "{}");
    Matcher links = LINK.matcher(new String(fetch(page), StandardCharsets.UTF_8));
    String wanted = "uv-" + pinnedVersion() + "-";
    while (links.find()) {
      String name = links.group(2);
      if (name.startsWith(wanted) && isOfThisComputer(name)) {
        return unpacked(fetch(new URL(page, links.group(1))), name, target);
      }
    }
    throw new IOException(
        "the package index has no " + wanted.replaceAll("-$", "") + " for this computer");
  }

  private static String index() {
    for (String name : new String[] {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"}) {
      String value = System.getenv(name);
      if (value != null && !value.trim().isEmpty()) {
        return value.trim();
      }
    }
    return PYPI;
  }

  private byte[] fetch(URL url) throws IOException, BackendException {
    HttpURLConnection request = (HttpURLConnection) url.openConnection();
    request.setConnectTimeout(CONNECT_MS);
    request.setReadTimeout(READ_MS);
    request.setRequestProperty("Accept", "text/html, application/octet-stream");
    if (url.getUserInfo() != null) {
      byte[] user = url.getUserInfo().getBytes(StandardCharsets.UTF_8);
      request.setRequestProperty(
          "Authorization", "Basic " + Base64.getEncoder().encodeToString(user));
    }
    try (InputStream stream = request.getInputStream()) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      byte[] part = new byte[1 << 16];
      for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
        if (monitor.cancelled()) {
          throw BackendException.cancelled();
        }
        bytes.write(part, 0, count);
        monitor.progress(
            "Fetching uv", bytes.size(), Math.max(0, request.getContentLength()), "{}");
      }
      return bytes.toByteArray();
    } finally {
      request.disconnect();
    }
  }

  /** Writes the program that is in a wheel. */
  private static Path unpacked(byte[] wheel, String name, Path target)
      throws IOException, BackendException {
    String sum = sha256(wheel);
    if (!pinnedSums().contains(sum)) {
      throw missing(
          "The file " + name + " is another than expected: its SHA-256 is " + sum + ".", null);
    }
    Files.createDirectories(target.getParent());
    try (ZipInputStream zip =
        new ZipInputStream(new java.io.ByteArrayInputStream(wheel), StandardCharsets.UTF_8)) {
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        if (entry.getName().endsWith(".data/scripts/" + program())) {
          Path part = target.resolveSibling(target.getFileName() + ".part");
          Files.copy(zip, part, StandardCopyOption.REPLACE_EXISTING);
          if (!part.toFile().setExecutable(true)) {
            throw new IOException(part + " cannot be made executable");
          }
          return Files.move(part, target, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
    throw new IOException(name + " has no program uv");
  }

  /** Tells by a wheel's name whether it is for this system and processor. */
  static boolean isOfThisComputer(String wheel) {
    String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    String processor = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
    boolean arm = processor.contains("aarch64") || processor.contains("arm64");
    if (system.contains("win")) {
      return wheel.endsWith(arm ? "win_arm64.whl" : "win_amd64.whl");
    }
    if (system.contains("mac")) {
      return wheel.contains("macosx") && wheel.endsWith(arm ? "arm64.whl" : "x86_64.whl");
    }
    return wheel.contains("manylinux") && wheel.endsWith(arm ? "aarch64.whl" : "x86_64.whl");
  }

  private static String program() {
    return Places.isWindows() ? "uv.exe" : "uv";
  }

  private static String pinnedVersion() throws IOException {
    Matcher version = Pattern.compile("uv==(\\S+)").matcher(Pins.tools());
    if (!version.find()) {
      throw new IOException("the plugin's list of pins does not name uv");
    }
    return version.group(1);
  }

  private static Set<String> pinnedSums() throws IOException {
    Set<String> sums = new LinkedHashSet<>();
    Matcher found = Pattern.compile("--hash=sha256:([0-9a-f]{64})").matcher(Pins.tools());
    while (found.find()) {
      sums.add(found.group(1));
    }
    return sums;
  }

  static String sha256(byte[] bytes) {
    try {
      StringBuilder text = new StringBuilder();
      for (byte each : MessageDigest.getInstance("SHA-256").digest(bytes)) {
        text.append(String.format("%02x", each));
      }
      return text.toString();
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible); // every Java has it
    }
  }

  private static String reason(IOException failed) {
    String message = failed.getMessage();
    return failed.getClass().getSimpleName() + (message == null ? "" : ": " + message);
  }

  private static BackendException missing(String message, IOException cause) {
    BackendException error =
        new BackendException(
            "missing_part",
            message,
            "Connect to the internet and try again, or install uv (https://docs.astral.sh/uv), or"
                + " name a folder of wheels that has it, or name the program by the variable "
                + VARIABLE
                + ".");
    error.initCause(cause);
    return error;
  }
}
