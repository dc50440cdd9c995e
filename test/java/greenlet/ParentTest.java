package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.WeakReference;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Parents: rules P. */
@ExtendWith(LeakCheck.class)
class ParentTest {
  private static Greenlet named(String name, Body body) {
    return Greenlet.of(body, Greenlet.current(), name);
  }

  @RootTest
  @DisplayName("P1 the parent can be read and set in every state; only roots have none")
  void everyState() {
    Greenlet main = Greenlet.current();
    Greenlet first = Greenlet.of(args -> null);
    Greenlet second = Greenlet.of(args -> null);
    Greenlet g =
        Greenlet.of(args -> {
          Greenlet.current().setParent(second);
          assertSame(second, Greenlet.current().parent());
          return main.switchTo();
        });
    assertNull(main.parent());
    assertSame(main, g.parent());
    g.setParent(first);
    assertSame(first, g.parent());
    g.switchTo();
    assertSame(second, g.parent());
    g.setParent(main);
    g.switchTo();
    assertTrue(g.isDead());
    assertSame(main, g.parent());
    g.setParent(first);
    assertSame(first, g.parent());
  }

  @RootTest
  @DisplayName("P1 setting it changes where explicit switches to the parent go")
  void takesEffect() { // Ledger: test_setparent
    Greenlet main = Greenlet.current();
    Greenlet echo =
        Greenlet.of(args -> {
          Object got = args[0];
          while (true) got = main.switchTo("echo " + got);
        });
    Greenlet g = Greenlet.of(args -> Greenlet.current().parent().switchTo(args[0]));
    g.setParent(echo);
    assertEquals("echo 1", g.switchTo(1));
  }

  // Ledger: test_trivial_cycle
  @RootTest
  @DisplayName("P2 a cycle is refused, itself included, in every state")
  void cycle() {
    Greenlet main = Greenlet.current();
    Greenlet g = named("g", args -> main.switchTo());
    Greenlet child = Greenlet.of(args -> main.switchTo(), g, "child");
    Greenlet grandchild = Greenlet.of(args -> main.switchTo(), child, "grandchild");
    for (int state = 0; state < 3; state++) { // unstarted, suspended, dead
      assertRefused(IllegalArgumentException.class, () -> g.setParent(g), g, "itself", "cycle");
      assertRefused(
          IllegalArgumentException.class, () -> g.setParent(child), g, child, "below", "cycle");
      assertRefused(
          IllegalArgumentException.class,
          () -> g.setParent(grandchild),
          g,
          grandchild,
          "below",
          "cycle");
      assertSame(main, g.parent());
      g.switchTo();
    }
  }

  // Ledger: test_cannot_delete_parent, test_set_parent_wrong_types
  @RootTest
  @DisplayName("P2 null is refused, in every state")
  void nullParent() {
    Greenlet main = Greenlet.current();
    Greenlet g = named("g", args -> main.switchTo());
    for (int state = 0; state < 3; state++) {
      assertRefused(IllegalArgumentException.class, () -> g.setParent(null), g, "null");
      assertSame(main, g.parent());
      g.switchTo();
    }
  }

