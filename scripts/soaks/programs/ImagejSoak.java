import ij.IJ;
import ij.ImageJ;
import ij.ImagePlus;
import ij.WindowManager;
import java.awt.EventQueue;
import java.awt.event.KeyEvent;
import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Works a real ImageJ from inside; prints a line of JSON for each thing that it has seen.
 *
 * <p>{@code java -cp ij.jar ImagejSoak.java cancels COUNT SEED MODEL FOLDER} cancels commands at
 * random moments by Escape; {@code runs COUNT MODEL FOLDER...} runs one again and again, and counts
 * what is left in the folders. The plugin is in plugins/ of plugins.dir.
 */
public final class ImagejSoak {
  private static final int SAMPLES = 10;
  private static final long LONGEST_MS = 60_000;

  private ImagejSoak() {}

  public static void main(String[] given) throws Exception {
    new ImageJ();
    try {
      if (given[0].equals("cancels")) {
        cancels(Integer.parseInt(given[1]), new Random(Long.parseLong(given[2])), given[3], given[4]);
      } else {
        runs(Integer.parseInt(given[1]), given[2], given);
      }
    } finally {
      Runtime.getRuntime().exit(0);
    }
  }

  private static void cancels(int count, Random random, String model, String folder)
      throws Exception {
    ImagePlus cells = IJ.createImage("cells.tif", "16-bit noise", 1500, 1500, 6);
    cells.show();
    run(model(model)); // starts the server
    for (int i = 0; i < count; i++) {
      boolean trains = i % 2 == 0;
      String line =
          trains
              ? "run('BioImg Train Denoiser...', 'model=[" + folder + "/m" + i + ".zip] force=true"
                  + " apply=false steps=1000000 patch=32 batch_size=4 filters=4 depth=1');"
              : model(model);
      cancel(i, trains, line, random.nextInt(trains ? 6000 : 1500));
      run(model(model));
    }
  }

  private static String model(String model) {
    return "selectImage('cells.tif'); run('BioImg Run Model...', 'model=[" + model + "]'); close();";
  }

  /** Runs a line to its end, and tells when it has none. */
  private static void run(String line) throws InterruptedException {
    Work work = new Work(line);
    work.join(LONGEST_MS);
    if (!work.wentOn()) {
      System.out.println("{\"wrong\": \"the next run did not work\"}");
    }
  }

  private static void cancel(int number, boolean trains, String line, long moment)
      throws InterruptedException {
    Probe probe = new Probe();
    Work work = new Work("selectImage('cells.tif'); " + line.replace("close();", ""));
    work.join(moment);
    probe.end();
    boolean ended = !work.isAlive();
    long start = System.nanoTime();
    escape();
    work.join(LONGEST_MS);
    double seconds = (System.nanoTime() - start) / 1e9;
    // NB: ImageJ waits there for the macro's end, and stops by force one that begins right then.
    settle();
    ImagePlus cells = WindowManager.getImage("cells.tif");
    System.out.printf(
        Locale.ROOT,
        "{\"number\": %d, \"trains\": %b, \"moment\": %d, \"ended_before\": %b, \"seconds\": %.3f,"
            + " \"went_on\": %b, \"locked\": %b, \"events_ms\": %d}%n",
        number,
        trains,
        moment,
        ended,
        seconds,
        !ended && work.wentOn(),
        cells.isLocked(),
        probe.worst());
    for (int id : WindowManager.getIDList()) {
      if (id != cells.getID()) {
        WindowManager.getImage(id).close();
      }
    }
  }

  /** Presses Escape: what ImageJ's window hears of the key, which goes nowhere without the focus. */
  private static void escape() {
    ImageJ window = IJ.getInstance();
    KeyEvent key =
        new KeyEvent(
            window,
            KeyEvent.KEY_PRESSED,
            System.currentTimeMillis(),
            0,
            KeyEvent.VK_ESCAPE,
            KeyEvent.CHAR_UNDEFINED);
    EventQueue.invokeLater(() -> window.keyPressed(key));
  }

  /** Waits until the event queue has done all that it had to do. */
  private static void settle() throws InterruptedException {
    try {
      EventQueue.invokeAndWait(() -> {});
    } catch (InvocationTargetException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static void runs(int count, String model, String[] given) throws Exception {
    IJ.createImage("cells.tif", "16-bit noise", 64, 48, 1).show();
    for (int i = 0; i <= count; i++) {
      run(model(model));
      if (i % Math.max(1, count / SAMPLES) == 0) {
        sample(i, given);
      }
    }
  }

  private static void sample(int number, String[] given) throws InterruptedException {
    for (int i = 0; i < 3; i++) {
      System.gc();
      Thread.sleep(400);
    }
    Runtime runtime = Runtime.getRuntime();
    int files = 0;
    for (int i = 3; i < given.length; i++) {
      files += count(new File(given[i]));
    }
    String[] handles = new File("/proc/self/fd").list();
    System.out.printf(
        "{\"run\": %d, \"heap\": %d, \"threads\": %d, \"handles\": %d, \"files\": %d, \"images\":"
            + " %d}%n",
        number,
        runtime.totalMemory() - runtime.freeMemory(),
        Thread.activeCount(),
        handles == null ? -1 : handles.length,
        files,
        WindowManager.getImageCount());
  }

  private static int count(File folder) {
    File[] found = folder.listFiles();
    int sum = 0;
    for (File each : found == null ? new File[0] : found) {
      sum += 1 + count(each);
    }
    return sum;
  }

  /** A macro on a thread of its own. */
  private static final class Work extends Thread {
    private final String line;

    Work(String line) {
      super("Soak_Macro$");
      this.line = line;
      System.clearProperty("went.on");
      setDaemon(true);
      start();
    }

    @Override
    public void run() {
      IJ.runMacro(line.replace('\'', '"') + " call(\"java.lang.System.setProperty\", \"went.on\", \"1\");");
    }

    boolean wentOn() {
      return System.getProperty("went.on") != null;
    }
  }

  /** Asks the event queue every 10 ms to answer, and keeps the longest time that it took. */
  private static final class Probe extends Thread {
    private final AtomicLong worst = new AtomicLong();
    private volatile boolean over;

    Probe() {
      super("Probe");
      setDaemon(true);
      start();
    }

    @Override
    public void run() {
      while (!over) {
        long asked = System.nanoTime();
        EventQueue.invokeLater(
            () -> worst.accumulateAndGet((System.nanoTime() - asked) / 1_000_000, Math::max));
        try {
          Thread.sleep(10);
        } catch (InterruptedException stopped) {
          return;
        }
      }
    }

    void end() throws InterruptedException {
      over = true;
      join();
      settle();
    }

    long worst() {
      return worst.get();
    }
  }
}
