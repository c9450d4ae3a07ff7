package io.github.bioimgfiji.dialog;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import ij.ImagePlus;
import ij.WindowManager;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.convert.ImageHeader;
import io.github.bioimgfiji.json.Json;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What the backend says of the models of the store, and whether each fits the active image.
 *
 * <p>The answer comes while the dialog is open already: looking into many packages takes time.
 */
final class ModelList {
  /** One model of the store. */
  static final class Model {
    private final JsonObject json;

    Model(JsonObject json) {
      this.json = json;
    }

    /** Gives the name that macros have. */
    String name() {
      return Json.string(json, "name", "");
    }

    /** Gives what is seen of it in a list. */
    String line() {
      return name() + " - " + what() + (fits() ? "" : " (does not fit)");
    }

    /** Tells whether nothing is known that keeps the active image from going through it. */
    boolean fits() {
      return Json.bool(json, "fits", true);
    }

    /** Gives title, task and axes, and whether it fits and why not, as sentences. */
    String description(String image) {
      String title = Json.string(json, "title", "");
      String start = (title.isEmpty() ? name() : title) + ": " + what() + ".";
      if (!Json.has(json, "fits")) {
        String why = Json.string(json, "why", "");
        return why.isEmpty() ? start : start + " " + why;
      }
      String no = " It does not fit " + image + ": " + Json.string(json, "why", "");
      return start + (fits() ? " It fits " + image + "." : no);
    }

    private String what() {
      List<String> parts = new ArrayList<>();
      for (String key : new String[] {"task", "axes"}) {
        String text = Json.string(json, key, "");
        if (!text.isEmpty()) {
          parts.add(key.equals("axes") ? "axes " + text : text);
        }
      }
      return parts.isEmpty() ? "nothing is known of it" : String.join(", ", parts);
    }
  }

  private final Map<String, Model> models;
  private final String image;

  private ModelList(Map<String, Model> models, String image) {
    this.models = models;
    this.image = image;
  }

  /** Gives a list that knows nothing. */
  static ModelList empty() {
    return new ModelList(Collections.emptyMap(), "");
  }

  /**
   * Reads the backend's answer.
   *
   * @param json as the answer to {@code POST /v1/models}
   * @param image title of the image that was asked for; "" where none was
   */
  static ModelList read(String json, String image) {
    Map<String, Model> models = new LinkedHashMap<>();
    for (JsonElement element : Json.array(Json.object(json), "models")) {
      Model model = new Model(element.getAsJsonObject());
      models.put(model.name(), model);
    }
    return new ModelList(models, image);
  }

  /**
   * Asks for the models on a thread of its own.
   *
   * @param whenKnown is given the list on that thread; not called where it cannot be had
   */
  static void ask(Backend backend, Consumer<ModelList> whenKnown) {
    ImagePlus active = WindowManager.getCurrentImage();
    String title = active == null ? "" : active.getTitle();
    String header = active == null ? "" : header(active);
    Thread thread =
        new Thread(
            () -> {
              try {
                whenKnown.accept(read(backend.models(header), header.isEmpty() ? "" : title));
              } catch (BackendException | JsonParseException | IllegalStateException unknown) {
                // The dialog works without: the command itself says what is wrong with a model.
              }
            },
            "BioImg models");
    thread.setDaemon(true);
    thread.start();
  }

  /** Gives what says how an image fits: its axes, sizes and type; "" where it has none. */
  private static String header(ImagePlus image) {
    try {
      JsonObject all = Json.object(ImageHeader.describe(image));
      JsonObject some = new JsonObject();
      for (String key : new String[] {"title", "axes", "shape", "dtype", "rgb"}) {
        some.add(key, all.get(key));
      }
      return Json.text(some);
    } catch (IllegalArgumentException noAxes) {
      return "";
    }
  }

  /** Gives what is seen of a model in a list: its name alone where nothing else is known. */
  String line(String name) {
    Model model = models.get(name);
    return model == null ? name : model.line();
  }

  /** Tells what is known of a model; "" where nothing is. */
  String description(String name) {
    Model model = models.get(name);
    return model == null ? "" : model.description(image);
  }

  /** Tells whether a model is known not to fit. */
  boolean isUnfit(String name) {
    Model model = models.get(name);
    return model != null && !model.fits();
  }
}
