package io.github.bioimgfiji.api;

import ij.IJ;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.live.ProgressText;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.results.Notes;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A command that runs while its caller goes on. */
final class Job implements Monitor {
  private static final long POLL_MS = 50;

  private final String title;
  private final CountDownLatch ended = new CountDownLatch(1);
  private volatile boolean cancelled;
  private volatile String text = "Starting";
  private volatile double fraction = Double.NaN;
  private volatile String state = "running";
  private volatile RunResult result;
  private volatile BackendException failure;

  Job(Call call, String id) {
    title = CommandSpec.withoutDots(call.title());
    // NB: the call has the input images, which a job must not keep when it has ended.
    Thread thread = new Thread(() -> work(call), "BioImg job " + id);
    thread.setDaemon(true);
    thread.start();
  }

  private void work(Call call) {
    try {
      result = call.run(this);
      fraction = 1;
      text = "Done";
      state = "done";
    } catch (BackendException error) {
      failed(error);
    } catch (RuntimeException | Error error) {
      failed(new BackendException("error", "The command failed: " + error + ".", ""));
    } finally {
      ended.countDown();
    }
  }

  private void failed(BackendException error) {
    failure = error;
    text = error.text();
    state = error.code().equals("cancelled") ? "cancelled" : "failed";
  }

  /** Gives "running", "done", "failed" or "cancelled". */
  String state() {
    return state;
  }

  /** Gives what is being done, or why it failed. */
  String text() {
    return text;
  }

  /** Gives how much is done, from 0 to 1; NaN while nobody knows. */
  double fraction() {
    return fraction;
  }

  void cancel() {
    cancelled = true;
  }

  /** Waits for the end and gives the result, once; null the next times. Escape cancels it. */
  synchronized RunResult await() throws BackendException {
    IJ.resetEscape();
    try {
      while (!ended.await(POLL_MS, TimeUnit.MILLISECONDS)) {
        if (IJ.escapePressed()) {
          cancel();
        }
      }
    } catch (InterruptedException stopped) {
      cancel();
      Thread.currentThread().interrupt();
      throw BackendException.cancelled();
    }
    if (failure != null) {
      throw failure;
    }
    RunResult once = result;
    result = null; // its images are the caller's from now on
    return once;
  }

  @Override
  public void progress(String message, double current, double maximum, String figuresJson) {
    String told = ProgressText.of(message, current, maximum, figuresJson);
    text = told.isEmpty() ? text : told;
    fraction = maximum > 0 ? Math.min(1, current / maximum) : Double.NaN;
  }

  @Override
  public void note(String sentence) {
    Notes.tell(title + ": " + sentence);
  }

  @Override
  public boolean cancelled() {
    return cancelled;
  }
}
