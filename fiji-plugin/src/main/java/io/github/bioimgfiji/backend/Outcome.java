package io.github.bioimgfiji.backend;

import ij.ImagePlus;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** A command's result: images by name, and tables, figures, files and notes as JSON. */
public final class Outcome {
  private final String json;
  private final Map<String, ImagePlus> images;

  /**
   * Makes a result.
   *
   * @param json a JSON object with "tables", "figures", "files" and "notes", each of which may be
   *     missing
   * @param images the images by name; the main one is "output"
   */
  public Outcome(String json, Map<String, ImagePlus> images) {
    this.json = json;
    this.images = Collections.unmodifiableMap(new LinkedHashMap<>(images));
  }

  /**
   * Gives all but the images.
   *
   * @return a JSON object
   */
  public String json() {
    return json;
  }

  /**
   * Gives the images.
   *
   * @return images by name, not to be changed
   */
  public Map<String, ImagePlus> images() {
    return images;
  }
}
