package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is given back and when: rules G, V4 and T4. */
@ExtendWith(LeakCheck.class)
class MemoryTest {
  private final List<Object> trace = new ArrayList<>();

  /** Objects that have to be collected. Made in methods of their own, so that no frame of the test holds them. */
  private final List<WeakReference<?>> forgotten = new ArrayList<>();

  private <T> T forget(T object) {
    forgotten.add(new WeakReference<>(object));
    return object;
  }

  private void assertCollected(int count) {
    assertEquals(count, forgotten.size());
    Threads.collect(() -> forgotten.stream().allMatch(reference -> reference.get() == null));
  }

  /** One that is suspended with an object on its stack. */
  private Greenlet suspended() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        forget(
            Greenlet.of(args -> {
              Object onStack = forget(new Object());
              try {
                return main.switchTo();
              } finally {
                trace.add(onStack);
              }
            }));
    g.switchTo();
    return g;
  }

  // Ledger: test_inactive_weakref
  @RootTest
  @DisplayName("G1 an unstarted greenlet that nobody can reach is collected")
  void unstarted() {
    forget(Greenlet.of(args -> null));
    assertCollected(1);
  }

  // Ledger: test_finalizer_crash, test_cycle_in_suspended_frame
  @RootTest
  @DisplayName(
      "G1 a suspended greenlet that nobody can reach is collected with its stack, and nothing in it runs")
  void suspendedOne() {
    suspended();
    assertCollected(2);
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("G1 what is on the stack of a suspended greenlet that can be reached stays")
  void reachable() {
    Greenlet g = suspended();
    for (int i = 0; i < 3; i++) System.gc();
    assertTrue(forgotten.stream().noneMatch(reference -> reference.get() == null));
    g.close();
    assertEquals(1, trace.size());
  }

  // Ledger: test_circular_greenlet, test_inactive_ref
  @RootTest
  @DisplayName("G1 an unstarted greenlet in a cycle is collected")
  void unstartedCycle() {
    makeUnstartedCycle();
    assertCollected(2);
  }

  private void makeUnstartedCycle() {
    Greenlet[] cycle = new Greenlet[2];
    cycle[0] = forget(Greenlet.of(args -> cycle[1]));
    cycle[1] = forget(Greenlet.of(args -> cycle[0]));
  }

  @RootTest
  @DisplayName(
      "G1 suspended greenlets in a cycle, by their stacks and their parents, are collected")
  void suspendedCycle() {
    makeSuspendedCycle();
    assertCollected(2);
  }

  private void makeSuspendedCycle() {
    Greenlet main = Greenlet.current();
    Greenlet outer =
        forget(
            Greenlet.of(args -> {
              Greenlet me = Greenlet.current();
              Greenlet inner =
                  forget(
                      Greenlet.of(none -> {
                        main.switchTo();
                        return me;
                      }));
              inner.switchTo();
              return inner;
            }));
    outer.switchTo();
  }

  @RootTest
  @DisplayName(
      "G1 a cursor, iterator, spliterator or stream that is forgotten half way is collected with its stack, and nothing in it runs")
  void traversal() {
    Generator<Integer> g =
        Generator.of(out -> {
          Object onStack = forget(new Object());
          try {
            for (int i = 0; ; i++) out.yield(i);
          } finally {
            trace.add(onStack);
          }
        });
    forget(g.iterator()).next();
    forget(g.cursor()).peek();
    forget(g.sharedCursor()).next();
    forget(g.spliterator()).tryAdvance(i -> {});
    forget(g.stream()).iterator().next();
    forget(g.stream()).limit(2).toList();
    assertCollected(12);
    assertEquals(List.of(), trace);
    Reference.reachabilityFence(g);
  }

  @RootTest
  @DisplayName(
      "G1 a greenlet that is suspended in the body of an iterator, and one that a body made, are collected")
  void throughBodies() {
    switchAwayInBody();
    suspendInBody();
    assertCollected(5);
  }

  private void switchAwayInBody() {
    Greenlet main = Greenlet.current();
    Generator<Object> g =
        Generator.of(out -> {
          forget(new Object());
          out.yield(main.switchTo());
        });
    forget(Greenlet.of(args -> forget(g.iterator()).next())).switchTo();
  }

  private void suspendInBody() {
    forget(
            Generator.<Object>of(
                    out -> {
                      Greenlet puller = Greenlet.current();
                      forget(Greenlet.of(args -> puller.switchTo())).switchTo();
                      out.yield(1);
                    })
                .iterator())
        .next();
  }

  // Ledger: test_dead_weakref, test_dead_circular_ref
  @RootTest
  @DisplayName(
      "G3 a finished greenlet that nobody can reach is collected, also one that returned itself")
  void finished() {
    forget(Greenlet.of(args -> Greenlet.current())).switchTo();
    assertCollected(1);
  }

  @RootTest
  @DisplayName("G3 a finished greenlet keeps neither its body nor its result nor its stack")
  void finishedKeepsNothing() {
    Greenlet g = finish();
    assertCollected(3);
    assertTrue(g.isDead());
  }

  private Greenlet finish() {
    Object ofBody = forget(new Object());
    Greenlet g =
        Greenlet.of(args -> {
          Object onStack = forget(new Object());
          trace.add(onStack.equals(ofBody));
          return forget(new Object());
        });
    g.switchTo();
    return g;
  }

  @RootTest
  @DisplayName("G3 a greenlet that ended without running keeps nothing of its body")
  void neverRan() {
    Greenlet g = endUnstarted();
    assertCollected(2);
    assertTrue(g.isDead());
  }

  private Greenlet endUnstarted() {
    Object ofBody = forget(new Object());
    Greenlet g = Greenlet.of(args -> ofBody);
    forget(g.throwInto());
    return g;
  }

  // Ledger: test_arg_refs, test_kwarg_refs
  @RootTest
  @DisplayName("V4 values and exceptions that were delivered to a pending switch are not kept")
  void delivered() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          while (true) {
            try {
              main.switchTo();
            } catch (GreenletExit e) {
              trace.add("exit");
            }
          }
        });
    g.switchTo();
    for (int i = 0; i < 100; i++) send(g);
    assertCollected(500);
    assertEquals(100, trace.size());
    assertTrue(g.isActive());
  }

  private void send(Greenlet g) {
    g.switchTo(forget(new Object()));
    g.switchTo(forget(new Object()), forget(new Object()), forget(new Object()));
    g.throwInto(forget(new GreenletExit()));
  }

  @RootTest
  @DisplayName("V4 values that a greenlet sent are not kept once they were delivered")
  void sent() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          while (true) main.switchTo(forget(new Object()));
        });
    for (int i = 0; i < 2; i++) {
      g.switchTo();
      g.switchTo();
    }
    // The last one lies in the pending call of g itself.
    forgotten.removeLast();
    assertCollected(3);
    assertTrue(g.isActive());
  }

  @RootTest
  @DisplayName("V4 the arguments of a body are the body's alone")
  void arguments() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          args[0] = null;
          return main.switchTo();
        });
    start(g);
    assertCollected(1);
    assertTrue(g.isActive());
  }

  private void start(Greenlet g) {
    g.switchTo(forget(new Object()));
  }

  @RootTest
  @DisplayName("V4 an iterator does not keep the elements that were taken from it")
  void elements() {
    Iterator<Object> it =
        Generator.<Object>of(
                out -> {
                  while (true) yieldNew(out);
                })
            .iterator();
    for (int i = 0; i < 10; i++) it.next();
    forgotten.removeLast(); // lies in the pending yield
    assertCollected(9);
    assertTrue(it.hasNext());
  }

  private void yieldNew(Generator.Yielder<Object> out) {
    out.yield(forget(new Object()));
  }

  // Ledger: test_threaded_leak, test_issue251_killing_cross_thread_leaks_list,
  // test_issue251_issue252_need_to_collect_in_background
  @RootTest
  @DisplayName(
      "T4 nothing of a thread that has ended is kept: not its root, its greenlets, or their stacks")
  void endedThread() throws Throwable {
    for (Threads kind : Threads.values()) {
      kind.run(
          "ended",
          () -> {
            forget(Greenlet.current());
            suspended();
            forget(naturals().iterator()).next();
          });
    }
    assertCollected(8);
    assertEquals(List.of(), trace);
  }

  private static Generator<Integer> naturals() {
    return Generator.of(out -> {
      for (int i = 0; ; i++) out.yield(i);
    });
  }

  @RootTest
  @DisplayName("T4 a greenlet whose thread has ended, and which was asked, keeps nothing")
  void askedAfterThread() throws Throwable {
    for (Threads kind : Threads.values()) {
      forgotten.clear();
      Greenlet held = kind.call("ended", this::suspended);
      forgotten.removeFirst(); // held itself
      assertTrue(held.isDead());
      assertCollected(1);
      Reference.reachabilityFence(held);
    }
  }

  // Ledger: test_untracked_memory_doesnt_increase_unfinished_thread_dealloc_in_main
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "T4 twenty thousand greenlets suspended in a thread that ended are never resumed, and collected")
  void manyOfEndedThread() throws Throwable {
    List<Greenlet> held =
        Threads.VIRTUAL.call(
            "ended", () -> Stream.generate(this::suspended).limit(20_000).toList());
    assertTrue(held.stream().allMatch(Greenlet::isDead));
    held = null;
    assertCollected(40_000);
    assertEquals(List.of(), trace);
  }

  @RootTest(Threads.VIRTUAL)
  @DisplayName("G1 a hundred thousand greenlets are suspended at once, each is resumed and ends")
  void manyAtOnce() {
    Greenlet main = Greenlet.current();
    int count = 100_000;
    List<Greenlet> all =
        IntStream.range(0, count)
            .mapToObj(i -> Greenlet.of(args -> i + (int) main.switchTo(i)))
            .toList();
    for (int i = 0; i < count; i++) assertEquals(i, all.get(i).switchTo());
    assertTrue(all.stream().allMatch(Greenlet::isActive));
    for (int i = 0; i < count; i++) assertEquals(i + 1, all.get(i).switchTo(1));
    assertTrue(all.stream().allMatch(Greenlet::isDead));
  }

  // Ledger: test_untracked_memory_doesnt_increase,
  // test_untracked_memory_doesnt_increase_unfinished_thread_dealloc_in_thread
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "G1 the heap stays flat while a million generators are abandoned, and greenlets come and go")
  void heapStaysFlat() throws Throwable {
    List<Long> used = new Program("abandon").run("-Xmx512m").stream().map(Long::valueOf).toList();
    assertEquals(Program.MEASUREMENTS, used.size());
    long first = used.getFirst();
    assertTrue(used.stream().allMatch(bytes -> bytes < first + 8_000_000), used::toString);
  }

  @RootTest
  @DisplayName("G3 a greenlet that was closed keeps nothing of its stack")
  void closed() {
    Greenlet g = suspended();
    g.close();
    forgotten.removeFirst();
    trace.clear();
    assertCollected(1);
    assertNull(g.switchTo());
    assertInstanceOf(GreenletExit.class, g.throwInto());
  }
}
