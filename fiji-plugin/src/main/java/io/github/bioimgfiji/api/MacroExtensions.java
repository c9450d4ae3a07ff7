package io.github.bioimgfiji.api;

import ij.IJ;
import ij.macro.ExtensionDescriptor;
import ij.macro.Functions;
import ij.macro.Interpreter;
import ij.macro.MacroExtension;
import ij.plugin.PlugIn;
import io.github.bioimgfiji.BioImg;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The functions of {@link BioImg} that take and give texts, as extensions of the macro language:
 * {@code run("BioImg Macro Extensions"); names = Ext.BioImg_models();}.
 */
public final class MacroExtensions implements PlugIn, MacroExtension {
  private static final String PREFIX = "BioImg_";

  private final Map<String, Function<Object[], String>> functions = new LinkedHashMap<>();
  private final List<ExtensionDescriptor> descriptors = new ArrayList<>();

  /** Collects the functions. */
  public MacroExtensions() {
    add("models", 0, given -> BioImg.models());
    add("property", 2, given -> BioImg.property(text(given, 0), text(given, 1)));
    add("figure", 1, given -> BioImg.figure(text(given, 0)));
    add("figures", 0, given -> BioImg.figures());
    add("start", 2, given -> BioImg.start(text(given, 0), text(given, 1)));
    add("wait", 1, given -> BioImg.wait(text(given, 0)));
    add("cancel", 1, given -> BioImg.cancel(text(given, 0)));
    add("progress", 1, given -> BioImg.progress(text(given, 0)));
    add("state", 1, given -> BioImg.state(text(given, 0)));
    add("message", 1, given -> BioImg.message(text(given, 0)));
    add("server", 0, given -> BioImg.server());
  }

  private void add(String name, int texts, Function<Object[], String> function) {
    int[] types = new int[texts];
    Arrays.fill(types, ARG_STRING);
    functions.put(PREFIX + name, function);
    descriptors.add(new ExtensionDescriptor(PREFIX + name, types, this));
  }

  private static String text(Object[] given, int place) {
    return String.valueOf(given[place]);
  }

  /**
   * Gives the functions to the macro that runs.
   *
   * @param argument is not used
   */
  @Override
  public void run(String argument) {
    if (Interpreter.getInstance() == null) {
      IJ.error(
          "BioImg Macro Extensions",
          "The extensions are functions of a macro, and no macro runs.\n"
              + "Write run(\"BioImg Macro Extensions\"); into the macro.");
      return;
    }
    Functions.registerExtensions(this);
  }

  @Override
  public String handleExtension(String name, Object[] given) {
    return functions.get(name).apply(given);
  }

  @Override
  public ExtensionDescriptor[] getExtensionFunctions() {
    return descriptors.toArray(new ExtensionDescriptor[0]);
  }
}
