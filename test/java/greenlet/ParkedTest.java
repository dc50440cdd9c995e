package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** A stack that the JDK parks is reported to the thread that carries it. */
@ExtendWith(LeakCheck.class)
class ParkedTest {
  private final List<Object> trace = new ArrayList<>();

  @BeforeAll
  static void carriedGreenlets() {
    assumeTrue(
        VirtualThreads.canBeCarried() && EngineChoice.engine() instanceof VirtualThreadEngine,
        "carried greenlets");
  }

  private Future<Void> parks(CountDownLatch latch, Runnable first) {
    Thread waiting = Thread.currentThread();
    Future<Void> opener =
        Threads.PLATFORM.start(
            "opener",
            () -> {
              Threads.untilWaiting(waiting);
              latch.countDown();
              return null;
            });
    first.run();
    return opener;
  }

  private Object waitForLatch() throws Throwable {
    CountDownLatch latch = new CountDownLatch(1);
    Future<Void> opener = parks(latch, () -> trace.add("waits"));
    latch.await();
    Threads.await(opener);
    return trace.add("goes on");
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A greenlet that waits in the JDK is reported once it is suspended, by name, and goes on afterwards")
  void greenlet() {
    ThreadState.here().parkListener = g -> trace.add(g.name() + " parked");
    Greenlet.of(args -> waitForLatch(), Greenlet.current(), "g").switchTo();
    assertEquals("waits", trace.getFirst());
    assertEquals("g parked", trace.get(1));
    assertEquals("goes on", trace.getLast());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "So is the body that a greenlet pulls from; switches, yields and what the root does are not")
  void body() {
    ThreadState.here().parkListener = g -> trace.add(g.name() + " parked");
    Greenlet root = Greenlet.current();
    Generator<Object> waits =
        Generator.of(out -> {
          out.yield("first");
          waitForLatch();
        });
    Greenlet g =
        Greenlet.of(
            args -> {
              Cursor<Object> c = waits.cursor();
              root.switchTo(c.next());
              return c.hasNext();
            },
            root,
            "g");
    assertEquals("first", g.switchTo());
    assertEquals(List.of(), trace);
    assertEquals(false, g.switchTo());
    assertEquals("waits", trace.getFirst());
    assertEquals("g parked", trace.get(1));
    assertEquals("goes on", trace.getLast());
  }
}
