package greenlet;

import static greenlet.SwitchListener.Event.SWITCH;
import static greenlet.SwitchListener.Event.THROW;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Tracing: rules R. */
@ExtendWith(LeakCheck.class)
class ListenerTest {
  private final List<Object> trace = new ArrayList<>();

  private final SwitchListener recorder =
      (event, origin, target) -> {
        assertSame(target, Greenlet.current());
        trace.add(List.of(event, origin.name(), target.name()));
      };

  private static Greenlet named(String name, Body body) {
    return Greenlet.of(body, Greenlet.current(), name);
  }

  private static List<Object> event(SwitchListener.Event event, String origin, String target) {
    return List.of(event, origin, target);
  }

  // Ledger: test_a_greenlet_tracing
  @RootTest
  @DisplayName("R1 the listener is told event, origin and target of every transfer")
  void events() {
    Greenlet.setListener(recorder);
    named("g1", args -> "fine").switchTo();
    Greenlet g2 =
        named(
            "g2",
            args -> {
              throw new IOException();
            });
    assertThrows(IOException.class, g2::switchTo);
    assertEquals(
        List.of(
            event(SWITCH, "root", "g1"), event(SWITCH, "g1", "root"),
            event(SWITCH, "root", "g2"), event(THROW, "g2", "root")),
        trace);
  }

  @RootTest
  @DisplayName("R1 it is called in the target, before the body or the value")
  void order() {
    Greenlet main = Greenlet.current();
    Greenlet.setListener(recorder);
    Greenlet g =
        named(
            "g",
            args -> {
              trace.add("body");
              trace.add(main.switchTo("to main"));
              return null;
            });
    trace.add(g.switchTo());
    g.switchTo("to g");
    assertEquals(
        List.of(
            event(SWITCH, "root", "g"),
            "body",
            event(SWITCH, "g", "root"),
            "to main",
            event(SWITCH, "root", "g"),
            "to g",
            event(SWITCH, "g", "root")),
        trace);
  }

  // Ledger: test_set_same_tracer_twice
  @RootTest
  @DisplayName("R1 installing returns the old one")
  void installing() {
    assertNull(Greenlet.setListener(recorder));
    assertSame(recorder, Greenlet.setListener(recorder));
    assertSame(recorder, Greenlet.setListener(null));
    assertNull(Greenlet.setListener(null));
    Greenlet.of(args -> null).switchTo();
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("R1 each thread has its own, for all its greenlets")
  void ofThread() throws Throwable {
    Greenlet.of(args -> Greenlet.setListener(recorder)).switchTo();
    trace.clear();
    Threads.PLATFORM.run(
        "other",
        () -> {
          assertNull(Greenlet.setListener(null));
          Greenlet.of(args -> null).switchTo();
        });
    assertEquals(List.of(), trace);
    assertSame(recorder, Greenlet.setListener(null));
  }

  @RootTest
  @DisplayName("R2 a GreenletExit that has become a value is a switch, one that is raised a throw")
  void exit() {
    Greenlet main = Greenlet.current();
    Greenlet g = named("g", args -> main.switchTo());
    g.switchTo();
    Greenlet.setListener(recorder);
    g.throwInto();
    named("unstarted", args -> null).throwInto();
    g.throwInto();
    assertEquals(
        List.of(
            event(THROW, "root", "g"),
            event(SWITCH, "g", "root"),
            event(THROW, "root", "unstarted"),
            event(SWITCH, "unstarted", "root"),
            event(SWITCH, "root", "root")),
        trace);
  }

  @RootTest
  @DisplayName("R2 a switch to oneself counts, a throw to oneself too")
  void self() {
    Greenlet main = Greenlet.current();
    Greenlet.setListener(recorder);
    main.switchTo();
    assertThrows(IOException.class, () -> main.throwInto(new IOException()));
    assertEquals(List.of(event(SWITCH, "root", "root"), event(THROW, "root", "root")), trace);
  }

  private void failOnNext(Exception failure) {
    Greenlet.setListener((event, origin, target) -> {
      throw failure;
    });
  }

  @RootTest
  @DisplayName("R3 an exception from the listener replaces the value, and removes the listener")
  void replacesValue() {
    Greenlet main = Greenlet.current();
    Exception failure = new IOException();
    Greenlet g =
        Greenlet.of(args -> {
          trace.add(assertThrows(IOException.class, () -> main.switchTo()));
          return "went on";
        });
    g.switchTo();
    failOnNext(failure);
    assertEquals("went on", g.switchTo("lost"));
    assertEquals(List.of(failure), trace);
    assertNull(Greenlet.setListener(null));
  }

  @RootTest
  @DisplayName("R3 it replaces an exception too")
  void replacesException() {
    Greenlet main = Greenlet.current();
    Exception failure = new IOException();
    failOnNext(failure);
    assertSame(
        failure, assertThrows(Throwable.class, () -> main.throwInto(new IllegalStateException())));
    assertNull(Greenlet.setListener(null));
  }

  @RootTest
  @DisplayName("R3 on a first start the body then never runs")
  void replacesStart() {
    Exception failure = new IOException();
    Greenlet g = Greenlet.of(args -> trace.add("ran"));
    failOnNext(failure);
    assertSame(failure, assertThrows(IOException.class, g::switchTo));
    assertTrue(g.isDead());
    assertEquals(List.of(), trace);
    assertNull(Greenlet.setListener(null));
  }

  // Ledger: test_reentrant_switch_two_greenlets
  @RootTest
  @DisplayName("R4 the listener may switch itself")
  void switches() {
    Greenlet main = Greenlet.current();
    Greenlet other =
        named(
            "other",
            args -> {
              trace.add("other runs");
              return main.switchTo("from other");
            });
    Greenlet g =
        named(
            "g",
            args -> {
              trace.add("g runs with " + args[0]);
              return "result";
            });
    Greenlet.setListener((event, origin, target) -> {
      Greenlet.setListener(recorder);
      trace.add(List.of("listener in", target.name()));
      other.switchTo();
    });
    assertEquals("from other", g.switchTo(1));
    assertEquals("result", g.switchTo());
    assertEquals(
        List.of(
            List.of("listener in", "g"),
            event(SWITCH, "g", "other"),
            "other runs",
            event(SWITCH, "other", "root"),
            event(SWITCH, "root", "g"),
            "g runs with 1",
            event(SWITCH, "g", "root")),
        trace);
    other.throwInto();
  }

  // Ledger: test_reentrant_switch_three_greenlets
  @RootTest
  @DisplayName(
      "R4 it may switch away before a body starts; the body then starts with the first values, later")
  void switchesBeforeStart() {
    Greenlet main = Greenlet.current();
    Greenlet g = named("g", args -> args[2]);
    Greenlet.setListener((event, origin, target) -> {
      Greenlet.setListener(null);
      main.switchTo("not yet");
    });
    assertEquals("not yet", g.switchTo(1, 2));
    assertTrue(g.isActive());
    assertThrows(ArrayIndexOutOfBoundsException.class, () -> g.switchTo(1, 2, 3));
    assertTrue(g.isDead());
  }
}
