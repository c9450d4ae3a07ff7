package io.github.bioimgfiji.setup;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.bioimgfiji.backend.BackendException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The real uv and a real Python build real environments, from a folder of small wheels. */
@Timeout(240)
class EnvironmentBuilderTest {
  private static final EnvironmentBuilder.Leaving NOBODY = (environment, told) -> {};
  private static final String[] NEEDED = {"numpy", "torch", "pydantic", "starlette", "uvicorn"};

  private static final BackendException IN_USE =
      new BackendException("server_unavailable", "process 12 runs", "end it");

  @TempDir Path folder;
  private final Listener monitor = new Listener();
  private final StringBuilder pins = new StringBuilder();
  private Path wheels;
  private Path target;

  @BeforeEach
  void prepare() throws IOException {
    wheels = Files.createDirectories(folder.resolve("wheels of today"));
    target = folder.resolve("home").resolve("environment");
    for (String name : NEEDED) {
      pin(wheel(name, "1.0", ""));
    }
    wheel("bioimg_fiji", "0.1.0", "__version__ = '0.1.0'\n");
  }

  @AfterEach
  void forget() {
    System.clearProperty(Uv.PROPERTY);
  }

  @Test
  void buildsFromAFolderOfWheelsAndRepairs() throws Exception {
    useRealUv();
    Path python = builder(wheels, "0.1.0").build();
    assertEquals(target, python.getParent().getParent());
    Probe probe = Probe.ask(python.toString(), "0.1.0", () -> false);
    assertEquals("", probe.fault);
    assertEquals("0.1.0", probe.version);
    assertTrue(monitor.messages.contains("Trying the environment"), monitor.messages.toString());
    assertOnlyTheEnvironment();
    // Something has broken it: building again puts a whole one in its place.
    Path broken = find(target, "bioimg_fiji");
    Files.delete(broken.resolve("__init__.py"));
    Files.createFile(target.resolve("left-over"));
    builder(wheels, "0.1.0").build();
    assertEquals("", Probe.ask(python.toString(), "0.1.0", () -> false).fault);
    assertFalse(Files.exists(target.resolve("left-over")));
    assertOnlyTheEnvironment();
  }

  @Test
  void aWheelThatIsAnotherThanPinnedIsRefused() throws Exception {
    useRealUv();
    wheel("torch", "1.0", "surprise = 1\n");
    BackendException error = failure(builder(wheels, "0.1.0"));
    assertEquals("missing_part", error.code());
    assertTrue(error.getMessage().toLowerCase().contains("hash"), error.getMessage());
    assertFalse(Files.exists(target));
    assertOnlyTheEnvironment();
  }

  @Test
  void aFailureLeavesTheOldEnvironmentAsItWas() throws Exception {
    useRealUv();
    byte[] old = "old".getBytes(StandardCharsets.UTF_8);
    Files.createDirectories(target);
    Files.write(target.resolve("mark"), old);
    Files.delete(wheels.resolve("uvicorn-1.0-py3-none-any.whl"));
    BackendException error = failure(builder(wheels, "0.1.0"));
    assertTrue(error.getMessage().contains("uvicorn"), error.getMessage());
    assertTrue(error.fix().contains("setup.log"), error.fix());
    assertArrayEquals(old, Files.readAllBytes(target.resolve("mark")));
    assertOnlyTheEnvironment();
  }

  @Test
  void anEnvironmentThatIsInUseStaysAndNothingIsBuilt() throws Exception {
    byte[] old = "old".getBytes(StandardCharsets.UTF_8);
    Files.createDirectories(target);
    Files.write(target.resolve("mark"), old);
    EnvironmentBuilder builder =
        builder(
            wheels,
            "0.1.0",
            (environment, told) -> {
              assertEquals(target, environment);
              throw IN_USE;
            });
    assertEquals(IN_USE, failure(builder));
    assertArrayEquals(old, Files.readAllBytes(target.resolve("mark")));
    assertTrue(monitor.messages.isEmpty(), monitor.messages.toString());
    assertOnlyTheEnvironment();
  }

  @Test
  void anEnvironmentThatIsTakenIntoUseWhileItIsBuiltStays() throws Exception {
    useRealUv();
    Files.createDirectories(target);
    Files.createFile(target.resolve("mark"));
    AtomicInteger looks = new AtomicInteger();
    EnvironmentBuilder builder =
        builder(
            wheels,
            "0.1.0",
            (environment, told) -> {
              if (looks.incrementAndGet() == 2) {
                throw IN_USE;
              }
            });
    assertEquals(IN_USE, failure(builder));
    assertTrue(monitor.messages.contains("Trying the environment"), monitor.messages.toString());
    assertTrue(Files.exists(target.resolve("mark")));
    assertOnlyTheEnvironment();
  }

  @Test
  void aPackageOfAnotherVersionIsFoundBeforeItIsPutInPlace() throws Exception {
    useRealUv();
    wheel("bioimg_fiji", "0.3.0", "__version__ = '0.2.0'\n");
    BackendException error = failure(builder(wheels, "0.3.0"));
    assertTrue(error.getMessage().contains("it has bioimg-fiji 0.2.0"), error.getMessage());
    assertFalse(Files.exists(target));
  }

  @Test
  void stoppedItLeavesNothing() throws Exception {
    useRealUv();
    monitor.stopAt(message -> message.startsWith("Installing the packages"));
    assertEquals("cancelled", failure(builder(wheels, "0.1.0")).code());
    assertFalse(Files.exists(target));
    assertOnlyTheEnvironment();
  }

