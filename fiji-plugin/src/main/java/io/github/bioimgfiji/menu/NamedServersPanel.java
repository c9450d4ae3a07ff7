package io.github.bioimgfiji.menu;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.SilentMonitor;
import io.github.bioimgfiji.client.HttpBackend;
import io.github.bioimgfiji.client.NamedServers;
import io.github.bioimgfiji.client.NamedServers.Entry;
import io.github.bioimgfiji.dialog.Lines;
import java.awt.BorderLayout;
import java.awt.EventQueue;
import java.awt.FlowLayout;
import java.awt.GridBagConstraints;
import java.awt.GridBagLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.swing.BorderFactory;
import javax.swing.DefaultListModel;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JOptionPane;
import javax.swing.JPanel;
import javax.swing.JPasswordField;
import javax.swing.JScrollPane;
import javax.swing.JTextField;
import javax.swing.ListSelectionModel;

/** The servers on other computers: their list, and buttons to add, change, remove and try one. */
final class NamedServersPanel extends JPanel {
  private static final long serialVersionUID = 1L;
  private static final int GAP = 6;
  private static final int ROWS = 4;
  private static final int COLUMNS = 40;
  private static final int WIDTH = 80;

  private final DefaultListModel<String> names = new DefaultListModel<>();
  private final JList<String> list = new JList<>(names);
  private final JLabel answer = new JLabel(" ");
  private final JButton add = new JButton("Add...");
  private final JButton edit = new JButton("Edit...");
  private final JButton remove = new JButton("Remove");
  private final JButton test = new JButton("Test");
  private final transient Runnable resized;
  private transient Map<String, Entry> entries = new LinkedHashMap<>();

  /**
   * Makes the panel.
   *
   * @param resized is run when it needs more or less room
   */
  NamedServersPanel(Runnable resized) {
    super(new BorderLayout(GAP, GAP));
    this.resized = resized;
    setBorder(BorderFactory.createTitledBorder("Other computers: server=NAME"));
    list.setName("servers");
    list.setVisibleRowCount(ROWS);
    list.setSelectionMode(ListSelectionModel.SINGLE_SELECTION);
    list.addListSelectionListener(event -> refresh());
    answer.setName("answer");
    JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, GAP, 0));
    for (JButton each : new JButton[] {add, edit, remove, test}) {
      buttons.add(each);
    }
    add.addActionListener(event -> ask(new Entry("", "https://", "", "")));
    edit.addActionListener(event -> ask(selected()));
    remove.addActionListener(event -> remove(selected().name));
    test.addActionListener(event -> test(selected().name));
    JPanel bottom = new JPanel(new BorderLayout());
    bottom.add(answer, BorderLayout.CENTER);
    bottom.add(buttons, BorderLayout.SOUTH);
    add(new JScrollPane(list), BorderLayout.CENTER);
    add(bottom, BorderLayout.SOUTH);
    read("");
  }

  private Entry selected() {
    return entries.get(String.valueOf(list.getSelectedValue()).split(" ", 2)[0]);
  }

  private void refresh() {
    boolean one = list.getSelectedIndex() >= 0;
    edit.setEnabled(one);
    remove.setEnabled(one);
    test.setEnabled(one);
  }

  private void read(String select) {
    try {
      entries = NamedServers.all();
    } catch (BackendException damaged) {
      tell(damaged.text());
    }
    names.clear();
    for (Entry entry : entries.values()) {
      names.addElement(entry.name + "  " + entry.url);
      if (entry.name.equals(select)) {
        list.setSelectedIndex(names.size() - 1);
      }
    }
    refresh();
  }

  /** Asks for the values of an entry, again while they are wrong, and keeps it. */
  private void ask(Entry before) {
    JTextField name = field("name", new JTextField(before.name));
    JTextField url = field("url", new JTextField(before.url));
    JTextField pin = field("fingerprint", new JTextField(before.fingerprint));
    JTextField file = field("token file", new JTextField(before.tokenFile));
    JTextField token = field("token", new JPasswordField());
    JPanel form = new JPanel(new GridBagLayout());
    line(form, "Name", name, "What server= says in macros.");
    line(form, "Address", url, "For example https://gpu.example.org:8443");
    line(form, "Fingerprint", pin, "SHA-256 of its certificate, which the server prints.");
    line(form, "Token", token, "As in the file that the server was started with.");
    line(form, "or its file", file, "A file of mode 0600 on this computer.");
    while (JOptionPane.showConfirmDialog(
            this,
            form,
            "BioImg Named Server",
            JOptionPane.OK_CANCEL_OPTION,
            JOptionPane.PLAIN_MESSAGE)
        == JOptionPane.OK_OPTION) {
      Entry entry = new Entry(name.getText(), url.getText(), pin.getText(), file.getText());
      try {
        NamedServers.add(entry, token.getText().trim());
        if (!before.name.isEmpty() && !before.name.equals(entry.name)) {
          NamedServers.remove(before.name);
        }
        read(entry.name);
        tell(" ");
        return;
      } catch (BackendException wrong) {
        JOptionPane.showMessageDialog(
            this, Lines.wrap(wrong.text(), WIDTH), "BioImg Server", JOptionPane.WARNING_MESSAGE);
      }
    }
  }

  private static JTextField field(String name, JTextField field) {
    field.setName(name);
    field.setColumns(COLUMNS);
    return field;
  }

  private static void line(JPanel form, String label, JTextField field, String help) {
    GridBagConstraints place = new GridBagConstraints();
    place.anchor = GridBagConstraints.WEST;
    place.gridx = 0;
    JLabel text = new JLabel(label + ": ");
    text.setLabelFor(field);
    form.add(text, place);
    place.gridx = 1;
    field.setToolTipText(help);
    form.add(field, place);
  }

  private void remove(String name) {
    try {
      NamedServers.remove(name);
      tell(" ");
    } catch (BackendException failure) {
      tell(failure.text());
    }
    read("");
  }

  /** Tries a server, on a thread of its own. */
  private void test(String name) {
    tell("Asking " + name + "...");
    test.setEnabled(false);
    Thread thread =
        new Thread(
            () -> {
              String text;
              try {
                text = HttpBackend.test(name, new SilentMonitor(() -> !isDisplayable()));
              } catch (BackendException failure) {
                text = failure.text();
              } catch (RuntimeException unexpected) {
                text = unexpected.toString();
              }
              String told = text;
              EventQueue.invokeLater(
                  () -> {
                    tell(told);
                    refresh();
                  });
            },
            "BioImg server's test");
    thread.setDaemon(true);
    thread.start();
  }

  private void tell(String text) {
    String lines = Lines.wrap(text, WIDTH).replace("&", "&amp;").replace("<", "&lt;");
    answer.setText(text.length() < WIDTH ? text : "<html>" + lines.replace("\n", "<br>"));
    resized.run();
  }
}
