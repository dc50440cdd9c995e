package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Who hears of a task's failure that nobody asks for, and what becomes of the hub where that one fails, too. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class FailureTest {
  private final List<Object> trace = new ArrayList<>();

  private static Task<?> spawn(String name, Executable body) {
    return Hub.current().spawn(name, Threads.callable(body));
  }

  private void note(Object what) {
    trace.add(what);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("The handler of the hub's own thread hears of it, on every engine")
  void threadsHandler() {
    Thread mine = Thread.currentThread();
    mine.setUncaughtExceptionHandler(
        (thread, e) -> note((thread == mine) + " " + e.getCause().getMessage()));
    Hubs.virtualTime()
        .run(
            Threads.callable(() ->
                spawn(
                        "careless",
                        () -> {
                          throw new IOException("broken");
                        })
                    .join()));
    assertEquals(List.of("true broken"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A handler of the thread that throws harms neither the task nor the hub")
  void throwingHandler() {
    Thread.currentThread()
        .setUncaughtExceptionHandler((thread, e) -> {
          note("told");
          throw new IllegalStateException("broken handler");
        });
    Hubs.virtualTime()
        .run(
            Threads.callable(() -> {
              Task<?> careless =
                  spawn(
                      "careless",
                      () -> {
                        throw new IOException("broken");
                      });
              careless.join();
              note(careless);
              Hub.current().join();
              note(Hub.current().tasks().size());
            }));
    assertEquals(
        List.of("told", "Task[careless, failed]", 1),
        trace.stream().map(x -> x instanceof Task<?> t ? t.toString() : x).toList());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A raw link that throws, and a handler that throws, leave the task ended and uncounted")
  void throwingLink() {
    Thread.currentThread()
        .setUncaughtExceptionHandler((thread, e) -> {
          throw new IllegalStateException("broken handler");
        });
    Hubs.virtualTime()
        .run(
            Threads.callable(() -> {
              Task<?> t = spawn("linked", () -> Hub.sleep(Duration.ofSeconds(1)));
              t.rawLink(ended -> {
                throw new IllegalStateException("broken link");
              });
              t.rawLink(ended -> note("second link"));
              Hub.current().join();
              note(Hub.current().tasks().size());
            }));
    assertEquals(List.of("second link", 1), trace);
  }

  @RootTest
  @DisplayName(
      "A link that throws is a failure of its own, and keeps no other link from being called")
  void throwingLinks() {
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> note("reported " + e.getMessage()));
    hub.run(
        Threads.callable(() -> {
          spawn("good", () -> {});
          spawn(
              "bad",
              () -> {
                throw new IOException("asked for by its links");
              });
          for (Task<?> t : hub.tasks().subList(1, 3)) {
            for (int i = 1; i < 4; i++) {
              String link = t.name() + i;
              t.link(ended -> {
                note(link);
                throw new IllegalStateException(link);
              });
            }
          }
          hub.join();
        }));
    assertEquals(
        List.of(
            "good1",
            "reported good1",
            "good2",
            "reported good2",
            "good3",
            "reported good3",
            "bad1",
            "reported bad1",
            "bad2",
            "reported bad2",
            "bad3",
            "reported bad3"),
        trace);
  }

  @RootTest
  @DisplayName("A task that fails while another sleeps does not wake that")
  void failsWhileOthersSleep() {
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> note("reported at " + hub.time().toSeconds()));
    hub.run(
        Threads.callable(() -> {
          hub.spawnLater(
              Duration.ofSeconds(1),
              "careless",
              () -> {
                throw new IOException();
              });
          Hub.sleep(Duration.ofSeconds(2));
          note("slept until " + hub.time().toSeconds());
        }));
    assertEquals(List.of("reported at 1", "slept until 2"), trace);
  }

  private static int endless(int depth) {
    return 1 + endless(depth + 1);
  }

  @RootTest
  @DisplayName(
      "A StackOverflowError ends its task as other errors do, and whoever waits for that goes on")
  void stackOverflow() {
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> note(task.name() + " " + e.getClass().getSimpleName()));
    hub.run(
        Threads.callable(() -> {
          Task<?> endless = spawn("endless", () -> endless(0));
          Task<?> waits =
              spawn(
                  "waits",
                  () -> {
                    endless.join();
                    note("joined");
                  });
          waits.result();
          assertThrows(StackOverflowError.class, endless::result);
          note(endless.toString());
        }));
    assertEquals(List.of("endless StackOverflowError", "joined", "Task[endless, failed]"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What a hub's handler throws is printed once, with the failure that it was to handle")
  void printedOnce() {
    Thread.currentThread()
        .setUncaughtExceptionHandler((thread, e) -> {
          var text = new StringWriter();
          e.printStackTrace(new PrintWriter(text));
          note(text.toString());
        });
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> {
      throw new IllegalStateException("handler", e);
    });
    hub.run(
        Threads.callable(() ->
            spawn(
                    "careless",
                    () -> {
                      throw new IOException("broken");
                    })
                .join()));
    String printed = (String) trace.get(0);
    assertEquals(1, trace.size());
    assertFalse(printed.contains("CIRCULAR"), printed);
    assertEquals(2, printed.split("IOException: broken", -1).length, printed);
  }

  @RootTest
  @DisplayName("Where failures are raised, the first one that nobody asks for ends the run")
  void raised() {
    IOException first = new IOException("first");
    IOException second = new IOException("second");
    Hub hub = Hubs.virtualTime().raiseFailures();
    assertSame(
        first,
        assertThrows(
            IOException.class,
            () ->
                hub.run(() -> {
                  Task<?> asked =
                      spawn(
                          "asked",
                          () -> {
                            throw new IllegalStateException();
                          });
                  assertThrows(IllegalStateException.class, asked::result);
                  spawn(
                      "careless",
                      () -> {
                        Hub.sleep(Duration.ofSeconds(1));
                        throw first;
                      });
                  spawn(
                      "other",
                      () -> {
                        try {
                          Hub.sleep(Duration.ofSeconds(9));
                        } finally {
                          note("killed at " + Hub.current().time().toSeconds());
                          throw second;
                        }
                      });
                  try {
                    Hub.sleep(Duration.ofSeconds(5));
                  } catch (Exception e) {
                    note("cannot be swallowed");
                  } finally {
                    note("body at " + Hub.current().time().toSeconds());
                  }
                })));
    assertEquals(List.of("body at 1", "killed at 1"), trace);
    assertEquals(List.of(second), List.of(first.getSuppressed()));
    hub.run(() -> note("usable"));
    assertEquals("usable", trace.getLast());
  }

  @RootTest
  @DisplayName(
      "Where failures are raised, what ended the body before comes out, and they are suppressed on it")
  void raisedAfterTheBody() {
    IOException own = new IOException("body");
    IOException late = new IOException("late");
    assertSame(
        own,
        assertThrows(
            IOException.class,
            () ->
                Hubs.virtualTime()
                    .raiseFailures()
                    .run(() -> {
                      spawn(
                          "late",
                          () -> {
                            try {
                              Hub.sleep(Duration.ofSeconds(9));
                            } finally {
                              throw late;
                            }
                          });
                      Hub.sleep(Duration.ZERO);
                      throw own;
                    })));
    assertEquals(List.of(late), List.of(own.getSuppressed()));
    assertThrows(IllegalStateException.class, () -> Hub.on(Runnable::run).raiseFailures());
  }
}
