/** What the menu has beside the commands: its cache, the server's window, the help. */
package io.github.bioimgfiji.menu;
