/**
 * What ImageJ needs to work without a display and never with a wrong number. Called by mended
 * classes of others only.
 */
package io.github.bioimgfiji.headless;
