package io.github.bioimgfiji;

import ij.ImagePlus;
import io.github.bioimgfiji.api.Call;
import io.github.bioimgfiji.api.Jobs;
import io.github.bioimgfiji.api.Models;
import io.github.bioimgfiji.api.RunResult;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.command.Failure;
import io.github.bioimgfiji.results.LastResult;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * bioimg-fiji for scripts.
 *
 * <p>Jython, Groovy, JavaScript and Java call {@code run}, which shows nothing and gives a result.
 * Macros call the functions that take and give texts, by {@code
 * call("io.github.bioimgfiji.BioImg.models")}; there they stop the macro where something is wrong,
 * elsewhere they throw. See docs/macros.md.
 */
public final class BioImg {
  private BioImg() {}

  /**
   * Runs a command on an image and waits for the result.
   *
   * @param image the image, which need not be open; null is the active one
   * @param title the command's title, with or without the dots, or its id
   * @param options {@code key=value} pairs as in a macro line
   * @return the result, not shown
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public static RunResult run(ImagePlus image, String title, String options)
      throws BackendException {
    return Call.of(title, image, options).run();
  }

  /**
   * Runs a command on an image and waits for the result.
   *
   * @param image the image, which need not be open; null is the active one
   * @param title the command's title, with or without the dots, or its id
   * @param options values by key: texts, numbers, truth values, files, images, lists of images
   * @return the result, not shown
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  public static RunResult run(ImagePlus image, String title, Map<String, ?> options)
      throws BackendException {
    return Call.of(title, image, options).run();
  }

  /** Lists the models of the store, a name per line. */
  public static String models() {
    return told("models", () -> String.join("\n", Models.names()));
  }

  /** Gives a property of a model: "name", "description", "weights", "sha256", ... */
  public static String property(String model, String property) {
    return told("property", () -> Models.property(model, property));
  }

  /** Gives a figure of the last command that a macro or the menu ran; "" where it has none. */
  public static String figure(String name) {
    return LastResult.figures().getOrDefault(name, "");
  }

  /** Lists the figures of the last command that a macro or the menu ran, {@code name=value}. */
  public static String figures() {
    return LastResult.figures().entrySet().stream()
        .map(each -> each.getKey() + "=" + each.getValue())
        .collect(Collectors.joining("\n"));
  }

  /** Starts a command on open images, and gives the id of its job while it runs. */
  public static String start(String title, String options) {
    return told("start", () -> Jobs.start(Call.of(title, null, options)));
  }

  /** Waits for a job and shows its result; gives "done". */
  public static String wait(String job) {
    return told(
        "wait",
        () -> {
          RunResult result = Jobs.await(job);
          if (result != null) {
            result.show();
          }
          return Jobs.state(job);
        });
  }

  /** Asks a job to stop, which takes less than a second; gives "". */
  public static String cancel(String job) {
    return told(
        "cancel",
        () -> {
          Jobs.cancel(job);
          return "";
        });
  }

  /** Tells how far a job is, from 0 to 1; NaN while nobody knows. */
  public static String progress(String job) {
    return told("progress", () -> String.valueOf(Jobs.progress(job)));
  }

  /** Tells a job's state: "running", "done", "failed" or "cancelled". */
  public static String state(String job) {
    return told("state", () -> Jobs.state(job));
  }

  /** Tells what a job does, or why it failed. */
  public static String message(String job) {
    return told("message", () -> Jobs.text(job));
  }

  /** Tells whether a model server runs, and where; starts none. */
  public static String server() {
    return Backends.status();
  }

  /** Says that this jar is none to be started. */
  public static void main(String... arguments) {
    System.out.println(
        "This is bioimg-fiji's plugin for Fiji and ImageJ. To install it, run in a terminal:"
            + " bioimg-fiji install-plugin FOLDER");
  }

  private interface Work {
    String get() throws BackendException;
  }

  private static String told(String function, Work work) {
    try {
      return work.get();
    } catch (BackendException failure) {
      Failure.reportToCaller("BioImg." + function, failure);
      return "";
    }
  }
}
