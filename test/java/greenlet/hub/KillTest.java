package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Kills and interrupts, from whichever thread, of tasks that have given way. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class KillTest {
  private final List<Object> trace = new ArrayList<>();

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  /** Counts how many greenlets are looked at. */
  private static final class Counting extends ReadyQueue {
    private long looks;

    @Override
    void removeLast(Greenlet greenlet) {
      looks += size();
      super.removeLast(greenlet);
    }
  }

  private static Object within(Executable body) {
    return Greenlet.of(args -> Threads.callable(body).call()).switchTo();
  }

  @RootTest
  @DisplayName(
      "A kill that first strikes greenlets within greenlets of the task ends them, whose finally blocks may wait, and the task")
  void killedInGreenlets() {
    virtually(() -> {
      Event event = new Event();
      Task<?> t =
          spawn(() -> {
            event.await();
            try {
              within(() -> {
                try {
                  within(() -> {
                    try {
                      Hub.sleep(Duration.ofSeconds(1000));
                    } finally {
                      Hub.sleep(Duration.ofSeconds(1));
                      trace.add("inner");
                    }
                  });
                  Hub.sleep(Duration.ofSeconds(1000));
                } finally {
                  Hub.sleep(Duration.ofSeconds(1));
                  trace.add("outer");
                }
              });
              Hub.sleep(Duration.ofSeconds(1000));
            } finally {
              Hub.sleep(Duration.ofSeconds(1));
              trace.add("task");
            }
          });
      Hub.sleep(Duration.ZERO);
      event.set(); // so that the task is ready, and has not gone on, when it is killed
      t.kill();
      assertInstanceOf(GreenletExit.class, t.exception());
      assertEquals(Duration.ofSeconds(3), Hub.current().time());
    });
    assertEquals(List.of("inner", "outer", "task"), trace);
  }

  @RootTest
  @DisplayName("To interrupt tasks that are ready takes no search among those that are")
  void interruptsAreLinear() {
    int tasks = 2_000;
    Hub hub = Hubs.virtualTime();
    var ready = new Counting();
    hub.scheduler.loop.ready = ready;
    hub.run(
        Threads.callable(() -> {
          List<Task<?>> all = new ArrayList<>();
          for (int i = 0; i < tasks; i++) {
            all.add(
                spawn(() -> {
                  while (true) Hub.sleep(Duration.ZERO);
                }));
          }
          Hub.sleep(Duration.ZERO);
          Hub.sleep(Duration.ZERO);
          for (Task<?> t : all) t.interrupt(new GreenletExit());
          for (Task<?> t : all) t.join();
        }));
    assertTrue(ready.looks <= tasks, ready.looks + " looks for " + tasks + " tasks");
  }

  @RootTest
  @DisplayName(
      "A task that kills itself in a greenlet of its own ends at its next wait, as if another one had killed it")
  void itselfInNestedGreenlet() {
    virtually(() -> {
      Task<?> t =
          spawn(() -> {
            Object exit =
                Greenlet.of(
                        args -> {
                          Task.current().kill();
                          return null;
                        })
                    .switchTo();
            assertInstanceOf(GreenletExit.class, exit);
            try {
              Hub.sleep(Duration.ofSeconds(1));
              trace.add("lives");
            } finally {
              trace.add("unwound");
            }
          });
      t.join();
      trace.add(t.toString().replaceAll(".*, ", ""));
    });
    assertEquals(List.of("unwound", "killed]"), trace);
  }

  @RootTest
  @DisplayName("A kill reaches a greenlet of the task's that has given way, and then the task")
  void nestedGreenletYields() {
    virtually(() -> {
      Task<?> t =
          spawn(() -> {
            Object exit =
                Greenlet.of(
                        args -> {
                          try {
                            while (true) Hub.sleep(Duration.ZERO);
                          } finally {
                            trace.add("nested unwound");
                          }
                        })
                    .switchTo();
            assertInstanceOf(GreenletExit.class, exit);
            try {
              Hub.sleep(Duration.ofSeconds(1));
            } finally {
              trace.add("task unwound");
            }
          });
      Hub.sleep(Duration.ZERO);
      Hub.sleep(Duration.ZERO);
      t.kill();
      trace.add(t.toString().replaceAll(".*, ", ""));
      Hub.sleep(Duration.ofSeconds(1));
      trace.add("slept");
    });
    assertEquals(List.of("nested unwound", "task unwound", "killed]", "slept"), trace);
  }

  @RootTest
  @DisplayName("A kill reaches a greenlet of the task's that has been woken, and then the task")
  void nestedGreenletIsReady() {
    virtually(() -> {
      var w = new Waiter<String>("a value");
      Task<?> t =
          spawn(() -> {
            Greenlet.of(
                    args -> {
                      trace.add(w.await());
                      Hub.sleep(Duration.ofSeconds(1));
                      return trace.add("not here");
                    })
                .switchTo();
            trace.add("exit arrived");
            Hub.sleep(Duration.ofSeconds(1));
            trace.add("nor here");
          });
      Hub.sleep(Duration.ZERO);
      w.wake("value");
      t.kill();
    });
    assertEquals(List.of("value", "exit arrived"), trace);
  }

  @RootTest
  @DisplayName(
      "Whatever a task is doing, what is raised in it ends it once, and its link hears of it once")
  void everyStage() {
    Task.Action body =
        () -> {
          trace.add("begins");
          Hub.sleep(Duration.ofSeconds(10));
          trace.add("goes on");
        };
    Map<String, Supplier<Task<?>>> stages = new LinkedHashMap<>();
    stages.put("ready", () -> Hub.current().spawn(body));
    stages.put("later", () -> Hub.current().spawnLater(Duration.ofSeconds(5), null, body));
    stages.put(
        "asleep",
        () -> {
          Task<?> t = Hub.current().spawn(body);
          Hub.sleep(Duration.ZERO);
          return t;
        });
    var failure = new IOException("failure");
    Map<String, Consumer<Task<?>>> ways = new LinkedHashMap<>();
    ways.put("kill", Task::kill);
    ways.put("exit", t -> t.interrupt(new GreenletExit()));
    ways.put("failure", t -> t.interrupt(failure));
    virtually(() ->
        stages.forEach((stage, spawn) ->
            ways.forEach((way, raise) -> {
              Task<?> t = spawn.get();
              t.link(ended ->
                  trace.add(
                      "%s, %s: %s%s"
                          .formatted(
                              stage,
                              way,
                              ended.toString().replaceAll(".*, |]", ""),
                              ended.exception() == failure ? " with it" : "")));
              raise.accept(t);
              t.join();
              raise.accept(t); // nothing happens to one that has ended
              Hub.sleep(Duration.ofSeconds(20));
            })));
    assertEquals(
        List.of(
            "ready, kill: killed",
            "ready, exit: killed",
            "ready, failure: failed with it",
            "later, kill: killed",
            "later, exit: killed",
            "later, failure: failed with it",
            "begins",
            "asleep, kill: killed",
            "begins",
            "asleep, exit: killed",
            "begins",
            "asleep, failure: failed with it"),
        trace);
  }

  @RootTest
  @DisplayName("Other threads may wait for a task and kill it; their own hub waits")
  void fromOtherThreads() throws Throwable {
    Hub hub = Hubs.realTime();
    var other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              List<Object> seen = new ArrayList<>();
              Task<?> sleeper =
                  hub.spawn(Threads.callable(() -> Hub.sleep(Duration.ofSeconds(1000))));
              seen.add(sleeper.join(Duration.ofMillis(1)));
              assertThrows(TimeoutException.class, () -> sleeper.result(Duration.ofMillis(1)));
              sleeper.kill();
              seen.add(sleeper.isDone());
              assertThrows(CancellationException.class, sleeper::result);
              Task<String> good =
                  hub.spawn(() -> {
                    Hub.sleep(Duration.ofMillis(1));
                    return "value";
                  });
              good.join();
              seen.add(good.result());
              Task<Object> bad =
                  hub.spawn(() -> {
                    Hub.sleep(Duration.ofMillis(1));
                    throw new IllegalArgumentException();
                  });
              assertThrows(IllegalArgumentException.class, bad::result);
              assertThrows(WrongThreadException.class, hub::tasks);
              assertThrows(WrongThreadException.class, hub::join);
              return seen;
            });
    List<Object> seen = hub.run(() -> Hub.awaitFuture(other));
    assertEquals(List.of(false, true, "value"), seen);
    WrongThreadException e =
        Hubs.realTime().run(() -> assertThrows(WrongThreadException.class, hub::tasks));
    assertTrue(e.getMessage().contains("be asked for the tasks of Hub@"), e::getMessage);
  }
}
