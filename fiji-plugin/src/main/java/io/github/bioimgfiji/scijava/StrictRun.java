package io.github.bioimgfiji.scijava;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.regex.Pattern;
import org.scijava.Cancelable;
import org.scijava.Context;
import org.scijava.log.LogListener;
import org.scijava.log.LogService;
import org.scijava.module.Module;
import org.scijava.module.ModuleRunner;
import org.scijava.module.process.LoadInputsPreprocessor;
import org.scijava.module.process.ModulePreprocessor;
import org.scijava.module.process.PreprocessorPlugin;
import org.scijava.module.process.SaveInputsPreprocessor;
import org.scijava.plugin.PluginService;
import org.scijava.script.ScriptModule;

/**
 * Runs any module on the thread of the caller, which is told why it did not do its work.
 *
 * <p>SciJava itself tells it to its log only: of a script's error, and that an input was missing.
 * Outputs are not shown: the caller takes them.
 */
public final class StrictRun {
  private static final String SCRIPT = ScriptModule.class.getName();

  /** The classes on the way from who logs to who listens. */
  private static final String LOGGING =
      "java\\..*|org\\.scijava\\.log\\..*|" + Pattern.quote(StrictRun.class.getName()) + ".*";

  private final Context context;
  private final Module module;
  private final Runner runner;
  private Throwable logged;

  /**
   * Prepares a run.
   *
   * @param context SciJava's
   * @param module the module, with its inputs
   */
  public StrictRun(Context context, Module module) {
    this.context = context;
    this.module = module;
    runner = new Runner(context, module);
  }

  /** Remembers what has stopped a module before it ran. */
  private static final class Runner extends ModuleRunner {
    private ModulePreprocessor stopper;

    Runner(Context context, Module module) {
      super(context, module, preprocessors(context), null);
    }

    /** Gives all but those that take values of the last run, or keep them for the next. */
    private static List<PreprocessorPlugin> preprocessors(Context context) {
      List<PreprocessorPlugin> all =
          context.service(PluginService.class).createInstancesOfType(PreprocessorPlugin.class);
      all.removeIf(
          each -> each instanceof LoadInputsPreprocessor || each instanceof SaveInputsPreprocessor);
      return all;
    }

    @Override
    public ModulePreprocessor preProcess() {
      stopper = super.preProcess();
      return stopper;
    }
  }

  /** Fills in the inputs that were not given, for who runs the module in another way. */
  public void prepare() {
    runner.preProcess();
  }

  /**
   * Runs the module.
   *
   * @throws RuntimeException what it throws
   */
  public void run() {
    if (module instanceof SchemaModule) {
      ((SchemaModule) module).prepare(); // now, or the menu's dialog would be opened
    }
    LogService log = context.service(LogService.class);
    Thread caller = Thread.currentThread();
    LogListener listener =
        message -> {
          if (Thread.currentThread() == caller && message.throwable() != null && tellsFailure()) {
            logged = message.throwable();
          }
        };
    log.addLogListener(listener);
    try {
      runner.run();
    } finally {
      log.removeLogListener(listener);
    }
  }

  /**
   * Tells whether it is the script that runs here whose failure is being logged: by SciJava's own
   * class for scripts, and not by what the script calls, which may have dealt with it.
   */
  private static boolean tellsFailure() {
    List<String> callers = new ArrayList<>();
    for (StackTraceElement each : new Throwable().getStackTrace()) {
      callers.add(each.getClassName());
    }
    boolean nested = Collections.frequency(callers, SCRIPT) > 1; // one that this script has run
    callers.removeIf(each -> each.matches(LOGGING));
    return !nested && callers.get(0).equals(SCRIPT);
  }

  /** Gives the error that a script has ended with, which was only logged; or null. */
  public Throwable logged() {
    return logged;
  }

  /** Gives why the module was stopped, which may be ""; null when it was not. */
  public String stopped() {
    if (runner.stopper != null) {
      return runner.stopper.getCancelReason();
    }
    boolean cancelled = module instanceof Cancelable && ((Cancelable) module).isCanceled();
    return cancelled ? ((Cancelable) module).getCancelReason() : null;
  }
}