  @Test
  void withoutUvItSaysWhereToGetIt() throws IOException {
    System.setProperty(Uv.PROPERTY, folder.resolve("no-uv").toString());
    BackendException error = failure(builder(wheels, "0.1.0"));
    assertEquals("missing_part", error.code());
    assertTrue(error.getMessage().contains("no-uv"), error.getMessage());
    assertTrue(error.fix().contains("BIOIMG_FIJI_UV"), error.fix());
    assertOnlyTheEnvironment();
  }

  @Test
  void withoutANetworkItSaysSo() throws Exception {
    useRealUv();
    EnvironmentBuilder builder =
        new EnvironmentBuilder(
            target,
            null,
            monitor,
            "0.1.0",
            () ->
                "--index-url http://127.0.0.1:9/simple\nbioimg-nothing==1.0 --hash=sha256:"
                    + zeros(),
            NOBODY);
    BackendException error = failure(builder);
    assertEquals("missing_part", error.code());
    assertTrue(error.fix().startsWith("Check the connection"), error.getMessage() + error.fix());
    assertFalse(Files.exists(target));
  }

  @Test
  void aFolderThatIsNotThereIsTold() throws IOException {
    BackendException error = failure(builder(folder.resolve("nowhere"), "0.1.0"));
    assertEquals("parameter", error.code());
    assertTrue(error.getMessage().contains("nowhere"), error.getMessage());
  }

  @Test
  void aFileInTheWayIsTold() throws IOException {
    Files.createFile(folder.resolve("home"));
    BackendException error = failure(builder(wheels, "0.1.0"));
    assertEquals("storage", error.code());
    assertTrue(error.fix().contains("8 GB"), error.fix());
  }

  @Test
  void aWheelOfUvIsTakenOnlyWithItsPinnedSum() throws Exception {
    assertFalse(Pins.tools().isEmpty());
    Path own = folder.resolve("own");
    Path wheel = wheels.resolve("uv-9.9-py3-none-" + platform() + ".whl");
    Files.write(wheel, "PK, but another".getBytes(StandardCharsets.UTF_8));
    Uv uv = new Uv(own, monitor);
    BackendException error = assertThrows(BackendException.class, () -> uv.fromFolder(wheels));
    assertTrue(error.getMessage().contains("another than expected"), error.getMessage());
    assertFalse(Files.exists(own.resolve("uv")));
  }

  private static String platform() {
    String[] all = {
      "manylinux_2_17_x86_64",
      "manylinux_2_17_aarch64",
      "macosx_11_0_arm64",
      "macosx_10_12_x86_64",
      "win_amd64",
      "win_arm64"
    };
    return Stream.of(all).filter(each -> Uv.isOfThisComputer(each + ".whl")).findFirst().get();
  }

  private static String zeros() {
    return String.format("%064d", 0);
  }

  private EnvironmentBuilder builder(Path from, String version) {
    return builder(from, version, NOBODY);
  }

  private EnvironmentBuilder builder(
      Path from, String version, EnvironmentBuilder.Leaving leaving) {
    return new EnvironmentBuilder(target, from, monitor, version, pins::toString, leaving);
  }

  private BackendException failure(EnvironmentBuilder builder) {
    return assertThrows(BackendException.class, builder::build);
  }

  /** Uses the uv of scripts/setup. */
  private static void useRealUv() {
    Path uv = Paths.get("..", ".tools", "bin", "uv").toAbsolutePath().normalize();
    assumeTrue(Files.isExecutable(uv), "uv is not here (scripts/setup fetches it)");
    System.setProperty(Uv.PROPERTY, uv.toString());
  }

  private void assertOnlyTheEnvironment() throws IOException {
    try (Stream<Path> files = Files.list(target.getParent())) {
      files
          .map(each -> each.getFileName().toString())
          .forEach(
              name ->
                  assertTrue(
                      name.matches("environment(\\.lock)?|setup\\.log|uv"), "left: " + name));
    }
  }

  private static Path find(Path root, String name) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return files.filter(each -> each.getFileName().toString().equals(name)).findFirst().get();
    }
  }

  private void pin(Path wheel) throws IOException {
    String name = wheel.getFileName().toString().split("-")[0];
    String sum = Uv.sha256(Files.readAllBytes(wheel));
    pins.append(name).append("==1.0 --hash=sha256:").append(sum).append('\n');
  }

  /** Writes a wheel with one module. */
  private Path wheel(String name, String version, String module) throws IOException {
    String info = name + "-" + version + ".dist-info/";
    Map<String, String> files = new LinkedHashMap<>();
    files.put(name + "/__init__.py", module);
    files.put(
        info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n");
    files.put(
        info + "WHEEL",
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    StringBuilder record = new StringBuilder();
    files.keySet().forEach(each -> record.append(each).append(",,\n"));
    files.put(info + "RECORD", record + info + "RECORD,,\n");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      for (Map.Entry<String, String> file : files.entrySet()) {
        zip.putNextEntry(new ZipEntry(file.getKey()));
        zip.write(file.getValue().getBytes(StandardCharsets.UTF_8));
        zip.closeEntry();
      }
    }
    Path wheel = wheels.resolve(name + "-" + version + "-py3-none-any.whl");
    return Files.write(wheel, bytes.toByteArray());
  }
}
