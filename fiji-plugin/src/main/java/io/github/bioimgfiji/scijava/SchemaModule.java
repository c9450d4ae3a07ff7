package io.github.bioimgfiji.scijava;

import org.scijava.command.CommandModule;
import org.scijava.module.ModuleItem;

/** A run of a command as SciJava holds it; its inputs and outputs are no fields of a class. */
final class SchemaModule extends CommandModule {
  private final SchemaCommandInfo info;
  private final SchemaCommand command;

  SchemaModule(SchemaCommandInfo info, SchemaCommand command) {
    super(info, command);
    this.info = info;
    this.command = command;
  }

  /** Gives the title of the command. */
  String title() {
    return info.title();
  }

  /** Tells whether the caller has given no input at all. */
  boolean isBare() {
    return command.inputs().isEmpty();
  }

  /** Tells whether the inputs have been checked. */
  boolean isPrepared() {
    return command.isPrepared();
  }

  /**
   * Checks the inputs that were given; no other one is to be looked for or asked for.
   *
   * @throws IllegalStateException for what is wrong with them
   */
  void prepare() {
    command.prepare();
    for (ModuleItem<?> input : info.inputs()) {
      resolveInput(input.getName());
    }
  }

  @Override
  public void run() {
    super.run();
    // The main image is shown, as by any module; the others are only given to the caller.
    for (ModuleItem<?> output : info.outputs()) {
      if (!output.getName().equals(SchemaCommand.OUTPUT)) {
        resolveOutput(output.getName());
      }
    }
  }

  @Override
  public Object getInput(String name) {
    Object given = command.inputs().get(name);
    ModuleItem<?> item = given == null ? info.getInput(name) : null;
    return item == null ? given : item.getDefaultValue();
  }

  @Override
  public void setInput(String name, Object value) {
    command.inputs().put(name, value);
  }

  @Override
  public Object getOutput(String name) {
    return command.outputs().get(name);
  }

  @Override
  public void setOutput(String name, Object value) {
    command.outputs().put(name, value);
  }

  @Override
  public String toString() {
    return info.getIdentifier();
  }
}
