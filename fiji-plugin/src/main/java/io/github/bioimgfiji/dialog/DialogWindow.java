package io.github.bioimgfiji.dialog;

import ij.IJ;
import ij.Prefs;
import ij.gui.GUI;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Values;
import java.awt.BorderLayout;
import java.awt.Component;
import java.awt.Container;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Font;
import java.awt.Rectangle;
import java.awt.event.ActionEvent;
import java.awt.event.KeyEvent;
import java.util.Map;
import javax.swing.AbstractAction;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;
import javax.swing.KeyStroke;
import javax.swing.ScrollPaneConstants;

/** The window with a command's form; only to be touched on the event dispatch thread. */
final class DialogWindow {
  private static final int MARGIN = 100;
  private static final int STEP = 16;
  private static final int GAP = 6;
  private static final int WIDTH = 520;

  private final CommandSpec command;
  private final LastValues last;
  private final JDialog dialog;
  private final Form form;
  private final JScrollPane scroll;
  private final JLabel problem = new JLabel();
  private Values values;

  DialogWindow(CommandSpec command, LastValues last) {
    this.command = command;
    this.last = last;
    dialog = new JDialog(IJ.getInstance(), CommandSpec.withoutDots(command.title()), true);
    dialog.setDefaultCloseOperation(JDialog.DISPOSE_ON_CLOSE);
    form = new Form(command, ModelList.empty(), this::resize);
    scroll = new JScrollPane(form.panel());
    scroll.setBorder(null);
    scroll.setHorizontalScrollBarPolicy(ScrollPaneConstants.HORIZONTAL_SCROLLBAR_NEVER);
    scroll.getVerticalScrollBar().setUnitIncrement(STEP);
    dialog.getContentPane().add(scroll, BorderLayout.CENTER);
    dialog.getContentPane().add(bottom(), BorderLayout.SOUTH);
    form.show(last);
    enlarge(dialog.getContentPane(), Prefs.getGuiScale());
    dialog.pack();
    resize();
    GUI.centerOnImageJScreen(dialog);
  }

  private JPanel bottom() {
    JButton okay = button("OK", "Run the command with these values.", this::accept);
    JButton cancel = button("Cancel", "Close the dialog; nothing is run.", this::close);
    JButton reset =
        button(
            "Reset", "Put the defaults into all fields, and forget the last values.", this::reset);
    JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, GAP, GAP));
    buttons.add(reset);
    buttons.add(cancel);
    buttons.add(okay);
    problem.setForeground(Row.WRONG);
    problem.setVisible(false);
    JPanel bottom = new JPanel(new BorderLayout());
    bottom.add(problem, BorderLayout.NORTH);
    bottom.add(buttons, BorderLayout.SOUTH);
    dialog.getRootPane().setDefaultButton(okay);
    KeyStroke escape = KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0);
    dialog
        .getRootPane()
        .getInputMap(JComponent.WHEN_ANCESTOR_OF_FOCUSED_COMPONENT)
        .put(escape, "close");
    dialog.getRootPane().getActionMap().put("close", action(this::close));
    return bottom;
  }

  private static JButton button(String text, String tip, Runnable work) {
    JButton button = new JButton(text);
    button.setName(text);
    button.setToolTipText(tip);
    button.addActionListener(event -> work.run());
    return button;
  }

  private static AbstractAction action(Runnable work) {
    return new AbstractAction() {
      private static final long serialVersionUID = 1L;

      @Override
      public void actionPerformed(ActionEvent event) {
        work.run();
      }
    };
  }

  /** Makes the letters as large as the user wants ImageJ's (Edit > Options > Appearance). */
  private static void enlarge(Component part, double scale) {
    if (scale <= 1) {
      return;
    }
    Font font = part.getFont();
    part.setFont(font.deriveFont((float) (font.getSize() * scale)));
    if (part instanceof Container) {
      for (Component child : ((Container) part).getComponents()) {
        enlarge(child, scale);
      }
    }
  }

  /** Gives the window the size that its fields need, within the screen. */
  private void resize() {
    if (scroll == null) {
      return; // while the form is made
    }
    Rectangle screen = GUI.getMaxWindowBounds(dialog);
    Dimension wanted = form.panel().getPreferredSize();
    int bar = scroll.getVerticalScrollBar().getPreferredSize().width;
    int height = Math.min(wanted.height, screen.height - MARGIN);
    Dimension size = new Dimension(Math.max(wanted.width + bar, WIDTH), height);
    if (!size.equals(scroll.getPreferredSize())) {
      scroll.setPreferredSize(size);
      dialog.pack();
      int lowest = screen.y + screen.height - dialog.getHeight();
      dialog.setLocation(dialog.getX(), Math.max(screen.y, Math.min(dialog.getY(), lowest)));
    } else {
      form.panel().revalidate();
    }
  }

  /** Shows the window until the user has decided. */
  void show() {
    dialog.setVisible(true);
  }

  void close() {
    dialog.dispose();
  }

  /** Gives the values; null where the user has cancelled. */
  Values values() {
    return values;
  }

  void know(ModelList models) {
    form.know(models);
  }

  private void reset() {
    last.forget();
    form.reset();
    tell("");
  }

  private void accept() {
    Input wrong = form.firstWrong();
    if (wrong != null) {
      lead(wrong.target());
      return;
    }
    Map<String, String> texts = form.texts();
    try {
      values = Values.check(command, texts);
    } catch (BackendException refused) {
      tell(refused.text());
      return;
    }
    for (Row row : form.rows()) {
      last.keep(row.input().parameter(), row.input().text());
    }
    close();
  }

  private static void lead(JComponent target) {
    target.requestFocusInWindow();
    target.scrollRectToVisible(new Rectangle(target.getSize()));
  }

  private void tell(String text) {
    problem.setText(text.isEmpty() ? "" : FieldHelp.html(text, WIDTH));
    problem.setVisible(!text.isEmpty());
    dialog.pack();
  }
}
