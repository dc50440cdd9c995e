package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.RootTest;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.condition.EnabledIf;

/** Scoped values belong to a stack: what a body binds and what its caller binds are never seen by the other. */
@EnabledIf("greenlet.Scoped#available")
class ScopedValueTest {
  @RootTest
  @DisplayName(
      "a greenlet that is suspended inside a binding keeps it to itself, and sees none of its caller's")
  void greenlet() throws Exception {
    Scoped value = new Scoped();
    Greenlet root = Greenlet.current();
    List<Object> trace = new ArrayList<>();
    Greenlet g =
        Greenlet.of(args -> {
          value.where(
              "greenlet's",
              () -> {
                for (int i = 0; i < 3; i++) {
                  trace.add(value.get());
                  root.switchTo();
                }
              });
          trace.add(value.get());
          return null;
        });
    g.switchTo();
    trace.add(value.get());
    value.where(
        "root's",
        () -> {
          g.switchTo();
          trace.add(value.get());
          g.switchTo();
          trace.add(value.get());
        });
    trace.add(value.get());
    g.switchTo();
    trace.add(value.get());
    assertEquals(
        List.of(
            "greenlet's",
            "unbound",
            "greenlet's",
            "root's",
            "greenlet's",
            "root's",
            "unbound",
            "unbound",
            "unbound"),
        trace);
  }

  @RootTest
  @DisplayName("greenlets that switch among themselves inside bindings see each its own")
  void amongGreenlets() throws Exception {
    Scoped value = new Scoped();
    List<Object> trace = new ArrayList<>();
    Greenlet[] pair = new Greenlet[2];
    for (int i = 0; i < 2; i++) {
      int me = i;
      pair[i] =
          Greenlet.of(args -> {
            value.where(
                me,
                () -> {
                  for (int n = 0; n < 3; n++) {
                    trace.add(value.get());
                    pair[1 - me].switchTo();
                  }
                });
            return null;
          });
    }
    pair[0].switchTo();
    trace.add(value.get());
    assertEquals(List.of(0, 1, 0, 1, 0, 1, "unbound"), trace);
  }

  @RootTest
  @DisplayName("the body of an iterator, of a stream, and one nested in another, the same")
  void generators() throws Exception {
    Scoped value = new Scoped();
    Generator<Object> body =
        Generator.of(out ->
            value.where(
                "body's",
                () -> {
                  for (int n = 0; n < 3; n++) out.yield(value.get());
                }));
    Generator<Object> nested =
        Generator.of(out ->
            value.where(
                "outer's",
                () -> {
                  for (Object inner : body) {
                    out.yield(inner);
                    out.yield(value.get());
                  }
                }));
    assertEquals(
        List.of("body's", "unbound", "body's", "consumer's", "body's", "unbound"),
        pulled(value, body.iterator()));
    assertEquals(
        List.of("body's", "unbound", "body's", "consumer's", "body's", "unbound"),
        pulled(value, body.stream().iterator()));
    assertEquals(
        List.of(
            "body's",
            "unbound",
            "outer's",
            "consumer's",
            "body's",
            "unbound",
            "outer's",
            "unbound",
            "body's",
            "unbound",
            "outer's",
            "unbound"),
        pulled(value, nested.iterator()));
  }

  /** The elements, and what the consumer sees after each; it binds something of its own during the second pull. */
  private static List<Object> pulled(Scoped value, Iterator<Object> elements) throws Exception {
    List<Object> trace = new ArrayList<>();
    for (int n = 0; elements.hasNext(); n++) {
      if (n == 1) {
        value.where(
            "consumer's",
            () -> {
              trace.add(elements.next());
              elements.hasNext();
              trace.add(value.get());
            });
      } else {
        trace.add(elements.next());
        trace.add(value.get());
      }
    }
    return trace;
  }
}
