package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Loops, time, waits, limits and scopes of hubs. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class HubTest {
  private static final Duration SECOND = Duration.ofSeconds(1);
  private static final Duration LONG = Duration.ofHours(1);

  private final List<Object> trace = new ArrayList<>();

  private static Hub hub() {
    return Hub.current();
  }

  private static Task<?> spawn(Executable body) {
    return hub().spawn(Threads.callable(body));
  }

  private static Task<?> spawn(String name, Executable body) {
    return hub().spawn(name, Threads.callable(body));
  }

  private static <T> T virtually(Callable<T> body) {
    return Hubs.virtualTime().run(body);
  }

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static void sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
  }

  private void note(Object what) {
    trace.add(what);
  }

  private void noteWithTime(Object what) {
    trace.add(what + "@" + hub().time().toSeconds());
  }

  // Order and time

  @RootTest
  @DisplayName("those that are ready run in turn, first come, first served")
  void turns() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              for (String name : List.of("a", "b", "c")) {
                spawn(() -> {
                  for (int i = 0; i < 3; i++) {
                    note(name + i);
                    Hub.sleep(Duration.ZERO);
                  }
                });
              }
              note("spawned");
              hub().join();
            }));
    assertEquals(List.of("spawned", "a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"), trace);
  }

  @RootTest
  @DisplayName(
      "virtual time jumps to the next timer; timers of one time fire in the order of their making")
  void virtualTime() {
    long before = System.nanoTime();
    virtually(() -> {
      for (int n = 3; n > 0; n--) {
        int period = n;
        spawn(() -> {
          for (int i = 0; i < 6 / period; i++) {
            sleep(period);
            noteWithTime(period);
          }
        });
      }
      hub().join();
      noteWithTime("end");
      sleep(1_000_000_000);
      assertEquals(Duration.ofSeconds(1_000_000_006), hub().time());
    });
    assertEquals(
        List.of(
            "1@1", "2@2", "1@2", "3@3", "1@3", "2@4", "1@4", "1@5", "3@6", "2@6", "1@6", "end@6"),
        trace);
    assertTrue(System.nanoTime() - before < LONG.toNanos());
  }

  @RootTest
  @DisplayName("no timer is early in real time, and sleeping tasks leave the others alone")
  void realTime() {
    Hub hub = Hubs.realTime();
    hub.run(
        Threads.callable(() -> {
          for (int i = 5; i > 0; i--) {
            Duration time = Duration.ofMillis(2L * i);
            spawn(() -> {
              Duration begin = hub.time();
              Hub.sleep(time);
              assertTrue(hub.time().minus(begin).compareTo(time) >= 0);
              note(time.toMillis());
            });
          }
          hub.join();
        }));
    assertEquals(Set.of(2L, 4L, 6L, 8L, 10L), Set.copyOf(trace));
  }

  @RootTest
  @DisplayName("sleeps of no, of negative and of endless duration")
  void oddSleeps() {
    virtually(() -> {
      Hub.sleep(Duration.ofSeconds(-5));
      assertEquals(Duration.ZERO, hub().time());
      Task<?> endless = spawn(() -> Hub.sleep(Duration.ofSeconds(Long.MAX_VALUE)));
      sleep(1);
      endless.kill();
      assertEquals(
          "no limit",
          Hub.timeout(
              Duration.ofSeconds(Long.MAX_VALUE),
              () -> {
                sleep(1);
                return "no limit";
              }));
    });
  }

  @RootTest
  @DisplayName("a later start")
  void spawnLater() {
    virtually(() -> {
      hub()
          .spawnLater(
              Duration.ofSeconds(2),
              "late",
              () -> {
                noteWithTime("late");
                return null;
              });
      Task<Object> never =
          hub()
              .spawnLater(
                  Duration.ofSeconds(1),
                  null,
                  () -> {
                    note("never");
                    return null;
                  });
      never.kill();
      hub().join();
    });
    assertEquals(List.of("late@2"), trace);
  }

  @RootTest
  @DisplayName("within a generator's body that a task pulls from, the task waits")
  void waitsInGenerators() {
    Generator<String> times =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) {
            sleep(1);
            out.yield("" + hub().time().toSeconds());
          }
        });
    virtually(() -> {
      spawn(() -> {
        for (String time : times) note("pulled " + time);
      });
      spawn(() -> times.stream().forEach(time -> note("streamed " + time)));
      spawn(() -> {
        Task<?> me = Task.current();
        try (Cursor<String> c = times.sharedCursor()) {
          while (c.hasNext()) {
            note("shared " + c.next());
            assertSame(me, Task.current());
          }
        }
      });
      hub().join();
    });
    assertEquals(
        List.of(
            "pulled 1",
            "streamed 1",
            "shared 1",
            "pulled 2",
            "streamed 2",
            "shared 2",
            "pulled 3",
            "streamed 3",
            "shared 3"),
        trace);
  }

  @RootTest
  @DisplayName("a greenlet of a task waits as a part of the task")
  void greenletsOfTasks() {
    virtually(() -> {
      Task<?> t =
          spawn(() -> {
            Task<?> me = Task.current();
            Greenlet g =
                Greenlet.of(args -> {
                  sleep(1);
                  assertSame(me, Task.current());
                  return "slept";
                });
            note(g.switchTo());
            Greenlet.of(
                    args -> {
                      try {
                        sleep(1000);
                      } finally {
                        note("unwound");
                      }
                      return null;
                    })
                .switchTo(); // the GreenletExit arrives as a value: rule E2
            sleep(1);
            note("not here");
          });
      sleep(5);
      t.kill();
    });
    assertEquals(List.of("slept", "unwound"), trace);
  }

  // Running

  @RootTest
  @DisplayName("run returns what the body returns, throws what it throws, and ends what is left")
  void run() {
    IOException thrown = new IOException();
    assertSame(
        thrown,
        assertThrows(
            IOException.class,
            () ->
                Hubs.realTime()
                    .run(() -> {
                      spawn(() -> {
                        try {
                          sleep(1000);
                        } finally {
                          note("begins to unwind");
                          Hub.sleep(Duration.ofMillis(1));
                          spawn(() -> note("nothing begins now"));
                          note("unwound");
                        }
                      });
                      spawn(() -> note("ran once"));
                      Hub.sleep(Duration.ZERO);
                      throw thrown;
                    })));
    assertEquals(List.of("ran once", "begins to unwind", "unwound"), trace);
    Hub again = Hubs.virtualTime();
    assertEquals(1, again.run(() -> 1));
    assertEquals(2, again.run(() -> 2));
    assertNull(Task.current());
  }

  @RootTest
  @DisplayName("a hub cannot be run within a task, nor twice at a time")
  void nestedRun() {
    Hub outer = Hubs.virtualTime();
    outer.run(
        Threads.callable(() -> {
          Refusal.assertRefused(
              IllegalStateException.class,
              () -> Hubs.realTime().run(() -> 1),
              Task.current(),
              "use a scope");
          Refusal.assertRefused(
              IllegalStateException.class, () -> outer.run(() -> 1), "runs already");
          sleep(1);
        }));
    Refusal.assertRefused(
        IllegalStateException.class,
        () -> Hub.on(Runnable::run).run(() -> 1),
        "its executor does that");
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> outer.spawn((Callable<Object>) null), "got null");
  }

  @RootTest
  @DisplayName("what waits outside of any task runs the thread's own hub until the wait is over")
  void outside() {
    Task<String> t =
        hub()
            .spawn(() -> {
              Hub.sleep(Duration.ofMillis(1));
              return "value";
            });
    assertNull(Task.current());
    assertEquals("value", t.result());
    Task<?> asleep = spawn(() -> sleep(1000));
    Hub.sleep(Duration.ofMillis(1));
    assertEquals(List.of(asleep), hub().tasks());
    assertEquals(
        "late",
        Hub.timeout(
            Duration.ofMillis(1),
            () -> {
              asleep.join();
              return "";
            },
            () -> "late"));
    assertThrows(
        IOException.class,
        () ->
            Hub.scope(() -> {
              spawn(() -> {
                throw new IOException();
              });
              sleep(1000);
              return null;
            }));
    asleep.kill();
    assertThrows(Hub.LoopExit.class, () -> new Waiter<>("nothing").await());
    assertEquals("still usable", hub().spawn(() -> "still usable").result());
  }

  @RootTest
  @DisplayName("a hub that can never wake says so, and lists its tasks and what each waits for")
  void loopExit() {
    Hub hub = Hubs.virtualTime();
    Hub.LoopExit e =
        assertThrows(
            Hub.LoopExit.class,
            () ->
                hub.run(
                    Threads.callable(() -> {
                      Task<?> waits =
                          spawn(
                              "vladimir",
                              () -> {
                                try {
                                  new Waiter<>("godot").await();
                                } finally {
                                  note("unwound");
                                }
                              });
                      hub.spawn("estragon", () -> waits.result());
                      try {
                        sleep(1);
                        new Waiter<>("the end").await();
                      } catch (Hub.LoopExit first) {
                        note("may be caught");
                        sleep(1);
                        waits.join();
                      }
                    })));
    assertEquals(List.of("may be caught", "unwound"), trace);
    for (String part :
        List.of(
            "vladimir, suspended] waits for godot",
            "estragon, suspended] waits for Task[vladimir")) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
    assertEquals(3, e.tasks().size());
    assertEquals("usable", hub.run(() -> "usable"));
  }

  @NothingSuspended.Except("a greenlet that switches to the hub by hand is left there")
  @RootTest
  @DisplayName("tasks and the hub do not switch to each other but by waiting")
  void rawSwitches() {
    virtually(() -> {
      Task<?> intruder = spawn("intruder", () -> Greenlet.current().parent().switchTo("?"));
      IllegalStateException e = assertThrows(IllegalStateException.class, intruder::result);
      assertTrue(e.getMessage().contains("intruder"), e.getMessage());
      assertThrows(IllegalStateException.class, spawn(() -> Generator.yield("to nobody"))::result);
      Greenlet[] of = new Greenlet[1];
      Task<?> sleeper =
          spawn(
              "sleeper",
              () -> {
                of[0] = Greenlet.current();
                sleep(1);
              });
      Hub.sleep(Duration.ZERO);
      Task<?> second = spawn("second", () -> of[0].switchTo());
      IllegalStateException woken = assertThrows(IllegalStateException.class, sleeper::result);
      assertTrue(woken.getMessage().contains("somebody has switched to it"), woken.getMessage());
      second.kill(); // it is suspended by its own switch, and not by its hub
      assertThrows(CancellationException.class, second::result);
    });
  }

  @RootTest
  @DisplayName(
      "an interrupt of the thread while nobody is ready reaches the body that run was called with")
  void interrupt() {
    Thread me = Thread.currentThread();
    assertThrows(
        InterruptedException.class,
        () ->
            Hubs.realTime()
                .run(
                    Threads.callable(() -> {
                      spawn(() -> {
                        try {
                          sleep(1000);
                        } finally {
                          note("killed");
                        }
                      });
                      Hub.sleep(Duration.ofMillis(1));
                      me.interrupt();
                      sleep(1000);
                    })));
    assertEquals(List.of("killed"), trace);
    assertFalse(Thread.interrupted());
  }

  @RootTest
  @DisplayName("spawn and execute from other threads")
  void fromOtherThreads() {
    Hub hub = Hubs.realTime();
    assertEquals(
        10,
        hub.run(() -> {
          AtomicInteger sum = new AtomicInteger();
          var go = new CompletableFuture<Integer>();
          return Hub.offload(() -> {
            Task<Integer> t =
                hub.spawn(
                    "from outside",
                    () -> {
                      assertTrue(hub.isHere());
                      return 1 + 2 + Hub.await(go);
                    });
            var added = new CountDownLatch(1);
            hub.execute(() -> {
              sum.addAndGet(4);
              added.countDown();
            });
            Threads.await(added);
            assertFalse(hub.isHere());
            assertThrows(WrongThreadException.class, hub::join);
            go.complete(3);
            int result = t.toCompletableFuture().get();
            return result + Threads.VIRTUAL.start("other", () -> t.result() - 6 + sum.get()).get();
          });
        }));
  }

  // Failures

  @RootTest
  @DisplayName("a failure that nobody asks for goes to the handler, and stops nobody")
  void onFailure() {
    Hub hub = Hubs.virtualTime();
    assertSame(hub, hub.onFailure((task, e) -> note(task.name() + " " + e.getMessage())));
    hub.run(
        Threads.callable(() -> {
          spawn(
              "careless",
              () -> {
                throw new IOException("first");
              });
          Task<?> asked =
              spawn(
                  "asked",
                  () -> {
                    throw new IOException("second");
                  });
          Task<?> joined =
              spawn(
                  "joined",
                  () -> {
                    throw new IOException("third");
                  });
          spawn("killed", () -> sleep(1000)).kill();
          assertThrows(IOException.class, asked::result);
          joined.join();
          assertThrows(IOException.class, joined::result);
        }));
    assertEquals(List.of("careless first", "joined third"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "by default the thread's handler of uncaught exceptions gets it, with the name of the task")
  void uncaught() {
    var before = Thread.getDefaultUncaughtExceptionHandler();
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, e) -> note(e.getMessage() + ": " + e.getCause().getMessage()));
    try {
      virtually(() ->
          spawn(
                  "careless",
                  () -> {
                    throw new IOException("broken");
                  })
              .join());
    } finally {
      Thread.setDefaultUncaughtExceptionHandler(before);
    }
    assertEquals(
        List.of("Task[careless, failed] has failed, and nobody was asking for its result: broken"),
        trace);
  }

  // Limits

  @RootTest
  @DisplayName("a limit ends the pending wait, through catch blocks and inner limits")
  void limits() {
    virtually(() -> {
      assertEquals("in time", Hub.timeout(SECOND, () -> "in time"));
      TimeoutException e =
          assertThrows(
              TimeoutException.class,
              () ->
                  Hub.timeout(
                      Duration.ofMillis(1500),
                      () -> {
                        try {
                          sleep(10);
                        } catch (Exception swallowed) {
                          note("swallowed");
                        } finally {
                          noteWithTime("finally");
                        }
                        return null;
                      }));
      assertTrue(
          e.getMessage()
              .matches("a limit of 1.5 s ran out: Task.*suspended] waits for the time 10 s"),
          e::getMessage);
      assertTrue(
          List.of(e.getCause().getStackTrace()).toString().contains("HubTest.sleep"),
          "where it was waiting");
      assertEquals(
          "outer",
          Hub.timeout(
              Duration.ofSeconds(2),
              () ->
                  Hub.timeout(
                      LONG,
                      () -> {
                        sleep(10);
                        return "";
                      },
                      () -> "inner"),
              () -> "outer"));
      assertEquals(
          "inner",
          Hub.timeout(
              LONG,
              () ->
                  Hub.timeout(
                      Duration.ofSeconds(2),
                      () -> {
                        sleep(10);
                        return "";
                      },
                      () -> "inner"),
              () -> "outer"));
      assertEquals(
          "the inner's exception is not the outer's",
          assertThrows(
                  TimeoutException.class,
                  () ->
                      Hub.timeout(
                          LONG,
                          () ->
                              Hub.timeout(
                                  SECOND,
                                  () -> {
                                    sleep(10);
                                    return "";
                                  }),
                          () -> "outer"))
              .getMessage()
              .replaceFirst(
                  "a limit of 1 s ran out: .*", "the inner's exception is not the outer's"));
      assertEquals(
          "outer",
          Hub.timeout(
              SECOND,
              () ->
                  Hub.timeout(
                      SECOND,
                      () -> {
                        sleep(1);
                        return "";
                      },
                      () -> "inner"),
              () -> "outer"),
          "of limits that run out at one time the first counts");
      sleep(10); // nothing comes later
    });
    assertEquals(List.of("finally@1"), trace);
  }

  @RootTest
  @DisplayName("a limit ends every kind of wait, also one that has a longer limit of its own")
  void limitOfEachWait() {
    virtually(() -> {
      Task<Object> asleep =
          hub()
              .spawn(() -> {
                sleep(1000);
                return null;
              });
      Task<?> unwinds =
          spawn(() -> {
            try {
              sleep(1000);
            } finally {
              sleep(1000);
            }
          });
      Map<String, Task.Action> waits = new LinkedHashMap<>();
      waits.put("sleep", () -> sleep(100));
      waits.put("join", asleep::join);
      waits.put("limited join", () -> asleep.join(LONG));
      waits.put("result", () -> asleep.result());
      waits.put("limited result", () -> asleep.result(LONG));
      waits.put("kill", unwinds::kill);
      waits.put("join of all", () -> hub().join());
      waits.put("waiter", () -> new Waiter<>("nothing").await());
      waits.put("callback", () -> Hub.await((Waiter<Object> w) -> {}));
      waits.put("stage", () -> Hub.await(new CompletableFuture<>()));
      waits.put("limit", () -> Hub.timeout(LONG, () -> sleep(100)));
      waits.put("joining scope", () -> Hub.joiningScope(() -> hub().spawn(() -> sleep(100))));
      waits.forEach((name, wait) -> Hub.timeout(SECOND, wait, () -> noteWithTime("ends " + name)));
      assertFalse(asleep.isDone());
      assertFalse(unwinds.isDone());
    });
    assertEquals(
        List.of(
            "ends sleep@1",
            "ends join@2",
            "ends limited join@3",
            "ends result@4",
            "ends limited result@5",
            "ends kill@6",
            "ends join of all@7",
            "ends waiter@8",
            "ends callback@9",
            "ends stage@10",
            "ends limit@11",
            "ends joining scope@12"),
        trace);
  }

  @RootTest
  @DisplayName("what is run where a limit has run out may throw, and limits around it do not mind")
  void throwsWhereLimitRunsOut() {
    IOException own = new IOException();
    virtually(() -> {
      assertSame(
          own,
          assertThrows(
              IOException.class,
              () ->
                  Hub.timeout(
                      LONG,
                      () ->
                          Hub.timeout(
                              SECOND,
                              () -> sleep(10),
                              () -> {
                                noteWithTime("late");
                                throw own;
                              }),
                      () -> note("not here"))));
      sleep(10_000); // nothing comes later
    });
    assertEquals(List.of("late@1"), trace);
  }

  @RootTest
  @DisplayName("a limit that runs out while the task is ready loses nothing that it was woken with")
  void limitWhileReady() {
    virtually(() -> {
      var w = new Waiter<String>("a value");
      Task<?> t =
          spawn(() -> {
            note(
                Hub.timeout(
                    Duration.ZERO,
                    () -> {
                      note(w.await());
                      note("goes on");
                      sleep(0);
                      return "not cut short";
                    },
                    () -> "late"));
          });
      // before the limit runs out, which is at the end of the round
      spawn(() -> assertTrue(w.wake("value")));
      t.join();
    });
    assertEquals(List.of("value", "goes on", "late"), trace);
  }

  @RootTest
  @DisplayName(
      "a limit of no time runs out at the next wait; a body that does not wait is not touched")
  void noTime() {
    virtually(() -> {
      assertEquals("never waited", Hub.timeout(Duration.ZERO, () -> "never waited"));
      assertEquals(
          "late",
          Hub.timeout(
              Duration.ofSeconds(-1),
              () -> {
                sleep(1);
                return "";
              },
              () -> "late"));
    });
  }

  // Scopes

  @RootTest
  @DisplayName("a scope that ends takes its tasks with it")
  void scope() {
    virtually(() -> {
      Task<?> free = spawn(() -> sleep(3));
      assertEquals(
          "result",
          Hub.scope(() -> {
            spawn(() -> {
              spawn(() -> { // of the scope as well
                try {
                  sleep(1000);
                } finally {
                  sleep(1);
                  noteWithTime("inner unwound");
                }
              });
              try {
                sleep(1000);
              } finally {
                noteWithTime("unwound");
              }
            });
            sleep(1);
            spawn(() -> note("never began"));
            return "result";
          }));
      noteWithTime("after");
      assertFalse(free.isDone());
      assertEquals(
          "result",
          Hub.joiningScope(() -> {
            spawn(() -> {
              sleep(5);
              noteWithTime("joined");
            });
            return "result";
          }));
    });
    assertEquals(List.of("unwound@1", "inner unwound@2", "after@2", "joined@7"), trace);
  }

  @RootTest
  @DisplayName("the first error ends a scope and comes out; others are suppressed on it")
  void failingScope() {
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> note("not reported"));
    hub.run(
        Threads.callable(() -> {
          IOException first = new IOException("first");
          RuntimeException second = new RuntimeException("second");
          RuntimeException third = new RuntimeException("third");
          assertSame(
              first,
              assertThrows(
                  IOException.class,
                  () ->
                      Hub.scope(() -> {
                        spawn(() -> {
                          sleep(1);
                          throw first;
                        });
                        spawn(() -> {
                          try {
                            sleep(1000);
                          } finally {
                            throw second;
                          }
                        });
                        try {
                          sleep(1000);
                        } catch (Exception e) {
                          note("cannot be swallowed");
                        } finally {
                          noteWithTime("owner");
                          throw third;
                        }
                      })));
          assertEquals(
              List.of(second, third).stream().map(Throwable::getMessage).sorted().toList(),
              List.of(first.getSuppressed()).stream().map(Throwable::getMessage).sorted().toList());
          assertSame(
              first,
              assertThrows(
                  IOException.class,
                  () ->
                      Hub.scope(() -> {
                        spawn(() -> {
                          try {
                            sleep(1000);
                          } finally {
                            note("sibling");
                          }
                        });
                        sleep(1);
                        throw first;
                      })));
          assertSame(
              second,
              assertThrows(
                  RuntimeException.class,
                  () ->
                      Hub.scope(() ->
                          hub()
                              .spawn(() -> {
                                throw second;
                              })
                              .result())));
          sleep(1000); // nothing is raised later
        }));
    assertEquals(List.of("owner@1", "sibling"), trace);
  }

  @RootTest
  @DisplayName(
      "a failure ends a scope also if the body has caught it, or has ended and waits for the others")
  void failureThatIsAskedForInScope() {
    IOException failure = new IOException();
    virtually(() -> {
      assertSame(
          failure,
          assertThrows(
              IOException.class,
              () ->
                  Hub.scope(() -> {
                    Task<Object> t =
                        hub()
                            .spawn(() -> {
                              throw failure;
                            });
                    assertSame(failure, assertThrows(IOException.class, t::result));
                    note("caught");
                    try {
                      sleep(10);
                    } finally {
                      noteWithTime("unwound");
                    }
                  })));
      Task<?>[] failed = new Task<?>[1];
      assertSame(
          failure,
          assertThrows(
              IOException.class,
              () ->
                  Hub.joiningScope(() -> {
                    failed[0] =
                        spawn(() -> {
                          sleep(1);
                          throw failure;
                        });
                    spawn(() -> {
                      try {
                        sleep(1000);
                      } finally {
                        noteWithTime("sibling unwound");
                      }
                    });
                    noteWithTime("body has ended");
                  })));
      assertSame(failure, assertThrows(IOException.class, failed[0]::result));
      sleep(1000); // nothing is raised later
    });
    assertEquals(List.of("caught", "unwound@0", "body has ended@0", "sibling unwound@1"), trace);
  }

  @RootTest
  @DisplayName("a scope whose owner is killed or whose limit runs out ends as well")
  void scopeEndedFromOutside() {
    virtually(() -> {
      Task<?> owner =
          spawn(() ->
              Hub.scope(() -> {
                spawn(() -> {
                  try {
                    sleep(1000);
                  } finally {
                    note("of killed owner");
                  }
                });
                sleep(1000);
                return null;
              }));
      sleep(1);
      owner.kill();
      assertInstanceOf(GreenletExit.class, owner.exception());
      assertEquals(
          "late",
          Hub.timeout(
              SECOND,
              () ->
                  Hub.scope(() -> {
                    Hub.scope(() -> {
                      spawn(() -> {
                        try {
                          sleep(1000);
                        } finally {
                          note("inner");
                        }
                      });
                      sleep(1000);
                      return null;
                    });
                    return null;
                  }),
              () -> "late"));
    });
    assertEquals(List.of("of killed owner", "inner"), trace);
  }

  // Waiting for what is outside

  @RootTest
  @DisplayName("stages: complete before, completed later; failed, unwrapped; cancelled")
  void stages() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              assertEquals("before", Hub.await(CompletableFuture.completedFuture("before")));
              assertNull(Hub.await(CompletableFuture.completedFuture(null)));
              var later = new CompletableFuture<String>();
              spawn(() -> later.complete("later"));
              assertEquals("later", Hub.await(later));
              assertEquals(
                  "elsewhere", Hub.await(CompletableFuture.supplyAsync(() -> "elsewhere")));
              IOException e = new IOException();
              assertSame(
                  e,
                  assertThrows(
                      IOException.class, () -> Hub.await(CompletableFuture.failedFuture(e))));
              assertSame(
                  e,
                  assertThrows(
                      IOException.class,
                      () -> Hub.await(CompletableFuture.failedFuture(e).thenApply(x -> x))));
              var cancelled = new CompletableFuture<String>();
              spawn(() -> cancelled.cancel(true));
              assertThrows(CancellationException.class, () -> Hub.await(cancelled));
              var untouched = new CompletableFuture<String>();
              assertThrows(
                  TimeoutException.class,
                  () -> Hub.timeout(Duration.ofMillis(1), () -> Hub.await(untouched)));
              assertFalse(untouched.isDone());
            }));
  }

  @RootTest
  @DisplayName("callbacks: the first one counts")
  void callbacks() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              assertEquals(
                  "at once",
                  Hub.<String>await(w -> {
                    assertTrue(w.wake("at once"));
                    assertFalse(w.wake("again"));
                    assertFalse(w.fail(new IOException()));
                    assertTrue(w.isOver());
                  }));
              assertEquals(
                  "from another thread",
                  Hub.<String>await(
                      w -> Threads.PLATFORM.start("other", () -> w.wake("from another thread"))));
              assertThrows(
                  IOException.class,
                  () -> Hub.await((Waiter<String> w) -> spawn(() -> w.fail(new IOException()))));
              var twice = new Waiter<String>("one");
              Task<String> first = hub().spawn(twice::await);
              Hub.sleep(Duration.ZERO);
              Refusal.assertRefused(
                  IllegalStateException.class, twice::await, "is waiting for it already");
              twice.wake("woken");
              assertEquals("woken", first.result());
            }));
  }

  @RootTest
  @DisplayName("a waiter that is over before anybody waits for it takes no wait")
  void overBeforeTheWait() {
    virtually(() -> {
      spawn(() -> note("others have their turn"));
      var woken = new Waiter<Integer>("a number");
      assertEquals("a number", woken.toString());
      assertTrue(woken.wake(25));
      note(woken.await());
      note(woken.await());
      var failed = new Waiter<Integer>("a number");
      var failure = new ArithmeticException();
      assertTrue(failed.fail(failure));
      assertSame(failure, assertThrows(ArithmeticException.class, failed::await));
      note("failed");
      var abandoned = new Waiter<Integer>("a number");
      Task<Integer> t = hub().spawn("AName", abandoned::await);
      Hub.sleep(Duration.ZERO);
      note(t.description());
      t.kill();
      assertTrue(abandoned.isOver());
      assertFalse(abandoned.wake(25));
    });
    assertEquals(
        List.of(
            25,
            25,
            "failed",
            "others have their turn",
            "Task[AName, suspended] waits for a number"),
        trace);
  }

  @RootTest
  @DisplayName("offload: other tasks go on; giving up interrupts")
  void offload() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              var interrupted = new CompletableFuture<String>();
              var inside = new CountDownLatch(1);
              Task<?> t =
                  spawn(() ->
                      Hub.offload(() -> {
                        inside.countDown();
                        try {
                          new CountDownLatch(1).await();
                        } catch (InterruptedException e) {
                          interrupted.complete("interrupted");
                        }
                        return null;
                      }));
              Hub.offload(() -> {
                Threads.await(inside);
                return null;
              });
              t.kill();
              assertEquals("interrupted", Hub.await(interrupted));
              assertThrows(
                  IOException.class,
                  () ->
                      Hub.offload(() -> {
                        throw new IOException();
                      }));
              FutureTask<String> future = new FutureTask<>(() -> "done");
              spawn(future::run);
              assertEquals("done", Hub.awaitFuture(future));
              FutureTask<String> failed =
                  new FutureTask<>(() -> {
                    throw new IOException();
                  });
              failed.run();
              assertThrows(IOException.class, () -> Hub.awaitFuture(failed));
              FutureTask<String> cancelled = new FutureTask<>(() -> "");
              cancelled.cancel(true);
              assertThrows(CancellationException.class, () -> Hub.awaitFuture(cancelled));
            }));
  }

  @RootTest
  @DisplayName("virtual time does not wait for other threads while it has timers, unless it holds")
  void virtualTimeAndOutside() {
    assertEquals(
        "late@5",
        virtually(() -> {
          CompletableFuture<String> never = new CompletableFuture<>();
          return Hub.timeout(
              Duration.ofSeconds(5),
              () -> Hub.await(never),
              () -> "late@" + hub().time().toSeconds());
        }));
    assertEquals(
        "from outside@0",
        virtually(() -> Hub.offload(() -> "from outside") + "@" + hub().time().toSeconds()));
    assertEquals(
        "delivered@7",
        virtually(() -> {
          CompletableFuture<String> later = new CompletableFuture<>();
          spawn(() -> {
            sleep(7);
            later.complete("delivered@" + hub().time().toSeconds());
          });
          return Hub.await(later);
        }));
    var go = new CountDownLatch(1);
    assertEquals(
        "from outside@0",
        Hub.virtualTime(true)
            .run(() -> {
              spawn(go::countDown);
              return Hub.timeout(
                  Duration.ofNanos(1),
                  () ->
                      Hub.offload(() -> {
                        Threads.await(go);
                        return "from outside";
                      })
                          + "@"
                          + hub().time().toSeconds(),
                  () -> "late");
            }));
  }

  /** Every wait ends exactly once, and with what came first, whatever the timing. */
  @RootTest
  @DisplayName(
      "futures that complete before, during and after the wait, fail, are cancelled, or come with the limit")
  void races() {
    int rounds = 10_000;
    Random random = new Random(1);
    int[] delivered = new int[5];
    try (var other = new ScheduledThreadPoolExecutor(1)) {
      Hubs.realTime()
          .run(
              Threads.callable(() -> {
                for (int round = 0; round < rounds; round++) {
                  int n = round;
                  int kind = random.nextInt(4);
                  int spins = random.nextInt(200);
                  long limit = random.nextInt(60_000);
                  var future = new CompletableFuture<Integer>();
                  AtomicInteger completions = new AtomicInteger();
                  Runnable complete =
                      () -> {
                        for (int i = 0; i < spins; i++) Thread.onSpinWait();
                        boolean won =
                            switch (kind) {
                              case 0, 3 -> future.complete(n);
                              case 1 -> future.completeExceptionally(new IOException("" + n));
                              default -> future.cancel(false);
                            };
                        if (won) completions.incrementAndGet();
                      };
                  if (random.nextInt(4) == 0) complete.run();
                  else other.execute(complete);
                  if (random.nextBoolean()) for (int i = 0; i < spins; i++) Thread.onSpinWait();
                  int outcome;
                  try {
                    outcome =
                        kind == 3
                            ? Hub.timeout(
                                Duration.ofNanos(limit), () -> check(n, Hub.await(future)), () -> 4)
                            : check(n, Hub.await(future));
                  } catch (CancellationException e) {
                    outcome = 2;
                  } catch (Exception e) {
                    assertEquals(IOException.class.getName() + ": " + n, e.toString());
                    outcome = 1;
                  }
                  assertTrue(
                      outcome == kind || kind == 3 && (outcome == 0 || outcome == 4),
                      kind + " " + outcome);
                  delivered[outcome]++;
                  if (outcome == 4)
                    assertEquals(n, Hub.await(future)); // what was given up is still there
                  assertTrue(completions.get() <= 1);
                }
                assertEquals(List.of(Task.current()), hub().tasks());
              }));
    }
    assertEquals(rounds, delivered[0] + delivered[1] + delivered[2] + delivered[4]);
    for (int outcome : List.of(0, 1, 2, 4))
      assertTrue(delivered[outcome] > 0, "none of " + outcome);
  }

  private static int check(int expected, int value) {
    assertEquals(expected, value);
    return 0;
  }

  // In somebody else's loop

  /** An event loop in a thread of its own, which is the one that calls {@link #run}. */
  private static final class EventLoop implements Executor {
    private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
    private boolean over;

    @Override
    public void execute(Runnable event) {
      queue.add(event);
    }

    void run() throws InterruptedException {
      while (!over) queue.take().run();
    }
  }

  @RootTest
  @DisplayName("a hub in an event loop takes turns with its other events, and never blocks it")
  void host() throws Exception {
    EventLoop loop = new EventLoop();
    Hub hub = Hubs.switched(Hub.on(loop));
    Task<String> t =
        hub.spawn(
            "first",
            () -> {
              assertTrue(hub.isHere());
              assertSame(hub, Hub.current());
              note("begins");
              loop.execute(() -> note("event"));
              Hub.sleep(Duration.ZERO);
              note("after the event");
              Hub.sleep(Duration.ofMillis(1));
              note(Hub.await(CompletableFuture.supplyAsync(() -> "from elsewhere")));
              loop.execute(() -> {
                note("event that spawns");
                hub.spawn(
                    "second",
                    () -> {
                      note("second");
                      loop.over = true;
                      return null;
                    });
              });
              return "result";
            });
    loop.run();
    assertEquals(
        List.of(
            "begins", "event", "after the event", "from elsewhere", "event that spawns", "second"),
        trace);
    assertEquals("result", t.result());
  }

  @RootTest
  @DisplayName("in the thread of an event loop nothing can be waited for outside of tasks")
  void hostRefusesToBlock() throws Exception {
    EventLoop loop = new EventLoop();
    Hub hub = Hubs.switched(Hub.on(loop));
    Task<?> t = hub.spawn(Threads.callable(() -> sleep(1000)));
    loop.execute(() -> {
      for (Executable wait :
          List.<Executable>of(t::join, t::kill, () -> Hub.sleep(Duration.ZERO), () -> sleep(1))) {
        Refusal.assertRefused(IllegalStateException.class, wait, "would block the thread");
      }
      t.interrupt(new GreenletExit());
      t.rawLink(ended -> loop.over = true);
    });
    loop.run();
    assertInstanceOf(GreenletExit.class, t.exception());
  }

  @RootTest
  @DisplayName("two hubs in one event loop, with timers of the user's own")
  void twoHosts() throws Exception {
    EventLoop loop = new EventLoop();
    try (var timers = new ScheduledThreadPoolExecutor(1)) {
      timers.setRemoveOnCancelPolicy(true);
      Hub a = Hubs.switched(Hub.on(loop, timers));
      Hub b = Hubs.switched(Hub.on(loop, timers));
      for (Hub hub : List.of(a, b)) {
        Task<?> asleep = hub.spawn(Threads.callable(() -> sleep(1000)));
        hub.spawn(
            Threads.callable(() -> {
              for (int i = 0; i < 3; i++) {
                assertSame(hub, Hub.current());
                Hub.sleep(Duration.ofMillis(1));
              }
              asleep.kill();
              note("done");
              if (trace.size() == 2) loop.over = true;
            }));
      }
      loop.run();
      assertEquals(List.of("done", "done"), trace);
      assertTrue(
          timers.getQueue().isEmpty(), "a timer is cancelled with the task that waits for it");
    }
  }

  @NothingSuspended.Except("the hub does not survive that")
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "an executor that calls in several threads is told so, and the hub's handler as well")
  void hostInManyThreads() throws Throwable {
    var events = new LinkedBlockingQueue<Runnable>();
    Hub hub = Hub.on(events::add);
    hub.onFailure((task, e) -> note(e));
    Task<?> t = hub.spawn(Threads.callable(() -> Hub.sleep(Duration.ZERO)));
    Threads.PLATFORM.run("first", () -> events.take().run());
    Runnable second = events.take();
    WrongThreadException e =
        assertThrows(WrongThreadException.class, () -> Threads.PLATFORM.run("second", second::run));
    assertTrue(e.getMessage().contains("\"second\""), e.getMessage());
    assertEquals(List.of(e), trace);
    assertFalse(t.isDone());
  }
}
