package io.github.bioimgfiji.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.ImagePlus;
import ij.WindowManager;
import ij.macro.Interpreter;
import ij.process.ByteProcessor;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.MacroLine;
import io.github.bioimgfiji.options.Values;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The open images are those of ImageJ's batch mode, which needs no display. */
class InputsTest {
  private static final String COMMAND =
      "{'commands': [{'id': 'learn', 'title': 'BioImg Learn...', 'schema': {'properties': {"
          + "'image': {'x-order': 0, 'type': 'string', 'x-image': true, 'x-optional': true,"
          + " 'x-unless': ['images', 'source']},"
          + "'images': {'x-order': 1, 'type': 'array', 'x-images': true, 'x-optional': true},"
          + "'source': {'x-order': 2, 'type': 'string', 'x-widget': 'folder', 'x-optional': true},"
          + "'mask': {'x-order': 3, 'type': 'string', 'x-image': true, 'x-optional': true}"
          + "}}}]}";

  private final List<ImagePlus> open = new ArrayList<>();
  private CommandSpec command;

  @BeforeEach
  void openImages() throws BackendException {
    command = CommandSpec.find(COMMAND.replace('\'', '"'), "learn");
    Interpreter.batchMode = true;
    for (String title : new String[] {"a.tif", "b c.tif", "d|e.tif"}) {
      ImagePlus image = new ImagePlus(title, new ByteProcessor(4, 4));
      image.show();
      open.add(image);
    }
    WindowManager.setTempCurrentImage(open.get(1));
  }

  @AfterEach
  void closeImages() {
    open.forEach(Interpreter::removeBatchModeImage);
    WindowManager.setTempCurrentImage(null);
    Interpreter.batchMode = false;
  }

  private Map<String, ImagePlus> find(String line, String... given) throws BackendException {
    Values values = Values.check(command, MacroLine.parse(line));
    return new Inputs(command, values, Arrays.asList(given)::contains).find(null);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "''                          ; {image=b c.tif}",
        "image=a.tif                 ; {image=a.tif}",
        "images=a.tif                ; {images.0=a.tif}",
        "images=[b c.tif|a.tif]      ; {images.0=b c.tif, images.1=a.tif}",
        "images=[b c.tif | a.tif]    ; {images.0=b c.tif, images.1=a.tif}",
        "images=[a.tif|d|e.tif]      ; {images.0=a.tif, images.1=d|e.tif}",
        "images=[d|e.tif|b c.tif]    ; {images.0=d|e.tif, images.1=b c.tif}",
        "images=all                  ; {images.0=a.tif, images.1=b c.tif, images.2=d|e.tif}",
        "images=a.tif image=[b c.tif]; {image=b c.tif, images.0=a.tif}",
        "source=/data                ; {}",
        "source=/data mask=a.tif     ; {mask=a.tif}",
        "mask=a.tif                  ; {image=b c.tif, mask=a.tif}",
      })
  void findsWhatTheLineNames(String line, String found) throws BackendException {
    Map<String, String> titles =
        find(line).entrySet().stream()
            .collect(
                Collectors.toMap(
                    Map.Entry::getKey,
                    each -> each.getValue().getTitle(),
                    (first, second) -> first,
                    java.util.TreeMap::new));
    assertEquals(found, titles.toString());
  }

  @Test
  void anIdNamesAnImage() throws BackendException {
    String line = "images=" + open.get(2).getID() + "|" + open.get(0).getID();
    Map<String, ImagePlus> found = find(line);
    assertSame(open.get(2), found.get("images.0"));
    assertSame(open.get(0), found.get("images.1"));
  }

  @Test
  void whatTheCallerHasGivenIsNotLookedFor() throws BackendException {
    assertEquals(Collections.emptySet(), find("", "images").keySet());
    assertEquals(Collections.emptySet(), find("", "image").keySet());
    Set<String> withMask = find("mask=a.tif", "images").keySet();
    assertEquals(Collections.singleton("mask"), withMask);
  }

  @Test
  void aNameThatIsNotOpenIsAnErrorWithTheOpenOnes() {
    BackendException error = assertThrows(BackendException.class, () -> find("images=a.tif|x.tif"));
    assertEquals("parameter", error.code());
    assertTrue(error.getMessage().contains("but it is \"x.tif\""), error.getMessage());
    assertTrue(error.fix().contains("a.tif, b c.tif, d|e.tif"), error.fix());
  }

  @Test
  void aTitleOfSeveralImagesIsAnErrorWithTheirIds() throws BackendException {
    ImagePlus twin = new ImagePlus("a.tif", new ByteProcessor(2, 2));
    twin.show();
    open.add(twin);
    String ids = open.get(0).getID() + ", " + twin.getID() + ".";
    for (String line : new String[] {"image=a.tif", "images=[b c.tif|a.tif]", "mask=a.tif"}) {
      BackendException error = assertThrows(BackendException.class, () -> find(line));
      assertEquals("parameter", error.code());
      assertTrue(error.getMessage().contains("2 open images are called \"a.tif\""), error.text());
      assertTrue(error.fix().endsWith(": " + ids), error.fix());
    }
    WindowManager.setTempCurrentImage(twin);
    assertThrows(BackendException.class, () -> find("image=a.tif"));
    assertSame(twin, find("image=" + twin.getID()).get("image"));
    assertSame(twin, find("").get("image"));
    assertEquals(4, find("images=all").size());
  }

  @Test
  void anImageThatIsNotShownCanStandInAndBeNamed() throws BackendException {
    ImagePlus unseen = new ImagePlus("unseen", new ByteProcessor(2, 2));
    Values values = Values.check(command, MacroLine.parse(""));
    assertSame(unseen, new Inputs(command, values, key -> false).find(unseen).get("image"));
    WindowManager.setTempCurrentImage(unseen);
    assertSame(unseen, find("mask=unseen").get("mask"));
  }

  @Test
  void withoutAnyImageTheFixNamesTheOtherInputs() {
    closeImages();
    BackendException error = assertThrows(BackendException.class, () -> find(""));
    assertEquals("image", error.code());
    assertEquals("Open an image first, or give images or source.", error.fix());
    assertThrows(BackendException.class, () -> find("images=all"));
  }

  @Test
  void theDialogOpensWithoutAnImageAndHasNoFieldForTheActiveOne() throws BackendException {
    closeImages();
    Inputs.requireSome(command);
    assertTrue(command.isActiveImage(command.parameters().get(0)));
    assertFalse(command.isActiveImage(command.parameters().get(1)));
    assertFalse(command.isActiveImage(command.parameters().get(3)));
  }

  @Test
  void aListIsRecordedAsItWasGiven() throws BackendException {
    Values values = Values.check(command, MacroLine.parse("images=[b c.tif|a.tif] image=a.tif"));
    assertEquals("images=[b c.tif|a.tif] source=[] mask=[] ", MacroLine.format(values.recorded()));
    assertEquals("{}", values.parametersJson());
  }
}