  // Ledger: test_trivial_cycle_main, test_cannot_delete_parent_of_main
  @RootTest
  @DisplayName("P2 the parent of a root cannot be set")
  void rootParent() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> null);
    assertRefused(IllegalStateException.class, () -> main.setParent(g), main, "\"test\"", "root");
    assertRefused(IllegalStateException.class, () -> main.setParent(main), main, "root");
    assertNull(main.parent());
    assertNull(g.switchTo());
  }

  // Ledger: test_threaded_reparent
  @RootTest
  @DisplayName("P2 a started greenlet cannot get a parent of another thread")
  void otherThread() throws Throwable {
    Greenlet main = Greenlet.current();
    Greenlet g = named("g", args -> main.switchTo("suspended"));
    g.switchTo();
    Threads.PLATFORM.run(
        "other",
        () -> {
          Greenlet foreign = Greenlet.current();
          Greenlet below = named("below", args -> null);
          assertRefused(
              WrongThreadException.class,
              () -> g.setParent(foreign),
              g,
              "Greenlet[root,",
              "\"test\"",
              "\"other\"");
          assertRefused(
              WrongThreadException.class,
              () -> g.setParent(below),
              g,
              below,
              "\"test\"",
              "\"other\"");
        });
    assertSame(main, g.parent());
    assertEquals("usable", g.switchTo("usable"));
  }

  @RootTest
  @DisplayName("P2 a dead parent and an unstarted one are allowed")
  void deadOrUnstarted() {
    Greenlet dead = Greenlet.of(args -> null);
    dead.switchTo();
    Greenlet g = Greenlet.of(args -> "by way of the dead one");
    g.setParent(dead);
    assertEquals("by way of the dead one", g.switchTo());
    Greenlet unstarted = Greenlet.of(args -> "started with " + args[0]);
    Greenlet h = Greenlet.of(args -> "a result");
    h.setParent(unstarted);
    assertEquals("started with a result", h.switchTo());
  }

  @RootTest
  @DisplayName("P2 two threads at once cannot make a cycle")
  void concurrentCycle() throws Throwable {
    Greenlet root = Greenlet.current();
    var together = new CyclicBarrier(2);
    for (int round = 0; round < 200; round++) {
      Greenlet a = Greenlet.of(args -> null, root);
      Greenlet b = Greenlet.of(args -> null, root);
      Future<Boolean> other = Threads.VIRTUAL.start("other", () -> isSet(together, a, b));
      assertEquals(1, (isSet(together, b, a) ? 1 : 0) + (Threads.await(other) ? 1 : 0));
    }
  }

  private static boolean isSet(CyclicBarrier together, Greenlet g, Greenlet parent)
      throws Exception {
    together.await();
    try {
      g.setParent(parent);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  // Ledger: test_dealloc_weakref
  @RootTest
  @DisplayName("P3 a child holds its parent, and not the other way round")
  void whoHoldsWhom() {
    Greenlet[] child = {Greenlet.of(args -> null, suspended())};
    var parent = new WeakReference<>(child[0].parent());
    System.gc();
    assertTrue(parent.get() != null && parent.get().isActive());
    Greenlet holds = parent.get();
    var weakChild = new WeakReference<>(child[0]);
    child[0] = null;
    Threads.collect(() -> weakChild.get() == null);
    assertTrue(holds.isActive());
  }

  private static Greenlet suspended() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> main.switchTo());
    g.switchTo();
    return g;
  }

  /** One of two threads that give each other their ancestors, and then each tries to close the circle. */
  private static final class Circle {
    private static final int ROUNDS = 300;
    // to look through takes long enough for both to be at it
    private static final int ANCESTORS = 2_000;

    private final CyclicBarrier both = new CyclicBarrier(2);
    private final Greenlet[] below = new Greenlet[2];
    private final Greenlet[] above = new Greenlet[2];

    int closeTimeAndAgain(int mine) throws Exception {
      Greenlet root = Greenlet.current();
      Greenlet deep = root;
      for (int i = 0; i < ANCESTORS; i++) deep = Greenlet.of(args -> null, deep);
      int refused = 0;
      for (int i = 0; i < ROUNDS; i++) {
        above[mine] = Greenlet.of(args -> null, root);
        below[mine] = Greenlet.of(args -> null, deep);
        Greenlet started = Greenlet.of(args -> root.switchTo(), above[mine]);
        started.switchTo();
        both.await();
        above[mine].setParent(below[1 - mine]);
        both.await();
        try {
          below[mine].setParent(started);
        } catch (IllegalArgumentException e) {
          refused++;
        }
        both.await();
        int length = 0;
        for (Greenlet g = below[mine]; g != null; g = g.parent())
          assertTrue(length++ < 4 * ANCESTORS, "a cycle");
        both.await();
      }
      return refused;
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("P2 of two threads that would make a cycle together, one at least is refused")
  void cycleOfTwo() throws Throwable {
    Circle circle = new Circle();
    Future<Integer> other = Threads.PLATFORM.start("other", () -> circle.closeTimeAndAgain(1));
    int refused = circle.closeTimeAndAgain(0) + Threads.await(other);
    assertTrue(refused >= Circle.ROUNDS, () -> "refused " + refused);
  }
}
