/** What runs the commands, and how it reports. No HTTP and no user interface. */
package io.github.bioimgfiji.backend;
