package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Generators, pushed and pulled. */
@ExtendWith(LeakCheck.class)
class GeneratorTest {
  private final List<Object> trace = new ArrayList<>();
  private final Exception failure = new IOException("checked");

  /** The ways to traverse all elements. */
  private enum Way {
    PUSH {
      @Override
      <T> void each(Generator<T> g, Consumer<? super T> consumer) {
        g.forEach(consumer);
      }
    },
    PULL {
      @Override
      <T> void each(Generator<T> g, Consumer<? super T> consumer) {
        for (T value : g) consumer.accept(value);
      }
    },
    STREAM {
      @Override
      <T> void each(Generator<T> g, Consumer<? super T> consumer) {
        for (Iterator<T> it = g.stream().iterator(); it.hasNext(); ) consumer.accept(it.next());
      }
    };

    abstract <T> void each(Generator<T> g, Consumer<? super T> consumer);

    <T> List<T> list(Generator<T> g) {
      List<T> all = new ArrayList<>();
      each(g, all::add);
      return all;
    }
  }

  private static Generator<Integer> range(int n) {
    return Generator.of(out -> {
      for (int i = 0; i < n; i++) out.yield(i);
    });
  }

  private static List<Integer> numbers(int n) {
    return IntStream.range(0, n).boxed().toList();
  }

  private static void yieldFromDepth(int depth, Object value) {
    if (depth == 0) Generator.yield(value);
    else yieldFromDepth(depth - 1, value);
  }

  @RootTest
  @DisplayName("A generator is a recipe: each traversal runs the body afresh, every way")
  void afresh() {
    Generator<Object> g =
        Generator.of(out -> {
          trace.add("runs");
          out.yield(1);
          out.yield(null);
          out.yield(List.of(2));
        });
    for (Way way : Way.values()) assertEquals(Arrays.asList(1, null, List.of(2)), way.list(g));
    assertEquals(List.of("runs", "runs", "runs"), trace);
    for (Way way : Way.values()) assertEquals(List.of(), way.list(Generator.of(out -> {})));
  }

