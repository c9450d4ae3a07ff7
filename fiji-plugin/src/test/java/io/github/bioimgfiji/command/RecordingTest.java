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
  @Test
  void writesALineThatTheMacroLanguageReadsBack() throws IOException, BackendException {
    byte[] golden = Files.readAllBytes(Paths.get("../tests/contract/commands.json"));
    CommandSpec command = CommandSpec.find(new String(golden, StandardCharsets.UTF_8), "run_model");
    Values values = Values.check(command, MacroLine.parse("model=[C:\\my data\\a \"b\".zip]"));
    String options =
        "model=[C:\\\\my data\\\\a \\\"b\\\".zip] weights=auto device=auto tile=0 "
            + "selection=place labels=false rois=false table=false threshold=0.5 minimum_size=0 ";
    assertEquals(
        "run(\"BioImg Run Model...\", \"" + options + "\");\n",
        Recording.line(command, values, false));
    assertEquals(
        "IJ.run(imp, \"BioImg Run Model...\", \"" + options + "\");\n",
        Recording.line(command, values, true));
  }
}
