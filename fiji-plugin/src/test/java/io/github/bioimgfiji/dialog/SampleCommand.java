package io.github.bioimgfiji.dialog;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import io.github.bioimgfiji.options.Parameter;

/** A command with a field of every kind. */
final class SampleCommand {
  private static final String JSON =
      "{'commands': [{'id': 'sample', 'title': 'BioImg Sample...', 'menu': 'Plugins>BioImg',"
          + "'help': 'Does something.', 'schema': {'type': 'object', 'properties': {"
          + "'image': {'type': 'string', 'title': 'Image', 'x-image': true, 'x-order': 0},"
          + "'size': {'type': 'integer', 'title': 'Size', 'description': 'How large.',"
          + " 'default': 8, 'minimum': 0, 'maximum': 64, 'x-unit': 'pixels', 'x-order': 1},"
          + "'rate': {'type': 'number', 'title': 'Rate', 'description': 'How fast.',"
          + " 'exclusiveMinimum': 0, 'maximum': 1, 'x-optional': true, 'x-order': 2},"
          + "'way': {'type': 'string', 'title': 'Way', 'description': 'Which one.',"
          + " 'default': 'a', 'enum': ['a', 'b'], 'x-order': 3},"
          + "'side': {'type': 'string', 'title': 'Side', 'description': 'Which one.',"
          + " 'enum': ['x', 'y'], 'x-optional': true, 'x-order': 4},"
          + "'labels': {'type': 'boolean', 'title': 'Labels', 'description': 'Give labels.',"
          + " 'default': false, 'x-order': 5},"
          + "'model': {'type': 'string', 'title': 'Model', 'description': 'A package.',"
          + " 'x-widget': 'model', 'x-suggestions': ['fox@1', 'owl@2'], 'x-order': 6},"
          + "'output': {'type': 'string', 'title': 'Save as', 'description': 'A file.',"
          + " 'x-widget': 'save', 'x-order': 7},"
          + "'second': {'type': 'string', 'title': 'Second', 'description': 'Another.',"
          + " 'x-image': true, 'x-optional': true, 'x-expert': true, 'x-order': 8},"
          + "'more': {'type': 'array', 'title': 'More', 'description': 'Others.',"
          + " 'x-images': true, 'x-optional': true, 'x-expert': true, 'x-order': 9},"
          + "'seed': {'type': 'integer', 'title': 'Seed', 'description': 'Any.',"
          + " 'default': 0, 'minimum': 0, 'x-expert': true, 'x-order': 10},"
          + "'secret': {'type': 'string', 'title': 'Password', 'description': 'Yours.',"
          + " 'x-widget': 'password', 'x-optional': true, 'x-expert': true, 'x-order': 11}},"
          + "'required': ['model', 'output']}}]}";

  private SampleCommand() {}

  static CommandSpec spec() throws BackendException {
    return CommandSpec.find(JSON.replace('\'', '"'), "sample");
  }

  static Parameter parameter(String key) throws BackendException {
    for (Parameter parameter : spec().parameters()) {
      if (parameter.key().equals(key)) {
        return parameter;
      }
    }
    throw new AssertionError(key);
  }
}
