package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
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
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What every call of a cursor does in every state, confined or shared. */
@ExtendWith(LeakCheck.class)
class CursorTest {
  private final List<Object> trace = new ArrayList<>();
  private final Exception failure = new IOException("checked");

  /** Has two elements and a result, and tells what its yields return. */
  private final Generator<Integer> two =
      Generator.returning(out -> {
        trace.add("begins");
        trace.add(out.yield(1));
        trace.add(out.yield(2));
        return "result";
      });

  private static <T> List<Cursor<T>> bothKinds(Generator<T> g) {
    return List.of(g.cursor(), g.sharedCursor());
  }

  /** The calls that an open cursor answers, but not in every state. */
  private List<Executable> calls(Cursor<?> c) {
    return List.of(
        c::hasNext, c::next, c::peek, () -> c.send("sent"), () -> c.throwInto(failure), c::result);
  }

  private void assertAllRefused(Class<? extends Throwable> type, Cursor<?> c, Object... parts) {
    for (Executable call : calls(c)) assertRefused(type, call, parts);
  }

  private void assertEnded(Cursor<?> c, Object result) {
    assertTrue(c.isOver());
    for (int i = 0; i < 2; i++) {
      assertFalse(c.hasNext());
      assertRefused(NoSuchElementException.class, c::next, "generator-", "is over");
      assertRefused(NoSuchElementException.class, c::peek, "generator-", "is over");
      assertRefused(IllegalStateException.class, () -> c.send("sent"), "generator-", "has ended");
      assertRefused(
          IllegalStateException.class, () -> c.throwInto(failure), "generator-", "has ended");
      assertEquals(result, c.result());
    }
    c.close();
    assertClosed(c);
  }

  private void assertClosed(Cursor<?> c) {
    assertTrue(c.isOver());
    assertAllRefused(IllegalStateException.class, c, "generator-", "has been closed");
    c.close();
    assertTrue(c.isOver());
  }

  @RootTest
  @DisplayName("Before the first next: no result, nothing to send to, and nothing runs")
  void unstarted() {
    for (Cursor<Integer> c : bothKinds(two)) {
      trace.clear();
      assertRefused(
          IllegalStateException.class,
          () -> c.send("sent"),
          "generator-",
          "has not come to a yield",
          "next");
      assertRefused(IllegalStateException.class, c::result, "generator-", "no result yet");
      assertRefused(IllegalArgumentException.class, () -> c.throwInto(null), "generator-", "null");
      assertFalse(c.isOver());
      assertEquals(List.of(), trace);
      assertEquals(1, c.next());
    }
  }

