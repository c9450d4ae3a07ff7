package io.github.bioimgfiji.menu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.junit.jupiter.api.Test;

class MarkdownTest {
  private static String body(String markdown) {
    String html = Markdown.html(markdown);
    return html.substring(html.indexOf("<body>") + 6, html.indexOf("</body>"));
  }

  @Test
  void theKindsOfBlocks() {
    assertEquals("<h2>A &lt;b&gt;</h2>\n", body("## A <b>"));
    assertEquals("<p>one\ntwo\n</p>\n<p>three\n</p>\n", body("one\ntwo\n\nthree"));
    assertEquals("<ul><li>a<li>b</ul>\n", body("- a\n- b"));
    assertEquals("<pre>x * y\n  z\n</pre>\n", body("```ijm\nx * y\n  z\n```"));
    assertEquals(
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1|2</td><td>3</td></tr></table>\n",
        body("| a | b |\n|---|---|\n| 1\\|2 | 3 |"));
    assertEquals("", body("![picture](images/a.png)"));
  }

  @Test
  void wordsInsideABlock() {
    assertEquals(
        "<p><code>a * b</code> and <b>bold</b> <i>thin</i> link\n</p>\n",
        body("`a * b` and **bold** *thin* [link](x.md)"));
  }

  @Test
  void theDocumentationIsInTheJarAndLeavesNoMarks() throws IOException {
    for (String name : new String[] {"fiji.md", "training.md"}) {
      assertTrue(BioImg_Help.class.getResource("/io/github/bioimgfiji/help/" + name) != null, name);
      String text =
          new String(
              Files.readAllBytes(Paths.get("../docs").resolve(name)), StandardCharsets.UTF_8);
      String html = Markdown.html(text);
      assertFalse(html.contains("```"));
      assertFalse(html.contains("|---"));
      assertTrue(html.contains("<h1>"));
    }
  }
}
