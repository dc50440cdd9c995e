package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Greenlets and threads: rules T, C3, S6, S7 and W1. */
@ExtendWith(LeakCheck.class)
class ThreadTest {
  private final List<Object> trace = new ArrayList<>();

  private static Greenlet suspended(String name) {
    Greenlet root = Greenlet.current();
    Greenlet g = Greenlet.of(args -> root.switchTo("suspended"), root, name);
    g.switchTo();
    return g;
  }

  @RootTest
  @DisplayName("T1 each thread has a root of its own, which comes into being on first use")
  void roots() throws Throwable {
    Greenlet root = Greenlet.current();
    assertSame(root, Greenlet.current());
    for (Threads kind : Threads.values()) {
      kind.run(
          "other",
          () -> {
            Greenlet other = Greenlet.current();
            assertNotSame(root, other);
            assertNull(other.parent());
            assertSame(other, Greenlet.of(args -> Greenlet.current().parent()).switchTo());
          });
    }
  }

  // Ledger: test_switch_to_another_thread
  @RootTest
  @DisplayName(
      "T2 W1 a greenlet of another thread is out of reach, in every state, and nothing changes")
  void otherThread() throws Throwable {
    Greenlet root = Greenlet.current();
    Greenlet.setListener((event, origin, target) -> trace.add(event));
    Greenlet unstarted = Greenlet.of(args -> "fine", root, "unstarted");
    Greenlet suspended = suspended("suspended");
    Greenlet dead = Greenlet.of(args -> null, root, "dead");
    dead.switchTo();
    trace.clear();
    for (Threads kind : Threads.values()) {
      kind.run(
          "other",
          () -> {
            Greenlet.setListener((event, origin, target) -> trace.add(event));
            for (Greenlet g : List.of(unstarted, suspended, dead, root)) {
              Object[] told = {
                g, "\"test\"", "Greenlet[root, running, thread \"other\"]", "its thread instead"
              };
              assertRefused(WrongThreadException.class, g::switchTo, told);
              assertRefused(WrongThreadException.class, () -> g.switchTo(1), told);
              assertRefused(WrongThreadException.class, () -> g.switchTo(1, 2), told);
              assertRefused(WrongThreadException.class, g::throwInto, told);
              assertRefused(WrongThreadException.class, () -> g.throwInto(new Exception()), told);
            }
            assertEquals(List.of(), trace);
            assertEquals("usable", Greenlet.of(args -> "usable").switchTo());
            trace.clear();
          });
    }
    assertFalse(unstarted.isActive());
    assertEquals("fine", unstarted.switchTo());
    assertEquals("usable", suspended.switchTo("usable"));
    assertEquals("echo", dead.switchTo("echo"));
  }

  /** What a thread leaves behind that has ended. */
  private record Remains(Greenlet root, Greenlet suspended, Greenlet unstarted, Greenlet finished) {
    static Remains of(Threads kind) throws Throwable {
      return kind.call(
          "ended",
          () -> {
            Greenlet root = Greenlet.current();
            Greenlet finished = Greenlet.of(args -> null, root, "finished");
            finished.switchTo();
            Greenlet unstarted = Greenlet.of(args -> args[0], root, "unstarted");
            return new Remains(root, ThreadTest.suspended("suspended"), unstarted, finished);
          });
    }
  }

  // Ledger: test_main_from_other_thread
  @RootTest
  @DisplayName("S6 T4 what belongs to a thread that has ended is dead and has no stack")
  void endedThread() throws Throwable {
    for (Threads kind : Threads.values()) {
      Remains left = Remains.of(kind);
      for (Greenlet g : List.of(left.root, left.suspended, left.finished)) {
        assertEquals(
            List.of(false, true, 0), List.of(g.isActive(), g.isDead(), g.stackTrace().length));
      }
      assertEquals(
          "Greenlet[suspended, dead, thread \"ended\", which has ended]",
          left.suspended.toString());
      assertEquals("Greenlet[root, dead, thread \"ended\", which has ended]", left.root.toString());
      left.suspended.close();
    }
  }

