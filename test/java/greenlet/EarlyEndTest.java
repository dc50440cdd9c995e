package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Bodies that do not want to end when their traversal ends early. */
@ExtendWith(LeakCheck.class)
class EarlyEndTest {
  /** Swallows whatever is thrown at it. */
  private final Generator<Integer> stubborn =
      Generator.of(out -> {
        while (true) {
          try {
            out.yield(1);
          } catch (Throwable t) {
            // goes on
          }
        }
      });

  private static <T> List<Cursor<T>> allKinds(Generator<T> g) {
    return List.of(g.cursor(), g.sharedCursor(), g.cursor(8), g.sharedCursor(8));
  }

  @RootTest
  @DisplayName(
      "close of a cursor whose body swallows every GreenletExit is an error, and it is over")
  void cursor() {
    for (Cursor<Integer> c : allKinds(stubborn)) {
      assertEquals(1, c.next());
      assertRefused(
          IllegalStateException.class, c::close, stubborn.toString(), "refuses to end", "10000");
      assertTrue(c.isOver());
      c.close();
      assertRefused(IllegalStateException.class, c::next, "has been closed");
    }
  }

  @RootTest
  @DisplayName("The error shows where the body yields")
  void stackTrace() {
    Cursor<Integer> c = stubborn.cursor();
    c.next();
    Throwable refusal = assertThrows(IllegalStateException.class, c::close);
    assertTrue(
        Stream.of(refusal.getStackTrace())
            .anyMatch(frame ->
                frame.getClassName().equals(EarlyEndTest.class.getName())
                    && frame.getMethodName().startsWith("lambda")));
  }

  @RootTest
  @DisplayName("close of a stream is an error in the same way")
  void stream() {
    Stream<Integer> stream = stubborn.stream();
    stream.iterator().next();
    assertRefused(
        IllegalStateException.class, stream::close, stubborn.toString(), "refuses to end");
  }

  @RootTest
  @DisplayName("A body that swallows some, and then ends, is closed")
  void ends() {
    Generator<Integer> g =
        Generator.of(out -> {
          for (int i = 0; i < 5_000; i++) {
            try {
              out.yield(i);
            } catch (GreenletExit e) {
              // goes on
            }
          }
        });
    for (Cursor<Integer> c : allKinds(g)) {
      assertEquals(0, c.next());
      c.close();
      assertTrue(c.isOver());
    }
    assertFalse(g.forEachWhile(i -> false));
  }

  @RootTest
  @DisplayName("What is on the stack of a pulled body ends with it: the next pull gets the error")
  void pushedInPulled() {
    Generator<Boolean> g =
        Generator.of(out -> {
          out.yield(true);
          out.yield(stubborn.forEachWhile(i -> false));
        });
    for (Cursor<Boolean> c : allKinds(g)) {
      assertTrue(c.next());
      assertRefused(IllegalStateException.class, c::next, stubborn.toString(), "refuses to end");
      assertTrue(c.isOver());
      assertFalse(c.hasNext());
      c.close();
    }
    Generator<Integer> around = Generator.of(out -> out.yieldAll(stubborn));
    for (Cursor<Integer> c : allKinds(around)) {
      assertEquals(1, c.next());
      assertRefused(IllegalStateException.class, c::close, "refuses to end");
      assertTrue(c.isOver());
    }
  }

  @RootTest
  @DisplayName("On the consumer's own stack the error is thrown at the yield")
  void pushed() {
    List<Throwable> caught = new ArrayList<>();
    Generator<Integer> g =
        Generator.of(out -> {
          while (true) {
            try {
              out.yield(1);
            } catch (GreenletExit e) {
              if (caught.size() < 2) caught.add(e);
            }
          }
        });
    assertRefused(
        IllegalStateException.class,
        () -> g.forEachWhile(i -> false),
        g.toString(),
        "refuses to end",
        "10000");
    assertEquals(2, caught.size());
  }

  @RootTest
  @DisplayName("The extents that an abandoned body is in are left")
  void extents() {
    List<String> trace = new ArrayList<>();
    DynamicExtent extent =
        new DynamicExtent() {
          @Override
          public void leave() {
            trace.add("leave");
          }

          @Override
          public void reenter() {
            trace.add("reenter");
          }
        };
    Generator<Integer> g =
        Generator.of(out ->
            Generator.during(
                extent,
                () -> {
                  while (true) {
                    try {
                      out.yield(1);
                    } catch (Throwable t) {
                      // goes on
                    }
                  }
                }));
    Cursor<Integer> c = g.cursor();
    c.next();
    assertRefused(IllegalStateException.class, c::close, "refuses to end");
    assertEquals(List.of("leave", "reenter", "leave"), trace);
  }
}