  @RootTest
  @DisplayName(
      "An exception thrown into an unstarted one comes right out: it is over, and its body never runs")
  void throwIntoUnstarted() {
    for (Cursor<Integer> c : bothKinds(two)) {
      assertSame(failure, assertThrows(Throwable.class, () -> c.throwInto(failure)));
      assertEnded(c, null);
    }
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("An unstarted one that is closed never runs")
  void closeUnstarted() {
    for (Cursor<Integer> c : bothKinds(two)) {
      c.close();
      assertClosed(c);
    }
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("hasNext and peek find an element that stays; until it is taken nothing can be sent")
  void found() {
    for (Cursor<Integer> c : bothKinds(two)) {
      trace.clear();
      for (int element = 1; element <= 2; element++) {
        assertTrue(c.hasNext());
        assertEquals(element, c.peek());
        assertRefused(
            IllegalStateException.class,
            () -> c.send("sent"),
            "generator-",
            "nobody has taken",
            "next");
        assertRefused(
            IllegalStateException.class,
            () -> c.throwInto(failure),
            "generator-",
            "nobody has taken",
            "next");
        assertRefused(IllegalStateException.class, c::result, "no result yet");
        assertTrue(c.hasNext());
        assertEquals(element, c.peek());
        assertFalse(c.isOver());
        assertEquals(element, c.next());
      }
      assertFalse(c.hasNext());
      assertEquals(Arrays.asList("begins", null, null), trace);
      assertEnded(c, "result");
    }
  }

  @RootTest
  @DisplayName("peek alone runs the body as far as the next yield, and so does next")
  void peekAlone() {
    for (Cursor<Integer> c : bothKinds(two)) {
      assertEquals(1, c.peek());
      assertEquals(1, c.next());
      assertEquals(2, c.next());
      assertRefused(NoSuchElementException.class, c::peek, "is over");
      assertEnded(c, "result");
    }
  }

  @RootTest
  @DisplayName(
      "What is sent is what the pending yield returns; what follows is the next element, or the end")
  void send() {
    for (Cursor<Integer> c : bothKinds(two)) {
      trace.clear();
      assertEquals(1, c.next());
      assertTrue(c.send("sent"));
      assertRefused(IllegalStateException.class, () -> c.send("again"), "nobody has taken");
      assertEquals(2, c.next());
      assertFalse(c.isOver());
      assertFalse(c.send(null));
      assertEquals(Arrays.asList("begins", "sent", null), trace);
      assertEnded(c, "result");
    }
  }

  @RootTest
  @DisplayName("What is sent once is not returned by a later yield")
  void sendOnce() {
    for (Cursor<Integer> c : bothKinds(two)) {
      trace.clear();
      c.next();
      c.send("sent");
      c.next();
      assertFalse(c.hasNext());
      assertEquals(Arrays.asList("begins", "sent", null), trace);
    }
  }

  @RootTest
  @DisplayName(
      "An exception thrown in is raised at the pending yield, and a body that catches it goes on")
  void throwIntoCaught() {
    Generator<String> g =
        Generator.returning(out -> {
          for (int i = 0; i < 2; i++) {
            try {
              out.yield("element");
            } catch (Exception e) {
              trace.add(e);
            }
          }
          return "result";
        });
    for (Cursor<String> c : bothKinds(g)) {
      trace.clear();
      assertEquals("element", c.next());
      assertTrue(c.throwInto(failure));
      assertEquals("element", c.next());
      assertFalse(c.throwInto(failure));
      assertEquals(List.of(failure, failure), trace);
      assertEnded(c, "result");
    }
  }

  @RootTest
  @DisplayName(
      "An exception thrown in that the body does not catch comes out, the same object, GreenletExit too")
  void throwIntoUncaught() {
    for (Throwable t : new Throwable[] {failure, new AssertionError(), new GreenletExit()}) {
      for (Cursor<Integer> c : bothKinds(two)) {
        c.next();
        assertSame(t, assertThrows(Throwable.class, () -> c.throwInto(t)));
        assertEnded(c, null);
      }
    }
  }

  @RootTest
  @DisplayName("An exception of the body comes out of whichever call ran into it, once")
  void bodyFails() {
    Generator<Integer> g =
        Generator.returning(out -> {
          out.yield(1);
          throw failure;
        });
    for (int call = 0; call < 4; call++) {
      for (Cursor<Integer> c : bothKinds(g)) {
        c.next();
        Executable runs = calls(c).get(call);
        assertSame(failure, assertThrows(Throwable.class, runs));
        assertEnded(c, null);
      }
    }
  }

  @RootTest
  @DisplayName("A body without a result has null, and so does one that an exception ended")
  void noResult() {
    for (Cursor<Integer> c : bothKinds(Generator.<Integer>of(out -> out.yield(1)))) {
      c.next();
      assertRefused(IllegalStateException.class, c::result, "no result yet");
      assertFalse(c.isOver()); // nobody knows yet
      assertFalse(c.hasNext());
      assertEnded(c, null);
    }
    for (Cursor<Integer> c : bothKinds(Generator.<Integer>returning(out -> "at once"))) {
      assertFalse(c.hasNext());
      assertEnded(c, "at once");
    }
  }

  @RootTest
  @DisplayName("null is an element like any other")
  void nullElement() {
    for (Cursor<Object> c : bothKinds(Generator.of(out -> out.yield(null)))) {
      assertTrue(c.hasNext());
      assertNull(c.peek());
      assertNull(c.next());
      assertFalse(c.hasNext());
    }
  }

  @RootTest
  @DisplayName(
      "close raises GreenletExit at the pending yield and at later ones, and drops an element found")
  void close() {
    Generator<Integer> g =
        Generator.returning(out -> {
          for (int i = 0; i < 3; i++) {
            try {
              out.yield(i);
            } catch (GreenletExit e) {
              trace.add(e);
            }
          }
          return "result";
        });
    for (Cursor<Integer> c : bothKinds(g)) {
      trace.clear();
      assertEquals(0, c.next());
      assertTrue(c.hasNext());
      c.close();
      assertEquals(2, trace.size());
      assertSame(
          trace.getFirst(), assertInstanceOf(GreenletExit.class, trace.getLast()).getCause());
      assertClosed(c);
    }
  }

  @RootTest
  @DisplayName(
      "A body may yield in try-with-resources whose resource yields when it is closed, push or pull")
  void closeYieldingResource() {
    Generator<Integer> g =
        Generator.of(out -> {
          try (AutoCloseable flushes = () -> out.yield(2)) {
            trace.add("opens " + (flushes != null));
            out.yield(1);
          } finally {
            trace.add("finally");
          }
        });
    for (Cursor<Integer> c : bothKinds(g)) {
      assertEquals(1, c.next());
      c.close();
      assertClosed(c);
    }
    assertFalse(g.forEachWhile(element -> false));
    assertEquals(
        List.of("opens true", "finally", "opens true", "finally", "opens true", "finally"), trace);
  }

  @RootTest
  @DisplayName(
      "What the body throws while it is closed comes out of close, and it is closed all the same")
  void failsWhileClosed() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yield(1);
          } catch (GreenletExit e) {
            throw failure;
          }
        });
    for (Cursor<Integer> c : bothKinds(g)) {
      c.next();
      assertSame(failure, assertThrows(Throwable.class, c::close));
      assertClosed(c);
    }
  }

  @RootTest
  @DisplayName("From inside its own body every call is refused, and the traversal goes on")
  void insideItself() {
    List<Cursor<Integer>> self = new ArrayList<>();
    Generator<Integer> g =
        Generator.returning(out -> {
          Cursor<Integer> c = self.getLast();
          assertAllRefused(
              IllegalStateException.class,
              c,
              Greenlet.current(),
              "generator-",
              "is pulling from it");
          assertRefused(
              IllegalStateException.class,
              c::close,
              Greenlet.current(),
              "generator-",
              "is pulling from it");
          assertFalse(c.isOver());
          out.yield(1);
          assertRefused(IllegalStateException.class, c::close, "is pulling from it");
          return "result";
        });
    for (Cursor<Integer> c : bothKinds(g)) {
      self.add(c);
      assertEquals(1, c.next());
      assertFalse(c.hasNext());
      assertEnded(c, "result");
    }
  }

  @RootTest
  @DisplayName(
      "The body asks its own cursor while it is closed: refused, also if an element was found")
  void insideItselfWhileClosed() {
    List<Cursor<Integer>> self = new ArrayList<>();
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            out.yield(1);
          } finally {
            for (Executable call : calls(self.getLast()))
              assertRefused(IllegalStateException.class, call, "generator-", "is pulling from it");
            trace.add("refused");
          }
        });
    for (Cursor<Integer> c : bothKinds(g)) {
      self.add(c);
      assertEquals(1, c.peek());
      c.close();
      assertClosed(c);
    }
    assertEquals(List.of("refused", "refused"), trace);
  }

  @RootTest
  @DisplayName("Messages name what a Java and what a Clojure program calls")
  void bothLanguages() throws Throwable {
    Cursor<Integer> c = two.cursor();
    assertRefused(IllegalStateException.class, () -> c.send("sent"), "next() or next!");
    c.peek();
    assertRefused(IllegalStateException.class, () -> c.send("sent"), "next() or next!");
    Threads.PLATFORM.run(
        "other",
        () ->
            assertRefused(
                WrongThreadException.class,
                c::next,
                "stream",
                "sharedCursor()",
                "in Clojure a seq"));
    c.close();
  }

  @RootTest
  @DisplayName("available is 1 where an element has been found, and runs nothing")
  void available() {
    for (Cursor<Integer> c : bothKinds(two)) {
      trace.clear();
      assertEquals(0, c.available());
      assertEquals(List.of(), trace);
      assertEquals(1, c.peek());
      assertEquals(1, c.available());
      assertEquals(1, c.next());
      assertEquals(0, c.available());
      c.close();
      assertRefused(IllegalStateException.class, c::available, "has been closed");
    }
  }

  @RootTest
  @DisplayName("Another thread is refused every call of a confined cursor but isOver")
  void otherThread() throws Throwable {
    Cursor<Integer> c = two.cursor();
    c.next();
    for (Threads kind : Threads.values()) {
      kind.run(
          "other",
          () -> {
            assertAllRefused(WrongThreadException.class, c, "generator-", "\"test\"", "\"other\"");
            assertRefused(
                WrongThreadException.class, c::close, "generator-", "\"test\"", "\"other\"");
            assertFalse(c.isOver());
          });
    }
    assertTrue(c.send("sent"));
    assertEquals(2, c.next());
    assertEquals(List.of("begins", "sent"), trace);
  }

  @RootTest
  @DisplayName("Another thread may make every call of a shared cursor")
  void otherThreadShares() throws Throwable {
    for (Threads kind : Threads.values()) {
      trace.clear();
      Cursor<Integer> c = two.sharedCursor();
      assertEquals(1, c.next());
      kind.run("other", () -> assertTrue(c.send("sent")));
      assertEquals(2, c.peek());
      kind.run("other", () -> assertEquals(2, c.next()));
      assertFalse(c.send("last"));
      kind.run("other", () -> assertEnded(c, "result"));
      assertEquals(List.of("begins", "sent", "last"), trace);
    }
  }

  @RootTest
  @DisplayName("A call that is refused does not make the cursor the caller's")
  void refusedCallerIsNotOwner() throws Throwable {
    Cursor<Integer> c = two.cursor();
    Threads.PLATFORM.run(
        "other",
        () -> {
          assertRefused(IllegalStateException.class, c::result, "no result yet");
          assertRefused(
              IllegalStateException.class, () -> c.send("sent"), "has not come to a yield");
        });
    assertEquals(1, c.next());
  }

  @RootTest
  @DisplayName("The text form tells of the generator and of the end")
  void text() {
    for (Cursor<Integer> c : bothKinds(two)) {
      assertEquals("Cursor[traversal of " + two + "]", c.toString());
      c.close();
      assertEquals("Cursor[traversal of " + two + ", over]", c.toString());
    }
  }
}
