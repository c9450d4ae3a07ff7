package io.github.bioimgfiji.client;

/** Placeholder. */
public final class HttpBackend implements io.github.bioimgfiji.backend.Backend {
  public String commands() {
    return "";
  }

  public io.github.bioimgfiji.backend.Outcome run(
      String c,
      String p,
      java.util.Map<String, ij.ImagePlus> i,
      io.github.bioimgfiji.backend.Monitor m) {
    return null;
  }

  public String name() {
    return "";
  }
}
