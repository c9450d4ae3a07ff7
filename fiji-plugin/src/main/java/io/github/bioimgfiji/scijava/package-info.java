/**
 * The commands as modules of SciJava, for Fiji's search bar, services and scripts. Nothing of it is
 * loaded in a plain ImageJ, which has no SciJava; nothing else refers to it.
 */
package io.github.bioimgfiji.scijava;
