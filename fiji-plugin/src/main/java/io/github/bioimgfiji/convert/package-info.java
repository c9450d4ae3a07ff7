/** ImagePlus to and from its header and its bytes. No files of image formats, no transport. */
package io.github.bioimgfiji.convert;