  // Ledger: test_throw_to_dead_thread_doesnt_crash, test_throw_to_dead_thread_doesnt_crash_wait
  @RootTest
  @DisplayName(
      "S6 T2 a switch or throw to what belongs to a thread that has ended is an error that says so")
  void switchToEndedThread() throws Throwable {
    for (Threads kind : Threads.values()) {
      Remains left = Remains.of(kind);
      for (Greenlet g : List.of(left.root, left.suspended, left.finished)) {
        Object[] told = {g, "\"test\"", "\"ended\"", "its thread has ended"};
        assertRefused(WrongThreadException.class, () -> g.switchTo(1), told);
        assertRefused(WrongThreadException.class, g::throwInto, told);
        assertRefused(WrongThreadException.class, () -> g.throwInto(new Exception()), told);
      }
    }
  }

  @RootTest
  @DisplayName(
      "S7 an unstarted greenlet of a thread that has ended works once it has a parent in a live one")
  void unstartedOfEndedThread() throws Throwable {
    for (Threads kind : Threads.values()) {
      Greenlet g = Remains.of(kind).unstarted;
      assertEquals(List.of(false, false), List.of(g.isActive(), g.isDead()));
      assertRefused(
          WrongThreadException.class,
          () -> g.switchTo(1),
          g,
          "\"test\"",
          "\"ended\"",
          "give it a parent");
      assertRefused(WrongThreadException.class, g::throwInto, g, "\"ended\"");
      g.setParent(Greenlet.current());
      assertEquals(1, g.switchTo(1));
    }
  }

  private static void switchUntil(BooleanSupplier over) {
    Greenlet root = Greenlet.current();
    Greenlet echo =
        Greenlet.of(args -> {
          while (!over.getAsBoolean()) root.switchTo();
          return null;
        });
    while (!echo.isDead()) echo.switchTo();
  }

