package io.github.bioimgfiji.backend;

import ij.ImagePlus;
import java.util.Map;

/**
 * What runs the commands: a server process, or the Python that opened ImageJ.
 *
 * <p>The signatures are plain (texts, maps, images), so that Python can implement them by a proxy.
 * The JSON is that of the wire protocol.
 */
public interface Backend {
  /**
   * Lists the commands.
   *
   * @return JSON, as the answer to {@code GET /v1/commands}
   * @throws BackendException when the list cannot be had
   */
  String commands() throws BackendException;

  /**
   * Lists the commands, which may take a while: a server may have to be started first.
   *
   * @param monitor is told the progress, and asked whether to stop
   * @return JSON, as the answer to {@code GET /v1/commands}
   * @throws BackendException when the list cannot be had, or the user has stopped (code
   *     "cancelled")
   */
  default String commands(Monitor monitor) throws BackendException {
    return commands();
  }

  /**
   * Tells what the models of the store are, and whether each fits an image.
   *
   * @param headerJson title, axes, shape and dtype of an image, as in the image header of the wire
   *     protocol; "" asks without an image
   * @return JSON, as the answer to {@code POST /v1/models}
   * @throws BackendException when the list cannot be had
   */
  default String models(String headerJson) throws BackendException {
    return "{\"models\": []}";
  }

  /**
   * Runs a command and waits for its result.
   *
   * @param commandId the command's id
   * @param parametersJson a JSON object of values by key, without the images
   * @param images the image inputs by key; those of a list as key.0, key.1, ...
   * @param monitor is told the progress, and asked whether to stop
   * @return the result
   * @throws BackendException when the command fails or is cancelled (code "cancelled")
   */
  Outcome run(
      String commandId, String parametersJson, Map<String, ImagePlus> images, Monitor monitor)
      throws BackendException;

  /**
   * Tells whether the caller has given an image input in another way, so that none is to be looked
   * for among the open images.
   *
   * @param key the image input's key
   * @return true where {@link #run} will have it without being given it
   */
  default boolean hasImage(String key) {
    return false;
  }

  /**
   * Names this backend for the log.
   *
   * @return "in-process", or the server's address
   */
  String name();
}
