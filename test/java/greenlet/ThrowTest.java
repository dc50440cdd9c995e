package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
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
import org.junit.jupiter.api.function.Executable;

/** Exceptions, throwing into greenlets, and closing them: rules E, X and G2. */
@ExtendWith(LeakCheck.class)
class ThrowTest {
  private final List<Object> trace = new ArrayList<>();
  private final Exception failure = new IOException("checked");

  private static Greenlet named(String name, Body body) {
    return Greenlet.of(body, Greenlet.current(), name);
  }

  private static Greenlet started(Body body) {
    Greenlet g = Greenlet.of(body);
    g.switchTo();
    return g;
  }

  /** One that waits in {@code main.switchTo()}. */
  private static Greenlet waiting() {
    Greenlet main = Greenlet.current();
    return started(args -> main.switchTo());
  }

  private static Throwable thrownBy(Executable call) {
    return assertThrows(Throwable.class, call);
  }

  private static Object raise(Throwable t) throws Throwable {
    throw t;
  }

  @RootTest
  @DisplayName(
      "E1 an uncaught exception is raised in the parent: the same object, checked or not, with its frames")
  void uncaught() {
    for (Throwable t :
        new Throwable[] {
          failure, new IllegalStateException(), new AssertionError(), new Throwable()
        }) {
      Greenlet g = Greenlet.of(args -> raise(t));
      assertSame(t, thrownBy(g::switchTo));
      assertTrue(g.isDead());
    }
    Throwable thrown = thrownBy(Greenlet.of(args -> raiseHere())::switchTo);
    assertEquals("raiseHere", thrown.getStackTrace()[0].getMethodName());
  }

  private static Object raiseHere() throws IOException {
    throw new IOException();
  }

  @RootTest
  @DisplayName(
      "E1 it goes to the parent of the moment, ends that too if it is not caught, and so on up")
  void uncaughtInParents() { // Ledger: test_exception
    Greenlet main = Greenlet.current();
    Greenlet a = waiting();
    Greenlet b =
        started(args -> {
          main.switchTo();
          return raise(failure);
        });
    b.setParent(a);
    assertSame(failure, thrownBy(b::switchTo));
    assertTrue(b.isDead());
    assertTrue(a.isDead());
    assertNull(b.switchTo());
    assertEquals(25, b.switchTo(25));
  }

  @RootTest
  @DisplayName("E1 a parent may catch it and go on")
  void caughtByParent() {
    Greenlet parent =
        Greenlet.of(args -> {
          Greenlet child = Greenlet.of(none -> raise(failure));
          return thrownBy(child::switchTo);
        });
    assertSame(failure, parent.switchTo());
  }

  @RootTest
  @DisplayName("E2 an uncaught GreenletExit arrives in the parent as a value")
  void exitIsValue() { // Ledger: test_raise_greenlet_dead
    GreenletExit exit = new GreenletExit("told so");
    Greenlet g = Greenlet.of(args -> raise(exit));
    assertSame(exit, g.switchTo());
    assertTrue(g.isDead());
    assertEquals("told so", exit.getMessage());
    assertEquals(0, exit.getStackTrace().length);
  }