  // Ledger: test_generator
  @RootTest
  @DisplayName("Body and consumer take strict turns, every way")
  void turns() {
    Generator<Integer> g =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) {
            trace.add("yields " + i);
            out.yield(i);
          }
          trace.add("ends");
        });
    for (Way way : Way.values()) {
      trace.clear();
      way.each(g, i -> trace.add("got " + i));
      assertEquals(
          List.of("yields 0", "got 0", "yields 1", "got 1", "yields 2", "got 2", "ends"),
          trace,
          way::toString);
    }
  }

  @RootTest
  @DisplayName("An iterator runs the body only when it is asked, and once for each element")
  void iterator() {
    Iterator<Integer> it =
        Generator.<Integer>of(
                out -> {
                  trace.add("begins");
                  out.yield(1);
                  trace.add("goes on");
                  out.yield(2);
                })
            .iterator();
    assertEquals(List.of(), trace);
    assertTrue(it.hasNext());
    assertTrue(it.hasNext());
    assertEquals(List.of("begins"), trace);
    assertEquals(1, it.next());
    assertEquals(2, it.next());
    assertEquals(List.of("begins", "goes on"), trace);
    for (int i = 0; i < 2; i++) {
      assertFalse(it.hasNext());
      assertRefused(NoSuchElementException.class, it::next, "over");
    }
  }

  @RootTest
  @DisplayName("Two iterators are walked in lock-step, each with a run of its own")
  void lockStep() { // Ledger: test_permutations, its second half
    Iterator<Integer> a = range(3).iterator();
    Iterator<Integer> b = range(3).iterator();
    while (a.hasNext() && b.hasNext()) {
      trace.add(a.next());
      trace.add(b.next());
    }
    assertEquals(List.of(0, 0, 1, 1, 2, 2), trace);
  }

  // Ledger: test_genlet_simple
  @RootTest
  @DisplayName("yield works from any depth, every way")
  void anyDepth() {
    Generator<Object> g =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) yieldFromDepth(100 * i, i);
          List.of(3, 4).forEach(Generator::yield);
        });
    for (Way way : Way.values()) assertEquals(numbers(5), way.list(g));
  }

  private static void permutations(
      List<Integer> left, List<Integer> chosen, Generator.Yielder<List<Integer>> out) {
    if (left.isEmpty()) out.yield(chosen);
    for (Integer i : left) {
      permutations(left.stream().filter(x -> !x.equals(i)).toList(), append(chosen, i), out);
    }
  }

  private static List<Integer> append(List<Integer> list, Integer last) {
    List<Integer> longer = new ArrayList<>(list);
    longer.add(last);
    return longer;
  }

  // Ledger: test_permutations
  @RootTest
  @DisplayName("A recursive body yields the 24 permutations in order, every way")
  void permutations() {
    Generator<List<Integer>> g = Generator.of(out -> permutations(numbers(4), List.of(), out));
    for (Way way : Way.values()) {
      List<List<Integer>> all = way.list(g);
      assertEquals(24, all.size());
      assertEquals(List.of(0, 1, 2, 3), all.getFirst());
      assertEquals(List.of(0, 1, 3, 2), all.get(1));
      assertEquals(List.of(3, 2, 1, 0), all.getLast());
      assertEquals(24, all.stream().distinct().count());
    }
  }

  private static Generator<Integer> delegating(int depth) {
    return Generator.of(out -> {
      out.yield(depth);
      if (depth > 0) out.yieldAll(delegating(depth - 1));
      out.yield(depth);
    });
  }

  // Ledger: test_nested_genlets
  @RootTest
  @DisplayName(
      "yieldAll yields all of a generator, nested too, or of any Iterable, by handle or from any depth")
  void yieldAll() {
    for (Way way : Way.values()) {
      assertEquals(List.of(3, 2, 1, 0, 0, 1, 2, 3), way.list(delegating(3)));
      assertEquals(
          List.of(5, 0, 1, 2, 6),
          way.list(
              Generator.of(out -> {
                out.yield(5);
                Generator.yieldAll(range(3));
                Generator.yieldAll(List.of(6));
              })));
    }
    Generator<Integer> fails =
        Generator.of(out -> {
          out.yield(1);
          throw failure;
        });
    Generator<Integer> outer = Generator.of(out -> out.yieldAll(fails));
    assertSame(failure, assertThrows(Throwable.class, () -> outer.forEach(trace::add)));
    assertEquals(List.of(1), trace);
  }

  @RootTest
  @DisplayName("yieldAll ends early like yield")
  void yieldAllEndsEarly() {
    Generator<Integer> inner =
        Generator.of(out -> {
          try {
            for (int i = 0; ; i++) out.yield(i);
          } finally {
            trace.add("inner");
          }
        });
    Generator<Integer> outer =
        Generator.of(out -> {
          try {
            out.yieldAll(inner);
          } finally {
            trace.add("outer");
          }
        });
    assertFalse(outer.forEachWhile(i -> i < 3));
    assertEquals(List.of("inner", "outer"), trace);
  }

  @RootTest
  @DisplayName(
      "An exception of the body comes out as it is, checked or not, with the body's frames; then it is over")
  void bodyFails() {
    for (Throwable t :
        new Throwable[] {
          failure, new IllegalStateException(), new AssertionError(), new GreenletExit()
        }) {
      Generator<Integer> g =
          Generator.of(out -> {
            out.yield(1);
            throw t;
          });
      for (Way way : Way.values())
        assertSame(t, assertThrows(Throwable.class, () -> way.list(g)), way::toString);
      Iterator<Integer> it = g.iterator();
      assertEquals(1, it.next());
      assertSame(t, assertThrows(Throwable.class, it::next));
      assertFalse(it.hasNext());
      assertThrows(NoSuchElementException.class, it::next);
    }
    Generator<Integer> fails = Generator.of(out -> failHere());
    for (Way way : Way.values()) {
      Throwable thrown = assertThrows(IOException.class, () -> way.list(fails));
      assertEquals("failHere", thrown.getStackTrace()[0].getMethodName());
    }
  }

  private static void failHere() throws IOException {
    throw new IOException();
  }

  @RootTest
  @DisplayName("The consumer's exception comes out; the body does not see it, but its finally runs")
  void consumerFails() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yield(1);
          } catch (Throwable t) {
            trace.add(t.getClass());
            throw t;
          } finally {
            trace.add("finally");
          }
        });
    assertSame(
        failure,
        assertThrows(
            Throwable.class,
            () ->
                g.forEach(i -> {
                  throw Threads.<RuntimeException>unchecked(failure);
                })));
    assertEquals(List.of(GreenletExit.class, "finally"), trace);
  }

  @RootTest
  @DisplayName(
      "What the body throws while it is unwound for the consumer's exception is suppressed by that")
  void bodyFailsToo() {
    Exception inBody = new IOException("in the body");
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yield(1);
          } finally {
            throw inBody;
          }
        });
    Throwable thrown =
        assertThrows(
            Throwable.class,
            () ->
                g.forEach(i -> {
                  throw Threads.<RuntimeException>unchecked(failure);
                }));
    assertSame(failure, thrown);
    assertEquals(List.of(inBody), List.of(thrown.getSuppressed()));
  }

  @RootTest
  @DisplayName(
      "forEachWhile tells whether the body came to its end, and raises GreenletExit where it did not")
  void forEachWhile() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yieldAll(range(3));
            trace.add("end");
          } catch (GreenletExit e) {
            trace.add("exit");
            throw e;
          }
        });
    assertTrue(g.forEachWhile(i -> true));
    assertFalse(g.forEachWhile(i -> i < 2));
    assertFalse(g.forEachWhile(i -> false));
    assertEquals(List.of("end", "exit", "exit"), trace);
  }

  @RootTest
  @DisplayName("A body that yields again while it is unwound gets the GreenletExit again")
  void yieldsWhileUnwound() {
    Generator<Integer> g =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) {
            int n = i;
            trace.add(assertThrows(GreenletExit.class, () -> out.yield(n)));
          }
        });
    assertFalse(
        g.forEachWhile(i -> {
          trace.add(i);
          return false;
        }));
    assertEquals(0, trace.get(0));
    assertEquals(4, trace.size());
    for (Object later : trace.subList(2, 4))
      assertSame(trace.get(1), ((GreenletExit) later).getCause());
  }

  @RootTest
  @DisplayName("An exception that the body raises when it is ended early comes out")
  void failsWhileUnwound() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yield(1);
          } finally {
            throw failure;
          }
        });
    assertSame(failure, assertThrows(Throwable.class, () -> g.forEachWhile(i -> false)));
  }

  // Ledger: test_genlet_bad
  @RootTest
  @DisplayName("yield outside of any generator: to the parent in a greenlet, an error in a root")
  void outside() {
    assertRefused(
        IllegalStateException.class,
        () -> Generator.yield(1),
        Greenlet.current(),
        "\"test\"",
        "body of a generator");
    assertRefused(
        IllegalStateException.class,
        () -> Generator.yieldAll(List.of(1)),
        Greenlet.current(),
        "\"test\"");
    Greenlet g = Greenlet.of(args -> Generator.yield("to the parent"));
    assertEquals("to the parent", g.switchTo());
    assertEquals("and back", g.switchTo("and back"));
    Greenlet all =
        Greenlet.of(args -> {
          Generator.yieldAll(range(2));
          return "end";
        });
    assertEquals(List.of(0, 1, "end"), List.of(all.switchTo(), all.switchTo(), all.switchTo()));
  }

  @RootTest
  @DisplayName("An iterator belongs to the thread that first pulled from it")
  void otherThread() throws Throwable {
    Iterator<Integer> it = range(3).iterator();
    assertEquals(0, it.next());
    for (Threads kind : Threads.values()) {
      kind.run(
          "other",
          () -> {
            assertRefused(
                WrongThreadException.class,
                it::next,
                "generator-",
                "\"test\"",
                "\"other\"",
                "stream");
            assertRefused(
                WrongThreadException.class,
                it::hasNext,
                "generator-",
                "\"test\"",
                "\"other\"",
                "stream");
          });
    }
    assertEquals(1, it.next());
    Iterator<Integer> notPulled = range(1).iterator();
    assertEquals(0, Threads.PLATFORM.call("other", notPulled::next));
    assertRefused(WrongThreadException.class, notPulled::hasNext, "\"other\"");
  }

  @RootTest
  @DisplayName("An iterator may be pulled by several greenlets of its thread")
  void severalGreenlets() {
    Iterator<Integer> it = range(3).iterator();
    assertEquals(0, it.next());
    assertEquals(1, Greenlet.of(args -> it.next()).switchTo());
    assertEquals(2, it.next());
  }

  @RootTest
  @DisplayName("An iterator cannot be pulled from inside its own body, and goes on")
  void pulledInside() {
    List<Iterator<Integer>> self = new ArrayList<>();
    Generator<Integer> g =
        Generator.of(out -> {
          assertRefused(
              IllegalStateException.class,
              self.getFirst()::next,
              Greenlet.current(),
              "generator-",
              "is pulling from it");
          out.yield(1);
        });
    self.add(g.iterator());
    assertEquals(1, self.getFirst().next());
    assertFalse(self.getFirst().hasNext());
  }

  @RootTest
  @DisplayName(
      "An iterator cannot be pulled while another greenlet's pull has switched away in the body")
  void pulledTwice() {
    Greenlet main = Greenlet.current();
    Iterator<Object> it = Generator.of(out -> out.yield(main.switchTo("switched away"))).iterator();
    Greenlet puller = Greenlet.of(args -> it.next(), main, "puller");
    assertEquals("switched away", puller.switchTo());
    assertRefused(
        IllegalStateException.class, it::next, main, puller, "generator-", "has switched away");
    assertEquals("element", puller.switchTo("element"));
    assertFalse(it.hasNext());
  }

  @RootTest
  @DisplayName("The current greenlet in a body is the puller's, whoever pulls")
  void current() {
    Generator<Greenlet> g =
        Generator.of(out -> {
          while (true) out.yield(Greenlet.current());
        });
    Greenlet main = Greenlet.current();
    g.forEachWhile(current -> {
      assertSame(main, current);
      return false;
    });
    for (Iterator<Greenlet> it : List.of(g.iterator(), g.stream().iterator())) {
      assertSame(main, it.next());
      Greenlet puller = Greenlet.of(args -> it.next());
      assertSame(puller, puller.switchTo());
      assertSame(main, it.next());
    }
  }

  @RootTest
  @DisplayName("A switch in a body suspends the puller, every way")
  void switchInBody() {
    Greenlet main = Greenlet.current();
    Generator<Object> g =
        Generator.of(out -> {
          out.yield(1);
          out.yield(main.switchTo("from the body"));
          out.yield(3);
        });
    for (Way way : Way.values()) {
      Greenlet puller = Greenlet.of(args -> way.list(g));
      assertEquals("from the body", puller.switchTo());
      assertTrue(puller.isActive());
      assertEquals(List.of(1, 2, 3), puller.switchTo(2));
    }
  }

  @RootTest
  @DisplayName("What is thrown into a puller that a body suspended comes out in the body")
  void throwIntoBody() {
    Greenlet main = Greenlet.current();
    Generator<Object> g =
        Generator.of(out -> out.yield(assertThrows(IOException.class, main::switchTo)));
    for (Way way : Way.values()) {
      Greenlet puller = Greenlet.of(args -> way.list(g));
      puller.switchTo();
      assertEquals(List.of(failure), puller.throwInto(failure));
    }
  }

  @RootTest
  @DisplayName("Greenlets that a body makes and ends come back to the body")
  void greenletsInBody() {
    Generator<Object> g =
        Generator.of(out -> {
          out.yield(Greenlet.of(args -> "result").switchTo());
          out.yield(
              assertThrows(
                  IOException.class,
                  Greenlet.of(args -> {
                    throw failure;
                  })
                      ::switchTo));
        });
    for (Way way : Way.values()) assertEquals(List.of("result", failure), way.list(g));
  }

  @RootTest
  @DisplayName("A handle that is used after the traversal is over is a clear error")
  void handleAfterwards() {
    List<Generator.Yielder<Object>> handles = new ArrayList<>();
    Generator<Object> g =
        Generator.of(out -> {
          handles.add(out);
          out.yield(1);
        });
    for (Way way : Way.values()) {
      way.list(g);
      assertRefused(
          IllegalStateException.class,
          () -> handles.getLast().yield(2),
          Greenlet.current(),
          "generator-",
          "over");
    }
    assertEquals(List.of(1), Way.PULL.list(g));
  }

  @RootTest
  @DisplayName(
      "A handle that is used by another greenlet or thread is a clear error, and the traversal goes on")
  void handleElsewhere() {
    Generator<Object> g =
        Generator.of(out -> {
          Greenlet.of(
                  args -> {
                    assertRefused(
                        IllegalStateException.class,
                        () -> out.yield(1),
                        Greenlet.current(),
                        "generator-",
                        "another greenlet");
                    return null;
                  },
                  Greenlet.current(),
                  "stranger")
              .switchTo();
          Threads.PLATFORM.run(
              "other",
              () ->
                  assertRefused(
                      IllegalStateException.class,
                      () -> out.yield(1),
                      Greenlet.current(),
                      "\"other\"",
                      "generator-",
                      "thread"));
          out.yield("mine");
        });
    for (Way way : Way.values()) assertEquals(List.of("mine"), way.list(g), way::toString);
  }

  @RootTest
  @DisplayName(
      "An outer generator is yielded to from within an inner one: push or pull in push or pull")
  void outerHandle() {
    for (Way outerWay : Way.values()) {
      for (Way innerWay : Way.values()) {
        Generator<Object> outer =
            Generator.of(out -> {
              Generator<Object> inner =
                  Generator.of(in -> {
                    in.yield("inner 1");
                    out.yield("outer");
                    in.yield("inner 2");
                  });
              innerWay.each(inner, value -> Generator.yield(List.of(value)));
            });
        assertEquals(
            List.of(List.of("inner 1"), "outer", List.of("inner 2")),
            outerWay.list(outer),
            () -> innerWay + " in " + outerWay);
      }
    }
  }

  @RootTest
  @DisplayName("An end at the outer generator unwinds the inner body as well: push or pull")
  void outerEnds() {
    for (Way innerWay : Way.values()) {
      trace.clear();
      Generator<Object> outer =
          Generator.of(out -> {
            try {
              innerWay.list(
                  Generator.of(in -> {
                    try {
                      out.yield("last");
                    } finally {
                      trace.add("inner");
                    }
                  }));
            } finally {
              trace.add("outer");
            }
          });
      assertFalse(outer.forEachWhile(value -> false));
      assertEquals(List.of("inner", "outer"), trace, innerWay::toString);
    }
  }

  @RootTest
  @DisplayName(
      "The static yield means the innermost body that runs; in a consumer the one around it")
  void innermost() {
    Generator<Object> outer = Generator.of(out -> range(3).forEach(i -> Generator.yield(i * 10)));
    for (Way way : Way.values()) assertEquals(List.of(0, 10, 20), way.list(outer));
    assertThrows(IllegalStateException.class, () -> range(1).forEach(Generator::yield));
  }

  @RootTest
  @DisplayName("A yield in a body that runs in a greenlet is the body's, not the greenlet's")
  void yieldInGreenlet() {
    Greenlet g =
        Greenlet.of(args -> {
          List<Object> got = new ArrayList<>();
          Generator.of(out -> Generator.yield(1)).forEach(got::add);
          got.add(Generator.yield("to the parent"));
          return got;
        });
    assertEquals("to the parent", g.switchTo());
    assertEquals(List.of(1, 2), g.switchTo(2));
  }

  @RootTest
  @DisplayName("yield returns null where the way of traversing has nothing to send back")
  void nothingSentBack() {
    Generator<Integer> g =
        Generator.of(out -> {
          assertNull(out.yield(1));
          assertNull(Generator.yield(2));
        });
    for (Way way : Way.values()) assertEquals(List.of(1, 2), way.list(g));
  }

  @RootTest
  @DisplayName(
      "null for a consumer or for elements is refused with a reason, by an empty generator too")
  void nullArguments() {
    for (Generator<Integer> g : List.of(range(0), range(1))) {
      assertRefused(NullPointerException.class, () -> g.forEach(null), "consumer", "null");
      assertRefused(NullPointerException.class, () -> g.forEachWhile(null), "consumer", "null");
      assertRefused(
          NullPointerException.class, () -> g.spliterator().tryAdvance(null), "consumer", "null");
      assertRefused(
          NullPointerException.class,
          () -> g.spliterator().forEachRemaining(null),
          "consumer",
          "null");
    }
    Generator<Integer> byHandle = Generator.of(out -> out.yieldAll(null));
    Generator<Integer> byName = Generator.of(out -> Generator.yieldAll(null));
    for (Generator<Integer> g : List.of(byHandle, byName)) {
      for (Way way : Way.values())
        assertRefused(NullPointerException.class, () -> way.list(g), "Iterable", "null");
    }
    assertRefused(NullPointerException.class, () -> Generator.yieldAll(null), "Iterable", "null");
  }

  @RootTest
  @DisplayName("An iterator is a cursor, so that try-with-resources unwinds the body")
  void iteratorIsClosed() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yieldAll(range(3));
          } finally {
            trace.add("finally");
          }
        });
    try (Cursor<Integer> elements = g.iterator()) {
      assertEquals(0, elements.next());
    }
    assertEquals(List.of("finally"), trace);
  }

  @RootTest
  @DisplayName("A generator without a body is refused; the text form names it")
  void creation() {
    assertRefused(IllegalArgumentException.class, () -> Generator.of(null), "body");
    assertTrue(range(1).toString().startsWith("generator-"));
    assertThrows(UnsupportedOperationException.class, range(1).iterator()::remove);
  }
}
