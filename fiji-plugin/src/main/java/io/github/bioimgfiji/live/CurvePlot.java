package io.github.bioimgfiji.live;

import ij.gui.Plot;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.image.BufferedImage;
import java.util.Collection;
import java.util.Map;

/** The curves as ImageJ's own plot. */
final class CurvePlot {
  private static final Color LOSS = new Color(0x4A, 0x6F, 0xA5);
  private static final Color VALIDATION = new Color(0xC8, 0x1E, 0x1E);
  private static final Color[] OTHERS = {
    new Color(0x2E, 0x8B, 0x57), new Color(0xB8, 0x86, 0x0B), new Color(0x6A, 0x4C, 0x93)
  };

  /** Part of the axes that is left free at their ends, so that no point lies on the frame. */
  private static final double MARGIN = 0.05;

  /** Curves of fewer points have each of them marked. */
  private static final int FEW = 50;

  private CurvePlot() {}

  /**
   * Plots curves; the value axis is logarithmic where all values are positive.
   *
   * @param title the plot's title
   * @param curves steps and values by name; at least one
   */
  static Plot of(String title, Map<String, double[][]> curves) {
    Plot plot = new Plot(title, "step", "loss");
    StringBuilder legend = new StringBuilder();
    boolean positive = true;
    int others = 0;
    for (Map.Entry<String, double[][]> curve : curves.entrySet()) {
      String name = curve.getKey();
      double[][] points = curve.getValue();
      boolean known = name.equals("loss") || name.equals("validation");
      Color color = known ? color(name) : OTHERS[others++ % OTHERS.length];
      boolean marked = !name.equals("loss") && points[0].length < FEW;
      plot.setColor(color, color);
      plot.setLineWidth(marked ? 2 : 1);
      plot.add(marked ? "connected" : "line", points[0], points[1]);
      legend.append(name).append('\t');
      for (double value : points[1]) {
        positive &= value > 0;
      }
    }
    plot.setColor(Color.BLACK, null);
    plot.setLineWidth(1);
    plot.setAxisYLog(positive);
    plot.setLimits(limits(curves.values(), positive));
    plot.addLegend(legend.toString().trim());
    return plot;
  }

  /** Gives the least and the greatest step and value, with a margin around the points. */
  private static double[] limits(Collection<double[][]> curves, boolean logarithmic) {
    double[] steps = range(curves, 0);
    double[] values = range(curves, 1);
    double right = steps[1] + Math.max(MARGIN * (steps[1] - steps[0]), 1);
    if (logarithmic) {
      double factor = Math.max(Math.pow(values[1] / values[0], MARGIN), 1 + MARGIN);
      return new double[] {steps[0], right, values[0] / factor, values[1] * factor};
    }
    double space = MARGIN * Math.max(values[1] - values[0], 1e-9);
    return new double[] {steps[0], right, values[0] - space, values[1] + space};
  }

  private static double[] range(Collection<double[][]> curves, int column) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    for (double[][] curve : curves) {
      for (double each : curve[column]) {
        least = Math.min(least, each);
        most = Math.max(most, each);
      }
    }
    return new double[] {least, most};
  }

  /** Draws curves as a picture of about this size, with fonts that fit a small one. */
  static BufferedImage image(Map<String, double[][]> curves, Dimension size) {
    Plot plot = of("", curves);
    plot.setSize(Math.max(size.width, 200), Math.max(size.height, 120));
    return plot.getProcessor().getBufferedImage();
  }

  private static Color color(String name) {
    return name.equals("loss") ? LOSS : VALIDATION;
  }
}
