/** Showing a command's results in ImageJ. */
package io.github.bioimgfiji.results;
