package io.github.bioimgfiji.live;

/** What the user can wish in the window. */
interface Wishes {
  /** End early, with the best result so far. */
  void finish();

  /** Stop without a result. */
  void cancel();

  /** Go on without the window. */
  void hide();
}
