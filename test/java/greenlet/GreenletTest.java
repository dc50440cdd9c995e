package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** States, creation, values, and who gets control: rules S, C, V, W and D. */
@ExtendWith(LeakCheck.class)
class GreenletTest {
  private final List<Object> trace = new ArrayList<>();

  private static Greenlet named(String name, Body body) {
    return Greenlet.of(body, Greenlet.current(), name);
  }

  /** One that sends what it gets back to {@code to}, for ever. */
  private static Greenlet echo(Greenlet to) {
    return Greenlet.of(args -> {
      Object got = args[0];
      while (true) got = to.switchTo(got);
    });
  }

  private static void assertState(Greenlet g, boolean active, boolean dead, boolean hasStack) {
    assertEquals(
        List.of(active, dead, hasStack),
        List.of(g.isActive(), g.isDead(), g.stackTrace().length > 0));
  }

  @RootTest
  @DisplayName(
      "S1 an unstarted greenlet is neither active nor dead, has no stack, and is started by a switch")
  void unstarted() {
    Greenlet g = Greenlet.of(args -> "ran");
    assertState(g, false, false, false);
    assertEquals("ran", g.switchTo());
  }

  @RootTest
  @DisplayName(
      "S2 the running greenlet is active, has its own stack, and a switch to it returns the values at once")
  void running() {
    Greenlet g =
        Greenlet.of(args -> {
          Greenlet me = Greenlet.current();
          assertState(me, true, false, true);
          return me.switchTo("at once");
        });
    assertEquals("at once", g.switchTo());
  }