  @RootTest
  @DisplayName(
      "E3 an exception that reaches an unstarted parent ends that without running it, and goes on")
  void uncaughtInUnstartedParent() {
    Greenlet parent = Greenlet.of(args -> trace.add("ran"));
    Greenlet child = Greenlet.of(args -> raise(failure), parent);
    assertSame(failure, thrownBy(child::switchTo));
    assertTrue(parent.isDead());
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("E3 a GreenletExit starts an unstarted parent as its argument")
  void exitStartsParent() {
    GreenletExit exit = new GreenletExit();
    Greenlet parent = Greenlet.of(args -> List.of("ran with", args[0]));
    Greenlet child = Greenlet.of(args -> raise(exit), parent);
    assertEquals(List.of("ran with", exit), child.switchTo());
  }

  @RootTest
  @DisplayName(
      "E4 at a root, an uncaught exception comes out of the pending switch, and all is usable afterwards")
  void uncaughtAtRoot() {
    Greenlet main = Greenlet.current();
    assertSame(failure, thrownBy(Greenlet.of(args -> raise(failure))::switchTo));
    assertSame(main, Greenlet.current());
    assertEquals("fine", Greenlet.of(args -> "fine").switchTo());
  }

  @RootTest
  @DisplayName("E4 a thousand children that fail leave nothing behind")
  // Ledger: test_leak_test_exception_switch_and_do_in_g2; LeakCheck counts what is left
  void manyFail() {
    for (int i = 0; i < 1_000; i++) {
      Greenlet child = Greenlet.of(args -> raise(failure));
      assertSame(failure, thrownBy(child::switchTo));
    }
  }

  @RootTest
  @DisplayName("X1 throwInto throws a new GreenletExit, or the exception given")
  void throwInto() { // Ledger: test_class, test_val, test_throw
    Body catching = args -> thrownBy(Greenlet.current().parent()::switchTo);
    Greenlet a = started(catching);
    Greenlet b = started(catching);
    Object exit = a.throwInto();
    assertInstanceOf(GreenletExit.class, exit);
    assertNotSame(exit, b.throwInto());
    assertSame(failure, started(catching).throwInto(failure));
  }

  @RootTest
  @DisplayName("X1 null cannot be thrown")
  void throwNull() { // Ledger: test_not_throwable
    Greenlet g = waiting();
    assertRefused(
        IllegalArgumentException.class, () -> g.throwInto(null), g, "null", "GreenletExit");
    assertEquals("usable", g.switchTo("usable"));
  }

  @RootTest
  @DisplayName(
      "X2 it is raised out of the pending switch, and throwInto returns what is next sent to the caller")
  void throwIntoSuspended() {
    Greenlet main = Greenlet.current();
    Greenlet g =
        started(args -> {
          trace.add(thrownBy(main::switchTo));
          main.switchTo("next");
          return "end";
        });
    assertEquals("next", g.throwInto(failure));
    assertEquals("end", g.switchTo());
    assertEquals(List.of(failure), trace);
  }

  @RootTest
  @DisplayName("X3 into the current greenlet it is raised right here")
  void throwIntoCurrent() {
    Greenlet main = Greenlet.current();
    assertSame(failure, thrownBy(() -> main.throwInto(failure)));
    assertInstanceOf(GreenletExit.class, thrownBy(main::throwInto));
    assertInstanceOf(
        GreenletExit.class, Greenlet.of(args -> Greenlet.current().throwInto()).switchTo());
  }

  // Ledger: test_throw_goes_to_original_parent
  @RootTest
  @DisplayName("X4 an unstarted target ends without running, and the exception goes to its parent")
  void throwIntoUnstarted() {
    Greenlet main = Greenlet.current();
    Greenlet parent = Greenlet.of(args -> trace.add("parent"));
    Greenlet g = Greenlet.of(args -> trace.add("g"), parent);
    assertSame(failure, thrownBy(() -> g.throwInto(failure)));
    assertEquals(List.of(true, true), List.of(g.isDead(), parent.isDead()));

    Greenlet catching = started(args -> List.of("caught", thrownBy(main::switchTo)));
    Greenlet h = Greenlet.of(args -> trace.add("h"), catching);
    assertEquals(List.of("caught", failure), h.throwInto(failure));
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("X4 into an unstarted target GreenletExit arrives in the parent as a value")
  void exitIntoUnstarted() {
    Greenlet g = Greenlet.of(args -> trace.add("ran"));
    assertInstanceOf(GreenletExit.class, g.throwInto());
    assertTrue(g.isDead());
    Greenlet parent = Greenlet.of(args -> List.of("ran with", args[0]));
    GreenletExit exit = new GreenletExit();
    assertEquals(
        List.of("ran with", exit), Greenlet.of(args -> trace.add("ran"), parent).throwInto(exit));
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName(
      "X5 from a dead target GreenletExit arrives as a value, every time, and anything else is raised")
  void throwIntoDead() { // Ledger: test_kill
    Greenlet g = waiting();
    for (int i = 0; i < 3; i++) {
      assertInstanceOf(GreenletExit.class, g.throwInto());
      assertTrue(g.isDead());
    }
    assertSame(failure, thrownBy(() -> g.throwInto(failure)));

    Greenlet main = Greenlet.current();
    Greenlet parent = started(args -> List.of("parent got", main.switchTo()));
    Greenlet dead = Greenlet.of(args -> null);
    dead.switchTo();
    dead.setParent(parent);
    GreenletExit exit = new GreenletExit();
    assertEquals(List.of("parent got", exit), dead.throwInto(exit));
  }

  @RootTest
  @DisplayName("X6 a body may catch what is thrown and go on, or switch away in a finally")
  void survives() {
    Greenlet main = Greenlet.current();
    Greenlet catches =
        started(args -> {
          assertThrows(GreenletExit.class, main::switchTo);
          return main.switchTo("alive");
        });
    assertEquals("alive", catches.throwInto());
    assertTrue(catches.isActive());

    Greenlet unwinds =
        started(args -> {
          try {
            return main.switchTo();
          } finally {
            main.switchTo("unwinding");
          }
        });
    assertEquals("unwinding", unwinds.throwInto(failure));
    assertTrue(unwinds.isActive());
    assertSame(failure, thrownBy(unwinds::switchTo));
    assertTrue(unwinds.isDead());
  }

  @RootTest
  @DisplayName("X7 who throws into an ancestor stays suspended and can be resumed")
  void throwIntoAncestor() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> "resumed with " + main.throwInto(failure));
    assertSame(failure, thrownBy(g::switchTo));
    assertTrue(g.isActive());
    assertEquals("resumed with 1", g.switchTo(1));
  }

  // Ledger: test_dealloc; test_finally_block_during_thread_exit for the finally
  @RootTest
  @DisplayName("G2 close unwinds a greenlet and returns when it is dead")
  void close() {
    Greenlet main = Greenlet.current();
    Greenlet g;
    try (Greenlet suspended =
        started(args -> {
          try {
            return main.switchTo();
          } catch (GreenletExit e) {
            trace.add("GreenletExit");
            throw e;
          } finally {
            trace.add("finally");
          }
        })) {
      g = suspended;
    }
    assertEquals(List.of("GreenletExit", "finally"), trace);
    assertTrue(g.isDead());
    g.close();
  }

  @RootTest
  @DisplayName("G2 close ends an unstarted greenlet without running it")
  void closeUnstarted() {
    Greenlet g = Greenlet.of(args -> trace.add("ran"));
    g.close();
    assertTrue(g.isDead());
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("G2 close comes back to the caller, whoever the parent is, and keeps it")
  void closeComesBack() { // Ledger: test_parent_restored_on_kill
    Greenlet main = Greenlet.current();
    Greenlet parent = waiting();
    Greenlet g = Greenlet.of(args -> main.switchTo(), parent);
    g.switchTo();
    Greenlet closer =
        Greenlet.of(args -> {
          g.close();
          return List.of(g.isDead(), g.parent() == parent, parent.isActive());
        });
    assertEquals(List.of(true, true, true), closer.switchTo());
  }

  @RootTest
  @DisplayName(
      "G2 closing a greenlet that refuses to die is an error; its parent is the old one, and it can be used")
  void closeRefused() {
    Greenlet main = Greenlet.current();
    Greenlet parent = waiting();
    Greenlet g =
        Greenlet.of(
            args -> {
              try {
                main.switchTo();
              } catch (GreenletExit e) {
                trace.add(main.switchTo());
              }
              return "end";
            },
            parent,
            "stubborn");
    g.switchTo();
    assertRefused(IllegalStateException.class, g::close, g, "refused", "switch to it");
    assertTrue(g.isActive());
    assertSame(parent, g.parent());
    g.setParent(main);
    assertEquals("end", g.switchTo("usable"));
    assertEquals(List.of("usable"), trace);
  }

  @RootTest
  @DisplayName("G2 another exception that ends a greenlet while it is closed comes out of close")
  void closeThrows() { // Ledger: test_dealloc_catches_GreenletExit_throws_other
    Greenlet main = Greenlet.current();
    Greenlet g =
        started(args -> {
          try {
            return main.switchTo();
          } finally {
            raise(failure);
          }
        });
    assertSame(failure, thrownBy(g::close));
    assertTrue(g.isDead());
  }

  @RootTest
  @DisplayName("G2 the current greenlet, those above it and roots cannot be closed")
  void closeImpossible() throws Throwable {
    Greenlet main = Greenlet.current();
    assertRefused(IllegalStateException.class, main::close, main, "root", "\"test\"");
    Greenlet outer =
        named(
            "outer",
            args -> {
              Greenlet me = Greenlet.current();
              assertRefused(IllegalStateException.class, me::close, me, "let its body end");
              return named(
                      "inner",
                      none -> {
                        assertRefused(
                            IllegalStateException.class,
                            me::close,
                            Greenlet.current(),
                            me,
                            "above");
                        return "fine";
                      })
                  .switchTo();
            });
    assertEquals("fine", outer.switchTo());
    Greenlet g = Greenlet.of(args -> main.switchTo(), main, "mine");
    g.switchTo();
    Threads.PLATFORM.run(
        "other",
        () ->
            assertRefused(
                WrongThreadException.class,
                g::close,
                g,
                "Greenlet[root,",
                "\"test\"",
                "\"other\""));
    assertFalse(g.isDead());
    assertEquals("usable", g.switchTo("usable"));
  }

  @RootTest
  @DisplayName("G2 twenty thousand that are closed get a GreenletExit each")
  // Ledger: test_untracked_memory_doesnt_increase_unfinished_thread_dealloc_in_thread
  void closeMany() {
    Greenlet main = Greenlet.current();
    int[] exits = {0};
    for (int i = 0; i < 20_000; i++) {
      Greenlet g =
          started(args -> {
            try {
              return main.switchTo();
            } catch (GreenletExit e) {
              exits[0]++;
              throw e;
            }
          });
      g.close();
    }
    assertEquals(20_000, exits[0]);
  }
}
