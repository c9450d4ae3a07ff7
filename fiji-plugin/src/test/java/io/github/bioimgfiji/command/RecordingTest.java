package io.github.bioimgfiji.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.options.Values;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.junit.jupiter.api.Test;

class RecordingTest {
  private static String line(String id, String given, boolean script)
      throws IOException, BackendException {
    byte[] golden = Files.readAllBytes(Paths.get("../tests/contract/commands.json"));
    CommandSpec command = CommandSpec.find(new String(golden, StandardCharsets.UTF_8), id);
    return Recording.line(command, Values.check(command, MacroLine.parse(given)), script);
  }

  @Test
  void writesALineThatTheMacroLanguageReadsBack() throws IOException, BackendException {
    String given = "model=[C:\\my data\\a \"b\".zip]";
    String options =
        "model=[C:\\\\my data\\\\a \\\"b\\\".zip] axes=[] weights=auto device=auto tile=0 trust=[]"
            + " fit=warn selection=place image2=[] image3=[] labels=false rois=false table=false"
            + " foreground=[] boundary=[] threshold=0.5 minimum_size=0"
            + " confidence=[] bounds=average spread=auto ensemble=[] server=local ";
    assertEquals(
        "run(\"BioImg Run Model...\", \"" + options + "\");\n", line("run_model", given, false));
    assertEquals(
        "IJ.run(imp, \"BioImg Run Model...\", \"" + options + "\");\n",
        line("run_model", given, true));
  }

  @Test
  void aScriptsLineHasNoImageWhereTheCommandTakesNone() throws IOException, BackendException {
    assertEquals(
        "IJ.run(\"BioImg Models...\", \"action=list source=[] nickname=[] trust=[] server=local \");\n",
        line("models", "", true));
  }

  @Test
  void allThatIsRecordedIsUnderstood() throws IOException, BackendException {
    byte[] golden = Files.readAllBytes(Paths.get("../tests/contract/commands.json"));
    CommandSpec command = CommandSpec.find(new String(golden, StandardCharsets.UTF_8), "run_model");
    Values values = Values.check(command, MacroLine.parse("model=/m.zip axes=yx tile=64"));
    String line = MacroLine.format(values.recorded());
    Values again = Values.check(command, MacroLine.parse(line));
    assertEquals(values.parametersJson(), again.parametersJson());
  }
}
