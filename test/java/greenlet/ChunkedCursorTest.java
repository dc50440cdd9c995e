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
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Cursors whose bodies run ahead, confined or shared. */
@ExtendWith(LeakCheck.class)
class ChunkedCursorTest {
  private final List<Object> trace = new ArrayList<>();
  private int steps;

  private Generator<Integer> upTo(int end) {
    return Generator.returning(out -> {
      try {
        for (int i = 0; i < end; i++) {
          steps++;
          out.yield(i);
        }
        return "result";
      } finally {
        trace.add("finally");
      }
    });
  }

  private final Generator<Integer> endless = upTo(Integer.MAX_VALUE);

  private static <T> List<Cursor<T>> bothKinds(Generator<T> g, int chunk) {
    return List.of(g.cursor(chunk), g.sharedCursor(chunk));
  }

  private static List<Integer> numbers(int n) {
    return IntStream.range(0, n).boxed().toList();
  }

  @RootTest
  @DisplayName("All elements come in order, whatever the chunk, and then the result")
  void elements() {
    for (int chunk : new int[] {1, 2, 3, 31, 32, 33, 100, 1000, Integer.MAX_VALUE}) {
      for (int n : new int[] {0, 1, 2, 32, 33, 100, 1000}) {
        for (Cursor<Integer> c : bothKinds(upTo(n), chunk)) {
          List<Integer> got = new ArrayList<>();
          while (c.hasNext()) {
            assertFalse(c.isOver());
            assertRefused(IllegalStateException.class, c::result, "no result yet");
            assertEquals(got.size(), c.peek());
            got.add(c.next());
          }
          assertEquals(numbers(n), got);
          assertTrue(c.isOver());
          assertEquals("result", c.result());
          assertRefused(NoSuchElementException.class, c::next, "is over");
        }
      }
    }
  }

  @RootTest
  @DisplayName("null is an element like any other")
  void nullElement() {
    for (Cursor<Object> c :
        bothKinds(
            Generator.of(out -> {
              for (int i = 0; i < 3; i++) out.yield(null);
            }),
            2)) {
      for (int i = 0; i < 3; i++) {
        assertTrue(c.hasNext());
        assertNull(c.peek());
        assertNull(c.next());
      }
      assertFalse(c.hasNext());
    }
  }

  @RootTest
  @DisplayName("The body runs ahead by a chunk, when an element is asked for and none is left")
  void runsAhead() {
    for (Cursor<Integer> c : bothKinds(endless, 4)) {
      steps = 0;
      assertEquals(0, c.available());
      assertEquals(0, steps);
      for (int i = 0; i < 12; i++) {
        assertTrue(c.hasNext());
        assertEquals(4 * (i / 4 + 1), steps);
        assertEquals(4 - i % 4, c.available());
        assertEquals(i, c.next());
        assertEquals(3 - i % 4, c.available());
      }
      c.close();
      assertEquals(12, steps);
    }
  }

  @RootTest
  @DisplayName("A large chunk is reached from 32 on, by twice as many each time")
  void growing() {
    for (Cursor<Integer> c : bothKinds(endless, 100)) {
      steps = 0;
      int taken = 0;
      for (int size : new int[] {32, 64, 100, 100}) {
        assertTrue(c.hasNext());
        assertEquals(size, c.available());
        assertEquals(taken + size, steps);
        for (int i = 0; i < size; i++) assertEquals(taken++, c.next());
      }
      c.close();
    }
    try (Cursor<Integer> c = endless.cursor(Integer.MAX_VALUE)) {
      assertEquals(0, c.next());
    }
  }

