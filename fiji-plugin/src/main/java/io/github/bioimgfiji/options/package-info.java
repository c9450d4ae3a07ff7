/** A command's parameters, the macro line, and the checks of values. No user interface. */
package io.github.bioimgfiji.options;
