package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Where the JDK suspends a greenlet of a cooperative tree, others of the tree run. */
@ExtendWith(LeakCheck.class)
class ParkedTest {
  private final List<Object> trace = new ArrayList<>();

  @BeforeAll
  static void carriedGreenlets() {
    assumeTrue(VirtualThreads.canBeCarried(), "carried greenlets");
  }

  /** Greenlets that take turns where they block. */
  private final class Turns implements Parking {
    final LinkedBlockingQueue<Greenlet> ready = new LinkedBlockingQueue<>();
    final CooperativeTree tree = new CooperativeTree(this);
    @Nullable Greenlet loop;

    void run(Body... bodies) {
      tree.call(() -> {
        loop = Greenlet.current();
        for (int i = 0; i < bodies.length; i++)
          ready.add(Greenlet.of(bodies[i], loop, "g" + (i + 1)));
        for (int left = bodies.length; left > 0; ) {
          Greenlet next = ready.take();
          Scheduler.resume(next);
          if (next.isDead()) left--;
        }
        return null;
      });
    }

    @Override
    public @Nullable Greenlet parked(Greenlet greenlet, Thread thread) {
      trace.add(greenlet.name() + " parked");
      return loop;
    }

    @Override
    public void unparked(Greenlet greenlet) {
      ready.add(greenlet);
    }

    @Override
    public void resumed(Greenlet greenlet) {
      trace.add(greenlet.name() + " resumed");
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A greenlet that waits for a latch lets the one run that opens it")
  void greenlets() {
    CountDownLatch latch = new CountDownLatch(1);
    new Turns()
        .run(
            args -> {
              latch.await();
              return trace.add("goes on");
            },
            args -> {
              trace.add("opens");
              latch.countDown();
              return trace.add("ends");
            });
    assertEquals(List.of("g1 parked", "opens", "ends", "g1 resumed", "goes on"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "So does the body of a generator that a greenlet pulls from, and a greenlet within a greenlet")
  void nested() {
    CountDownLatch latch = new CountDownLatch(1);
    Generator<String> waits =
        Generator.of(out -> {
          out.yield("first");
          latch.await();
          out.yield("second");
        });
    new Turns()
        .run(
            args -> {
              Cursor<String> c = waits.cursor();
              trace.add(c.next());
              Greenlet within =
                  Greenlet.of(
                      none -> {
                        Greenlet.current().parent().switchTo("up");
                        latch.await();
                        return c.next();
                      },
                      Greenlet.current(),
                      "within");
              trace.add(within.switchTo());
              return trace.add(within.switchTo());
            },
            args -> {
              for (String s : waits) trace.add(s);
              return null;
            },
            args -> {
              latch.countDown();
              return null;
            });
    assertEquals(
        List.of(
            "first",
            "up",
            "within parked",
            "first",
            "g2 parked",
            "within resumed",
            "second",
            "g2 resumed",
            "second"),
        trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A lock that is held over a wait excludes the others; Thread.yield lets them run")
  void locks() {
    ReentrantLock lock = new ReentrantLock();
    Body locks =
        args -> {
          lock.lock();
          trace.add("in");
          Thread.yield();
          trace.add("out");
          lock.unlock();
          return null;
        };
    new Turns().run(locks, locks);
    assertEquals(
        List.of(
            "in",
            "g1 parked",
            "g2 parked",
            "g1 resumed",
            "out",
            "g2 resumed",
            "in",
            "g2 parked",
            "g2 resumed",
            "out"),
        trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A blocked greenlet takes no switch, and says that it is blocked; what a child of it returns goes to its parent")
  void refusals() {
    CountDownLatch latch = new CountDownLatch(1);
    Turns turns = new Turns();
    List<Greenlet> blocked = new ArrayList<>();
    turns.run(
        args -> {
          blocked.add(Greenlet.current());
          latch.await();
          return trace.add("goes on");
        },
        args -> {
          Greenlet g1 = blocked.getFirst();
          assertTrue(g1.toString().contains("blocked"), g1::toString);
          assertTrue(
              List.of(g1.stackTrace()).toString().contains("CountDownLatch.await"),
              () -> List.of(g1.stackTrace()).toString());
          assertThrows(IllegalStateException.class, () -> g1.switchTo("lost"));
          assertThrows(IllegalStateException.class, g1::throwInto);
          assertThrows(IllegalStateException.class, g1::close);
          assertThrows(IllegalStateException.class, () -> Scheduler.resume(g1));
          latch.countDown();
          assertThrows(IllegalStateException.class, g1::switchTo);
          return trace.add("refused");
        });
    assertEquals(List.of("g1 parked", "refused", "g1 resumed", "goes on"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A listener hears of a greenlet that goes on")
  void listener() {
    Turns turns = new Turns();
    turns.tree.call(() ->
        Greenlet.setListener((event, from, to) -> trace.add(from.name() + " to " + to.name())));
    turns.run(args -> {
      Thread.yield();
      return null;
    });
    assertEquals(
        List.of("root to g1", "g1 parked", "g1 to root", "g1 resumed", "root to g1", "g1 to root"),
        trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "There a listener cannot switch, and what it throws is told to the thread's handler: no switch is pending")
  void listenerFails() {
    Turns turns = new Turns();
    Thread.currentThread().setUncaughtExceptionHandler((thread, t) -> trace.add(t.getMessage()));
    turns.tree.call(() ->
        Greenlet.setListener((event, from, to) -> {
          if (!from.name().equals("root") || !trace.contains("g1 resumed")) return;
          assertThrows(IllegalStateException.class, from::switchTo);
          throw new IllegalStateException("broken listener");
        }));
    turns.run(args -> {
      Thread.yield();
      return trace.add("goes on");
    });
    assertEquals(List.of("g1 parked", "g1 resumed", "broken listener", "goes on"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "The engine of a tree is the virtual-thread engine; the other tree's greenlets are out of reach in it")
  void trees() {
    Greenlet outside = Greenlet.of(args -> trace.add("outside"), Greenlet.current(), "outside");
    Greenlet root = Greenlet.current();
    new Turns()
        .run(args -> {
          assertEquals("virtual-thread", Greenlet.engine());
          assertTrue(
              assertThrows(WrongThreadException.class, outside::switchTo)
                  .getMessage()
                  .contains("cooperative hub"));
          assertThrows(WrongThreadException.class, root::switchTo);
          return null;
        });
    outside.switchTo();
    assertEquals(List.of("outside"), trace);
  }
}
