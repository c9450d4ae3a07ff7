package io.github.bioimgfiji.menu;

import ij.IJ;
import ij.gui.GUI;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.SilentMonitor;
import io.github.bioimgfiji.client.HttpBackend;
import io.github.bioimgfiji.dialog.Lines;
import java.awt.BorderLayout;
import java.awt.EventQueue;
import java.awt.FlowLayout;
import java.awt.Font;
import java.awt.GridBagConstraints;
import java.awt.GridBagLayout;
import java.awt.Insets;
import java.util.Map;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JOptionPane;
import javax.swing.JPanel;
import javax.swing.JTextField;

/** The window that shows the server's state, and starts and ends it. */
final class ServerWindow extends JFrame {
  private static final long serialVersionUID = 1L;
  private static final int GAP = 6;
  private static final int MARGIN = 2 * GAP;
  private static final int WIDTH = 80;
  private static final int PAUSE_MS = 1000;
  private static final int COLUMNS = 42;

  /** Work that talks to the server, on a thread of its own. */
  private interface Work {
    void run() throws BackendException;
  }

  private final transient HttpBackend server;
  private final JPanel table = new JPanel(new GridBagLayout());
  private final JLabel status = new JLabel(" ");
  private final JButton start = button("Start", "Start a server on this computer.");
  private final JButton stop = button("Stop", "End the server and whatever runs on it.");
  private final JButton restart = button("Restart", "End the server and start a new one.");
  private final JButton log = button("Show log", "Open what the server has written.");
  private transient Map<String, String> shown;
  private volatile boolean working;
  private volatile String running = "";
  private String trouble = "";

  ServerWindow(HttpBackend server) {
    super("BioImg Server");
    this.server = server;
    setDefaultCloseOperation(DISPOSE_ON_CLOSE);
    JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, GAP, GAP));
    for (JButton each : new JButton[] {start, stop, restart, log}) {
      buttons.add(each);
    }
    start.addActionListener(
        event -> work("Starting the server...", () -> server.start(new Starting())));
    stop.addActionListener(event -> end("Stopping the server...", server::stop));
    restart.addActionListener(
        event ->
            end(
                "Restarting the server...",
                () -> {
                  server.stop();
                  server.start(new Starting());
                }));
    log.addActionListener(event -> IJ.open(shown.getOrDefault("Log", "")));
    JPanel bottom = new JPanel(new BorderLayout());
    status.setBorder(BorderFactory.createEmptyBorder(GAP, MARGIN, 0, MARGIN));
    status.setFont(status.getFont().deriveFont(Font.PLAIN));
    bottom.add(status, BorderLayout.CENTER);
    bottom.add(buttons, BorderLayout.SOUTH);
    getRootPane().setDefaultButton(start);
    JPanel here = new JPanel(new BorderLayout());
    here.add(table, BorderLayout.CENTER);
    here.add(bottom, BorderLayout.SOUTH);
    getContentPane().add(here, BorderLayout.CENTER);
    getContentPane().add(new NamedServersPanel(this::pack), BorderLayout.SOUTH);
    show(ServerState.lines("", ""));
    GUI.centerOnImageJScreen(this);
  }

  private static JButton button(String text, String tip) {
    JButton button = new JButton(text);
    button.setToolTipText(tip);
    return button;
  }

  /** Looks after the server until the window is closed; not to be called on the event thread. */
  void watch() {
    String machine = "";
    String known = "";
    while (isDisplayable()) {
      try {
        running = server.running();
        String process = ServerState.lines(running, "").getOrDefault("Process", "");
        String before = process.equals(known) ? machine : "";
        EventQueue.invokeLater(() -> show(ServerState.lines(running, before)));
        if (before.isEmpty() && !running.isEmpty()) {
          machine = server.machine(new SilentMonitor(() -> !isDisplayable()));
          known = process;
        }
        trouble(ServerState.misfit(running));
      } catch (BackendException unknown) {
        trouble(unknown.code().equals("cancelled") ? "" : unknown.text());
      } catch (RuntimeException unexpected) {
        // The next look may succeed; a window that has stopped looking would tell old news for
        // ever.
        trouble(unexpected.toString());
      }
      IJ.wait(PAUSE_MS);
    }
  }

  /** Tells why a look has failed, until one succeeds; what is being done has its own text. */
  private void trouble(String text) {
    EventQueue.invokeLater(
        () -> {
          if (!working && !text.equals(trouble)) {
            trouble = text;
            tell(text.isEmpty() ? " " : text);
          }
        });
  }

  private void tell(String text) {
    status.setText(
        text.length() < WIDTH
            ? text
            : "<html>" + Lines.wrap(text, WIDTH).replace("&", "&amp;").replace("\n", "<br>"));
    pack();
  }

  private void show(Map<String, String> lines) {
    boolean runs = lines.size() > 1;
    start.setEnabled(!runs && !working);
    stop.setEnabled(runs && !working);
    restart.setEnabled(runs && !working);
    log.setEnabled(lines.containsKey("Log"));
    if (lines.equals(shown)) {
      return;
    }
    shown = lines;
    table.removeAll();
    GridBagConstraints place = new GridBagConstraints();
    place.insets = new Insets(GAP / 2, GAP, 0, GAP);
    place.anchor = GridBagConstraints.WEST;
    lines.forEach(
        (name, value) -> {
          place.gridx = 0;
          table.add(new JLabel(name + ":"), place);
          place.gridx = 1;
          JTextField field = new JTextField(value, COLUMNS); // so that it can be copied
          field.setName(name);
          field.setEditable(false);
          field.setBorder(null);
          table.add(field, place);
        });
    pack();
  }

  private void end(String message, Work work) {
    int jobs = ServerState.jobs(running);
    String lost = jobs + (jobs == 1 ? " job runs" : " jobs run") + " there and will be lost.";
    boolean sure =
        jobs == 0
            || JOptionPane.showConfirmDialog(this, lost, getTitle(), JOptionPane.OK_CANCEL_OPTION)
                == JOptionPane.OK_OPTION;
    if (sure) {
      work(message, work);
    }
  }

  private void work(String message, Work work) {
    working = true;
    status.setText(message);
    show(shown);
    Thread thread =
        new Thread(
            () -> {
              String end = " ";
              try {
                work.run();
              } catch (BackendException failure) {
                end = failure.code().equals("cancelled") ? " " : failure.text();
              } catch (RuntimeException unexpected) {
                end = unexpected.toString();
              }
              String text = end;
              EventQueue.invokeLater(() -> worked(text));
            },
            "BioImg server");
    thread.setDaemon(true);
    thread.start();
  }

  private void worked(String end) {
    working = false;
    tell(end);
    show(shown);
  }

  /** Tells how a start goes, which ends when the window is closed. */
  private final class Starting extends SilentMonitor {
    Starting() {
      super(() -> !ServerWindow.this.isDisplayable());
    }

    @Override
    public void progress(String message, double current, double maximum, String figuresJson) {
      EventQueue.invokeLater(() -> status.setText(message));
    }
  }
}
