package io.github.bioimgfiji.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.json.Json;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ValuesTest {
  static Stream<JsonObject> recorded() throws IOException {
    return Golden.cases("recorded_lines.json").stream();
  }

  private static CommandSpec command(String name) throws IOException, BackendException {
    return CommandSpec.find(Golden.text("commands.json"), name);
  }

  private static Values check(String command, String line) throws IOException, BackendException {
    return Values.check(command(command), MacroLine.parse(line));
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void recordsEveryKeyInTheDialogsOrder(JsonObject golden) throws IOException, BackendException {
    CommandSpec command = command(golden.get("command").getAsString());
    Values values = Values.check(command, Golden.texts(golden));
    String line = MacroLine.format(values.recorded());
    assertEquals(golden.get("line").getAsString(), line);
    assertEquals(
        values.parametersJson(), Values.check(command, MacroLine.parse(line)).parametersJson());
  }

  @Test
  void aFileOrFolderIsSentAsSeenFromHere() throws IOException, BackendException {
    Values values = check("train_denoiser", "model=/m.zip source=cells.zarr");
    assertEquals(new File("cells.zarr").getAbsolutePath(), values.text("source"));
    values = check("train_restoration", "model=/m.zip source=/a target_source=~/b.zarr");
    File home = new File(System.getProperty("user.home"), "b.zarr");
    assertEquals(home.getAbsolutePath(), values.text("target_source"));
  }

  @Test
  void modelsOfAListAreSentAsSeenFromHereAndNamesOfTheStoreStay(@TempDir Path folder)
      throws IOException, BackendException {
    Path here = Paths.get("").toAbsolutePath();
    Path there = Files.write(folder.resolve("n2v.zip"), new byte[0]);
    String relative = here.relativize(there.toRealPath()).toString();
    Values values =
        check("benchmark", "suite=x output=/o models=[" + relative + "; fox@1;;/c.zip]");
    String wanted = here.resolve(relative) + ";fox@1;/c.zip";
    assertEquals(wanted, values.text("models"));
    values = check("run_model", "model=/m.zip confidence=90 ensemble=[" + relative + ";fox]");
    assertEquals(here.resolve(relative) + ";fox", values.text("ensemble"));
    values = check("run_model", "model=/m.zip ensemble=[a.zip;b.zip] server=farm");
    assertEquals("a.zip;b.zip", values.text("ensemble"), "paths are the other computer's");
  }

  @Test
  void givesValuesOfTheRightTypeAndDefaults() throws IOException, BackendException {
    Values values = check("run_model", "model=/m.zip tile=64 image=[cells 1.tif]");
    JsonObject sent = Json.object(values.parametersJson());
    assertEquals(64, sent.get("tile").getAsInt());
    assertTrue(sent.get("tile").getAsJsonPrimitive().isNumber());
    assertEquals("auto", sent.get("weights").getAsString());
    assertFalse(sent.has("axes"));
    assertFalse(sent.has("image"));
    assertEquals("cells 1.tif", values.image("image"));
    JsonObject training =
        Json.object(check("train_denoiser", "model=/m.zip resume").parametersJson());
    assertTrue(training.get("resume").getAsBoolean());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "modle=a.zip | unknown_key | Did you mean model?",
        "model=a.zip tyle=3 | unknown_key | Did you mean tile?",
        "model=a.zip tile=-3 | parameter | tile must be at least 0 (pixels)",
        "model=a.zip tile=3.5 | parameter | tile must be a whole number (pixels), but it is \"3.5\"",
        "model=a.zip tile=many | parameter | tile must be a whole number",
        "model=a.zip weights=onx | parameter | Did you mean onnx?",
        "model=a.zip weights=keras | parameter | weights must be one of auto, onnx, pytorch_state_dict",
        "tile=3 | parameter | model is missing",
        "model=[] | parameter | model is missing",
      })
  void saysWhatIsWrongAndWhatToDo(String line, String code, String text) throws IOException {
    BackendException error = assertThrows(BackendException.class, () -> check("run_model", line));
    assertEquals(code, error.code());
    assertTrue(error.text().contains(text), error.text());
    assertTrue(Json.object(error.details()).has("field"));
  }

  @Test
  void findsCommandsByIdAndTitle() throws IOException, BackendException {
    assertEquals("run_model", command("BioImg Run Model").id());
    assertEquals("BioImg Run Model...", command("run_model").title());
    BackendException error = assertThrows(BackendException.class, () -> command("run_modell"));
    assertEquals("unknown_command", error.code());
    assertTrue(error.fix().contains("run_model"));
  }
}
