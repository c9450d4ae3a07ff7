package io.github.bioimgfiji.scijava;

import io.github.bioimgfiji.api.Call;
import io.github.bioimgfiji.api.RunResult;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.results.Notes;
import java.util.LinkedHashMap;
import java.util.Map;
import org.scijava.Cancelable;
import org.scijava.command.Command;

/**
 * One run of a command for SciJava: a {@link Call} as every script makes it, so that checks, errors
 * and pixels are the same.
 */
public final class SchemaCommand implements Command, Cancelable {
  /** Name of the main image among the outputs. */
  static final String OUTPUT = "output";

  private static final String MODELS = "models";

  private final String id;
  private final Map<String, Object> inputs = new LinkedHashMap<>();
  private final Map<String, Object> outputs = new LinkedHashMap<>();
  private Call call;
  private volatile String cancelReason;

  SchemaCommand(String id) {
    this.id = id;
  }

  /** Gives the inputs that were given, by key. */
  Map<String, Object> inputs() {
    return inputs;
  }

  /** Gives the outputs by name; none before the run has ended. */
  Map<String, Object> outputs() {
    return outputs;
  }

  /**
   * Checks the inputs and finds the images.
   *
   * @throws IllegalStateException with the command's own error as its cause
   */
  void prepare() {
    try {
      call = Call.of(id, null, inputs);
    } catch (BackendException wrong) {
      throw failure(wrong);
    }
  }

  boolean isPrepared() {
    return call != null;
  }

  @Override
  public void run() {
    if (!isPrepared()) {
      prepare();
    }
    try {
      keep(call.run(this::isCanceled));
      followPins();
    } catch (BackendException failed) {
      if (!failed.code().equals("cancelled")) {
        throw failure(failed);
      }
      cancel(isCanceled() ? cancelReason : failed.text());
    } finally {
      call = null; // it holds the images
    }
  }

  /** Has menu and search bar show what may have been pinned. */
  private void followPins() {
    if (!id.equals(MODELS)) {
      return;
    }
    try {
      Schemas.refresh();
    } catch (BackendException unknown) {
      Notes.tell("BioImg: the menu will follow with the next command: " + unknown.text());
    }
  }

  private void keep(RunResult result) {
    outputs.put(OUTPUT, result.getImage());
    outputs.put("images", result.getImages());
    outputs.put("tables", result.getTables());
    outputs.put("figures", result.getFigures());
    outputs.put("files", result.getFiles());
    outputs.put("notes", result.getNotes());
  }

  private static IllegalStateException failure(BackendException error) {
    return new IllegalStateException(error.text(), error);
  }

  @Override
  public boolean isCanceled() {
    return cancelReason != null;
  }

  @Override
  public void cancel(String reason) {
    cancelReason = reason == null ? "" : reason;
  }

  @Override
  public String getCancelReason() {
    return cancelReason;
  }
}
