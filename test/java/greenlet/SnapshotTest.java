package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is seen of greenlets from outside. */
@ExtendWith(LeakCheck.class)
class SnapshotTest {
  private static Greenlet named(String name, Body body) {
    return Greenlet.of(body, Greenlet.current(), name);
  }

  /** The tree, without the places. */
  private static List<String> lines(List<Snapshot> tree) {
    return tree.stream()
        .map(each ->
            " ".repeat(each.depth()) + each.kind() + " " + each.name() + ", " + each.state())
        .toList();
  }

  private static Object standsHere(Greenlet main) {
    return main.switchTo();
  }

  @RootTest
  @DisplayName(
      "The greenlets of a thread that a census has seen are a tree, with their states and places")
  void tree() {
    Greenlet main = Greenlet.current();
    try (var census = new Census()) {
      Greenlet outer = named("outer", args -> named("inner", none -> standsHere(main)).switchTo());
      outer.switchTo();
      Greenlet fresh = named("fresh", args -> null);
      named("over", args -> null).switchTo();
      List<Snapshot> tree = Snapshot.ofThread(main);
      assertEquals(
          List.of(
              "thread test, running",
              " greenlet outer, suspended",
              "  greenlet inner, suspended",
              " greenlet fresh, unstarted"),
          lines(tree));
      assertEquals("outer", tree.get(2).parent());
      assertEquals("standsHere", tree.get(2).place().frame().getMethodName());
      assertFalse(tree.get(2).place().isOld());
      assertNull(tree.get(3).place());
      assertTrue(
          Snapshot.text(tree)
              .lines()
              .toList()
              .get(2)
              .startsWith("    greenlet inner, suspended, at greenlet.SnapshotTest.standsHere("),
          () -> Snapshot.text(tree));
      outer.close();
      assertEquals(
          List.of(
              "thread test, running",
              " greenlet outer, finished",
              "  greenlet inner, suspended",
              " greenlet fresh, unstarted"),
          lines(Snapshot.ofThread(fresh)));
    }
    assertEquals(List.of("thread test, running"), lines(Snapshot.ofThread(main)));
  }

  @RootTest
  @DisplayName("The current greenlet and those above it are known without a census")
  void current() {
    Greenlet outer =
        named(
            "outer",
            args ->
                named("inner", none -> lines(Snapshot.ofThread(Greenlet.current()))).switchTo());
    assertEquals(
        List.of(
            "thread test, suspended", " greenlet outer, suspended", "  greenlet inner, running"),
        outer.switchTo());
  }

  @RootTest
  @DisplayName("A chain of 100,000 greenlets is no deeper recursion")
  void chain() {
    try (var census = new Census()) {
      Greenlet last = Greenlet.current();
      for (int i = 0; i < 100_000; i++) last = Greenlet.of(args -> null, last);
      List<Snapshot> tree = Snapshot.ofThread(Greenlet.current());
      assertEquals(100_001, tree.size());
      assertEquals(100_000, tree.getLast().depth());
    }
  }

  @RootTest
  @DisplayName("A greenlet that is forgotten is collected, although a census and snapshots know it")
  void forgotten() {
    try (var census = new Census()) {
      List<WeakReference<Greenlet>> forgotten = new ArrayList<>();
      List<Snapshot> before = makeAndForget(forgotten);
      assertEquals(101, before.size());
      Threads.collect(() -> forgotten.stream().allMatch(reference -> reference.get() == null));
      assertEquals(1, Snapshot.ofThread(Greenlet.current()).size());
      assertEquals("suspended", before.get(1).state());
    }
  }

  private static List<Snapshot> makeAndForget(List<WeakReference<Greenlet>> forgotten) {
    Greenlet main = Greenlet.current();
    List<Greenlet> all = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      Greenlet g = Greenlet.of(args -> main.switchTo());
      g.switchTo();
      all.add(g);
      forgotten.add(new WeakReference<>(g));
    }
    List<Snapshot> tree = Snapshot.ofThread(main);
    Reference.reachabilityFence(all);
    return tree;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Another thread may look while the greenlets run")
  void fromAnotherThread() throws Throwable {
    Greenlet main = Greenlet.current();
    try (var census = new Census()) {
      Greenlet other = named("other", args -> forEver(main));
      other.switchTo();
      Threads.whileAnother(
          () -> assertEquals(2, Snapshot.ofThread(main).size()),
          () -> {
            long end = System.nanoTime() + Duration.ofMillis(300).toNanos();
            while (System.nanoTime() < end) other.switchTo();
          });
      other.close();
    }
  }

  private static Object forEver(Greenlet main) {
    while (true) main.switchTo();
  }

  @Test
  @DisplayName("To have a text of something realises nothing")
  void texts() {
    Object never =
        new Object() {
          @Override
          public String toString() {
            throw new AssertionError("asked for its text");
          }
        };
    assertTrue(
        Snapshot.textOf(new Greenlet[0].getClass()).startsWith("class "), "what the JDK has");
    assertEquals("a wait", Snapshot.textOf("a wait"));
    assertEquals("nothing", Snapshot.textOf(null));
    assertEquals("a java.util.ArrayList", Snapshot.textOf(new ArrayList<>(List.of(never))));
    assertTrue(Snapshot.textOf(Stream.of(never)).startsWith("a java.util.stream."));
    assertEquals("a java.util.Optional", Snapshot.textOf(java.util.Optional.of(never)));
    Function<Object, Object> f = x -> x;
    assertEquals("a function", Snapshot.textOf(f));
  }
}
