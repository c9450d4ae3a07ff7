/** What scripts and macros call: runs without windows, jobs that go on meanwhile, models. */
package io.github.bioimgfiji.api;
