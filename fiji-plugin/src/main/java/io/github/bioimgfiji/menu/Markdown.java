package io.github.bioimgfiji.menu;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Turns the part of Markdown that the documentation uses into HTML that Java can show. */
final class Markdown {
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final String START =
      "<html><head><style>body {font-family: sans-serif; margin: 8px}"
          + " td, th {padding: 2px 8px; text-align: left} pre {background: #eeeeee}"
          + "</style></head><body>";

  private final StringBuilder html = new StringBuilder(START);
  private String open = "";

  private Markdown() {}

  /** Gives the HTML: headings, paragraphs, lists, tables, blocks of code; pictures are left out. */
  static String html(String markdown) {
    Markdown page = new Markdown();
    boolean code = false;
    for (String line : markdown.split("\n")) {
      if (line.startsWith("```")) {
        code = !code;
        page.begin(code ? "pre" : "");
      } else if (code) {
        page.html.append(escaped(line)).append('\n');
      } else {
        page.add(line.trim());
      }
    }
    page.begin("");
    return page.html.append("</body></html>").toString();
  }

  /** Closes the block that is open and opens another one, unless it is of the same kind. */
  private void begin(String tag) {
    if (!open.equals(tag)) {
      html.append(open.isEmpty() ? "" : "</" + open + ">\n");
      html.append(tag.isEmpty() ? "" : "<" + tag + ">");
      open = tag;
    }
  }

  private void add(String line) {
    if (line.isEmpty() || line.startsWith("![")) {
      begin("");
    } else if (line.startsWith("#")) {
      int level = line.length() - line.replaceFirst("^#+", "").length();
      begin("");
      String tag = "h" + Math.min(level, 6) + ">";
      html.append("<").append(tag).append(inline(line.substring(level).trim()));
      html.append("</").append(tag).append('\n');
    } else if (line.startsWith("|")) {
      addRow(line);
    } else if (line.startsWith("- ")) {
      begin("ul");
      html.append("<li>").append(inline(line.substring(2)));
    } else {
      if (!open.equals("ul")) {
        begin("p");
      }
      html.append(inline(line)).append('\n');
    }
  }

  private void addRow(String line) {
    if (line.matches("[|: -]+")) {
      return;
    }
    boolean first = !open.equals("table");
    begin("table");
    html.append("<tr>");
    String cells = line.replaceAll("^\\||\\|$", "");
    for (String cell : cells.split("(?<!\\\\)\\|")) {
      String tag = first ? "th>" : "td>";
      html.append("<").append(tag).append(inline(cell.trim().replace("\\|", "|")));
      html.append("</").append(tag);
    }
    html.append("</tr>");
  }

  /** Turns code, strong and emphasised words and links; what stands in code stays as it is. */
  private static String inline(String text) {
    StringBuilder all = new StringBuilder();
    Matcher code = CODE.matcher(text);
    int end = 0;
    while (code.find()) {
      all.append(words(text.substring(end, code.start())));
      all.append("<code>").append(escaped(code.group(1))).append("</code>");
      end = code.end();
    }
    return all.append(words(text.substring(end))).toString();
  }

  private static String words(String text) {
    return escaped(text)
        .replaceAll("\\[([^\\]]+)\\]\\([^)]*\\)", "$1")
        .replaceAll("\\*\\*([^*]+)\\*\\*", "<b>$1</b>")
        .replaceAll("\\*([^*]+)\\*", "<i>$1</i>");
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
