package io.github.bioimgfiji.live;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.ImagePlus;
import ij.gui.Plot;
import java.awt.Dimension;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.junit.jupiter.api.Test;

class LiveDataTest {
  private static LiveData golden() throws IOException {
    byte[] bytes = Files.readAllBytes(Paths.get("../tests/contract/wire/live.json"));
    return new LiveData(new String(bytes, StandardCharsets.UTF_8));
  }

  @Test
  void readsWhatPythonWrites() throws IOException {
    LiveData live = golden();
    assertTrue(live.finishable());
    assertEquals("[loss, validation]", live.curves().keySet().toString());
    assertArrayEquals(new double[] {1, 2, 40}, live.curves().get("loss")[0]);
    assertArrayEquals(new double[] {0.9, 0.7, 0.25}, live.curves().get("loss")[1]);
    assertArrayEquals(new double[] {0.3}, live.curves().get("validation")[1]);
    assertEquals(40, live.preview().step());
    assertEquals("[before, after]", live.preview().names().toString());
  }

  @Test
  void thePreviewOpensAsFloatsWithTheCommonContrast() throws IOException {
    ImagePlus image = golden().preview().image("preview");
    assertEquals(32, image.getBitDepth());
    assertEquals(3, image.getWidth());
    assertEquals(2, image.getHeight());
    assertEquals(2, image.getStackSize());
    assertEquals("before", image.getStack().getSliceLabel(1));
    assertEquals("after", image.getStack().getSliceLabel(2));
    assertEquals(1.5, image.getDisplayRangeMin());
    assertEquals(6, image.getDisplayRangeMax());
    assertArrayEquals(new float[] {1, 3, 2, 4, 6, 5}, (float[]) image.getStack().getPixels(1));
    assertArrayEquals(
        new float[] {2.5f, 2.5f, 2.5f, 4.5f, 4.5f, 4.5f}, (float[]) image.getStack().getPixels(2));
  }

  @Test
  void thePicturesAreDrawnFromBlackToWhite() throws IOException {
    BufferedImage before = golden().preview().drawn().get(0);
    assertEquals(0, before.getRGB(0, 0) & 0xFF, "below the lower end of the contrast");
    assertEquals(255, before.getRGB(1, 1) & 0xFF, "the upper end of the contrast");
    assertEquals(255 * (3 - 1.5) / (6 - 1.5), before.getRGB(1, 0) & 0xFF, 1);
  }

  @Test
  void thePlotHasTheCurvesAsTheyAre() throws IOException {
    Plot plot = CurvePlot.of("curves", golden().curves());
    assertEquals("step", plot.getLabel('x'));
    assertEquals("loss", plot.getLabel('y'));
    String[] designations = plot.getPlotObjectDesignations();
    assertEquals("Data Set 1: loss; Data Set 2: validation", String.join("; ", designations));
    assertArrayEquals(new float[] {0.9f, 0.7f, 0.25f}, plot.getDataObjectArrays(0)[1]);
  }

  @Test
  void theValueAxisIsLogarithmicWhereItCanBe() {
    LiveData positive = new LiveData("{\"curves\": {\"loss\": [[1, 100], [2, 0.01]]}}");
    LiveData negative = new LiveData("{\"curves\": {\"loss\": [[1, 100], [2, -0.01]]}}");
    assertTrue(axis(positive, 1) < axis(negative, 1) - 20, "1 is half way down, or near the end");
  }

  @Test
  void noPointLiesOnTheFrame() {
    for (String curve : new String[] {"[[7, 0.5]]", "[[1, 2], [40, 0.001]]", "[[1, 2], [9, -1]]"}) {
      LiveData live = new LiveData("{\"curves\": {\"loss\": " + curve + "}}");
      double[][] points = live.curves().get("loss");
      double[] limits = CurvePlot.of("", live.curves()).getLimits();
      for (int i = 0; i < points[0].length; i++) {
        assertTrue(points[0][i] >= limits[0] && points[0][i] < limits[1], curve);
        assertTrue(points[1][i] > limits[2] && points[1][i] < limits[3], curve);
      }
    }
  }

  private static double axis(LiveData live, double value) {
    Plot plot = CurvePlot.of("", live.curves());
    plot.setSize(300, 200);
    plot.getProcessor();
    return plot.scaleYtoPxl(value);
  }

  @Test
  void curvesAreDrawnInTheSizeThatIsAskedFor() throws IOException {
    BufferedImage image = CurvePlot.image(golden().curves(), new Dimension(431, 207));
    assertEquals(431, image.getWidth());
    assertEquals(207, image.getHeight());
  }

  @Test
  void valuesThatAreNoNumbersAreLeftOut() {
    String curve = "[[1, 0.9], [2, NaN], [3, null], [4, Infinity], [5, 0.5]]";
    LiveData live = new LiveData("{\"curves\": {\"loss\": " + curve + "}}");
    assertArrayEquals(new double[] {1, 5}, live.curves().get("loss")[0]);
    assertArrayEquals(new double[] {0.9, 0.5}, live.curves().get("loss")[1]);
  }

  @Test
  void nothingToSeeIsNothing() {
    LiveData live = new LiveData("{\"curves\": {\"loss\": []}, \"preview\": null}");
    assertTrue(live.curves().isEmpty());
    assertNull(live.preview());
    assertFalse(live.finishable());
    assertNull(new Drawn(live, new Dimension(300, 200)).curves);
  }

  @Test
  void damagedDataIsRefused() {
    String preview =
        "{\"preview\": {\"names\": [\"a\"], \"shape\": [2, 2], \"display\": [0, 1],"
            + " \"pixels\": [\"AAAA\"]}}";
    assertThrows(RuntimeException.class, () -> new LiveData(preview));
    assertThrows(RuntimeException.class, () -> new LiveData("[]"));
  }

  @Test
  void progressIsOneLine() {
    String figures = "{\"loss\": 0.2, \"validation\": 0.1875, \"seconds_left\": 75.4}";
    assertEquals(
        "Training 120/400, loss 0.2000, validation 0.1875, 1 min 15 s left",
        ProgressText.of("Training", 120, 400, figures));
    assertEquals("Reading", ProgressText.of("Reading", 0, 0, "{}"));
  }

  @Test
  void withoutADisplayNobodyLooks() {
    try (LiveWindow window = new LiveWindow("BioImg Learn...")) {
      assertFalse(window.watches());
      window.live("{\"finishable\": true}");
      assertFalse(window.finishing() || window.cancelled());
    }
  }
}