  @RootTest
  @DisplayName("S3 a suspended greenlet is active, has a stack, and is resumed by a switch")
  void suspended() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> "resumed with " + main.switchTo("suspended"));
    assertEquals("suspended", g.switchTo());
    assertState(g, true, false, true);
    assertEquals("resumed with 1", g.switchTo(1));
  }

  @RootTest
  @DisplayName(
      "S4 a finished greenlet is dead, has no stack, and a switch to it goes on to its parent")
  void finished() {
    Greenlet g = Greenlet.of(args -> "over");
    g.switchTo();
    assertState(g, false, true, false);
    assertEquals(25, g.switchTo(25));
    assertNull(g.switchTo());
  }

  // Ledger: test_main_greenlet_is_greenlet, test_main_greenlet_parent_is_none, test_getcurrent
  @RootTest
  @DisplayName("S5 the root of a live thread is active, running or suspended, and has no parent")
  void root() {
    Greenlet root = Greenlet.current();
    assertNotNull(root);
    assertNull(root.parent());
    assertState(root, true, false, true);
    assertEquals("at once", root.switchTo("at once"));
    Greenlet.of(
            args -> {
              assertState(root, true, false, true);
              return null;
            })
        .switchTo();
  }

  // Ledger: test_main_while_running, test_main_in_background, test_initial, test_dead
  @RootTest
  @DisplayName("S8 the text form tells name, state, root and thread")
  void textForm() {
    Greenlet main = Greenlet.current();
    assertEquals("Greenlet[root, running, thread \"test\"]", main.toString());
    Greenlet g =
        named(
            "worker",
            args -> {
              trace.add(Greenlet.current().toString());
              trace.add(main.toString());
              return main.switchTo();
            });
    trace.add(g.toString());
    g.switchTo();
    trace.add(g.toString());
    g.switchTo();
    trace.add(g.toString());
    assertEquals(
        List.of(
            "Greenlet[worker, unstarted, thread \"test\"]",
            "Greenlet[worker, running, thread \"test\"]",
            "Greenlet[root, suspended, thread \"test\"]",
            "Greenlet[worker, suspended, thread \"test\"]",
            "Greenlet[worker, finished, thread \"test\"]"),
        trace);
  }

  @RootTest
  @DisplayName("S8 a greenlet without a name gets one of its own")
  void madeUpNames() {
    assertNotEquals(Greenlet.of(args -> null).name(), Greenlet.of(args -> null).name());
    assertEquals("given", named("given", args -> null).name());
  }

  // Ledger: test_parent_equals_None, test_new_greenlet
  @RootTest
  @DisplayName("C1 the parent is the current greenlet, or the one given")
  void parentAtCreation() {
    Greenlet main = Greenlet.current();
    Greenlet outer = Greenlet.of(args -> Greenlet.of(inner -> null));
    assertSame(main, outer.parent());
    assertSame(outer, ((Greenlet) outer.switchTo()).parent());
    assertSame(outer, Greenlet.of(args -> null, outer).parent());
    assertSame(outer, Greenlet.of(args -> null, outer, "named").parent());
    Generator.of(out -> out.yield(Greenlet.of(args -> null)))
        .forEach(g -> assertSame(main, ((Greenlet) g).parent()));
  }

  @RootTest
  @DisplayName("C1 a greenlet without a body or a parent is refused")
  void creationRefused() {
    assertRefused(IllegalArgumentException.class, () -> Greenlet.of(null), "body");
    assertRefused(
        IllegalArgumentException.class,
        () -> Greenlet.of(args -> null, null),
        "Greenlet.current()");
  }

  @RootTest
  @DisplayName(
      "C2 nothing of a body runs before the first switch, and nobody sees a greenlet being made")
  void creation() {
    Greenlet main = Greenlet.current();
    Greenlet.setListener((event, origin, target) -> trace.add(event));
    Greenlet g = Greenlet.of(args -> trace.add("body"));
    assertSame(main, Greenlet.current());
    assertEquals(List.of(), trace);
    g.switchTo();
    assertEquals(List.of(SwitchListener.Event.SWITCH, "body", SwitchListener.Event.SWITCH), trace);
  }

  @RootTest
  @DisplayName("V1 the values of the first switch are the arguments of the body")
  void arguments() {
    Body body = args -> Arrays.asList(args);
    assertEquals(List.of(), Greenlet.of(body).switchTo());
    assertEquals(List.of(1), Greenlet.of(body).switchTo(1));
    assertEquals(Arrays.asList((Object) null), Greenlet.of(body).switchTo((Object) null));
    assertEquals(List.of(1, 2), Greenlet.of(body).switchTo(1, 2));
    assertEquals(List.of(1, 2, 3, 4), Greenlet.of(body).switchTo(1, 2, 3, 4));
    assertEquals(List.of(List.of(1, 2)), Greenlet.of(body).switchTo(List.of(1, 2)));
  }

  @RootTest
  @DisplayName("V1 an argument that the body lacks is an exception in the new greenlet")
  void missingArgument() {
    Greenlet g = Greenlet.of(args -> args[0]);
    assertThrows(ArrayIndexOutOfBoundsException.class, g::switchTo);
    assertTrue(g.isDead());
  }

  @RootTest
  @DisplayName(
      "V2 the pending switch returns nothing as null, one value as itself, more as an unmodifiable list")
  void received() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          while (true) trace.add(main.switchTo());
        });
    Object one = new Object();
    g.switchTo();
    g.switchTo();
    g.switchTo(one);
    g.switchTo((Object) null);
    g.switchTo(1, 2);
    g.switchTo(1, null, 3);
    g.switchTo(List.of(1, 2));
    assertEquals(
        Arrays.asList(null, one, null, List.of(1, 2), Arrays.asList(1, null, 3), List.of(1, 2)),
        trace);
    assertSame(one, trace.get(1));
    @SuppressWarnings("unchecked")
    var several = (List<Object>) trace.get(3);
    assertThrows(UnsupportedOperationException.class, () -> several.set(0, "changed"));
    assertThrows(UnsupportedOperationException.class, () -> several.add("changed"));
  }

  @RootTest
  @DisplayName("V2 a list that was received and is sent on stays one value")
  void receivedListSentOn() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> main.switchTo(main.switchTo()));
    g.switchTo();
    Object list = g.switchTo(1, 2);
    assertEquals(List.of(1, 2), list);
    assertEquals(1, Greenlet.of(args -> args.length).switchTo(list));
  }

  @RootTest
  @DisplayName("V3 the result of a body arrives unchanged")
  void result() {
    for (Object result :
        new Object[] {new Object(), null, List.of(1, 2), new Object[] {1, 2}, new GreenletExit()}) {
      assertSame(result, Greenlet.of(args -> result).switchTo());
    }
  }

  @RootTest
  @DisplayName("V5 a switch to oneself returns the values at once, and the listener sees it")
  void switchToSelf() {
    Greenlet main = Greenlet.current();
    Greenlet.setListener((event, origin, target) -> trace.add(List.of(event, origin, target)));
    assertNull(main.switchTo());
    assertEquals(1, main.switchTo(1));
    assertEquals(List.of(1, 2), main.switchTo(1, 2));
    var seen = List.of(SwitchListener.Event.SWITCH, main, main);
    assertEquals(List.of(seen, seen, seen), trace);
  }

  // Ledger: test_simple, test_switch, test_switch_kwargs
  @RootTest
  @DisplayName("W2 an active target is resumed, an unstarted one started")
  void pingPong() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          trace.add(1);
          main.switchTo();
          trace.add(3);
          return null;
        });
    trace.add(0);
    g.switchTo();
    trace.add(2);
    g.switchTo();
    trace.add(4);
    assertEquals(List.of(0, 1, 2, 3, 4), trace);
    assertEquals(50, Greenlet.of(args -> (int) args[0] * (int) args[1]).switchTo(5, 10));
  }

  @RootTest
  @DisplayName("W2 control goes where it is sent, in any order")
  void twoChildren() { // Ledger: test_two_children
    Greenlet main = Greenlet.current();
    Body body =
        args -> {
          trace.add(Greenlet.current().name());
          main.switchTo();
          return trace.add(Greenlet.current().name() + " ends");
        };
    Greenlet a = named("a", body);
    Greenlet b = named("b", body);
    a.switchTo();
    b.switchTo();
    assertEquals(List.of(false, false), List.of(a.isDead(), b.isDead()));
    b.switchTo();
    assertEquals(List.of(false, true), List.of(a.isDead(), b.isDead()));
    a.switchTo();
    assertEquals(List.of(true, true), List.of(a.isDead(), b.isDead()));
    assertEquals(List.of("a", "b", "b ends", "a ends"), trace);
  }

  @RootTest
  @DisplayName("W3 a switch to a dead greenlet lands in its nearest living ancestor")
  void deadTarget() {
    Greenlet main = Greenlet.current();
    Greenlet parent = echo(main);
    Greenlet dead = Greenlet.of(args -> null, parent);
    Greenlet deadToo = Greenlet.of(args -> null, dead);
    parent.switchTo("started");
    dead.switchTo();
    deadToo.switchTo();
    assertEquals("by way of parent", deadToo.switchTo("by way of parent"));
    Greenlet caller = Greenlet.of(args -> deadToo.switchTo("from caller"));
    assertEquals("from caller", caller.switchTo());
    assertFalse(caller.isDead(), "caller is still waiting");
  }

  @RootTest
  @DisplayName(
      "W3 where the caller is the nearest living ancestor of a dead target, the call returns the values")
  void deadTargetOfCaller() { // Ledger: test_exception, its end
    Greenlet g = Greenlet.of(args -> null);
    g.switchTo();
    assertNull(g.switchTo());
    assertEquals(25, g.switchTo(25));
    assertEquals(List.of(1, 2), g.switchTo(1, 2));
  }

  @RootTest
  @DisplayName("W3 an unstarted ancestor of a dead target is started with the values")
  void deadTargetStartsParent() {
    Greenlet dead = Greenlet.of(args -> null);
    dead.switchTo();
    Greenlet parent = Greenlet.of(args -> Arrays.asList(args));
    dead.setParent(parent);
    assertEquals(List.of(1, 2), dead.switchTo(1, 2));
    assertTrue(parent.isDead());
  }

  @RootTest
  @DisplayName("W4 a switch returns when anybody switches back")
  void anybodySwitchesBack() {
    Greenlet main = Greenlet.current();
    Greenlet b = Greenlet.of(args -> main.switchTo("from b"));
    Greenlet a = Greenlet.of(args -> b.switchTo());
    assertEquals("from b", a.switchTo());
    assertTrue(a.isActive());
    assertTrue(b.isActive());
  }

  @RootTest
  @DisplayName("W5 when a body ends, control goes to its parent, not to whoever switched in last")
  void endGoesToParent() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          main.switchTo();
          return "over";
        });
    g.switchTo();
    Greenlet other = Greenlet.of(args -> g.switchTo());
    assertEquals("over", other.switchTo());
    assertTrue(other.isActive(), "it switched to g and nobody came back");
  }

  @RootTest
  @DisplayName("W5 the parent that counts is the one at that moment")
  void endGoesToParentOfTheMoment() {
    Greenlet main = Greenlet.current();
    Greenlet heir = Greenlet.of(args -> List.of("heir", main.switchTo()));
    heir.switchTo();
    Greenlet g =
        Greenlet.of(args -> {
          Greenlet.current().setParent(heir);
          return "over";
        });
    assertEquals(List.of("heir", "over"), g.switchTo());
  }

  @RootTest
  @DisplayName("W5 an unstarted parent is started with the result as its argument")
  void endStartsParent() { // Ledger: test_falling_off_end_switches_to_unstarted_parent_works
    Greenlet parent = Greenlet.of(args -> Arrays.asList(args[0], 24));
    Greenlet child = Greenlet.of(args -> 42, parent);
    assertEquals(List.of(42, 24), child.switchTo());
  }

  @RootTest
  @DisplayName("W5 what goes wrong in a parent that was so started surfaces in the grandparent")
  // Ledger: test_falling_off_end_switches_to_unstarted_parent_raises_error
  void endStartsFailingParent() {
    Greenlet parent = Greenlet.of(args -> args[1]);
    Greenlet child = Greenlet.of(args -> 42, parent);
    assertThrows(ArrayIndexOutOfBoundsException.class, child::switchTo);
    assertTrue(parent.isDead());
  }

  private static int sum(int depth, Greenlet main) {
    return depth == 0 ? (int) main.switchTo("at the bottom") : 1 + sum(depth - 1, main);
  }

  private static int endless(int depth) {
    return 1 + endless(depth + 1);
  }

  @RootTest
  @DisplayName("D1 a greenlet recurses and switches at the bottom")
  void depth() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> sum(2_000, main));
    assertEquals("at the bottom", g.switchTo());
    assertEquals(2_001, g.switchTo(1));
  }

  @RootTest
  @DisplayName("D1 a StackOverflowError in a greenlet is an exception like any other")
  void stackOverflow() {
    Greenlet g = Greenlet.of(args -> endless(0));
    assertThrows(StackOverflowError.class, g::switchTo);
    assertTrue(g.isDead());
    Greenlet catches =
        Greenlet.of(args -> {
          assertThrows(StackOverflowError.class, () -> endless(0));
          return "goes on";
        });
    assertEquals("goes on", catches.switchTo());
  }

  // Ledger: test_deepcopy, test_main_greenlet_type_can_be_subclassed
  @RootTest
  @DisplayName("A greenlet is one thing: it cannot be copied or serialised")
  void notCopied() {
    Object g = Greenlet.current();
    assertFalse(g instanceof Cloneable);
    assertFalse(g instanceof Serializable);
  }

  @RootTest
  @DisplayName("The engine in use is the one that was asked for")
  void engine() {
    String asked = System.getProperty("greenlet.engine");
    if (asked != null) assertTrue(Greenlet.engine().startsWith(asked), Greenlet.engine());
  }
}
