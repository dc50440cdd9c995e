package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.Cursor;
import greenlet.DynamicExtent;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is in force in a generator's body goes with the body. */
@ExtendWith(LeakCheck.class)
class DynamicExtentTest {
  private final List<Object> trace = new ArrayList<>();

  private final class Named implements DynamicExtent {
    private final String name;

    Named(String name) {
      this.name = name;
    }

    @Override
    public void leave() {
      trace.add("-" + name);
    }

    @Override
    public void reenter() {
      trace.add("+" + name);
    }
  }

  private <T> T in(String name, Callable<T> task) {
    return Generator.during(new Named(name), task);
  }

  private final Generator<Integer> nested =
      Generator.of(out -> {
        out.yield(0);
        in(
            "outer",
            () -> {
              out.yield(1);
              return in("inner", () -> out.yield(2));
            });
        out.yield(3);
      });

  private static final List<Object> NESTED =
      List.of(0, "-outer", 1, "+outer", "-inner", "-outer", 2, "+outer", "+inner", 3);

  @RootTest
  @DisplayName(
      "It is left before the consumer goes on, and entered again before the body does, however it is traversed")
  void everyTraversal() {
    nested.forEach(trace::add);
    assertEquals(NESTED, trace);
    trace.clear();
    nested.cursor().forEachRemaining(trace::add);
    assertEquals(NESTED, trace);
    trace.clear();
    Cursor<Integer> shared = nested.sharedCursor();
    while (shared.hasNext()) trace.add(shared.next());
    assertEquals(NESTED, trace);
  }

  @RootTest
  @DisplayName("The consumer's own extents are no part of the body")
  void consumers() {
    Generator<Object> consumer =
        Generator.of(out ->
            in(
                "consumer's",
                () -> {
                  nested.forEach(trace::add);
                  return null;
                }));
    consumer.forEach(trace::add);
    assertEquals(NESTED, trace);
  }

  @RootTest
  @DisplayName(
      "A yield to an outer traversal leaves those of all bodies that it suspends, the innermost first")
  void yieldOutward() {
    List<Object> expected =
        List.of("-inner", "-middle", "-outer", "x", "+outer", "+middle", "+inner");
    for (int way = 0; way < 3; way++) {
      trace.clear();
      int inner = way;
      Generator<String> outer =
          Generator.of(out ->
              in(
                  "outer",
                  () -> {
                    Generator<Object> middle =
                        Generator.of(
                            unused -> in("middle", () -> in("inner", () -> out.yield("x"))));
                    switch (inner) {
                      case 0 -> middle.forEach(trace::add);
                      case 1 -> middle.cursor().forEachRemaining(trace::add);
                      default -> middle.sharedCursor().forEachRemaining(trace::add);
                    }
                    return null;
                  }));
      outer.cursor().forEachRemaining(trace::add);
      assertEquals(expected, trace);
    }
  }

  @RootTest
  @DisplayName("An exception that is thrown into the body, or its early end, enters it again first")
  void exceptions() {
    Generator<Integer> g =
        Generator.of(out ->
            in(
                "extent",
                () -> {
                  try {
                    return out.yield(1);
                  } catch (IllegalStateException | GreenletExit e) {
                    trace.add(e.getClass().getSimpleName());
                    throw e;
                  }
                }));
    Cursor<Integer> c = g.cursor();
    c.next();
    assertThrows(IllegalStateException.class, () -> c.throwInto(new IllegalStateException()));
    Cursor<Integer> closed = g.cursor();
    closed.next();
    closed.close();
    assertFalse(g.forEachWhile(x -> false));
    assertEquals(
        List.of(
            "-extent",
            "+extent",
            "IllegalStateException",
            "-extent",
            "+extent",
            "GreenletExit",
            "-extent",
            "+extent",
            "GreenletExit"),
        trace);
  }

  @RootTest
  @DisplayName(
      "A switch in the body leaves nothing, for it suspends the puller; outside of any body nothing is called")
  void switches() {
    assertEquals("outside", in("extent", () -> "outside"));
    Greenlet root = Greenlet.current();
    Greenlet puller =
        Greenlet.of(args ->
            Generator.<Object>of(out -> in("extent", () -> root.switchTo("switched")))
                .cursor()
                .hasNext());
    assertEquals("switched", puller.switchTo());
    assertEquals(false, puller.switchTo());
    assertEquals(List.of(), trace);
    assertThrows(IllegalArgumentException.class, () -> Generator.during(null, () -> 1));
  }
}
