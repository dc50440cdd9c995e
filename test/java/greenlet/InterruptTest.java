package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.Iterator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Interrupts mean whatever runs, and go where control goes, as if all stacks were one thread's. */
@ExtendWith(LeakCheck.class)
class InterruptTest {
  /** A blocking call that others are told of before it begins. */
  private volatile CountDownLatch blocking;

  private volatile Thread blocked;

  private final CountDownLatch never = new CountDownLatch(1);

  private void block() {
    blocked = Thread.currentThread();
    blocking.countDown();
    assertThrows(InterruptedException.class, () -> Threads.await(never));
  }

  /** Has another thread interrupt this one as soon as {@link #block} is called, and calls {@code task} meanwhile. */
  private void interruptDuring(Runnable task) throws Throwable {
    Thread owner = Thread.currentThread();
    blocking = new CountDownLatch(1);
    Future<Object> interrupter =
        Threads.PLATFORM.start(
            "interrupter",
            () -> {
              Threads.await(blocking);
              if (VirtualThreads.canBeCarried()) Threads.untilWaiting(blocked);
              owner.interrupt();
              return null;
            });
    task.run();
    Threads.await(interrupter);
    assertFalse(Thread.interrupted(), "the interrupt was consumed where it arrived");
  }

  private Body blocks(Object result) {
    return args -> {
      block();
      return result;
    };
  }

  @RootTest
  @DisplayName("An interrupt of the owner's thread reaches the greenlet that runs")
  void reachesGreenlet() throws Throwable {
    Greenlet g = Greenlet.of(blocks("interrupted"));
    interruptDuring(() -> assertEquals("interrupted", g.switchTo()));
  }

  @RootTest
  @DisplayName("An interrupt arrives once, also where the greenlet that gets it ends at once")
  void arrivesOnce() throws Throwable {
    for (int round = 0; round < 200; round++) {
      Greenlet g = Greenlet.of(blocks(round));
      interruptDuring(g::switchTo);
    }
  }

  @RootTest
  @DisplayName("An interrupt of the owner's thread reaches a greenlet that another one started")
  void reachesInnerGreenlet() throws Throwable {
    Greenlet outer = Greenlet.of(args -> Greenlet.of(blocks("interrupted")).switchTo());
    interruptDuring(() -> assertEquals("interrupted", outer.switchTo()));
  }

  @RootTest
  @DisplayName("An interrupt of the owner's thread reaches the body of an iterator")
  void reachesIterator() throws Throwable {
    Iterator<String> it =
        Generator.<String>of(
                out -> {
                  block();
                  out.yield("interrupted");
                })
            .iterator();
    interruptDuring(() -> assertEquals("interrupted", it.next()));
  }

  @RootTest
  @DisplayName(
      "An interrupt of the owner's thread reaches a body that a body pulls from, in a greenlet")
  void reachesInnerIterator() throws Throwable {
    Generator<String> inner =
        Generator.of(out -> {
          block();
          out.yield("interrupted");
        });
    Generator<String> outer = Generator.of(out -> out.yield(inner.iterator().next()));
    Greenlet g = Greenlet.of(args -> outer.iterator().next());
    interruptDuring(() -> assertEquals("interrupted", g.switchTo()));
  }

  @RootTest
  @DisplayName("An interrupt of the owner's thread reaches the body on the consumer's stack")
  void reachesPushedBody() throws Throwable {
    Generator<String> g = Generator.of(out -> block());
    interruptDuring(() -> g.forEach(v -> {}));
  }

  @RootTest
  @DisplayName("The interrupt status comes back with control from a greenlet")
  void comesBack() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          Thread.currentThread().interrupt();
          main.switchTo();
          assertFalse(Thread.currentThread().isInterrupted(), "main cleared it");
          Thread.currentThread().interrupt();
          return null;
        });
    g.switchTo();
    assertTrue(Thread.interrupted(), "after a switch");
    g.switchTo();
    assertTrue(Thread.interrupted(), "after the end");
  }

  @RootTest
  @DisplayName("The interrupt status goes with control into a greenlet, which may clear it")
  void goesAlong() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          assertTrue(Thread.interrupted(), "on the first switch");
          main.switchTo();
          assertTrue(Thread.interrupted(), "on a later one");
          return null;
        });
    for (int i = 0; i < 2; i++) {
      Thread.currentThread().interrupt();
      assertNull(g.switchTo());
      assertFalse(Thread.interrupted());
    }
    assertTrue(g.isDead());
  }

  @RootTest
  @DisplayName("The interrupt status goes into the body of an iterator and comes back")
  void iterator() {
    Iterator<Boolean> it =
        Generator.<Boolean>of(
                out -> {
                  out.yield(Thread.interrupted());
                  out.yield(Thread.interrupted());
                  Thread.currentThread().interrupt();
                })
            .iterator();
    Thread.currentThread().interrupt();
    assertTrue(it.next());
    assertFalse(Thread.interrupted());
    assertFalse(it.next());
    assertFalse(it.hasNext());
    assertTrue(Thread.interrupted());
  }
}
