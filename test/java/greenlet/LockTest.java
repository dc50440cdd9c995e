package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.extension.ExtendWith;

/** Locks and native frames: rules L. */
@ExtendWith(LeakCheck.class)
class LockTest {
  private final List<Object> trace = new ArrayList<>();

  /** Calls {@code task} with all the monitors held. */
  private static void holding(List<Object> monitors, Runnable task) {
    if (monitors.isEmpty()) {
      task.run();
      return;
    }
    synchronized (monitors.getFirst()) {
      holding(monitors.subList(1, monitors.size()), task);
    }
  }

  private static Greenlet echo(Greenlet to) {
    return Greenlet.of(args -> {
      while (true) to.switchTo();
    });
  }

  private static List<Object> monitors(int n) {
    return IntStream.range(0, n).mapToObj(i -> new Object()).toList();
  }

  /** Calls {@code work} while holding {@code n} monitors that other threads want, and then checks who was first. */
  private void contended(int n, Runnable work) throws Throwable {
    List<Object> monitors = monitors(n);
    List<Object> order = new ArrayList<>();
    var contenders = new ArrayList<Thread>();
    for (Object monitor : monitors) {
      contenders.add(
          Thread.ofPlatform()
              .daemon()
              .unstarted(() -> {
                synchronized (monitor) {
                  synchronized (order) {
                    order.add("contender");
                  }
                }
              }));
    }
    holding(
        monitors,
        () -> {
          work.run();
          contenders.forEach(Thread::start);
          Threads.until(
              () -> contenders.stream().allMatch(t -> t.getState() == Thread.State.BLOCKED));
          work.run();
          assertTrue(monitors.stream().allMatch(Thread::holdsLock));
          synchronized (order) {
            order.add("owner");
          }
        });
    Threads.until(() -> contenders.stream().noneMatch(Thread::isAlive));
    assertEquals(
        Stream.concat(Stream.of("owner"), monitors.stream().map(m -> "contender")).toList(), order);
  }

  @RootTest
  @DisplayName(
      "L1 monitors that a root holds stay its own across switches, and others are kept out")
  void rootKeepsMonitors() throws Throwable {
    for (int n : new int[] {1, 2, 7, 8, 9, 12}) {
      Greenlet g = echo(Greenlet.current());
      contended(n, g::switchTo);
    }
  }

  @RootTest
  @DisplayName(
      "L1 monitors that a consumer holds stay its own while it pulls, and others are kept out")
  void consumerKeepsMonitors() throws Throwable {
    for (int n : new int[] {1, 2, 7, 8, 9, 12}) {
      Iterator<Integer> it =
          Generator.<Integer>of(
                  out -> {
                    while (true) out.yield(n);
                  })
              .iterator();
      contended(n, it::next);
      Iterator<Integer> ofStream =
          Generator.<Integer>of(
                  out -> {
                    while (true) out.yield(n);
                  })
              .stream()
              .iterator();
      contended(n, ofStream::next);
    }
  }

  @RootTest
  @DisplayName("L1 a greenlet that holds monitors keeps them while others run")
  @EnabledForJreRange(min = JRE.JAVA_24, disabledReason = "before, a held monitor pins")
  void greenletKeepsMonitors() throws Throwable {
    Greenlet g =
        Greenlet.of(args -> {
          Greenlet other = echo(Greenlet.current());
          contended(3, other::switchTo);
          return "fine";
        });
    assertEquals("fine", g.switchTo());
  }

  private static boolean isFreeForOthers(ReentrantLock lock) throws Throwable {
    return Threads.PLATFORM.call(
        "other",
        () -> {
          boolean got = lock.tryLock();
          if (got) lock.unlock();
          return got;
        });
  }

  @RootTest
  @DisplayName(
      "L1 a lock that the caller holds stays its own across switches, and others are kept out")
  void keepsLock() throws Throwable {
    var lock = new ReentrantLock();
    Greenlet g = echo(Greenlet.current());
    lock.lock();
    g.switchTo();
    assertTrue(lock.isHeldByCurrentThread());
    assertFalse(isFreeForOthers(lock));
    g.switchTo();
    lock.unlock();
    assertTrue(isFreeForOthers(lock));
  }