  @RootTest
  @DisplayName("What ends the body comes after the elements before it, Errors too, and only once")
  void bodyFails() {
    for (Throwable t :
        new Throwable[] {
          new IOException("checked"),
          new AssertionError(),
          new StackOverflowError(),
          new OutOfMemoryError(),
          new GreenletExit()
        }) {
      Generator<Integer> g =
          Generator.of(out -> {
            out.yield(1);
            out.yield(2);
            throw t;
          });
      for (int chunk : new int[] {1, 2, 3, 8}) {
        for (Cursor<Integer> c : bothKinds(g, chunk)) {
          assertEquals(1, c.next());
          assertEquals(2, c.peek());
          assertEquals(2, c.next());
          assertFalse(c.isOver());
          assertSame(t, assertThrows(Throwable.class, c::hasNext));
          assertTrue(c.isOver());
          assertFalse(c.hasNext());
          assertNull(c.result());
          assertSame(t, assertThrows(NoSuchElementException.class, c::next).getCause());
        }
      }
    }
  }

  private static int recurse(Generator.Yielder<Integer> out, int n) {
    out.yield(n);
    return recurse(out, n + 1) + 1;
  }

  @RootTest
  @DisplayName("A recursion without end that yields ahead gives its elements, then the overflow")
  void overflows() {
    Generator<Integer> g = Generator.of(out -> recurse(out, 0));
    for (Cursor<Integer> c : bothKinds(g, 1 << 30)) {
      int n = 0;
      try {
        while (c.hasNext()) assertEquals(n++, c.next());
        throw new AssertionError("the recursion ended after " + n);
      } catch (StackOverflowError e) {
        assertTrue(n > 100, "" + n);
      }
      assertTrue(c.isOver());
    }
  }

  @RootTest
  @DisplayName("close unwinds the body where it is, and forgets what it has yielded ahead")
  void close() {
    for (int taken = 0; taken <= 9; taken++) {
      for (Cursor<Integer> c : bothKinds(endless, 4)) {
        trace.clear();
        for (int i = 0; i < taken; i++) c.next();
        assertEquals(List.of(), trace);
        c.close();
        assertEquals(taken == 0 ? List.of() : List.of("finally"), trace);
        assertTrue(c.isOver());
        assertRefused(IllegalStateException.class, c::hasNext, "has been closed");
        assertRefused(IllegalStateException.class, c::next, "has been closed");
        assertRefused(IllegalStateException.class, c::peek, "has been closed");
        assertRefused(IllegalStateException.class, c::available, "has been closed");
        c.close();
      }
    }
  }

  @RootTest
  @DisplayName("close of one whose body has ended ahead forgets its elements, and what ended it")
  void closeEnded() {
    Generator<Integer> fails =
        Generator.of(out -> {
          out.yield(1);
          out.yield(2);
          throw new IOException("nobody has come to this");
        });
    for (Generator<Integer> g : List.of(fails, upTo(2))) {
      for (Cursor<Integer> c : bothKinds(g, 8)) {
        assertEquals(c.peek(), c.next());
        c.close();
        assertTrue(c.isOver());
        assertRefused(IllegalStateException.class, c::next, "has been closed");
      }
    }
  }

