package io.github.bioimgfiji.options;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Finds the names that a mistyped one was meant to be. */
public final class Nearest {
  private static final int MOST = 3;

  private Nearest() {}

  /**
   * Gives the nearest names, best first.
   *
   * @param name the mistyped name
   * @param names the names there are
   * @return at most three, none that differs in more than about a third of its letters
   */
  public static List<String> of(String name, Collection<String> names) {
    String wanted = name.toLowerCase(Locale.ROOT);
    List<String> near = new ArrayList<>();
    for (String each : names) {
      String known = each.toLowerCase(Locale.ROOT);
      boolean part = wanted.length() >= 3 && (known.contains(wanted) || wanted.contains(known));
      if (part || distance(wanted, known) <= Math.max(1, (wanted.length() + 1) / 3)) {
        near.add(each);
      }
    }
    near.sort(Comparator.comparingInt(each -> distance(wanted, each.toLowerCase(Locale.ROOT))));
    return near.subList(0, Math.min(MOST, near.size()));
  }

  /** Levenshtein's distance: the fewest insertions, deletions and substitutions of a letter. */
  static int distance(String from, String to) {
    int[] previous = new int[to.length() + 1];
    for (int j = 0; j <= to.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= from.length(); i++) {
      int[] current = new int[to.length() + 1];
      current[0] = i;
      for (int j = 1; j <= to.length(); j++) {
        int swap = previous[j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        current[j] = Math.min(swap, 1 + Math.min(previous[j], current[j - 1]));
      }
      previous = current;
    }
    return previous[to.length()];
  }
}
