/**
 * The window of work that runs: curves, a preview, and the user's wish to end it. What is shown
 * comes as JSON; no calls of a backend.
 */
package io.github.bioimgfiji.live;
