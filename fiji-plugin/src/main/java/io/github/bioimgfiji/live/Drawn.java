package io.github.bioimgfiji.live;

import java.awt.Dimension;
import java.awt.image.BufferedImage;
import java.util.Collections;
import java.util.List;

/** What is to be shown, and the pictures drawn of it. Made on any thread. */
final class Drawn {
  final LiveData data;

  /** The curves; null while there are none. */
  final BufferedImage curves;

  final List<BufferedImage> pictures;

  Drawn(LiveData data, Dimension plotSize) {
    this.data = data;
    curves = data.curves().isEmpty() ? null : CurvePlot.image(data.curves(), plotSize);
    pictures = data.preview() == null ? Collections.emptyList() : data.preview().drawn();
  }
}
