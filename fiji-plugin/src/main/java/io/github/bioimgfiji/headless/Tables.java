package io.github.bioimgfiji.headless;

import ij.measure.ResultsTable;
import ij.plugin.filter.Analyzer;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Keeps the tables that a command shows where there is no window to show them in.
 *
 * <p>ImageJ drops such a table when there is no display: a macro that asks for the number of
 * results then gets 0.
 */
public final class Tables {
  private static final String RESULTS = "Results";
  private static final Map<String, ResultsTable> SHOWN = new LinkedHashMap<>();
  private static final Set<String> RECENT = new HashSet<>();

  private Tables() {}

  /**
   * Takes a table that would be shown in a window.
   *
   * @param table the table
   * @param title the window's title; null for "Results"
   */
  public static synchronized void show(ResultsTable table, String title) {
    String name = title == null ? RESULTS : title;
    if (name.equals(RESULTS) && table != ResultsTable.getResultsTable()) {
      Analyzer.setResultsTable(table);
    }
    SHOWN.put(name, table);
    RECENT.add(name);
  }

  /**
   * Tells whether a window with the Results table would be open.
   *
   * @return true when the table was shown and has rows
   */
  public static synchronized boolean resultsShown() {
    return SHOWN.containsKey(RESULTS) && ResultsTable.getResultsTable().size() > 0;
  }

  /**
   * Gives the tables that are shown.
   *
   * @return tables by title
   */
  public static synchronized Map<String, ResultsTable> shown() {
    return new LinkedHashMap<>(SHOWN);
  }

  /**
   * Gives the tables that were shown since the last {@link #mark}.
   *
   * @return tables by title
   */
  public static synchronized Map<String, ResultsTable> recent() {
    Map<String, ResultsTable> found = shown();
    found.keySet().retainAll(RECENT);
    return found;
  }

  /** Makes the tables that are shown so far old ones. */
  public static synchronized void mark() {
    RECENT.clear();
  }

  /** Forgets all tables. */
  public static synchronized void clear() {
    SHOWN.clear();
    RECENT.clear();
  }
}
