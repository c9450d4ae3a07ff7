package io.github.bioimgfiji.live;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ij.ImagePlus;
import ij.ImageStack;
import ij.process.FloatProcessor;
import io.github.bioimgfiji.json.Json;
import java.awt.Graphics;
import java.awt.image.BufferedImage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;

/** Pictures of one place, to be shown with the same contrast. */
final class Preview {
  private final double step;
  private final List<String> names;
  private final List<FloatProcessor> pictures = new ArrayList<>();
  private final double low;
  private final double high;

  /**
   * Reads a preview.
   *
   * @param json "preview" of "Live" in the wire protocol
   * @throws RuntimeException when it is not whole
   */
  Preview(JsonObject json) {
    step = Json.number(json, "step", 0);
    names = Collections.unmodifiableList(Json.strings(json, "names"));
    JsonArray shape = Json.array(json, "shape");
    JsonArray display = Json.array(json, "display");
    low = display.get(0).getAsDouble();
    high = display.get(1).getAsDouble();
    for (JsonElement each : Json.array(json, "pixels")) {
      int width = shape.get(1).getAsInt();
      int height = shape.get(0).getAsInt();
      pictures.add(new FloatProcessor(width, height, pixels(each.getAsString(), width * height)));
    }
    if (pictures.isEmpty() || pictures.size() != names.size()) {
      throw new IllegalArgumentException("A preview needs as many names as pictures.");
    }
  }

  private static float[] pixels(String base64, int size) {
    float[] pixels = new float[size];
    byte[] bytes = Base64.getDecoder().decode(base64);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(pixels);
    return pixels;
  }

  /** Gives where on the curves it was made. */
  double step() {
    return step;
  }

  /** Gives what each picture shows. */
  List<String> names() {
    return names;
  }

  /** Gives the pictures as they look with the common contrast. */
  List<BufferedImage> drawn() {
    List<BufferedImage> drawn = new ArrayList<>();
    for (FloatProcessor picture : pictures) {
      picture.setMinAndMax(low, high > low ? high : low + 1);
      drawn.add(drawn(picture));
    }
    return drawn;
  }

  private static BufferedImage drawn(FloatProcessor picture) {
    // NB: in a Java image of type "grey" the values are linear, and would be shown brighter.
    int type = BufferedImage.TYPE_INT_RGB;
    BufferedImage drawn = new BufferedImage(picture.getWidth(), picture.getHeight(), type);
    Graphics graphics = drawn.getGraphics();
    graphics.drawImage(picture.createImage(), 0, 0, null);
    graphics.dispose();
    return drawn;
  }

  /** Makes an image of ImageJ: float32, a slice per picture, with the common contrast. */
  ImagePlus image(String title) {
    ImageStack stack = new ImageStack(pictures.get(0).getWidth(), pictures.get(0).getHeight());
    for (int i = 0; i < pictures.size(); i++) {
      stack.addSlice(names.get(i), pictures.get(i).duplicate());
    }
    ImagePlus image = new ImagePlus(title, stack);
    image.setDisplayRange(low, high);
    return image;
  }
}