  // Ledger: test_switch_leaves_no_critical_section_held
  @RootTest
  @DisplayName("L2 a greenlet that is suspended while it holds a lock keeps other threads out")
  void suspendedHoldsLock() throws Throwable {
    Greenlet main = Greenlet.current();
    var lock = new ReentrantLock();
    Greenlet g =
        Greenlet.of(args -> {
          lock.lock();
          try {
            return main.switchTo();
          } finally {
            lock.unlock();
          }
        });
    g.switchTo();
    assertFalse(isFreeForOthers(lock));
    boolean letsIn =
        (boolean)
            Greenlet.of(
                    args -> {
                      boolean got = lock.tryLock();
                      if (got) lock.unlock();
                      return got;
                    })
                .switchTo();
    assertEquals(Greenlet.engine().startsWith("continuation"), letsIn);
    g.switchTo();
    assertTrue(isFreeForOthers(lock));
  }

  // Ledger: test_switch_leaves_no_critical_section_held
  @RootTest
  @DisplayName("L2 a greenlet that is suspended while it holds a monitor keeps other threads out")
  @EnabledForJreRange(min = JRE.JAVA_24, disabledReason = "before, a held monitor pins")
  void suspendedHoldsMonitor() throws Throwable {
    Greenlet main = Greenlet.current();
    Object monitor = new Object();
    Greenlet g =
        Greenlet.of(args -> {
          synchronized (monitor) {
            main.switchTo();
            trace.add("owner");
          }
          return null;
        });
    g.switchTo();
    Thread contender =
        Thread.ofPlatform()
            .daemon()
            .start(() -> {
              synchronized (monitor) {
                trace.add("contender");
              }
            });
    Threads.until(() -> contender.getState() == Thread.State.BLOCKED);
    assertEquals(List.of(), trace);
    g.switchTo();
    Threads.until(() -> !contender.isAlive());
    assertEquals(List.of("owner", "contender"), trace);
  }

  // Ledger: test_switching_holding_critical_section_no_crash
  @RootTest
  @DisplayName(
      "L2 two greenlets that switch from within comparators, a lock held, and then block, go on")
  void inComparators() {
    Greenlet main = Greenlet.current();
    Body sorts =
        args -> {
          var lock = new ReentrantLock();
          lock.lock();
          try {
            return Stream.of(3, 1, 2)
                .sorted((a, b) -> {
                  main.switchTo();
                  return Integer.compare(a, b);
                })
                .toList();
          } finally {
            lock.unlock();
            Threads.VIRTUAL.run("other", () -> {});
          }
        };
    List<Greenlet> both = List.of(Greenlet.of(sorts), Greenlet.of(sorts));
    List<Object> results = new ArrayList<>();
    while (results.size() < 2) {
      for (Greenlet g : both) {
        if (g.isDead()) continue;
        Object result = g.switchTo();
        if (g.isDead()) results.add(result);
      }
    }
    assertEquals(List.of(List.of(1, 2, 3), List.of(1, 2, 3)), results);
  }

  /** A class whose initialiser, which has a native frame below it, switches. */
  private static final class Initialised {
    static final AtomicReference<Object> SENT = new AtomicReference<>();

    static {
      Greenlet root = Greenlet.current().parent();
      try {
        SENT.set(root.switchTo("in the initialiser"));
      } catch (IllegalStateException e) {
        SENT.set(e);
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "L3 a switch with a native frame on the stack works or is refused, and all is usable afterwards")
  void nativeFrame() {
    Greenlet g = Greenlet.of(args -> Initialised.SENT.get(), Greenlet.current(), "initialiser");
    Object got = g.switchTo();
    if (got instanceof IllegalStateException refusal) {
      assertTrue(refusal.getMessage().contains("Greenlet[initialiser,"), refusal::getMessage);
      assertTrue(refusal.getMessage().contains("native"), refusal::getMessage);
    } else {
      assertEquals("in the initialiser", got);
      assertEquals("sent", g.switchTo("sent"));
    }
    assertTrue(g.isDead());
    assertEquals("usable", Greenlet.of(args -> "usable").switchTo());
  }
}
