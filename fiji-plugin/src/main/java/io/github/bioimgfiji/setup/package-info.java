/**
 * What must be there before a command can run: versions that fit, a Python with the package, and
 * how it is found, built and checked. Works without any server and without Python.
 */
package io.github.bioimgfiji.setup;