  @RootTest
  @DisplayName("What the body throws while it is closed comes out of close")
  void failsWhileClosed() {
    IOException failure = new IOException("in finally");
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            while (true) out.yield(1);
          } finally {
            throw failure;
          }
        });
    for (Cursor<Integer> c : bothKinds(g, 4)) {
      assertEquals(1, c.next());
      assertSame(failure, assertThrows(Throwable.class, c::close));
      assertTrue(c.isOver());
    }
  }

  @RootTest
  @DisplayName("Nothing can be sent or thrown into the body, in any state, and nothing changes")
  void oneWay() {
    Exception failure = new IOException();
    for (Cursor<Integer> c : bothKinds(upTo(5), 4)) {
      for (int i = 0; i < 5; i++) {
        assertRefused(
            IllegalStateException.class,
            () -> c.send("sent"),
            "sent to",
            "generator-",
            "up to 4 elements",
            "without chunks");
        assertRefused(
            IllegalStateException.class,
            () -> c.throwInto(failure),
            "thrown into",
            "generator-",
            "up to 4 elements",
            "without chunks");
        assertEquals(i, c.next());
      }
      assertFalse(c.hasNext());
      assertRefused(IllegalStateException.class, () -> c.send("sent"), "without chunks");
    }
  }

  @RootTest
  @DisplayName("From inside its own body every call is refused, and the traversal goes on")
  void insideItself() {
    List<Cursor<Integer>> self = new ArrayList<>();
    Generator<Integer> g =
        Generator.of(out -> {
          Cursor<Integer> c = self.getLast();
          for (int i = 0; i < 5; i++) {
            assertRefused(IllegalStateException.class, c::hasNext, "is pulling from it");
            assertRefused(IllegalStateException.class, c::next, "is pulling from it");
            assertRefused(IllegalStateException.class, c::available, "is pulling from it");
            assertRefused(IllegalStateException.class, c::close, "is pulling from it");
            out.yield(i);
          }
        });
    for (Cursor<Integer> c : bothKinds(g, 2)) {
      self.add(c);
      for (int i = 0; i < 5; i++) assertEquals(i, c.next());
      assertFalse(c.hasNext());
    }
  }

  @RootTest
  @DisplayName("A confined one refuses other threads, also for what the body has yielded ahead")
  void otherThread() throws Throwable {
    try (Cursor<Integer> c = endless.cursor(4)) {
      assertEquals(0, c.next());
      for (Threads kind : Threads.values()) {
        kind.run(
            "other",
            () -> {
              assertRefused(WrongThreadException.class, c::hasNext, "\"test\"", "\"other\"");
              assertRefused(WrongThreadException.class, c::next, "\"test\"", "\"other\"");
              assertRefused(WrongThreadException.class, c::peek, "sharedCursor()", "seq");
              assertRefused(WrongThreadException.class, c::close, "\"test\"", "\"other\"");
            });
      }
      assertEquals(1, c.next());
    }
  }

  @RootTest
  @DisplayName("Any thread may continue a shared one")
  void otherThreadShares() throws Throwable {
    for (Threads kind : Threads.values()) {
      Cursor<Integer> c = endless.sharedCursor(3);
      for (int i = 0; i < 12; ) {
        assertEquals(i++, c.next());
        int there = i++;
        kind.run("other", () -> assertEquals(there, c.next()));
      }
      kind.run("other", c::close);
      assertTrue(c.isOver());
    }
  }

  @RootTest
  @DisplayName("A body that runs ahead is the puller's: a switch in it suspends the puller")
  void switchInBody() {
    Greenlet main = Greenlet.current();
    Generator<Object> g =
        Generator.of(out -> {
          out.yield(1);
          out.yield(main.switchTo("from the body"));
          out.yield(3);
        });
    for (Cursor<Object> c : bothKinds(g, 8)) {
      Greenlet puller = Greenlet.of(args -> c.next());
      assertEquals("from the body", puller.switchTo());
      assertRefused(IllegalStateException.class, c::next, "has switched away");
      assertEquals(1, puller.switchTo(2));
      assertEquals(Arrays.asList(2, 3), Arrays.asList(c.next(), c.next()));
      assertFalse(c.hasNext());
    }
  }

  @RootTest
  @DisplayName("Bodies further in yield ahead as well, by handle and from any depth")
  void nested() {
    Generator<Object> g =
        Generator.of(out -> {
          out.yieldAll(upTo(3));
          for (Cursor<Integer> c : bothKinds(upTo(3), 2)) {
            c.forEachRemaining(Generator::yield);
            Generator.of(in -> out.yield("further out")).sharedCursor().hasNext();
          }
          upTo(2).forEach(out::yield);
        });
    for (Cursor<Object> c : bothKinds(g, 4)) {
      List<Object> all = new ArrayList<>();
      c.forEachRemaining(all::add);
      assertEquals(List.of(0, 1, 2, 0, 1, 2, "further out", 0, 1, 2, "further out", 0, 1), all);
    }
  }

  @RootTest
  @DisplayName("A chunk has one element at least")
  void outOfRange() {
    for (int chunk : new int[] {0, -1, Integer.MIN_VALUE}) {
      assertRefused(
          IllegalArgumentException.class, () -> endless.cursor(chunk), "1 element", "" + chunk);
      assertRefused(
          IllegalArgumentException.class,
          () -> endless.sharedCursor(chunk),
          "1 element",
          "" + chunk);
    }
  }
}
