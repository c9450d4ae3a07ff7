package io.github.bioimgfiji.headless;

import ij.IJ;
import ij.Menus;
import ij.WindowManager;
import ij.plugin.PlugIn;
import ij.plugin.frame.RoiManager;
import java.awt.Checkbox;
import java.awt.GraphicsEnvironment;
import java.awt.Image;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Hashtable;
import javax.swing.DefaultListModel;
import javax.swing.JList;

/**
 * ImageJ's ROI Manager where there is no display.
 *
 * <p>The manager is a window, and Java makes none without a display. But it needs its window for
 * nothing but to show itself: here one is made whose window was never set up. It is the one that
 * macros, Analyze Particles and other plugins find, as if it had been opened. What needs its
 * dialogs still fails.
 */
public final class HiddenManager implements PlugIn {
  private static final String TITLE = "ROI Manager";
  private static final String COMMAND = TITLE + "...";
  private static RoiManager hidden;
  private static String replaced;

  /** Opens the manager: what the menu's command is where there is no display. */
  @Override
  public void run(String argument) {
    open();
  }

  /**
   * Gives the manager, which is opened if it is not open.
   *
   * @return the manager; hidden, where there is no display
   */
  public static synchronized RoiManager open() {
    if (!GraphicsEnvironment.isHeadless()) {
      return RoiManager.getRoiManager();
    }
    if (hidden == null) {
      RoiManager present = RoiManager.getRawInstance();
      hidden = present == null ? make() : present;
    }
    offer();
    return hidden;
  }

  /**
   * Gives the manager where there is no display, if it was opened.
   *
   * @return the manager, or null
   */
  public static synchronized RoiManager current() {
    return hidden;
  }

  /** Empties the manager, if it is hidden and was opened, and has the menu be as it was before. */
  public static synchronized void clear() {
    if (hidden != null) {
      hidden.reset();
      withdraw();
    }
  }

  private static RoiManager make() {
    try {
      RoiManager manager = unconstructed(Windowless.class);
      DefaultListModel<Object> labels = new DefaultListModel<>();
      // What the constructor of the manager would set.
      set(manager, "rois", new ArrayList<Object>());
      set(manager, "listModel", labels);
      set(manager, "list", new JList<>(labels));
      set(manager, "showAllCheckbox", unconstructed(Checkbox.class));
      set(manager, "labelsCheckbox", unconstructed(Checkbox.class));
      set(manager, "defaultLineWidth", 1);
      set(manager, "firstTime", true);
      set(manager, "recordShowAll", true);
      set(manager, "translateX", 10.0);
      set(manager, "translateY", 10.0);
      set(manager, "multiCropShow", true);
      set(null, "instance", manager);
      WindowManager.addWindow(manager);
      return manager;
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(
          "The ROI Manager of this ImageJ ("
              + IJ.getVersion()
              + ") does not work without a display: "
              + e,
          e);
    }
  }

  private static void offer() {
    Hashtable<String, String> commands = Menus.getCommands();
    String ours = HiddenManager.class.getName();
    if (commands != null && !ours.equals(commands.get(COMMAND))) {
      replaced = commands.put(COMMAND, ours);
    }
  }

  private static void withdraw() {
    Hashtable<String, String> commands = Menus.getCommands();
    if (commands == null || !HiddenManager.class.getName().equals(commands.get(COMMAND))) {
      return;
    }
    if (replaced == null) {
      commands.remove(COMMAND);
    } else {
      commands.put(COMMAND, replaced);
    }
  }

  private static void set(RoiManager manager, String name, Object value)
      throws ReflectiveOperationException {
    Field field = RoiManager.class.getDeclaredField(name);
    field.setAccessible(true);
    field.set(manager, value);
  }

  /**
   * Makes an object of a window's class without its constructor, as Java does when it reads one.
   */
  private static <T> T unconstructed(Class<T> type) throws ReflectiveOperationException {
    Class<?> factory = Class.forName("sun.reflect.ReflectionFactory");
    Method make =
        factory.getMethod("newConstructorForSerialization", Class.class, Constructor.class);
    Object instance = factory.getMethod("getReflectionFactory").invoke(null);
    Constructor<?> plain = Object.class.getDeclaredConstructor();
    return type.cast(((Constructor<?>) make.invoke(instance, type, plain)).newInstance());
  }

  /** The manager without the parts of a window that was never set up. */
  private static final class Windowless extends RoiManager {
    private static final long serialVersionUID = 1L;

    @Override
    public String getTitle() {
      return TITLE;
    }

    @Override
    public int getState() {
      return NORMAL;
    }

    /** Keeps it: a macro that closes the manager means to empty it. */
    @Override
    public void close() {
      reset();
    }

    // What follows would look for the parts that are not there.

    @Override
    public void setState(int state) {}

    @Override
    public void setVisible(boolean visible) {}

    @Override
    public void setIconImage(Image image) {}

    @Override
    public void setTitle(String title) {}

    @Override
    public void setLocation(int x, int y) {}

    @Override
    public void setSize(int width, int height) {}

    @Override
    public void pack() {}

    @Override
    public void toFront() {}

    @Override
    public void repaint() {}

    @Override
    public void dispose() {}
  }
}
