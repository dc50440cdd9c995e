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
import java.util.Iterator;
import java.util.List;
import java.util.Spliterator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Generators as streams. */
@ExtendWith(LeakCheck.class)
class StreamTest {
  private final List<Object> trace = new ArrayList<>();

  private final Generator<Integer> naturals =
      Generator.of(out -> {
        try {
          for (int i = 0; ; i++) {
            trace.add("yields " + i);
            out.yield(i);
          }
        } finally {
          trace.add("finally");
        }
      });

  @RootTest
  @DisplayName("A stream is lazy: the body runs as far as elements are asked for")
  void lazy() {
    Stream<Integer> stream = naturals.stream().map(i -> i * i);
    assertEquals(List.of(), trace);
    assertEquals(List.of(0, 1, 4), stream.limit(3).toList());
    assertEquals(List.of("yields 0", "yields 1", "yields 2"), trace);
  }

  @RootTest
  @DisplayName("A stream takes all elements in order")
  void all() {
    Generator<Integer> g = Generator.of(out -> List.of(1, 2, 3).forEach(out::yield));
    assertEquals(List.of(1, 2, 3), g.stream().toList());
    assertEquals(List.of(1, 2, 3), g.stream().parallel().toList());
    assertEquals(6, g.stream().mapToInt(i -> i).sum());
    assertEquals(List.of(1), g.stream().limit(1).toList());
    assertEquals(3, g.stream().count());
  }

  @RootTest
  @DisplayName("Closing a stream unwinds the body")
  void close() {
    try (Stream<Integer> stream = naturals.stream()) {
      assertEquals(1, stream.filter(i -> i > 0).findFirst().orElseThrow());
      trace.add("found");
    }
    assertEquals(List.of("yields 0", "yields 1", "found", "finally"), trace);
  }

  @RootTest
  @DisplayName("Closing a stream that has not begun, or is over, or has been closed runs nothing")
  void closeIdle() {
    naturals.stream().close();
    assertEquals(List.of(), trace);
    Stream<Integer> over = Generator.<Integer>of(out -> out.yield(1)).stream();
    assertEquals(1, over.iterator().next());
    over.close();
    over.close();
  }

  @RootTest
  @DisplayName(
      "A body that yields while its stream is closed gets the GreenletExit again; its exception comes out of close")
  void closeAwkward() {
    IOException failure = new IOException();
    Stream<Integer> stream =
        Generator.<Integer>of(
            out -> {
              assertThrows(GreenletExit.class, () -> out.yield(1));
              assertThrows(GreenletExit.class, () -> out.yield(2));
              throw failure;
            })
            .stream();
    Iterator<Integer> it = stream.iterator();
    assertEquals(1, it.next());
    assertSame(failure, assertThrows(Throwable.class, stream::close));
  }

  @RootTest
  @DisplayName("Another thread may continue a stream, one thread at a time")
  void otherThread() throws Throwable {
    Spliterator<Integer> elements = naturals.spliterator();
    List<Integer> got = new ArrayList<>();
    assertTrue(elements.tryAdvance(got::add));
    for (Threads kind : Threads.values())
      assertTrue(kind.call("other", () -> elements.tryAdvance(got::add)));
    assertTrue(elements.tryAdvance(got::add));
    assertEquals(List.of(0, 1, 2, 3), got);
  }

  @RootTest
  @DisplayName("The body of a stream runs as part of whoever continues it")
  void currentElsewhere() throws Throwable {
    Spliterator<Greenlet> elements =
        Generator.<Greenlet>of(
                out -> {
                  while (true) out.yield(Greenlet.current());
                })
            .spliterator();
    Greenlet main = Greenlet.current();
    assertTrue(elements.tryAdvance(g -> assertSame(main, g)));
    Threads.PLATFORM.run(
        "other",
        () -> {
          Greenlet other = Greenlet.current();
          assertTrue(elements.tryAdvance(g -> assertSame(other, g)));
        });
    assertTrue(elements.tryAdvance(g -> assertSame(main, g)));
  }

  @RootTest
  @DisplayName("Another thread may close a stream")
  void closedElsewhere() throws Throwable {
    Stream<Integer> stream = naturals.stream();
    Iterator<Integer> it = stream.iterator();
    assertEquals(0, it.next());
    Threads.PLATFORM.run("other", stream::close);
    assertEquals(List.of("yields 0", "finally"), trace);
  }

  @RootTest
  @DisplayName("An iterator inside the body of a stream goes along to the next thread")
  void iteratorInside() throws Throwable {
    Spliterator<Integer> elements =
        Generator.<Integer>of(
                out -> {
                  for (int i :
                      Generator.<Integer>of(in -> {
                        for (int n = 0; n < 3; n++) in.yield(n);
                      })) {
                    out.yield(i);
                  }
                })
            .spliterator();
    assertTrue(elements.tryAdvance(trace::add));
    Threads.VIRTUAL.run("other", () -> assertTrue(elements.tryAdvance(trace::add)));
    assertTrue(elements.tryAdvance(trace::add));
    assertFalse(elements.tryAdvance(trace::add));
    assertEquals(List.of(0, 1, 2), trace);
  }

  @RootTest
  @DisplayName(
      "An exception of the body comes out of the stream's operation, checked too, and the stream is over")
  void bodyFails() {
    IOException failure = new IOException();
    Generator<Integer> g =
        Generator.of(out -> {
          out.yield(1);
          throw failure;
        });
    assertSame(failure, assertThrows(Throwable.class, () -> g.stream().toList()));
    Spliterator<Integer> elements = g.spliterator();
    assertTrue(elements.tryAdvance(trace::add));
    assertSame(failure, assertThrows(Throwable.class, () -> elements.tryAdvance(trace::add)));
    assertFalse(elements.tryAdvance(trace::add));
    assertEquals(List.of(1), trace);
  }

  @RootTest
  @DisplayName("A stream cannot be pulled or closed from inside its own body, and goes on")
  void pulledInside() {
    List<Stream<Integer>> self = new ArrayList<>();
    Generator<Integer> g =
        Generator.of(out -> {
          assertRefused(
              IllegalStateException.class,
              self.getFirst()::close,
              Greenlet.current(),
              "generator-",
              "is pulling from it");
          out.yield(1);
        });
    self.add(g.stream());
    assertEquals(1, self.getFirst().iterator().next());
    Spliterator<Integer> elements = g.spliterator();
    assertNull(elements.trySplit());
    assertEquals(Long.MAX_VALUE, elements.estimateSize());
    assertTrue(elements.hasCharacteristics(Spliterator.ORDERED));
  }

  @RootTest
  @DisplayName("What remains of a stream that was begun can be pushed")
  void remaining() {
    Spliterator<Integer> elements =
        Generator.<Integer>of(out -> List.of(1, 2, 3).forEach(out::yield)).spliterator();
    assertTrue(elements.tryAdvance(i -> trace.add("first " + i)));
    elements.forEachRemaining(i -> trace.add("rest " + i));
    elements.forEachRemaining(i -> trace.add("nothing " + i));
    assertEquals(List.of("first 1", "rest 2", "rest 3"), trace);
  }
}
