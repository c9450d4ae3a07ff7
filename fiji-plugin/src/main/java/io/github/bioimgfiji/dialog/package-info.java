/** The dialog made from a command's parameters, and what it remembers. No calls of a backend. */
package io.github.bioimgfiji.dialog;
