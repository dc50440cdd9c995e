package greenlet.tasklet;

import static greenlet.testing.NativeFrame.initialiseClass;
import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Body;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Tasklets and their scheduler, row by row of what Stackless promises. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class TaskletTest {
  private final List<Object> trace = new ArrayList<>();

  /** One that says its name, schedules, and so on, so many times. */
  private Tasklet chatty(String name, int times) {
    return Tasklet.of(
        args -> {
          for (int i = 1; i <= times; i++) {
            trace.add(name + i);
            if (i < times) Tasklet.schedule();
          }
          return null;
        },
        name);
  }

  /** One that says its name and ends. */
  private Tasklet saying(String name) {
    return chatty(name, 1);
  }

  /** One that waits to be inserted, and says what with. */
  private Tasklet removed(String name) {
    Tasklet t =
        Tasklet.of(args -> trace.add(name + " got " + Tasklet.scheduleRemove()), name).insert();
    Tasklet.schedule();
    assertTrue(t.isPaused());
    return t;
  }

  private static List<Boolean> state(Tasklet t) {
    return List.of(t.isAlive(), t.isPaused(), t.isScheduled(), t.isBlocked(), t.isCurrent());
  }

  private static final List<Boolean> PAUSED = List.of(true, true, false, false, false);
  private static final List<Boolean> SCHEDULED = List.of(true, false, true, false, false);
  private static final List<Boolean> BLOCKED = List.of(true, false, true, true, false);
  private static final List<Boolean> CURRENT = List.of(true, false, true, false, true);
  private static final List<Boolean> DEAD = List.of(false, false, false, false, false);

  @RootTest
  @DisplayName(
      "tasklet(func)(args): appended, runs at the next scheduling with its arguments, needs no reference")
  void setup() {
    for (int i = 0; i < 3; i++) Tasklet.of(args -> trace.add(List.of(args))).setup("a", i);
    assertEquals(List.of(), trace);
    Tasklet.schedule();
    assertEquals(List.of(List.of("a", 0), List.of("a", 1), List.of("a", 2)), trace);
    Tasklet t = Tasklet.of(args -> trace.add("args " + args.length)).insert();
    Tasklet.schedule();
    assertEquals("args 0", trace.get(3));
    assertRefused(IllegalStateException.class, () -> t.setup(1), t.name(), "make a new one");
    Tasklet twice = Tasklet.of(args -> trace.add(args[0])).setup("once");
    assertRefused(IllegalStateException.class, () -> twice.setup("again"), twice.name());
    Tasklet.runAll();
    assertEquals("once", trace.get(4));
    assertThrows(IllegalArgumentException.class, () -> Tasklet.of((Body) null));
    assertThrows(IllegalArgumentException.class, () -> Tasklet.of((Tasklet.Action) null));
  }

  @RootTest
  @DisplayName("A body that takes no arguments need not return anything")
  void bodyWithoutArguments() {
    Tasklet.of(() -> noted("plain")).insert();
    assertEquals(
        "named", Tasklet.of(() -> noted(Tasklet.current().name()), "named").insert().name());
    Tasklet.of(
            () -> {
              throw new java.io.IOException("checked");
            })
        .insert();
    assertThrows(java.io.IOException.class, Tasklet::runAll);
    assertEquals(List.of("plain", "named"), trace);
  }

  private void noted(Object what) {
    trace.add(what);
  }

  @RootTest
  @DisplayName("schedule: first in, first out, main included; runs until nobody else can")
  void turns() {
    chatty("a", 3).insert();
    chatty("b", 1).insert();
    chatty("c", 2).insert();
    assertEquals(4, Tasklet.runCount());
    Tasklet.schedule();
    trace.add("main");
    Tasklet.schedule();
    trace.add("main");
    Tasklet.runAll();
    assertEquals(List.of("a1", "b1", "c1", "main", "a2", "c2", "main", "a3"), trace);
    assertEquals(1, Tasklet.runCount());
    Tasklet.schedule();
    Tasklet.runAll();
  }

  @RootTest
  @DisplayName("current, main, states and texts")
  void states() {
    Tasklet main = Tasklet.current();
    assertSame(Tasklet.main(), main);
    assertTrue(main.isMain());
    assertEquals(CURRENT, state(main));
    Channel<String> channel = Channel.confined("words");
    Tasklet t =
        Tasklet.of(
            args -> {
              Tasklet me = Tasklet.current();
              assertFalse(me.isMain());
              assertSame(main, Tasklet.main());
              trace.add(state(me));
              trace.add(state(main));
              Tasklet.scheduleRemove();
              channel.receive();
              return null;
            },
            "worker");
    assertEquals(PAUSED, state(t));
    assertEquals("Tasklet[worker, paused, thread \"test\"]", t.toString());
    t.insert();
    assertEquals(SCHEDULED, state(t));
    assertEquals("Tasklet[worker, scheduled, thread \"test\"]", t.toString());
    assertEquals(0, t.stackTrace().length);
    Tasklet.schedule();
    assertEquals(List.of(CURRENT, SCHEDULED), trace);
    assertEquals(PAUSED, state(t));
    assertTrue(t.stackTrace()[0].toString().contains("TaskletTest"), t.stackTrace()[0]::toString);
    t.insert();
    Tasklet.schedule();
    assertEquals(BLOCKED, state(t));
    assertEquals("Tasklet[worker, receiving from words, thread \"test\"]", t.toString());
    channel.send("go");
    assertEquals(DEAD, state(t));
    assertEquals("Tasklet[worker, dead, thread \"test\"]", t.toString());
    assertEquals(0, t.stackTrace().length);
    assertEquals("Tasklet[main, current, thread \"test\"]", main.toString());
    assertTrue(main.stackTrace().length > 0);
    assertSame(Greenlet.current().parent(), null);
    assertSame(main.thread(), t.thread());
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest
  @DisplayName(
      "insert: appends; nothing if there already; refused if blocked or dead; gives a pending scheduleRemove its value")
  void insert() {
    Tasklet a = removed("a");
    Tasklet b = removed("b");
    b.insert("x");
    a.insert();
    a.insert("ignored");
    Tasklet.runAll();
    assertEquals(List.of("b got x", "a got null"), trace);
    assertRefused(IllegalStateException.class, a::insert, "a, dead", "make a new one");
    Tasklet fresh = saying("fresh");
    assertRefused(
        IllegalStateException.class,
        () -> fresh.insert("x"),
        "fresh, paused",
        "use setup()",
        "insert!");
    Channel<Object> channel = Channel.confined();
    Tasklet blocked = Tasklet.of(args -> channel.receive(), "blocked").insert();
    Tasklet.runAll();
    assertRefused(
        IllegalStateException.class, blocked::insert, "blocked, receiving from " + channel.name());
    assertRefused(IllegalStateException.class, blocked::run, "blocked, receiving");
    assertRefused(IllegalStateException.class, blocked::switchTo, "blocked, receiving");
    assertRefused(IllegalStateException.class, blocked::remove, "blocked, receiving");
    assertEquals(-1, channel.balance());
    assertEquals(BLOCKED, state(blocked));
  }

  @RootTest
  @DisplayName("remove: off the ring; nothing if paused; refused if current")
  void remove() {
    Tasklet a = saying("a").insert();
    Tasklet b = saying("b").insert();
    a.remove();
    a.remove();
    Tasklet.runAll();
    assertEquals(List.of("b1"), trace);
    assertRefused(
        IllegalStateException.class, Tasklet.current()::remove, "main, current", "scheduleRemove");
    assertRefused(IllegalStateException.class, b::remove, "dead");
    a.insert();
    Tasklet.runAll();
    assertEquals(List.of("b1", "a1"), trace);
  }

  @RootTest
  @DisplayName(
      "run: switches at once; the caller keeps its place, and the ring goes on from the target")
  void run() {
    Tasklet a = saying("a").insert();
    Tasklet b = saying("b").insert();
    saying("c").insert();
    b.run();
    trace.add("main");
    assertEquals(List.of("b1", "c1", "main"), trace);
    Tasklet.runAll();
    assertEquals(List.of("b1", "c1", "main", "a1"), trace);
    trace.clear();
    saying("d").insert();
    saying("e").run(); // appended, so that the caller comes after it
    trace.add("main");
    Tasklet.runAll();
    assertEquals(List.of("e1", "main", "d1"), trace);
    assertRefused(IllegalStateException.class, a::run, "dead");
    Tasklet.current().run();
  }

  @RootTest
  @DisplayName("switchTo: as run, but the caller leaves the ring, until somebody inserts it")
  void switchTo() {
    Tasklet main = Tasklet.current();
    saying("other").insert();
    Tasklet t =
        Tasklet.of(args -> {
          trace.add(state(main));
          main.insert("back");
          return trace.add("t");
        });
    assertEquals("back", t.switchTo());
    assertEquals(List.of(PAUSED, "t", "other1"), trace);
    trace.clear();
    saying("last").switchTo(); // a paused main comes back when nobody else can run
    assertEquals(List.of("last1"), trace);
  }

  @RootTest
  @DisplayName("switchTo: itself is no switch; one that is blocked is refused, whatever the trap")
  void switchToItselfOrBlocked() {
    Channel<String> channel = Channel.confined();
    Tasklet blocked = Tasklet.of(() -> trace.add(channel.receive()), "blocked").insert();
    Tasklet.schedule();
    for (int trap : new int[] {0, 1}) {
      Tasklet.switchTrap(trap);
      assertNull(Tasklet.current().switchTo());
      assertEquals(CURRENT, state(Tasklet.current()));
      assertRefused(IllegalStateException.class, blocked::switchTo, "cannot switch to", "blocked");
    }
    Tasklet.switchTrap(-1);
    assertEquals(-1, channel.balance());
    channel.send("served");
    assertEquals(List.of("served"), trace);
  }

  @RootTest
  @DisplayName("scheduleRemove: main comes back when nobody else can run")
  void scheduleRemove() {
    assertNull(Tasklet.scheduleRemove());
    saying("a").insert();
    assertNull(Tasklet.scheduleRemove());
    assertEquals(List.of("a1"), trace);
    assertEquals(CURRENT, state(Tasklet.current()));
  }

  @RootTest
  @DisplayName(
      "throw, not pending: at once, unblocks, out of what it waits in; the caller stays runnable")
  void throwInto() {
    Channel<String> channel = Channel.confined();
    for (boolean sending : new boolean[] {true, false}) {
      trace.clear();
      Tasklet t =
          Tasklet.of(
                  args -> {
                    try {
                      if (sending) channel.send("never");
                      else channel.receive();
                    } catch (Exception e) { // an IOException
                      trace.add(e.getMessage());
                    }
                    return null;
                  },
                  "t")
              .insert();
      Tasklet.schedule();
      assertEquals(sending ? 1 : -1, channel.balance());
      t.throwInto(new IOException("thrown"));
      trace.add("main");
      assertEquals(List.of("thrown", "main"), trace);
      assertEquals(0, channel.balance());
      assertRefused(IllegalStateException.class, () -> t.throwInto(new IOException()), "t, dead");
      t.throwInto(new GreenletExit());
      t.kill();
      t.kill(true);
    }
    IOException mine = new IOException();
    assertSame(mine, assertThrows(IOException.class, () -> Tasklet.current().throwInto(mine)));
    assertSame(
        mine, assertThrows(IOException.class, () -> Tasklet.current().throwInto(mine, true)));
    assertThrows(IllegalArgumentException.class, () -> Tasklet.current().throwInto(null));
  }

  @RootTest
  @DisplayName("throw, pending: unblocked and appended, raises when it runs; the caller goes on")
  void throwPending() {
    Channel<String> channel = Channel.confined();
    Tasklet blocked =
        Tasklet.of(
                args -> {
                  try {
                    return channel.receive();
                  } catch (Exception e) { // an IOException
                    return trace.add("blocked: " + e.getMessage());
                  }
                })
            .insert();
    Tasklet paused =
        Tasklet.of(
                args -> {
                  try {
                    return Tasklet.scheduleRemove();
                  } catch (Exception e) { // an IOException
                    return trace.add("paused: " + e.getMessage());
                  }
                })
            .insert();
    Tasklet.schedule();
    saying("other").insert();
    blocked.throwInto(new IOException("1"), true);
    paused.throwInto(new IOException("2"), true);
    assertEquals(0, channel.balance());
    assertEquals(List.of(SCHEDULED, SCHEDULED), List.of(state(blocked), state(paused)));
    trace.add("main");
    Tasklet.runAll();
    assertEquals(List.of("main", "other1", "blocked: 1", "paused: 2"), trace);
  }

  @RootTest
  @DisplayName("kill: unwinds at once, or when it is its turn; one that has not begun never runs")
  void kill() {
    for (boolean pending : new boolean[] {false, true}) {
      trace.clear();
      Tasklet unwound =
          Tasklet.of(
                  args -> {
                    try {
                      return Tasklet.scheduleRemove();
                    } finally {
                      trace.add("unwound");
                    }
                  })
              .insert();
      Tasklet.schedule();
      Tasklet unstarted = saying("never");
      Tasklet scheduled = saying("never either").insert();
      unwound.kill(pending);
      unstarted.kill(pending);
      scheduled.kill(pending);
      trace.add("main");
      Tasklet.runAll();
      assertEquals(pending ? List.of("main", "unwound") : List.of("unwound", "main"), trace);
      assertEquals(
          List.of(DEAD, DEAD, DEAD), List.of(state(unwound), state(unstarted), state(scheduled)));
    }
  }

  @RootTest
  @DisplayName("kill: it may refuse, and to kill oneself ends quietly")
  void killRefused() {
    Tasklet stubborn =
        Tasklet.of(
                args -> {
                  try {
                    return Tasklet.scheduleRemove();
                  } catch (GreenletExit e) {
                    return trace.add("got " + Tasklet.scheduleRemove());
                  }
                })
            .insert();
    Tasklet.schedule();
    stubborn.kill();
    assertEquals(PAUSED, state(stubborn));
    stubborn.insert("more");
    Tasklet.of(
            args -> {
              Tasklet.current().kill();
              return trace.add("never");
            })
        .insert();
    Tasklet.runAll();
    assertEquals(List.of("got more"), trace);
  }

  @RootTest
  @DisplayName(
      "an uncaught exception ends its tasklet and comes out of runAll, at once; the others go on later")
  void uncaught() {
    IOException e = new IOException();
    Tasklet failing =
        Tasklet.of(
                args -> {
                  throw e;
                })
            .insert();
    saying("a").insert();
    assertSame(e, assertThrows(IOException.class, Tasklet::runAll));
    assertEquals(DEAD, state(failing));
    assertEquals(List.of(), trace);
    assertEquals(2, Tasklet.runCount());
    Tasklet.runAll();
    assertEquals(List.of("a1"), trace);
  }

  @RootTest
  @DisplayName(
      "an uncaught exception without runAll comes out of what main waits in, and that is undone")
  void uncaughtInMain() {
    IOException e = new IOException();
    Body failing =
        args -> {
          throw e;
        };
    Channel<String> channel = Channel.confined();
    Tasklet.of(failing).insert();
    assertSame(e, assertThrows(IOException.class, Tasklet::schedule));
    Tasklet.of(failing).insert();
    assertSame(e, assertThrows(IOException.class, channel::receive));
    assertEquals(0, channel.balance());
    Tasklet.of(failing).insert();
    assertSame(e, assertThrows(IOException.class, () -> channel.send("undone")));
    assertEquals(0, channel.balance());
    assertSame(e, assertThrows(IOException.class, () -> Tasklet.of(failing).run()));
    assertSame(e, assertThrows(IOException.class, () -> Tasklet.of(failing).switchTo()));
    assertEquals(CURRENT, state(Tasklet.current()));
    assertEquals(1, Tasklet.runCount());
  }

  @RootTest
  @DisplayName("runAll nests: the innermost gets the exception, and returns first")
  void nested() {
    IOException e = new IOException();
    Tasklet.of(
            args -> {
              trace.add("outer");
              Tasklet.of(
                      more -> {
                        throw e;
                      })
                  .insert();
              try {
                Tasklet.runAll();
              } catch (Exception caught) {
                trace.add(caught == e);
              }
              saying("inner").insert();
              Tasklet.runAll();
              return trace.add("outer ends");
            })
        .insert();
    Tasklet.runAll();
    assertEquals(List.of("outer", true, "inner1", "outer ends"), trace);
  }

  @RootTest
  @DisplayName(
      "switch trap: what would switch is refused and undone, what would not works; returns the level before")
  void switchTrap() {
    Channel<String> channel = Channel.confined("words");
    Tasklet receiver = Tasklet.of(args -> trace.add(channel.receive()), "receiver").insert();
    Tasklet.schedule();
    Tasklet a = saying("a").insert();
    Tasklet p = saying("p");
    assertEquals(0, Tasklet.switchTrap(1));
    assertEquals(1, Tasklet.switchTrap(1));
    String told = "main, current, thread \"test\"] cannot ";
    assertRefused(
        IllegalStateException.class,
        Tasklet::schedule,
        told + "schedule here",
        "switch trap is set, 2 deep");
    assertRefused(IllegalStateException.class, Tasklet::scheduleRemove, told);
    assertRefused(IllegalStateException.class, Tasklet::runAll, told);
    assertRefused(IllegalStateException.class, a::run, told + "run Tasklet[a");
    assertRefused(IllegalStateException.class, p::switchTo, told + "switch to Tasklet[p");
    assertRefused(IllegalStateException.class, receiver::kill, told + "throw into");
    assertRefused(IllegalStateException.class, () -> channel.send("x"), told + "send on words");
    assertRefused(IllegalStateException.class, Channel.confined()::receive, told + "receive from");
    assertEquals(List.of(BLOCKED, SCHEDULED, PAUSED), List.of(state(receiver), state(a), state(p)));
    assertEquals(-1, channel.balance());
    channel.setPreference(1);
    channel.send("no switch needed");
    assertEquals(2, Tasklet.switchTrap(-2));
    assertThrows(IllegalArgumentException.class, () -> Tasklet.switchTrap(-1));
    Tasklet.runAll();
    assertEquals(List.of("a1", "no switch needed"), trace);
  }

  @RootTest
  @DisplayName(
      "schedule callback: every switch; it must not switch; what it throws undoes the operation")
  void scheduleCallback() {
    assertNull(
        Tasklet.setScheduleCallback((from, to) ->
            trace.add(from.name() + ">" + to.name() + (from.isAlive() ? "" : " ended"))));
    chatty("a", 2).insert();
    chatty("b", 1).insert();
    Tasklet.runAll();
    assertEquals(List.of("main>a", "a1", "a>b", "b1", "b>a ended", "a2", "a>main ended"), trace);
    trace.clear();
    Tasklet.setScheduleCallback((from, to) -> Tasklet.schedule());
    Tasklet c = saying("c").insert();
    assertRefused(IllegalStateException.class, Tasklet::schedule, "a callback is running");
    assertRefused(IllegalStateException.class, Tasklet::runAll, "a callback is running");
    assertRefused(IllegalStateException.class, c::run, "a callback is running");
    assertRefused(IllegalStateException.class, c::kill, "a callback is running");
    assertEquals(SCHEDULED, state(c));
    boolean[] fails = {false};
    Tasklet.setScheduleCallback((from, to) -> {
      if (fails[0] = !fails[0]) return;
      throw new IllegalStateException("from " + from.name());
    });
    assertRefused(IllegalStateException.class, Tasklet::schedule, "from c"); // at the end of c
    assertEquals(DEAD, state(c));
    Tasklet.setScheduleCallback(null);
    assertEquals(List.of("c1"), trace);
    assertEquals(1, Tasklet.runCount());
  }

  @RootTest
  @DisplayName(
      "a greenlet's switch listener sees the switches; what it throws comes out of what it arrives at")
  void switchListener() {
    IllegalStateException e = new IllegalStateException("listener");
    Tasklet t =
        Tasklet.of(
                args -> {
                  assertSame(e, assertThrows(IllegalStateException.class, Tasklet::scheduleRemove));
                  return trace.add("heard");
                })
            .insert();
    Tasklet.schedule();
    t.insert();
    Greenlet.setListener((event, origin, target) -> {
      throw e;
    });
    Tasklet.schedule();
    assertEquals(List.of("heard"), trace);
    Greenlet.setListener((event, origin, target) -> {
      throw e;
    });
    Tasklet never = saying("never").insert();
    assertSame(e, assertThrows(IllegalStateException.class, Tasklet::schedule));
    assertEquals(DEAD, state(never));
    assertEquals(1, Tasklet.runCount());
    saying("usable").insert();
    Tasklet.schedule();
    assertEquals(List.of("heard", "usable1"), trace);
  }

  @NothingSuspended.Except("an iterator is left half way")
  @RootTest
  @DisplayName(
      "a tasklet may use greenlets and generators; where it is suspended in them, it goes on there")
  void inGreenlets() {
    Channel<String> channel = Channel.confined();
    Tasklet.of(
            args -> {
              Greenlet inner = Greenlet.of(more -> "inner " + channel.receive());
              trace.add(inner.switchTo());
              for (String s :
                  Generator.<String>of(out -> {
                    while (true) out.yield("generated " + channel.receive());
                  })) {
                trace.add(s);
                if (s.endsWith("3")) break;
              }
              return trace.add("end");
            })
        .insert();
    for (int i = 1; i <= 3; i++) channel.send("" + i);
    Tasklet.runAll();
    assertEquals(List.of("inner 1", "generated 2", "generated 3", "end"), trace);
    Greenlet mains =
        Greenlet.of(args -> { // main, too
          saying("other").insert();
          Tasklet.schedule();
          return "main's greenlet, " + Tasklet.current().isMain();
        });
    assertEquals("main's greenlet, true", mains.switchTo());
    assertEquals("other1", trace.get(4));
  }

  @RootTest
  @DisplayName(
      "a tasklet that is switched to by hand gets an error, the other one is paused, and all is usable")
  void byHand() {
    Greenlet[] its = new Greenlet[1];
    Channel<String> channel = Channel.confined();
    Tasklet victim =
        Tasklet.of(
                args -> {
                  its[0] = Greenlet.current();
                  assertRefused(
                      IllegalStateException.class,
                      channel::receive,
                      "victim",
                      "by hand from Tasklet[culprit",
                      "paused now");
                  trace.add(channel.balance());
                  return trace.add(channel.receive());
                },
                "victim")
            .insert();
    Tasklet culprit =
        Tasklet.of(
                args -> {
                  trace.add("back with " + its[0].switchTo("by hand"));
                  return trace.add(state(Tasklet.current()));
                },
                "culprit")
            .insert();
    Tasklet.runAll();
    assertEquals(List.of(0), trace);
    assertEquals(List.of(BLOCKED, PAUSED), List.of(state(victim), state(culprit)));
    culprit.insert();
    channel.send("fine");
    Tasklet.runAll();
    assertEquals(List.of(0, "fine", "back with null", CURRENT), trace);
    // what is thrown by hand arrives as it is, and main, which is not waiting, hears of it next
    assertThrows(
        IOException.class,
        () -> {
          Tasklet.of(
                  args -> {
                    its[0] = Greenlet.current();
                    return Tasklet.scheduleRemove();
                  })
              .insert();
          Tasklet.schedule();
          its[0].throwInto(new IOException());
          Tasklet.schedule();
        });
    assertEquals(CURRENT, state(Tasklet.current()));
    assertEquals(1, Tasklet.runCount());
  }

  @RootTest
  @DisplayName("main gets the result of a greenlet by hand: an error, and all is usable")
  void mainByHand() {
    Greenlet roots = Greenlet.of(args -> "to the root");
    Tasklet stray =
        Tasklet.of(args -> trace.add("back with " + roots.switchTo()), "stray").insert();
    assertRefused(
        IllegalStateException.class, Tasklet::runAll, "Tasklet[main", "by hand from Tasklet[stray");
    assertEquals(PAUSED, state(stray));
    stray.insert();
    Tasklet.runAll();
    assertEquals(List.of("back with null"), trace);
  }

  @RootTest
  @DisplayName("an operation whose switch the engine refuses is undone")
  void nativeFrame() {
    boolean refused = Greenlet.engine().startsWith("continuation");
    Channel<String> channel = Channel.confined();
    Channel<String> waitedFor = Channel.confined();
    Tasklet receiver = Tasklet.of(args -> trace.add(waitedFor.receive()), "receiver").insert();
    Tasklet first =
        Tasklet.of(args -> trace.add("killed before " + channel.receive()), "first").insert();
    Tasklet second = Tasklet.of(args -> trace.add(channel.receive()), "second").insert();
    Tasklet.schedule();
    Tasklet t =
        Tasklet.of(
                args -> {
                  if (refused) {
                    initialiseClass(() -> {
                      Tasklet other = saying("other").insert();
                      Tasklet paused = saying("paused");
                      assertRefused(IllegalStateException.class, Tasklet::schedule, "native frame");
                      assertRefused(
                          IllegalStateException.class, Tasklet::scheduleRemove, "native frame");
                      assertRefused(IllegalStateException.class, Tasklet::runAll, "native frame");
                      assertRefused(IllegalStateException.class, paused::run, "native frame");
                      assertRefused(IllegalStateException.class, paused::switchTo, "native frame");
                      assertRefused(IllegalStateException.class, other::switchTo, "native frame");
                      assertRefused(IllegalStateException.class, first::kill, "native frame");
                      assertRefused(IllegalStateException.class, paused::kill, "native frame");
                      assertRefused(IllegalStateException.class, other::kill, "native frame");
                      assertRefused(
                          IllegalStateException.class, Channel.confined()::receive, "native frame");
                      assertRefused(
                          IllegalStateException.class,
                          () -> waitedFor.send("undone"),
                          "native frame");
                      assertRefused(
                          IllegalStateException.class,
                          () -> Channel.confined().send("undone"),
                          "native frame");
                      assertEquals(
                          List.of(PAUSED, SCHEDULED, BLOCKED, BLOCKED, BLOCKED, CURRENT),
                          List.of(
                              state(paused),
                              state(other),
                              state(first),
                              state(second),
                              state(receiver),
                              state(Tasklet.current())));
                      assertEquals(
                          List.of(-2, -1, 2),
                          List.of(channel.balance(), waitedFor.balance(), Tasklet.runCount()));
                      assertSame(first, channel.queue());
                    });
                    Tasklet.schedule();
                  }
                  waitedFor.send("done");
                  channel.send("1");
                  channel.send("2");
                  return trace.add("end");
                },
                "t")
            .insert();
    Tasklet.runAll();
    assertEquals(DEAD, state(t));
    List<Object> expected = new ArrayList<>(List.of("done", "killed before 1", "2", "end"));
    if (refused) expected.add(0, "other1");
    assertEquals(expected, trace);
  }

  @RootTest
  @DisplayName("an operation of the last one that the engine refuses does not wake main")
  void nativeFrameOfLast() {
    if (!Greenlet.engine().startsWith("continuation")) return;
    Channel<String> channel = Channel.confined();
    Tasklet main = Tasklet.current();
    Tasklet.of(
            args -> {
              initialiseClass(() -> {
                assertRefused(IllegalStateException.class, channel::receive, "native frame");
                trace.add(state(main));
              });
              return trace.add("end");
            })
        .insert();
    Tasklet.runAll();
    assertEquals(List.of(PAUSED, "end"), trace);
  }

  @RootTest
  @DisplayName("a thousand tasklets a thousand times, and what has ended is not kept")
  void many() {
    int[] steps = {0};
    for (int i = 0; i < 1000; i++) {
      Tasklet.of(
              args -> {
                for (int n = 0; n < 100; n++) {
                  steps[0]++;
                  Tasklet.schedule();
                }
                return null;
              })
          .insert();
    }
    Tasklet.runAll();
    assertEquals(100_000, steps[0]);
  }

  @NothingSuspended.Except("it is about what has been forgotten")
  @RootTest
  @DisplayName(
      "who waits for what nobody else knows, or is paused and forgotten, is garbage, and nothing in it runs")
  void garbage() {
    List<WeakReference<Object>> forgotten =
        IntStream.range(0, 200).mapToObj(i -> forget(i % 2 == 0)).toList();
    Threads.collect(() -> forgotten.stream().allMatch(ref -> ref.get() == null));
    assertEquals(List.of(), trace);
    assertEquals(1, Tasklet.runCount());
  }

  private WeakReference<Object> forget(boolean blocks) {
    Object kept = new Object();
    Tasklet.of(
            args -> {
              try {
                return blocks ? Channel.confined().receive() : Tasklet.scheduleRemove();
              } finally {
                trace.add("unwound with " + kept);
              }
            })
        .insert();
    Tasklet.schedule();
    return new WeakReference<>(kept);
  }
}
