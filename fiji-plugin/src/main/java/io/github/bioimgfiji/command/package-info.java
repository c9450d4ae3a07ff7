/** The menu command, from its inputs to its results and its errors. */
package io.github.bioimgfiji.command;
