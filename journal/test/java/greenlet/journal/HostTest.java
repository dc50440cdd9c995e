package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Programs that a host runs. */
@ExtendWith(LeakCheck.class)
class HostTest {
  private static final Program<String, String> ORDER =
      customer -> {
        String items = Journal.receive("items");
        String paid =
            Journal.step("charge", () -> customer + " pays for " + items, customer, items);
        return Hub.timeout(
            Duration.ofDays(7),
            () ->
                Hub.scope(() -> {
                  Hub.current().spawn(() -> Journal.step("mail", () -> "mailed", customer));
                  return Journal.step("ship", () -> paid + ", shipped", items, paid);
                }),
            () -> "abandoned");
      };

  private final ConcurrentLinkedQueue<String> ran = new ConcurrentLinkedQueue<>();
  private MemoryStore store;
  private Host host;

  private final AtomicLong clock = new AtomicLong(1_000_000);

  private void hosted(Executable test) throws Throwable {
    store = new MemoryStore();
    host = Host.withClock(store, Codec.STRINGS, clock::get);
    try {
      test.execute();
    } finally {
      host.close();
      host = null;
      store = null;
    }
  }

  private void restart() {
    host.close();
    host = Host.withClock(store, Codec.STRINGS, clock::get);
  }

  private void clock(long time) {
    clock.addAndGet(time);
    host.clockSet();
  }

  private String ran(String what) {
    ran.add(what);
    return what;
  }

  private <R> R execute(Program<String, R> program) {
    return host.execute("p", "program", program, "x");
  }

  private void start(Program<String, ?> program) {
    host.start("p", "program", program, "x");
  }

  private List<Entry.Kind> kinds() throws IOException {
    return host.entries("p").stream().map(Entry::kind).toList();
  }

