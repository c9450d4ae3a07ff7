package io.github.bioimgfiji.headless;

import ij.measure.ResultsTable;
import ij.plugin.filter.Analyzer;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Keeps the tables that a command shows where there is no window to show them in.
 *
 * <p>ImageJ drops such a table when there is no display: a macro that asks for the number of
 * results then gets 0.
 */
public final class Tables {
  private static final String RESULTS = "Results";
  private static final Map<String, ResultsTable> SHOWN = new LinkedHashMap<>();

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
   * Gives the tables shown since the last {@link #clear}.
   *
   * @return tables by title
   */
  public static synchronized Map<String, ResultsTable> shown() {
    return new LinkedHashMap<>(SHOWN);
  }

  /** Forgets all tables but the Results. */
  public static synchronized void clear() {
    SHOWN.keySet().removeIf(name -> !name.equals(RESULTS));
  }
}
