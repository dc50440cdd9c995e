package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.WeakReference;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** A hub that has its turns from a driver, and nothing from elsewhere. */
@ExtendWith(LeakCheck.class)
class DrivenHubTest {
  private static final String ADVICE = "ask the driver";

  private final List<Object> trace = new ArrayList<>();
  private final Script script = new Script();
  private final DrivenHub hub = new DrivenHub("the hub", ADVICE, script);

  /** Inputs that are known beforehand. */
  private final class Script implements Driver {
    private final Deque<Runnable> inputs = new ArrayDeque<>();
    private long now;

    void add(long time, Runnable input) {
      inputs.add(() -> {
        now = time;
        input.run();
      });
    }

    @Override
    public long nanoTime() {
      return now;
    }

    @Override
    public boolean deliver() {
      Runnable next = inputs.poll();
      if (next == null) return false;
      next.run();
      return true;
    }

    @Override
    public void made(Task<?> task, String name, Task<?> maker) {
      trace.add((maker == null ? "" : maker.name() + "/") + task.name());
    }
  }

  private void begin(Executable body) {
    List<Throwable> failures = new ArrayList<>();
    hub.hub().onFailure((task, e) -> failures.add(e));
    script.add(
        0,
        () ->
            hub.begin(
                "main",
                Threads.callable(() -> {
                  try {
                    body.execute();
                  } catch (AssertionError e) {
                    failures.add(e);
                  }
                })));
    hub.turn();
    assertEquals(List.of(), failures);
  }

  private static void sleep(long nanos) {
    Hub.sleep(Duration.ofNanos(nanos));
  }

  private void note(Object what) {
    trace.add(what + " at " + hub.hub().time().toNanos());
  }

