package io.github.bioimgfiji.options;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * The backend's list of commands as it was last told, for those who want to know it and must not
 * start a server to ask for it.
 */
public final class KnownCommands {
  private static final List<Consumer<String>> LISTENERS = new CopyOnWriteArrayList<>();
  private static volatile String last = "";

  private KnownCommands() {}

  /**
   * Gives the list.
   *
   * @return JSON, as the answer to {@code GET /v1/commands}; "" while nobody has told it
   */
  public static String last() {
    return last;
  }

  /**
   * Tells the list; those who listen hear it when it is another one than before.
   *
   * @param commandsJson the list, or "" when it is not known any more
   */
  public static void tell(String commandsJson) {
    synchronized (KnownCommands.class) {
      if (commandsJson.equals(last)) {
        return;
      }
      last = commandsJson;
    }
    // NB: outside of the lock: a listener may wait for another thread, which may ask for the list.
    LISTENERS.forEach(each -> each.accept(commandsJson));
  }

  /** Has a listener be told of every change. */
  public static void listen(Consumer<String> listener) {
    LISTENERS.add(listener);
  }

  /** Has a listener not be told any more. */
  public static void unlisten(Consumer<String> listener) {
    LISTENERS.remove(listener);
  }
}
