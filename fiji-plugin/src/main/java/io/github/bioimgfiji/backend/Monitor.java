package io.github.bioimgfiji.backend;

/** What a running command tells its caller, and the caller's wish to stop it. */
public interface Monitor {
  /**
   * Tells how far the work is.
   *
   * @param message what is being done, in a few words
   * @param current steps done
   * @param maximum steps in all; 0 when nobody knows
   * @param figuresJson a JSON object of numbers (loss, seconds left, ...), or "{}"
   */
  void progress(String message, double current, double maximum, String figuresJson);

  /**
   * Tells something that the user should know, once.
   *
   * @param sentence the sentence
   */
  void note(String sentence);

  /**
   * Asks whether the user wants to stop.
   *
   * @return true once the user has asked for it
   */
  boolean cancelled();

  /**
   * Tells whether anybody looks at what {@link #live} is told; it need not be made otherwise.
   *
   * @return true while somebody does
   */
  default boolean watches() {
    return false;
  }

  /**
   * Shows curves and a preview of work that runs; they take the place of those shown before.
   *
   * @param json "Live" of the wire protocol
   */
  default void live(String json) {}

  /**
   * Asks whether the user wants the work to end early, with the best result so far.
   *
   * @return true once the user has asked for it
   */
  default boolean finishing() {
    return false;
  }
}
