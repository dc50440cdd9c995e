package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;

/** Rules L1 and L2: what holds a monitor keeps it, however often control goes elsewhere meanwhile, and others are kept out. */
class MonitorTest {
  private static final int MOST_MONITORS = 12; // a thread has room for eight thin ones

  /** Something that leaves the caller's stack, runs a part of it elsewhere, and comes back. */
  private interface Excursion {
    void make(Runnable elsewhere);
  }

  @RootTest
  @DisplayName("L1 a caller keeps its monitors across a switch, and contenders get them afterwards")
  void acrossSwitches() throws Exception {
    everyScenario(elsewhere -> {
      Greenlet caller = Greenlet.current();
      Greenlet g =
          Greenlet.of(args -> {
            caller.switchTo();
            elsewhere.run();
            caller.switchTo();
            return null;
          });
      while (!g.isDead()) g.switchTo();
    });
  }

  @RootTest
  @DisplayName("L1 a caller keeps its monitors while greenlets switch among themselves")
  void acrossSwitchesOfOthers() throws Exception {
    everyScenario(elsewhere -> {
      Greenlet caller = Greenlet.current();
      Greenlet second =
          Greenlet.of(args -> {
            Object mine = new Object();
            synchronized (mine) {
              elsewhere.run();
            }
            caller.switchTo();
            return null;
          });
      Greenlet first =
          Greenlet.of(args -> {
            second.switchTo();
            return null;
          });
      first.switchTo();
      second.switchTo();
    });
  }

  @RootTest
  @DisplayName("L1 a consumer keeps its monitors across a pull")
  void acrossPulls() throws Exception {
    everyScenario(elsewhere ->
        pull(
            Generator.<Integer>of(
                    out -> {
                      out.yield(1);
                      elsewhere.run();
                      out.yield(2);
                    })
                .iterator()));
  }

  @RootTest
  @DisplayName(
      "L1 a consumer keeps its monitors across a pull from a shared cursor, whose body it carries where it can")
  void acrossSharedPulls() throws Exception {
    everyScenario(elsewhere ->
        pull(
            Generator.<Integer>of(
                    out -> {
                      Object mine = new Object();
                      out.yield(1);
                      synchronized (mine) {
                        elsewhere.run();
                      }
                      out.yield(2);
                    })
                .sharedCursor()));
  }

  @RootTest
  @DisplayName(
      "L1 a consumer keeps its monitors across nested pulls, each by a holder of another one")
  void acrossNestedPulls() throws Exception {
    assumeTrue(
        Runtime.version().feature() >= 24 || Greenlet.engine().startsWith("continuation"),
        "up to JDK 23 each level pins a carrier thread, of which there are no more than processors");
    everyScenario(elsewhere -> pull(nested(4, elsewhere).iterator()));
  }

  private static Generator<Integer> nested(int levels, Runnable elsewhere) {
    return Generator.of(out -> {
      if (levels == 0) {
        out.yield(1);
        elsewhere.run();
        out.yield(2);
        return;
      }
      Iterator<Integer> inner = nested(levels - 1, elsewhere).iterator();
      while (true) {
        Object mine = new Object();
        synchronized (mine) {
          if (!inner.hasNext()) return;
          assertTrue(Thread.holdsLock(mine));
        }
        // outside of synchronized, in which a yield is refused before JDK 24
        out.yield(inner.next());
      }
    });
  }

  private static void pull(Iterator<Integer> i) {
    assertEquals(1, i.next());
    assertEquals(2, i.next());
    assertEquals(false, i.hasNext());
  }

  private static void everyScenario(Excursion excursion) throws Exception {
    assumeTrue(
        Runtime.version().feature() >= 24 || !Thread.currentThread().isVirtual(),
        "before JDK 24 a virtual thread that holds a monitor is pinned, and can neither wait nor make room for others");
    for (int count = 1; count <= MOST_MONITORS; count++) {
      for (int entries : new int[] {1, 3}) scenario(count, entries, excursion);
    }
  }

  private static void scenario(int count, int entries, Excursion excursion) throws Exception {
    Object[] monitors = Stream.generate(Object::new).limit(count).toArray();
    AtomicInteger entered = new AtomicInteger();
    List<Thread> contenders =
        Arrays.stream(monitors)
            .map(monitor ->
                Thread.ofPlatform()
                    .daemon()
                    .name("contender")
                    .unstarted(() -> {
                      synchronized (monitor) {
                        entered.incrementAndGet();
                      }
                    }))
            .toList();
    holding(
        monitors,
        0,
        entries,
        () -> {
          excursion.make(() -> {
            contenders.forEach(Thread::start);
            contenders.forEach(t -> Threads.until(() -> t.getState() == Thread.State.BLOCKED));
          });
          excursion.make(() -> {});
          for (Object monitor : monitors) assertTrue(Thread.holdsLock(monitor));
          assertEquals(0, entered.get());
        });
    contenders.forEach(t -> Threads.until(() -> !t.isAlive()));
    assertEquals(count, entered.get());
  }

  private static void holding(Object[] monitors, int entered, int entries, Runnable then) {
    if (entered == monitors.length * entries) {
      then.run();
      return;
    }
    synchronized (monitors[entered / entries]) {
      holding(monitors, entered + 1, entries, then);
    }
  }
}