  @Test
  @DisplayName(
      "where as many virtual threads as there are carriers do nothing but switch, another thread's greenlets get their turns")
  void nobodyStarves() throws Throwable {
    var over = new AtomicBoolean();
    try {
      for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++)
        Thread.startVirtualThread(() -> switchUntil(over::get));
      var turns = new AtomicInteger();
      Threads.PLATFORM.run("turns", () -> switchUntil(() -> turns.incrementAndGet() > 100));
    } finally {
      over.set(true);
    }
  }

  @RootTest
  @DisplayName("T2 where two threads have the same name the error has their numbers")
  void threadsOfOneName() throws Throwable {
    Greenlet[] left = new Greenlet[1];
    Threads.PLATFORM.run("session", () -> left[0] = Greenlet.current());
    Threads.PLATFORM.run(
        "session",
        () ->
            assertRefused(
                WrongThreadException.class,
                left[0]::switchTo,
                "of thread \"session\" #" + Thread.currentThread().threadId(),
                "thread \"session\" #" + left[0].thread().threadId() + ", which has ended",
                "its thread has ended; make it again in this one"));
  }

  @RootTest
  @DisplayName("C3 an unstarted greenlet belongs to the thread of its parent when it is started")
  void threadOfUnstarted() throws Throwable {
    Greenlet root = Greenlet.current();
    Greenlet g = Greenlet.of(args -> Greenlet.current().parent());
    Greenlet child = Greenlet.of(args -> "child", g, "child");
    Threads.PLATFORM.run(
        "other",
        () -> {
          Greenlet other = Greenlet.current();
          assertRefused(
              WrongThreadException.class, child::switchTo, child, "\"test\"", "\"other\"");
          g.setParent(other);
          assertSame(other, g.switchTo());
        });
    assertRefused(WrongThreadException.class, child::switchTo, child, "\"other\"");
    child.setParent(root);
    assertEquals("child", child.switchTo());
  }

  // Ledger: test_threads, test_thread_bug
  @RootTest
  @DisplayName("T1 the greenlets of ten threads do not disturb each other")
  void tenThreads() throws Throwable {
    List<Future<List<Integer>>> threads = new ArrayList<>();
    for (int i = 0; i < 10; i++)
      threads.add(Threads.values()[i % 2].start("worker-" + i, ThreadTest::countInTurns));
    for (Future<List<Integer>> thread : threads) {
      assertEquals(IntStream.range(0, 1_000).boxed().toList(), Threads.await(thread));
    }
  }

  private static List<Integer> countInTurns() {
    Greenlet root = Greenlet.current();
    List<Integer> counted = new ArrayList<>();
    Greenlet odd =
        Greenlet.of(args -> {
          for (int i = 1; i < 1_000; i += 2) {
            counted.add(i);
            root.switchTo();
          }
          return null;
        });
    for (int i = 0; i < 1_000; i += 2) {
      counted.add(i);
      odd.switchTo();
    }
    return counted;
  }

  // Ledger: test_implicit_parent_with_threads
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "C1 the parent is the current greenlet of the creating thread, whatever others create meanwhile")
  void creationInManyThreads() throws Throwable {
    List<Future<Boolean>> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      threads.add(
          Threads.values()[i % 2].start(
              "creator-" + i,
              () -> {
                for (int n = 0; n < 2_000; n++) {
                  boolean right =
                      (boolean)
                          Greenlet.of(
                                  args -> Greenlet.of(none -> null).parent() == Greenlet.current())
                              .switchTo();
                  if (!right) return false;
                }
                return true;
              }));
    }
    for (Future<Boolean> thread : threads) assertTrue(Threads.await(thread));
  }

  @RootTest
  @DisplayName("T3 state, parent, stack and text form can be read from any thread")
  void reading() throws Throwable {
    Greenlet root = Greenlet.current();
    Greenlet g = suspended("g");
    Thread me = Thread.currentThread();
    for (Threads kind : Threads.values()) {
      kind.run(
          "other",
          () ->
              assertAll(
                  // the stack of a virtual thread that runs may not be shown
                  () -> Threads.untilWaiting(me),
                  () -> assertTrue(g.isActive()),
                  () -> assertFalse(g.isDead()),
                  () -> assertSame(root, g.parent()),
                  () -> assertEquals("g", g.name()),
                  () -> assertTrue(g.stackTrace().length > 0),
                  () -> assertEquals("Greenlet[g, suspended, thread \"test\"]", g.toString()),
                  () -> assertTrue(root.isActive()),
                  () -> assertTrue(root.stackTrace().length > 0),
                  () -> assertEquals("Greenlet[root, running, thread \"test\"]", root.toString())));
    }
    assertEquals("usable", g.switchTo("usable"));
  }

  @RootTest
  @DisplayName("T3 they can be read while the greenlet runs")
  void readingWhileRunning() throws Throwable {
    var stop = new AtomicBoolean();
    var shared = new AtomicReference<Greenlet>();
    var ready = new CountDownLatch(1);
    Future<Object> owner =
        Threads.PLATFORM.start(
            "owner",
            () -> {
              Greenlet root = Greenlet.current();
              shared.set(
                  Greenlet.of(args -> {
                    while (true) root.switchTo();
                  }));
              shared.get().switchTo();
              ready.countDown();
              while (!stop.get()) shared.get().switchTo();
              return shared.get().switchTo("done");
            });
    Threads.await(ready);
    Greenlet g = shared.get();
    for (int i = 0; i < 1_000; i++) {
      assertTrue(g.isActive());
      assertTrue(g.toString().contains("\"owner\""));
      g.stackTrace();
    }
    stop.set(true);
    assertNull(Threads.await(owner));
  }

  /** An owner of the stress test: its greenlets switch in a ring and record it; others try to get in. */
  private static final class Owner {
    private static final int GREENLETS = 4;
    private static final int ROUNDS = 10;
    private final AtomicReference<Greenlet[]> greenlets = new AtomicReference<>();
    private final List<Integer> trace = new ArrayList<>();

    /** Runs lives of greenlets until {@code deadline}; returns how many of their traces were wrong. */
    int run(long deadline) {
      int wrong = 0;
      for (int life = 0; life < 1 || System.nanoTime() < deadline; life++) {
        if (!live().equals(expected())) wrong++;
      }
      return wrong;
    }

    private List<Integer> live() {
      Greenlet root = Greenlet.current();
      trace.clear();
      Greenlet[] ring = new Greenlet[GREENLETS];
      for (int i = 0; i < GREENLETS; i++) {
        int me = i;
        ring[i] =
            Greenlet.of(args -> {
              for (int round = 0; round < ROUNDS; round++) {
                trace.add(me);
                if (me + 1 < GREENLETS) ring[me + 1].switchTo();
                else root.switchTo();
              }
              return null;
            });
      }
      greenlets.set(ring);
      for (int round = 0; round < ROUNDS; round++) ring[0].switchTo();
      for (Greenlet g : ring) g.close();
      return List.copyOf(trace);
    }

    private static List<Integer> expected() {
      return IntStream.range(0, ROUNDS * GREENLETS).mapToObj(i -> i % GREENLETS).toList();
    }
  }

  /** Switches and throws to the greenlets of {@code owners}; returns how often that was not refused. */
  private static int intrude(List<Owner> owners, AtomicBoolean stop, AtomicLong refusals) {
    int entered = 0;
    while (!stop.get()) {
      for (Owner owner : owners) {
        Greenlet[] ring = owner.greenlets.get();
        if (ring == null) continue;
        for (Greenlet g : ring) {
          try {
            if (refusals.get() % 2 == 0) g.switchTo("intruder");
            else g.throwInto();
            entered++;
          } catch (WrongThreadException e) {
            refusals.incrementAndGet();
          }
          Thread.yield();
        }
      }
      Thread.yield();
    }
    return entered;
  }

  // Ledger: test_switching_many_threads
  @RootTest(Threads.PLATFORM)
  @DisplayName("T2 under stress every foreign switch is refused, and every owner's trace is intact")
  void manyThreads() throws Throwable {
    List<Owner> owners = IntStream.range(0, 16).mapToObj(i -> new Owner()).toList();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Threads.STRESS_SECONDS);
    var stop = new AtomicBoolean();
    var refusals = new AtomicLong();
    List<Future<Integer>> inside = new ArrayList<>();
    List<Future<Integer>> outside = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      Owner owner = owners.get(i);
      // Not virtual: those that never block starve those that a platform thread wakes, in the JDK's
      // scheduler.
      outside.add(Threads.PLATFORM.start("foreign-" + i, () -> intrude(owners, stop, refusals)));
      inside.add(Threads.values()[i % 2].start("owner-" + i, () -> owner.run(deadline)));
    }
    try {
      for (Future<Integer> wrong : inside) assertEquals(0, Threads.await(wrong));
    } finally {
      stop.set(true);
    }
    for (Future<Integer> entered : outside) assertEquals(0, Threads.await(entered));
    assertTrue(refusals.get() > 0);
  }

  @RootTest
  @DisplayName(
      "T2 a race to start an unstarted greenlet between its old thread and its new one has one outcome")
  void startRace() throws Throwable {
    Greenlet root = Greenlet.current();
    for (int round = 0; round < 2000; round++) {
      Greenlet g = Greenlet.of(args -> Greenlet.current().parent(), root);
      var together = new CountDownLatch(2);
      Future<Boolean> other =
          Threads.VIRTUAL.start(
              "other",
              () -> {
                Greenlet mine = Greenlet.current();
                together.countDown();
                Threads.await(together);
                try {
                  g.setParent(mine);
                } catch (WrongThreadException e) {
                  return false;
                }
                return g.switchTo() == mine;
              });
      together.countDown();
      Threads.await(together);
      boolean here;
      try {
        here = g.switchTo() == root;
      } catch (WrongThreadException e) {
        here = false;
      }
      assertEquals(!here, Threads.await(other));
      assertTrue(g.isDead());
    }
  }

  @RootTest
  @DisplayName("T4 nothing of a suspended greenlet runs when its thread ends")
  void nothingRuns() throws Throwable {
    Threads.PLATFORM.run(
        "ended",
        () -> {
          Greenlet root = Greenlet.current();
          Greenlet.of(
                  args -> {
                    try {
                      return root.switchTo();
                    } finally {
                      trace.add("finally");
                    }
                  })
              .switchTo();
        });
    System.gc();
    assertEquals(List.of(), trace);
  }
}
