package io.github.bioimgfiji.command;

import ij.ImagePlus;
import io.github.bioimgfiji.backend.BackendException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Images that no other command may change while this one works on them. */
final class Locks implements AutoCloseable {
  private final List<ImagePlus> locked = new ArrayList<>();

  private Locks() {}

  static Locks of(Collection<ImagePlus> images) throws BackendException {
    Locks locks = new Locks();
    for (ImagePlus image : images) {
      if (!locks.locked.contains(image)) {
        if (!image.lockSilently()) {
          locks.close();
          throw new BackendException(
              "image",
              "\"" + image.getTitle() + "\" is in use by another command.",
              "Wait until that has ended, or work on a duplicate.");
        }
        locks.locked.add(image);
      }
    }
    return locks;
  }

  @Override
  public void close() {
    locked.forEach(ImagePlus::unlock);
    locked.clear();
  }
}