  private static void refused(Executable call, String... parts) {
    var e = assertThrows(IllegalStateException.class, call);
    for (String part : parts) assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @RootTest
  @DisplayName("An input is delivered when nobody is ready; what is due by then fires after it")
  void order() {
    List<Waiter<String>> waiters = new ArrayList<>();
    begin(() -> {
      hub.hub()
          .spawn(
              "sleeper",
              () -> {
                sleep(5);
                note("slept");
              });
      hub.hub()
          .spawn(() -> {
            for (int i = 0; i < 3; i++) {
              note("yields");
              sleep(0);
            }
          });
      for (int i = 0; i < 2; i++) {
        Waiter<String> waiter = hub.waiter("an input");
        waiters.add(waiter);
        note(waiter.await());
      }
      sleep(10);
      note("end");
    });
    assertEquals(
        List.of("main", "main/sleeper", "main/task-1", "yields at 0", "yields at 0", "yields at 0"),
        trace);
    trace.clear();
    hub.turn();
    assertEquals(List.of(), trace, "nothing new");
    assertEquals(5, hub.nextTimer());
    script.add(7, () -> waiters.get(0).wake("first"));
    script.add(8, () -> waiters.get(1).wake("second"));
    hub.turn();
    assertEquals(List.of("first at 7", "slept at 7", "second at 8"), trace);
    assertEquals(18, hub.nextTimer());
    script.add(20, () -> {});
    hub.turn();
    assertEquals("end at 20", trace.get(3));
    assertEquals(Long.MAX_VALUE, hub.nextTimer());
  }

  @RootTest
  @DisplayName("An outcome comes before a limit that is due at the same time")
  void outcomeBeforeLimit() {
    List<Waiter<String>> waiters = new ArrayList<>();
    begin(() ->
        note(
            Hub.timeout(
                Duration.ofNanos(5),
                () -> {
                  waiters.add(hub.waiter("an input"));
                  return waiters.get(0).await();
                },
                () -> "late")));
    trace.clear();
    script.add(5, () -> waiters.get(0).wake("outcome"));
    hub.turn();
    assertEquals(List.of("outcome at 5"), trace);
  }

  @RootTest
  @DisplayName(
      "Where all wait for each other, the main task is told, in words that are the same at every run")
  void stuck() {
    begin(() -> {
      try {
        new Waiter<>("nobody").await();
      } catch (Hub.LoopExit e) {
        note(e.getMessage());
      }
    });
    assertEquals(
        "the hub would wait for ever: no task is ready, no timer is set, and nobody waits for anything outside of it. "
            + "Its tasks: Task[main, suspended] waits for nobody at 0",
        trace.get(1));
  }

  @RootTest
  @DisplayName("Its tasks wait for nothing outside of it")
  void outsideWaits() throws Throwable {
    Pipe pipe = Pipe.open();
    pipe.source().configureBlocking(false);
    try (var sink = pipe.sink();
        var source = pipe.source()) {
      var future = CompletableFuture.completedFuture("there");
      Hub.virtualTime()
          .run(() -> {
            Task<?> outer = Task.current();
            begin(() -> {
              List<Executable> waits =
                  List.of(
                      () -> Hub.await(future),
                      () -> Hub.await(waiter -> note("started")),
                      () -> Hub.awaitFuture(future),
                      () -> Hub.offload(() -> trace.add("run")),
                      () -> new Waiter<Object>("a call").wakeWith(() -> trace.add("run")),
                      () -> Hub.awaitReady(source, SelectionKey.OP_READ),
                      () -> Hub.inHost(() -> trace.add("run")),
                      outer::join,
                      outer::result);
              for (Executable wait : waits)
                refused(wait, "a task of the hub cannot wait for ", ADVICE);
              for (int i = 0; i < 300; i++)
                refused(() -> Hub.offload(() -> null), "cannot wait for");
              note("ok");
            });
          });
    }
    assertEquals(List.of("main", "ok at 0"), trace);
  }

  @RootTest
  @DisplayName(
      "Nobody outside of its turn wakes, spawns or ends anything in it, be it in its thread")
  void fromOutside() throws Throwable {
    List<Waiter<String>> waiters = new ArrayList<>();
    List<Task<?>> tasks = new ArrayList<>();
    begin(() -> {
      tasks.add(Task.current());
      waiters.add(hub.waiter("an input"));
      note(waiters.get(0).await());
    });
    Task<?> main = tasks.get(0);
    List<Executable> calls =
        List.of(
            () -> waiters.get(0).wake("outside"),
            () -> waiters.get(0).fail(new RuntimeException()),
            () -> hub.hub().spawn(() -> null),
            () -> hub.hub().execute(() -> {}),
            main::kill,
            main::toCompletableFuture,
            main::toCompletableFuture,
            () -> main.link(task -> {}));
    Executable all =
        () -> {
          for (Executable call : calls)
            refused(call, "the hub takes nothing from outside of its turns", ADVICE);
        };
    all.execute();
    Threads.PLATFORM.run("another", all);
    Hub.virtualTime().run(Threads.callable(all));
    refused(() -> hub.hub().run(() -> null), "its driver does that");
    refused(() -> hub.hub().cooperative());
    assertFalse(waiters.get(0).isOver());
    assertEquals("Task[main, suspended]", main.toString());
    script.add(3, () -> waiters.get(0).wake("delivered"));
    hub.turn();
    assertEquals(List.of("main", "delivered at 3"), trace);
    assertTrue(main.isSuccessful());
  }

  @RootTest
  @DisplayName(
      "Its tasks wake, spawn and end nothing of another hub, which is itself again after the turn")
  void otherHubs() throws Throwable {
    Hub.virtualTime()
        .run(() -> {
          Hub outer = Hub.current();
          Waiter<String> waiter = new Waiter<>("a waiter outside");
          Queue<String> queue = Queue.fifo();
          Task<String> taker = outer.spawn("taker", () -> queue.take());
          Task<String> waits = outer.spawn("waits", () -> waiter.await());
          sleep(0);
          begin(() -> {
            assertSame(hub.hub(), Hub.current());
            List<Executable> calls =
                List.of(
                    () -> waiter.wake("from inside"),
                    () -> queue.put("from inside"),
                    () -> outer.spawn(() -> null),
                    taker::kill,
                    () -> taker.interrupt(new RuntimeException()));
            for (Executable call : calls) refused(call, "a task of the hub cannot w", ADVICE);
            refused(() -> Hub.realTime().run(() -> null));
            note("ok");
          });
          assertSame(outer, Hub.current());
          assertTrue(outer.isHere());
          waiter.wake("woken");
          queue.put("put");
          return assertEqualsAll(List.of("woken", "put"), List.of(waits.result(), taker.result()));
        });
    assertEquals(List.of("main", "ok at 0"), trace);
  }

  private static boolean assertEqualsAll(List<?> expected, List<?> got) {
    assertEquals(expected, got);
    return true;
  }

  @RootTest
  @DisplayName("Another thread than that of its turns has none, and there is no turn within a turn")
  void threads() throws Throwable {
    begin(() -> {
      refused(hub::turn, "the hub cannot have a turn within one of the hub");
      refused(
          () -> new DrivenHub("inner", ADVICE, script).turn(),
          "inner cannot have a turn within one of the hub");
      note("ok");
    });
    Threads.PLATFORM.run("another", () -> assertThrows(WrongThreadException.class, hub::turn));
    assertEquals(List.of("main", "ok at 0"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Tasks that are always ready are told of, by name")
  void alwaysReady() {
    refused(
        () ->
            begin(() -> {
              hub.hub().spawn("other", () -> sleep(1));
              while (true) sleep(0);
            }),
        "the hub: Task[main, suspended] stayed ready for 1,000,000 rounds");
    hub.turn();
    assertEquals(List.of("main", "main/other"), trace);
  }

  @RootTest
  @DisplayName("What the driver throws comes out of the turn; no task goes on then")
  void failure() {
    script.add(
        0,
        () ->
            hub.begin(
                "main",
                Threads.callable(() -> {
                  try {
                    hub.waiter("an input").await();
                  } finally {
                    note("finally");
                  }
                })));
    script.add(
        0,
        () -> {
          throw new IllegalArgumentException("no such input");
        });
    script.add(0, () -> note("delivered"));
    assertThrows(IllegalArgumentException.class, hub::turn);
    hub.turn();
    assertEquals(List.of("main"), trace);
    assertNull(Hub.currentIfAny());
  }

  @RootTest
  @DisplayName("One that is forgotten is collected, and runs no finally")
  void forgotten() {
    var collected = new ArrayList<WeakReference<Object>>();
    for (int i = 0; i < 10; i++) collected.add(new WeakReference<>(forgettable()));
    Threads.collect(() -> collected.stream().allMatch(ref -> ref.get() == null));
    assertEquals(List.of(), trace);
  }

  private Object forgettable() {
    var inputs = new ArrayDeque<Runnable>();
    var forgotten =
        new DrivenHub(
            "forgotten",
            ADVICE,
            new Driver() {
              @Override
              public long nanoTime() {
                return 0;
              }

              @Override
              public boolean deliver() {
                Runnable next = inputs.poll();
                if (next != null) next.run();
                return next != null;
              }
            });
    Callable<Object> body =
        () -> {
          try {
            Hub.current().spawn(() -> sleep(1));
            return forgotten.waiter("an input").await();
          } finally {
            trace.add("finally");
          }
        };
    inputs.add(() -> forgotten.begin("main", body));
    forgotten.turn();
    assertEquals("forgotten", forgotten.hub().toString());
    return forgotten;
  }
}
