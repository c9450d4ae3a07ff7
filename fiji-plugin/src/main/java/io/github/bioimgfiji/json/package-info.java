/** Reading and writing of JSON. */
package io.github.bioimgfiji.json;
