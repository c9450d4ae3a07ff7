package io.github.bioimgfiji.menu;

import ij.gui.GUI;
import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.FlowLayout;
import javax.swing.JComboBox;
import javax.swing.JEditorPane;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;

/** A window with pages of documentation. */
final class HelpWindow extends JFrame {
  private static final long serialVersionUID = 1L;
  private static final int WIDTH = 760;
  private static final int HEIGHT = 600;

  private final JEditorPane page = new JEditorPane("text/html", "");

  HelpWindow(String[] names, String[] pages) {
    super("BioImg Help");
    setDefaultCloseOperation(DISPOSE_ON_CLOSE);
    JComboBox<String> topics = new JComboBox<>(names);
    topics.addActionListener(event -> show(pages[topics.getSelectedIndex()]));
    JPanel top = new JPanel(new FlowLayout(FlowLayout.LEFT));
    top.add(new JLabel("Page:"));
    top.add(topics);
    page.setName("page");
    page.setEditable(false);
    show(pages[0]);
    JScrollPane scroll = new JScrollPane(page);
    scroll.setPreferredSize(new Dimension(WIDTH, HEIGHT));
    getContentPane().add(top, BorderLayout.NORTH);
    getContentPane().add(scroll, BorderLayout.CENTER);
    pack();
    GUI.centerOnImageJScreen(this);
  }

  private void show(String markdown) {
    page.setText(Markdown.html(markdown));
    page.setCaretPosition(0);
  }
}
