/** The backend that talks to a server process over HTTP, and starts that process. */
package io.github.bioimgfiji.client;
