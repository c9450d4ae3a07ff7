package io.github.bioimgfiji.setup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.setup.Interpreters.Candidate;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Programs that answer as a Python does stand for Pythons: which is taken, and what is said. */
@Timeout(60)
@DisabledOnOs(OS.WINDOWS)
class PythonSearchTest {
  private static final String GOOD =
      "echo '{\"python\": \"3.12.1\", \"version\": \"0.1.0\", \"missing\": []}'";

  @TempDir Path folder;
  private final Map<String, String> environment = new HashMap<>();
  private final Listener monitor = new Listener();

  @Test
  void fijisOwnPythonComesFirstThenTheBuiltOneThenTheUsualPlaces() throws IOException {
    Path fiji = Files.createDirectories(folder.resolve("Fiji"));
    python(fiji.resolve("config/python"), GOOD);
    python(fiji.resolve("python"), GOOD);
    python(folder.resolve("built"), GOOD);
    python(folder.resolve("home/miniforge3/envs/bio"), GOOD);
    python(folder.resolve("home/.virtualenvs/one"), GOOD);
    python(folder.resolve("active"), GOOD);
    environment.put("VIRTUAL_ENV", folder.resolve("active").toString());
    environment.put("PATH", folder.resolve("active/bin") + ":" + python(folder.resolve("p"), GOOD));
    List<String> found =
        candidates(fiji, "config/python").stream()
            .map(each -> folder.relativize(each.program).toString())
            .collect(Collectors.toList());
    assertEquals("Fiji/config/python/bin/python3", found.get(0));
    assertEquals("built/bin/python3", found.get(1));
    assertEquals("Fiji/python/bin/python3", found.get(2));
    assertEquals("active/bin/python3", found.get(3));
    assertEquals(1, found.stream().filter("active/bin/python3"::equals).count());
    assertTrue(found.contains("home/miniforge3/envs/bio/bin/python3"), found.toString());
    assertTrue(found.contains("home/.virtualenvs/one/bin/python3"), found.toString());
  }

  @Test
  void theFirstThatHasThePackageIsTaken() throws Exception {
    Path without = folder.resolve("home/miniconda3");
    Files.createFile(python(without, "touch " + folder.resolve("started")).resolve("x"));
    Path old = folder.resolve("home/miniconda3/envs/a");
    packaged(old, "echo '{\"python\": \"3.11.0\", \"version\": \"0.0.3\", \"missing\": []}'");
    packaged(folder.resolve("home/miniconda3/envs/b"), GOOD);
    PythonSearch.Found found = new PythonSearch("0.1.0", monitor).first(candidates(null, ""));
    assertEquals(folder.resolve("home/miniconda3/envs/b/bin/python3").toString(), found.program);
    assertEquals("0.1.0", found.version);
    assertFalse(Files.exists(folder.resolve("started")), "what cannot have it is not started");
  }

  @Test
  void whereThereIsNoneItSaysWhatWasLookedAt() throws Exception {
    python(folder.resolve("home/miniconda3"), GOOD);
    packaged(
        folder.resolve("home/miniconda3/envs/a"),
        "echo '{\"python\": \"3.11.0\", \"version\": \"0.0.3\", \"missing\": []}'");
    packaged(
        folder.resolve("home/miniconda3/envs/b"),
        "echo '{\"python\": \"3.11.0\", \"version\": \"0.1.0\", \"missing\": [\"torch\"]}'");
    packaged(folder.resolve("home/miniconda3/envs/c"), "echo Segmentation fault >&2; exit 139");
    BackendException error =
        assertThrows(
            BackendException.class,
            () -> new PythonSearch("0.1.0", monitor).first(candidates(null, "")));
    assertEquals("missing_part", error.code());
    assertTrue(error.details().contains(PythonSearch.BUILDABLE), error.details());
    String text = error.getMessage();
    assertTrue(text.startsWith("No Python was found that has bioimg-fiji 0.1.0."), text);
    assertTrue(text.contains("miniconda3/bin/python3: it has no bioimg-fiji"), text);
    assertTrue(
        text.contains("envs/a/bin/python3: it has bioimg-fiji 0.0.3, and this plugin"), text);
    assertTrue(text.contains("envs/b/bin/python3: it lacks torch"), text);
    assertTrue(text.contains("envs/c/bin/python3: it failed (Segmentation fault)"), text);
    assertTrue(error.fix().contains("BioImg Check Installation"), error.fix());
  }

  @Test
  void aPythonThatHangsIsLeftAfterItsTime() throws Exception {
    Path python = packaged(folder.resolve("slow"), "exec sleep 600");
    Probe probe = Probe.ask(python.resolve("python3").toString(), "0.1.0", () -> false, 1);
    assertEquals("it did not answer within 1 s", probe.fault);
  }

  @Test
  void lookingCanBeStopped() throws Exception {
    Path python = packaged(folder.resolve("slow"), "exec sleep 600");
    BackendException error =
        assertThrows(
            BackendException.class,
            () -> Probe.ask(python.resolve("python3").toString(), "0.1.0", () -> true));
    assertEquals("cancelled", error.code());
  }

  @Test
  void theNoteIsTheFirstLineOfItsFile() throws Exception {
    Path note = folder.resolve("note");
    assertEquals("", PythonSearch.noted(note));
    Files.write(note, "/opt/env/bin/python\n/a/Fiji\n".getBytes(StandardCharsets.UTF_8));
    assertEquals("/opt/env/bin/python", PythonSearch.noted(note));
  }

  private List<Candidate> candidates(Path fiji, String own) {
    return Interpreters.automatic(
        environment::get, folder.resolve("home"), fiji, own, folder.resolve("built"));
  }

  /** Makes an environment whose Python is a script; gives the folder of the program. */
  private static Path python(Path root, String lines) throws IOException {
    Path program = Files.createDirectories(root.resolve("bin")).resolve("python3");
    Files.write(program, ("#!/bin/sh\n" + lines + "\n").getBytes(StandardCharsets.UTF_8));
    assertTrue(program.toFile().setExecutable(true));
    return program.getParent();
  }

  private static Path packaged(Path root, String lines) throws IOException {
    Files.createDirectories(root.resolve("lib/python3.12/site-packages/bioimg_fiji"));
    return python(root, lines);
  }
}
