package io.github.bioimgfiji.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.Collections;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PatienceTest {
  private static final String KEPT = "Go on from a.checkpoint.";
  private final Witness witness = new Witness();
  private final ByteArrayOutputStream log = new ByteArrayOutputStream();
  private final PrintStream before = System.err;
  private final AtomicReference<Thread> worker = new AtomicReference<>();
  private final CountDownLatch released = new CountDownLatch(1);

  @BeforeEach
  void listen() {
    System.setErr(new PrintStream(log, true));
  }

  @AfterEach
  void stopListening() {
    System.setErr(before);
  }

  @Test
  void workThatEndsAtTheMomentOfLeavingIsHeardByItsCaller() {
    witness.stopWhen(() -> true);
    AtomicInteger looks = new AtomicInteger();
    Patience patience =
        new Patience(
            "train",
            witness,
            () -> {
              if (looks.getAndIncrement() == 0) {
                return 0;
              }
              released.countDown(); // it ends after the caller's last look, and before it leaves
              Witness.await(() -> worker.get() != null && !worker.get().isAlive());
              return Patience.CANCEL_MS + 1;
            });
    BackendException told =
        assertThrows(BackendException.class, () -> patience.run(monitor -> cancelled()));
    assertEquals(KEPT, told.fix());
    assertEquals("", log.toString(), "its caller tells it");
  }

  @Test
  void whatIsKeptAfterTheCallerHasLeftGoesToTheLog() {
    witness.stopWhen(() -> true);
    Patience patience = new Patience("train", witness);
    BackendException told =
        assertThrows(BackendException.class, () -> patience.run(monitor -> cancelled()));
    assertEquals("cancelled", told.code());
    assertEquals("", told.fix());
    released.countDown();
    Witness.await(() -> log.toString().contains(KEPT));
    assertTrue(log.toString().startsWith("train: "), log.toString());
  }

  @Test
  void aFailureAfterTheCallerHasLeftGoesToTheLog() throws InterruptedException {
    witness.stopWhen(() -> true);
    Patience patience = new Patience("train", witness);
    BackendException full =
        new BackendException("storage", "Writing a.checkpoint failed.", "Free space there.");
    assertEquals("cancelled", failed(patience, () -> full).code());
    released.countDown();
    worker.get().join();
    assertEquals("train: " + full.text(), log.toString().trim());
  }

  @Test
  void aSurpriseAfterTheCallerHasLeftGoesToTheLog() throws InterruptedException {
    witness.stopWhen(() -> true);
    Patience patience = new Patience("train", witness);
    Supplier<BackendException> surprise =
        () -> {
          throw new OutOfMemoryError("heap");
        };
    assertEquals("cancelled", failed(patience, surprise).code());
    released.countDown();
    worker.get().join();
    assertTrue(log.toString().contains("OutOfMemoryError: heap"), log.toString());
  }

  @Test
  void aPlainCancelAfterTheCallerHasLeftIsNoNews() throws InterruptedException {
    witness.stopWhen(() -> true);
    failed(new Patience("train", witness), BackendException::cancelled);
    released.countDown();
    worker.get().join();
    assertEquals("", log.toString());
  }

  /** Runs work that fails when it is released; gives what its caller is told. */
  private BackendException failed(Patience patience, Supplier<BackendException> failure) {
    return assertThrows(
        BackendException.class,
        () ->
            patience.run(
                monitor -> {
                  worker.set(Thread.currentThread());
                  Witness.await(() -> released.getCount() == 0);
                  throw failure.get();
                }));
  }

  @Test
  void anInterruptedCallerLeavesAtOnce() {
    Patience patience = new Patience("train", witness);
    Thread.currentThread().interrupt();
    BackendException told =
        assertThrows(BackendException.class, () -> patience.run(monitor -> cancelled()));
    assertEquals("cancelled", told.code());
    assertTrue(Thread.interrupted(), "the interruption is the caller's");
    released.countDown();
    Witness.await(() -> log.toString().contains(KEPT));
  }

  @Test
  void workThatEndsInTimeGivesItsResult() throws Exception {
    Outcome outcome = new Outcome("{}", Collections.emptyMap());
    witness.stopWhen(() -> true); // the work need not stop at once
    assertSame(outcome, new Patience("train", witness).run(monitor -> outcome));
    assertFalse(Thread.interrupted());
  }

  private Outcome cancelled() throws BackendException {
    worker.set(Thread.currentThread());
    Witness.await(() -> released.getCount() == 0);
    throw new BackendException("cancelled", "The command was cancelled.", KEPT);
  }
}
