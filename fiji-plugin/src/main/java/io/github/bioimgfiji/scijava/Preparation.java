package io.github.bioimgfiji.scijava;

import ij.IJ;
import java.awt.GraphicsEnvironment;
import org.scijava.Priority;
import org.scijava.module.Module;
import org.scijava.module.process.AbstractPreprocessorPlugin;
import org.scijava.module.process.PreprocessorPlugin;
import org.scijava.plugin.Plugin;

/**
 * What happens before a command of ours runs, in place of SciJava's own dialog: inputs that were
 * given are checked, and defaults stand for the others; where none was given at all (the search
 * bar), it is the item of the menu that runs, with its dialog, recorder and windows.
 */
@Plugin(type = PreprocessorPlugin.class, priority = Priority.EXTREMELY_HIGH)
public final class Preparation extends AbstractPreprocessorPlugin {
  @Override
  public void process(Module module) {
    if (!(module instanceof SchemaModule)) {
      return;
    }
    SchemaModule ours = (SchemaModule) module;
    if (ours.isPrepared()) {
      return;
    }
    if (ours.isBare() && !GraphicsEnvironment.isHeadless() && IJ.getInstance() != null) {
      IJ.doCommand(ours.title());
      cancel(""); // this run; the menu's goes on
    } else {
      ours.prepare();
    }
  }
}
