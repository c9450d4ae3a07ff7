package io.github.bioimgfiji.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import ij.CompositeImage;
import ij.ImagePlus;
import ij.ImageStack;
import ij.gui.Overlay;
import ij.gui.TextRoi;
import ij.measure.Calibration;
import ij.process.ByteProcessor;
import ij.process.FloatProcessor;
import io.github.bioimgfiji.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ImageHeaderTest {
  private static final Path GOLDEN = Paths.get("../tests/contract/image_headers");

  static Stream<Map.Entry<String, ImagePlus>> samples() {
    return SampleImages.all().entrySet().stream();
  }

  @ParameterizedTest
  @MethodSource("samples")
  void describesAsTheContractSays(Map.Entry<String, ImagePlus> sample) throws IOException {
    Path file = GOLDEN.resolve(sample.getKey() + ".json");
    JsonObject header = Json.object(ImageHeader.describe(sample.getValue()));
    assertEquals(golden(file), header);
  }

  @ParameterizedTest
  @MethodSource("samples")
  void buildsTheSameImageAgain(Map.Entry<String, ImagePlus> sample) {
    ImagePlus before = sample.getValue();
    ImagePlus after = rebuilt(before);
    assertEquals(
        Json.object(ImageHeader.describe(before)), Json.object(ImageHeader.describe(after)));
    assertEquals(before.getType(), after.getType());
    assertEquals(before.isComposite(), after.isComposite());
    assertArrayEquals(before.getDimensions(), after.getDimensions());
    for (int i = 1; i <= before.getStackSize(); i++) {
      assertEquals(
          before.getStack().getSliceLabel(i), after.getStack().getSliceLabel(i), "label " + i);
    }
  }

  @Test
  void everyGoldenHeaderIsASample() throws IOException {
    try (Stream<Path> files = Files.list(GOLDEN)) {
      files.forEach(
          file ->
              assertTrue(
                  SampleImages.all()
                      .containsKey(file.getFileName().toString().replace(".json", "")),
                  file + " is described by no sample"));
    }
  }

  @Test
  void hyperstackComesBackWithAllOfIt() {
    ImagePlus image = rebuilt(SampleImages.hyperstack());
    Calibration cal = image.getCalibration();
    assertEquals("\u00B5m", cal.getUnit());
    assertEquals(0.3, cal.pixelDepth);
    assertEquals(3.5, cal.xOrigin);
    assertEquals(2.5, cal.frameInterval);
    assertEquals("s", cal.getTimeUnit());
    assertEquals(-100 + 0.5 * 1000, cal.getCValue(1000));
    assertEquals(0, cal.getCValue(10), "clipped at zero");
    assertEquals("photons", cal.getValueUnit());
    CompositeImage composite = (CompositeImage) image;
    assertEquals("composite", composite.getModeAsString());
    assertEquals(4000, composite.getChannelLut(1).max);
    assertEquals(250, composite.getChannelLut(2).getBlue(255));
    assertTrue(image.isHyperStack());
    assertEquals(3, image.getOverlay().size());
    assertEquals(3, image.getOverlay().get(0).getZPosition());
    assertEquals(7, image.getOverlay().get(1).getPosition());
    assertTrue(image.getOverlay().getDrawNames());
    assertEquals("nucleus", image.getRoi().getName());
    assertEquals(5.5, image.getRoi().getFloatPolygon().xpoints[1]);
    assertEquals("Microscope: A\nGain = 3\n", image.getProperty("Info"));
    assertEquals("63x/1.4", image.getProp("Objective"));
  }

  @Test
  void signedDisplayRangeIsInSignedValues() {
    JsonObject header = Json.object(ImageHeader.describe(SampleImages.signed()));
    JsonObject channel = header.getAsJsonArray("channels").get(0).getAsJsonObject();
    assertEquals(Json.numbers(-6, 5), channel.get("display"));
    assertTrue(header.get("intensity").isJsonNull());
    ImagePlus image = rebuilt(SampleImages.signed());
    assertTrue(image.getCalibration().isSigned16Bit());
    assertEquals(32768 - 6, image.getDisplayRangeMin());
  }

  @Test
  void everySpellingOfMicronIsOne() {
    for (String unit : new String[] {"um", "\u03BCm", "\u00B5m", "micron", "microns"}) {
      ImagePlus image = SampleImages.plain();
      image.getCalibration().setUnit(unit);
      JsonObject scales = Json.object(ImageHeader.describe(image)).getAsJsonObject("scales");
      assertEquals("\u00B5m", scales.getAsJsonObject("x").get("unit").getAsString(), unit);
    }
  }

  @Test
  void unitsMayDifferByAxis() {
    ImagePlus image = SampleImages.hyperstack();
    image.getCalibration().setYUnit("pixel");
    image.getCalibration().setZUnit("nm");
    Calibration cal = rebuilt(image).getCalibration();
    assertEquals("\u00B5m", cal.getXUnit());
    assertEquals("pixel", cal.getYUnit());
    assertEquals("nm", cal.getZUnit());
  }

  @Test
  void customIntensityTableComesBack() {
    float[] table = new float[256];
    for (int i = 0; i < 256; i++) {
      table[i] = i * 0.1f;
    }
    ImagePlus image = new ImagePlus("table", new ByteProcessor(2, 2));
    image.getCalibration().setCTable(table, "pH");
    Calibration cal = rebuilt(image).getCalibration();
    assertArrayEquals(table, cal.getCTable());
    assertEquals("pH", cal.getValueUnit());
  }

  @Test
  void infoOfASinglePlaneIsNoLabel() {
    ImagePlus image = SampleImages.plain();
    image.setProperty("Info", "text");
    image.getStack();
    JsonObject header = Json.object(ImageHeader.describe(image));
    assertEquals(0, header.getAsJsonArray("labels").size());
  }

  @Test
  void timeSeriesOpensAsHyperstack() {
    ImageStack stack = new ImageStack(2, 2);
    stack.addSlice(new FloatProcessor(2, 2));
    stack.addSlice(new FloatProcessor(2, 2));
    ImagePlus image = new ImagePlus("t", stack);
    image.setDimensions(1, 1, 2);
    ImagePlus after = rebuilt(image);
    assertTrue(after.getOpenAsHyperStack());
    assertEquals(2, after.getNFrames());
    image.setDimensions(1, 2, 1);
    assertFalse(rebuilt(image).getOpenAsHyperStack());
  }

  @Test
  void textOfTheOverlayComesBack() {
    ImagePlus image = SampleImages.plain();
    TextRoi text = new TextRoi(1, 2, "caf\u00E9");
    text.setPosition(1);
    image.setOverlay(new Overlay(text));
    TextRoi after = (TextRoi) rebuilt(image).getOverlay().get(0);
    assertEquals("caf\u00E9", after.getText().trim());
    assertEquals(1, after.getPosition());
  }

  @Test
  void wrongHeadersSayWhatIsWrong() {
    String header = ImageHeader.describe(SampleImages.plain());
    Object[] planes = {new float[6]};
    assertMessage("xy", header.replace("\"yx\"", "\"xy\""), planes);
    assertMessage("float64", header.replace("float32", "float64"), planes);
    assertMessage("1 planes, but there are 2", header, new Object[] {new float[6], new float[6]});
    assertMessage("6 pixels, but one is 5", header, new Object[] {new float[5]});
    assertMessage("of class byte[]", header, new Object[] {new byte[6]});
  }

  private static void assertMessage(String part, String header, Object[] planes) {
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> ImageHeader.build(header, planes));
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }

  private static ImagePlus rebuilt(ImagePlus image) {
    Object[] planes = new Object[image.getStackSize()];
    for (int i = 0; i < planes.length; i++) {
      planes[i] = image.getStack().getPixels(i + 1);
    }
    return ImageHeader.build(ImageHeader.describe(image), planes);
  }

  private static JsonObject golden(Path file) throws IOException {
    return Json.object(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
  }
}