  private List<String> waits(String id) {
    try {
      return host.status(id).waits();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private void untilItWaits(String... waits) {
    Threads.until(() -> waits("p").equals(List.of(waits)));
  }

  private static String refused(Class<? extends Exception> type, Executable call, String... parts) {
    Exception e = assertThrows(type, call);
    for (String part : parts) assertTrue(e.getMessage().contains(part), e.getMessage());
    return e.getMessage();
  }

  private static String block() throws InterruptedException {
    new CountDownLatch(1).await();
    throw new AssertionError();
  }

  @RootTest
  @DisplayName("A program waits for a message, runs its steps, and ends once")
  void example() throws Throwable {
    hosted(() -> {
      host.start("order-17", "order", ORDER, "Ada");
      assertTrue(host.send("order-17", "items", "tea", null));
      assertEquals("Ada pays for tea, shipped", host.result("order-17"));
      var entries = host.entries("order-17");
      assertEquals("order", entries.get(0).key());
      assertEquals("main<items#0", entries.get(1).key());
      assertEquals("main:charge#0", entries.get(2).key());
      assertEquals(Entry.Kind.RESULT, entries.get(entries.size() - 1).kind());
      Program<String, String> not = argument -> block();
      assertEquals("Ada pays for tea, shipped", host.execute("order-17", "order", not, "Ada"));
      assertEquals(Status.State.ENDED, host.status("order-17").state());
      assertEquals(1, host.programs().size());
      assertTrue(host.delete("order-17"));
      assertNull(host.status("order-17"));
      refused(IllegalStateException.class, () -> host.result("order-17"), "no program order-17");
    });
  }

  @RootTest
  @DisplayName(
      "In another host, it goes on where it was, and no step whose outcome is known runs again")
  void goesOn() throws Throwable {
    Program<String, String> program =
        argument -> {
          String a = Journal.step("a", () -> ran("a"));
          String message = Journal.receive("go");
          return a + message + Journal.step("b", () -> ran("b"));
        };
    hosted(() -> {
      start(program);
      untilItWaits("a message main<go#0");
      restart();
      assertEquals(Status.State.PARKED, host.status("p").state());
      assertEquals(List.of(), waits("p"));
      start(program);
      host.send("p", "go", "!", null);
      assertEquals("a!b", host.result("p"));
      assertEquals(List.of("a", "b"), List.copyOf(ran));
    });
  }

  @RootTest
  @DisplayName("All that have not ended go on by themselves, their functions found by name")
  void resumed() throws Throwable {
    hosted(() -> {
      start(argument -> Journal.step("a", HostTest::block));
      untilItWaits("step main:a#0");
      host.start("q", "other", argument -> Journal.receive("go"), "x");
      restart();
      host.functions(
          name -> name.equals("program") ? argument -> Journal.step("a", () -> ran("a")) : null);
      host.resume();
      assertEquals("a", host.result("p"));
      host.send("q", "go", "!", null);
      Threads.until(() -> {
        try {
          return host.stuck().stream().anyMatch(status -> status.id().equals("q"));
        } catch (IOException e) {
          throw new AssertionError(e);
        }
      });
      refused(IllegalStateException.class, () -> host.result("q"), "no function other is known");
      assertEquals("!", host.execute("q", "other", argument -> Journal.receive("go"), "x"));
    });
  }

  @RootTest
  @DisplayName(
      "A step that fails is tried again, and fails for good in the same words, live and replayed")
  void stepFails() throws Throwable {
    var tries = new AtomicInteger();
    Program<String, String> program =
        argument -> {
          String third =
              Journal.step(
                  Step.named("third").attempts(3, Duration.ofMillis(1)),
                  () -> {
                    ran.add(Journal.stepKey());
                    if (tries.incrementAndGet() < 3) throw new IOException("not yet");
                    return "third";
                  });
          try {
            Journal.step(
                Step.named("fails").attempts(2, Duration.ZERO),
                () -> {
                  throw new IOException("no:\nway " + ran("failed"));
                });
          } catch (StepFailed e) {
            Journal.receive("go");
            return third
                + " "
                + e.getMessage()
                + " "
                + e.type()
                + " "
                + e.reason()
                + e.key()
                + e.data();
          }
          throw new AssertionError();
        };
    String expected =
        "third step main:fails#0 has failed: java.io.IOException: no:\nway failed java.io.IOException "
            + "no:\nway failedmain:fails#0null";
    hosted(() -> {
      start(program);
      untilItWaits("a message main<go#0");
      restart();
      start(program);
      host.send("p", "go", "!", null);
      assertEquals(expected, host.result("p"));
      String key = "p/0/main:third#0";
      assertEquals(List.of(key, key, key, "failed", "failed"), List.copyOf(ran));
      refused(IllegalStateException.class, Journal::stepKey, "here is none");
    });
  }

  @RootTest
  @DisplayName(
      "What cannot be encoded fails at its step, which is not tried again; as an argument, at the call")
  void notKept() throws Throwable {
    hosted(() ->
        assertEquals(
            "1 java.lang.IllegalArgumentException",
            execute(argument -> {
              refused(
                  IllegalArgumentException.class,
                  () -> Journal.step("argument", () -> ran("not run"), 1),
                  "java.lang.Integer");
              try {
                Journal.step(
                    Step.named("number").attempts(5, Duration.ZERO),
                    () -> {
                      ran("number");
                      return 1;
                    });
                throw new AssertionError();
              } catch (StepFailed e) {
                return ran.size() + " " + e.type();
              }
            })));
    hosted(() -> {
      var e = assertThrows(ProgramFailed.class, () -> execute(argument -> 1));
      assertEquals("java.lang.IllegalArgumentException", e.type());
      refused(
          IllegalArgumentException.class, () -> host.start("q", "f", argument -> 1, 2), "Integer");
    });
  }

  @RootTest
  @DisplayName(
      "A step has a limit for each try; another codec; and its place in the hub of the host")
  void stepOptions() throws Throwable {
    Codec numbers =
        new Codec() {
          @Override
          public String encode(Object value) {
            return "" + value;
          }

          @Override
          public Object decode(String text) {
            return Integer.valueOf(text);
          }
        };
    hosted(() ->
        assertEquals(
            "java.util.concurrent.TimeoutException 43 host",
            execute(argument -> {
              String thrown = "";
              try {
                Journal.step(Step.named("long").limit(Duration.ofMillis(1)), HostTest::block);
              } catch (StepFailed e) {
                thrown = e.type();
              }
              int number = Journal.step(Step.named("number").codec(numbers), () -> 42);
              String where =
                  Journal.step(
                      Step.named("where").asTask(),
                      () -> {
                        Hub.sleep(Duration.ofMillis(1));
                        return Task.current() != null && Journal.stepKey().endsWith("where#0")
                            ? "host"
                            : "";
                      });
              return thrown + " " + (number + 1) + " " + where;
            })));
  }

  @RootTest
  @DisplayName(
      "A step that was given up is interrupted, and never runs again; its outcome is dropped")
  void givenUp() throws Throwable {
    var begun = new CountDownLatch(1);
    var interrupted = new CountDownLatch(1);
    Program<String, String> program =
        argument -> {
          String late =
              Hub.timeout(
                  Duration.ofMillis(5),
                  () ->
                      Journal.step(
                          "long",
                          () -> {
                            ran("long");
                            begun.countDown();
                            try {
                              return block();
                            } finally {
                              interrupted.countDown();
                            }
                          }),
                  () -> "late");
          Journal.receive("go");
          return late + Journal.step("long", () -> ran("again"));
        };
    hosted(() -> {
      start(program);
      Threads.await(begun);
      clock(5);
      Threads.await(interrupted);
      untilItWaits("a message main<go#0");
      restart();
      start(program);
      host.send("p", "go", "!", null);
      assertEquals("lateagain", host.result("p"));
      assertEquals(List.of("long", "again"), List.copyOf(ran));
      assertEquals(
          List.of(
              Entry.Kind.BEGIN,
              Entry.Kind.TICK,
              Entry.Kind.MESSAGE,
              Entry.Kind.OUTCOME,
              Entry.Kind.RESULT),
          kinds());
      assertEquals("main:long#1", host.entries("p").get(3).key());
    });
  }

  @RootTest
  @DisplayName(
      "A step does not begin that is given up when it has just been asked for, or whose limit is over when a program goes on")
  void neverBegun() throws Throwable {
    var begun = new CountDownLatch(1);
    Program<String, String> program =
        argument -> {
          Journal.step(
              "first", () -> ran("first")); // steps begin as they are asked for from here on
          Hub.scope(() -> {
            Task<String> task = Hub.current().spawn(() -> Journal.step("vain", () -> ran("vain")));
            Hub.sleep(Duration.ZERO);
            task.kill();
          });
          String late =
              Hub.timeout(
                  Duration.ofMillis(5),
                  () ->
                      Journal.step(
                          "long",
                          () -> {
                            ran("long");
                            begun.countDown();
                            return block();
                          }),
                  () -> "late");
          return late + Journal.step("last", () -> ran("last"));
        };
    hosted(() -> {
      start(program);
      Threads.await(begun);
      host.close();
      clock.addAndGet(5);
      host = Host.withClock(store, Codec.STRINGS, clock::get);
      assertEquals("latelast", execute(program));
      assertEquals(List.of("first", "long", "last"), List.copyOf(ran));
    });
  }

  @RootTest
  @DisplayName(
      "Messages are received once, in order for each name, with a key once; they wait for who asks")
  void messages() throws Throwable {
    Program<String, String> program =
        argument -> {
          String all = "";
          for (String name : List.of("b", "a", "a")) all += Journal.receive(name);
          return all;
        };
    hosted(() -> {
      refused(IllegalStateException.class, () -> host.send("p", "a", "1", null), "no program p");
      start(program);
      assertTrue(host.send("p", "a", "1", "k"));
      assertFalse(host.send("p", "a", "1", "k"));
      assertTrue(host.send("p", "a", "2", null));
      assertEquals(2, store.messages("p").size());
      restart();
      start(program);
      assertFalse(host.send("p", "a", "1", "k"));
      host.send("p", "b", "3", null);
      assertEquals("312", host.result("p"));
      assertFalse(host.send("p", "a", "1", "k"), "taken is taken");
      refused(IllegalStateException.class, () -> host.send("p", "a", "4", "l"), "has ended");
      assertEquals(List.of(), store.messages("p"));
    });
  }

  @RootTest
  @DisplayName("Who is cancelled runs its finally blocks, with their steps")
  void cancelled() throws Throwable {
    hosted(() -> {
      start(argument -> {
        try {
          return Journal.step("long", HostTest::block);
        } finally {
          Journal.step("undo", () -> ran("undone"));
        }
      });
      untilItWaits("step main:long#0");
      assertTrue(host.cancel("p"));
      assertThrows(CancellationException.class, () -> host.result("p"));
      assertEquals(List.of("undone"), List.copyOf(ran));
      assertFalse(host.cancel("p"));
      assertEquals(Status.State.FAILED, host.status("p").state());
      restart();
      assertThrows(CancellationException.class, () -> host.result("p"));
    });
  }

  @RootTest
  @DisplayName("One that begins once more has an empty journal, and its messages")
  void restarted() throws Throwable {
    Program<String, String> program =
        argument -> {
          String more = Journal.receive("more");
          String step = Journal.step("step", () -> ran(argument));
          if (argument.length() < 3) throw Journal.restart(argument + more);
          return step;
        };
    hosted(() -> {
      start(program);
      for (String more : List.of("1", "2", "3")) host.send("p", "more", more, null);
      assertEquals("x12", host.result("p"));
      assertEquals(List.of("x", "x1", "x12"), List.copyOf(ran));
      var entries = host.entries("p");
      assertEquals(
          List.of(Entry.Kind.RESTART, Entry.Kind.MESSAGE, Entry.Kind.OUTCOME, Entry.Kind.RESULT),
          kinds());
      assertEquals(6, entries.get(0).number());
      assertEquals("x12", Codec.STRINGS.decode(entries.get(0).value()));
      assertEquals("x12", host.execute("p", "program", program, "whatever it began with"));
    });
  }

  @RootTest
  @DisplayName("Time and chance are the same when it is run again")
  void sameAgain() throws Throwable {
    Program<String, String> program =
        argument -> {
          String before =
              Journal.now()
                  + " "
                  + Journal.random()
                  + " "
                  + Journal.random(10)
                  + " "
                  + Journal.uuid();
          String other =
              Hub.current().spawn("other", () -> Journal.random() + " " + Journal.uuid()).result();
          ran(before + other);
          Journal.receive("go");
          return ran(before + other + Journal.now());
        };
    hosted(() -> {
      start(program);
      untilItWaits("a message main<go#0");
      restart();
      start(program);
      untilItWaits("a message main<go#0");
      host.send("p", "go", "!", null);
      String result = host.result("p");
      var all = List.copyOf(ran);
      assertEquals(all.get(0), all.get(1));
      assertTrue(result.startsWith(all.get(0)));
      Replay.of("p", program, Codec.STRINGS, host.entries("p"), Long.MAX_VALUE);
      assertEquals(result, List.copyOf(ran).get(4));
    });
  }

  @RootTest
  @DisplayName("Code that has changed asks which version a program goes on with")
  void version() throws Throwable {
    Program<String, String> before =
        argument -> Journal.step("a", () -> ran("a")) + Journal.receive("go");
    Program<String, String> after =
        argument -> {
          int version = Journal.version("b", 2);
          return version
              + (version == 2
                  ? Journal.step("b", () -> ran("b"))
                  : Journal.step("a", () -> ran("a")))
              + Journal.receive("go")
              + Journal.version("c", 3);
        };
    hosted(() -> {
      start(before);
      untilItWaits("a message main<go#0");
      restart();
      start(after);
      host.send("p", "go", "!", null);
      assertEquals("0a!3", host.result("p"));
      host.start("q", "program", after, "x");
      host.send("q", "go", "!", null);
      assertEquals("2b!3", host.result("q"));
      restart();
      assertEquals("2b!3", host.execute("q", "program", after, "x"));
      assertEquals("2b!3", host.replay("q", Long.MAX_VALUE).result());
      assertEquals("0a!3", host.replay("p", Long.MAX_VALUE).result());
    });
  }

  @RootTest
  @DisplayName("Inside of a program, the outside is refused; outside of one, the inside")
  void refused() throws Throwable {
    hosted(() -> {
      var future = CompletableFuture.completedFuture("x");
      String all =
          execute(argument -> {
            List<Executable> calls =
                List.of(
                    () -> Hub.await(future),
                    () -> Hub.offload(() -> "x"),
                    () -> host.execute("q", "q", a -> "x", "x"),
                    () -> host.send("p", "x", "x", null),
                    () -> host.result("p"),
                    () -> host.cancel("p"),
                    () -> host.status("p"));
            for (Executable call : calls)
              refused(IllegalStateException.class, call, "program p", "(in Clojure step!)");
            return "all";
          });
      assertEquals("all", all);
      for (Executable call :
          List.<Executable>of(
              () -> Journal.step("s", () -> "x"),
              () -> Journal.receive("x"),
              Journal::now,
              Journal::uuid,
              () -> Journal.restart("x"),
              () -> Journal.version("x", 1)))
        refused(IllegalStateException.class, call, "is for the tasks of a program");
    });
  }

  @RootTest
  @DisplayName(
      "The same id is executed once in a host, and with the same function and argument everywhere")
  void sameId() throws Throwable {
    Program<String, String> program = argument -> Journal.receive("go");
    hosted(() -> {
      start(program);
      refused(IllegalStateException.class, () -> start(program), "program p runs here already");
      restart();
      refused(
          IllegalArgumentException.class,
          () -> host.start("p", "another", program, "x"),
          "with function program, and not with another");
      refused(
          IllegalArgumentException.class,
          () -> host.start("p", "program", program, "y"),
          "\"x, and not with \"y");
      start(program);
      host.send("p", "go", "!", null);
      assertEquals("!", host.result("p"));
    });
  }

  @RootTest
  @DisplayName("Who is superseded by another host runs no finally, and appends nothing")
  void superseded() throws Throwable {
    var released = new CountDownLatch(1);
    Program<String, String> program =
        argument -> {
          try {
            return Journal.step(
                "slow",
                () -> {
                  Threads.await(released);
                  return "slow";
                });
          } finally {
            ran("finally");
          }
        };
    Program<String, String> same =
        argument -> Journal.step("slow", () -> "fast") + Journal.receive("go");
    hosted(() -> {
      start(program);
      var here = host.resultLater("p");
      untilItWaits("step main:slow#0");
      try (Host other = new Host(store, Codec.STRINGS)) {
        other.start("p", "program", same, "x");
        Threads.until(() -> {
          try {
            return other.status("p").waits().equals(List.of("a message main<go#0"));
          } catch (IOException e) {
            throw new AssertionError(e);
          }
        });
        released.countDown();
        refused(Superseded.class, () -> Threads.await(here), "program p goes on in another host");
        other.send("p", "go", "!", null);
        assertEquals("fast!", other.result("p"));
      }
      assertEquals(List.of(), List.copyOf(ran));
      assertEquals(
          List.of(Entry.Kind.BEGIN, Entry.Kind.OUTCOME, Entry.Kind.MESSAGE, Entry.Kind.RESULT),
          kinds());
    });
  }

  @RootTest
  @DisplayName(
      "What does not fit its journal stops, and appends nothing; with the right code it goes on")
  void diverged() throws Throwable {
    Program<String, String> right =
        argument -> Journal.step("a", () -> ran("a"), "1") + Journal.receive("go");
    Program<String, String> wrong =
        argument -> Journal.step("a", () -> ran("a"), "2") + Journal.receive("go");
    hosted(() -> {
      start(right);
      untilItWaits("a message main<go#0");
      int entries = kinds().size();
      restart();
      start(wrong);
      refused(
          Diverged.class,
          () -> host.result("p"),
          "program p of program",
          "kind=OUTCOME, key=main:a#0",
          "main:a#0 has other arguments",
          "It waits for [main:a#0]");
      Status status = host.status("p");
      assertEquals(Status.State.STOPPED, status.state());
      assertTrue(status.problem() instanceof Diverged);
      assertEquals(List.of("p"), host.stuck().stream().map(Status::id).toList());
      assertEquals(entries, kinds().size());
      host.send("p", "go", "!", null);
      start(right);
      assertEquals("a!", host.result("p"));
      assertEquals(1, ran.size());
    });
  }

  @RootTest
  @DisplayName("Those that only wait are forgotten, and wake by a message, or by the time")
  void forgotten() throws Throwable {
    store = new MemoryStore();
    Hub.realTime()
        .run(() -> {
          Program<String, String> program =
              argument ->
                  Hub.timeout(Duration.ofDays(1), () -> Journal.receive("go"), () -> "late")
                      + argument;
          try (Host here = Host.here(store, Codec.STRINGS, clock::get).keep(0)) {
            host = here;
            for (int i = 0; i < 20; i++) here.start("p" + i, "program", program, "" + i);
            for (int i = 0; i < 20; i++) {
              String id = "p" + i;
              while (here.status(id).state() != Status.State.PARKED)
                Hub.sleep(Duration.ofMillis(1));
            }
            assertEquals(Set.of("go"), store.standing("p3").park().messages());
            for (int i = 0; i < 10; i++) here.send("p" + i, "go", "!", null);
            for (int i = 0; i < 10; i++) assertEquals("!" + i, here.result("p" + i));
            clock.addAndGet(86_400_000L);
            here.clockSet();
            for (int i = 10; i < 20; i++) assertEquals("late" + i, here.result("p" + i));
          }
          return null;
        });
    host = null;
    store = null;
  }

  @RootTest
  @DisplayName(
      "When memory is short, half of those that only wait are forgotten, the longest unused first")
  void memory() throws Throwable {
    var listening = new AtomicReference<Runnable>();
    Memory memory =
        whenShort -> {
          listening.set(whenShort);
          return () -> listening.set(null);
        };
    store = new MemoryStore();
    host = Host.withMemory(store, Codec.STRINGS, clock::get, memory);
    try {
      host.start("busy", "busy", argument -> Journal.step("blocks", HostTest::block), "x");
      for (int i = 0; i < 8; i++) {
        String id = "p" + i;
        host.start(id, "program", argument -> Journal.receive("go") + argument, "" + i);
        Threads.until(() -> waits(id).equals(List.of("a message main<go#0")));
      }
      host.send("p1", "other", "!", null); // which is a use
      waits("p1");
      listening.get().run();
      Threads.until(() -> parked().equals(Set.of("p0", "p2", "p3", "p4")));
      listening.get().run();
      Threads.until(() -> parked().equals(Set.of("p0", "p2", "p3", "p4", "p5", "p6")));
      for (int i = 0; i < 8; i++) {
        host.send("p" + i, "go", "!", null);
        assertEquals("!" + i, host.result("p" + i));
      }
    } finally {
      host.close();
      host = null;
      store = null;
    }
    assertNull(listening.get());
  }

  private Set<String> parked() {
    try {
      return host.programs().stream()
          .filter(standing -> standing.park() != null)
          .map(Standing::id)
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @RootTest
  @DisplayName("A program whose tasks are always ready is stopped, with their names")
  void alwaysReady() throws Throwable {
    hosted(() -> {
      start(argument -> {
        Hub.current().spawn("busy", HostTest::spin);
        return Journal.receive("go");
      });
      refused(
          IllegalStateException.class,
          () -> host.result("p"),
          "program p: Task[busy, ",
          "stayed ready for 1,000,000 rounds");
      assertEquals(Status.State.STOPPED, host.status("p").state());
      assertEquals(List.of(Entry.Kind.BEGIN), kinds());
    });
  }

  private static Object spin() throws InterruptedException {
    while (true) Hub.sleep(Duration.ZERO);
  }

  @RootTest
  @DisplayName("No more are kept than a host was told, however many begin at once")
  void kept() throws Throwable {
    store = new MemoryStore();
    Hub.realTime()
        .run(() -> {
          Program<String, String> program = argument -> Journal.receive("go");
          try (Host here = Host.here(store, Codec.STRINGS, clock::get).keep(10)) {
            List<Task<?>> starts = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
              String id = "p" + i;
              starts.add(
                  Hub.current()
                      .spawn(() -> {
                        here.start(id, "program", program, "");
                        return null;
                      }));
            }
            starts.forEach(Task::result);
            return Hub.timeout(
                Duration.ofMinutes(1),
                () -> {
                  while (store.unparked().size() > 10) Hub.sleep(Duration.ofMillis(1));
                  assertEquals(10, store.unparked().size());
                  return null;
                });
          }
        });
    store = null;
  }

  @RootTest
  @DisplayName("A step that a host has closed on leaves no entry, and runs again in the next one")
  void closed() throws Throwable {
    var begun = new CountDownLatch(1);
    var interrupted = new CountDownLatch(1);
    hosted(() -> {
      start(argument ->
          Journal.step(
              "a",
              () -> {
                begun.countDown();
                try {
                  return block();
                } finally {
                  interrupted.countDown();
                }
              }));
      Threads.await(begun);
      restart();
      Threads.await(interrupted);
      assertEquals(List.of(Entry.Kind.BEGIN), kinds());
      assertEquals(Status.State.IDLE, host.status("p").state());
      assertEquals("a", execute(argument -> Journal.step("a", () -> "a")));
    });
  }

  @RootTest
  @DisplayName("Executed while it is found to be due, a program runs once, and has its message")
  void executedWhileDue() throws Throwable {
    var isAsked = new CountDownLatch(1);
    var mayAnswer = new CountDownLatch(1);
    Program<String, String> program = argument -> Journal.receive("go");
    hosted(() -> {
      start(program);
      untilItWaits("a message main<go#0");
      host.close();
      Store slow =
          (Store)
              Proxy.newProxyInstance(
                  Store.class.getClassLoader(),
                  new Class<?>[] {Store.class},
                  (proxy, method, args) -> {
                    Object answer = method.invoke(store, args);
                    if (method.getName().equals("due")) {
                      isAsked.countDown();
                      Threads.await(mayAnswer);
                    }
                    return answer;
                  });
      host = new Host(slow, Codec.STRINGS);
      host.send("p", "go", "!", null);
      Threads.await(isAsked);
      var result = Threads.PLATFORM.start("executes", () -> execute(program));
      Threads.until(() -> {
        try {
          return host.status("p").state() == Status.State.RUNNING;
        } catch (IOException e) {
          throw new AssertionError(e);
        }
      });
      mayAnswer.countDown();
      assertEquals("!", Threads.await(result));
    });
  }

  @RootTest
  @DisplayName("Where the store fails, its programs are superseded")
  void storeFails() throws Throwable {
    hosted(() -> {
      start(argument -> {
        Journal.step(
            "a",
            () -> {
              store.close();
              return "a";
            });
        return ran("not");
      });
      refused(Superseded.class, () -> host.result("p"), "the store is over", "the store is closed");
      assertEquals(List.of(), List.copyOf(ran));
    });
  }

  @RootTest
  @DisplayName("Looking back: its tasks as a tree after an entry, and where each waits")
  void replay() throws Throwable {
    hosted(() -> {
      host.start("p", "order", ORDER, "Ada");
      host.send("p", "items", "tea", null);
      host.result("p");
      Replay first = host.replay("p", 0);
      assertEquals("main waits for a message main<items#0", first.tasks().get(0).toString());
      assertEquals(List.of("main<items#0"), first.waits());
      Replay charged = host.replay("p", 2);
      assertEquals(
          "main waits for step main:ship#0\n  main/.0 waits for step main/.0:mail#0",
          charged.tasks().get(0).toString());
      assertTrue(
          charged.tasks().get(0).stack().stream()
              .anyMatch(f -> f.getClassName().startsWith(HostTest.class.getName())));
      assertNull(charged.end());
      Replay end = host.replay("p", Long.MAX_VALUE);
      assertEquals("Ada pays for tea, shipped", end.result());
      assertEquals(Entry.Kind.RESULT, end.end().kind());
      assertEquals(List.of(), end.tasks());
    });
  }
}
