package io.github.bioimgfiji.api;

import io.github.bioimgfiji.backend.BackendException;
import java.util.LinkedHashMap;
import java.util.Map;

/** Commands that were started to run on, by their ids, until ImageJ ends. */
public final class Jobs {
  private static final Map<String, Job> ALL = new LinkedHashMap<>();

  private Jobs() {}

  /**
   * Starts a call.
   *
   * @param call the call
   * @return the job's id
   */
  public static synchronized String start(Call call) {
    String id = String.valueOf(ALL.size() + 1);
    ALL.put(id, new Job(call, id));
    return id;
  }

  /**
   * Waits for a job's end.
   *
   * @param id the job's id
   * @return its result, or null when it was given before
   * @throws BackendException the command's own error, or that there is no such job
   */
  public static RunResult await(String id) throws BackendException {
    return find(id).await();
  }

  /**
   * Tells how far a job is.
   *
   * @param id the job's id
   * @return from 0 to 1; NaN while nobody knows
   * @throws BackendException when there is no such job
   */
  public static double progress(String id) throws BackendException {
    return find(id).fraction();
  }

  /**
   * Tells a job's state.
   *
   * @param id the job's id
   * @return "running", "done", "failed" or "cancelled"
   * @throws BackendException when there is no such job
   */
  public static String state(String id) throws BackendException {
    return find(id).state();
  }

  /**
   * Tells what a job does, or why it failed.
   *
   * @param id the job's id
   * @return a text such as "Tiles 3/12, 5 s left"
   * @throws BackendException when there is no such job
   */
  public static String text(String id) throws BackendException {
    return find(id).text();
  }

  /**
   * Asks a job to stop; within a second it has.
   *
   * @param id the job's id
   * @throws BackendException when there is no such job
   */
  public static void cancel(String id) throws BackendException {
    find(id).cancel();
  }

  private static synchronized Job find(String id) throws BackendException {
    Job job = ALL.get(id.trim());
    if (job == null) {
      String ids = ALL.isEmpty() ? "none" : String.join(", ", ALL.keySet());
      throw new BackendException(
          "parameter",
          "The job must be one that was started in this ImageJ, but it is \"" + id + "\".",
          "Give the id that the start has given. Jobs so far: " + ids + ".");
    }
    return job;
  }
}
