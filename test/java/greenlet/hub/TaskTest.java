package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
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
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** How tasks begin, are asked and end. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class TaskTest {
  private final List<Object> trace = new ArrayList<>();

  private void note(Object what) {
    trace.add(what);
  }

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static void sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
  }

  @RootTest
  @DisplayName("states, names and text")
  void states() {
    virtually(() -> {
      Hub hub = Hub.current();
      Task<String> t =
          hub.spawn(
              "worker",
              () -> {
                assertEquals("Task[worker, running]", Task.current().toString());
                sleep(1);
                return "value";
              });
      assertEquals("Task[worker, unstarted]", t.toString());
      assertSame(hub, t.hub());
      assertFalse(t.isDone());
      assertEquals(0, t.stackTrace().length);
      Hub.sleep(Duration.ZERO);
      assertEquals("Task[worker, suspended]", t.toString());
      assertEquals(
          "lambda",
          t.stackTrace()[1].getMethodName().replaceFirst("\\$.*", ""),
          () -> List.of(t.stackTrace()).toString());
      assertFalse(t.isSuccessful());
      assertNull(t.exception());
      assertEquals("value", t.result());
      assertEquals("value", t.result(), "as often as one likes");
      assertEquals("Task[worker, successful]", t.toString());
      assertTrue(t.isDone() && t.isSuccessful());
      assertTrue(spawn(() -> {}).name().matches("task-\\d+"));
      assertNull(hub.spawn(() -> null).result());
    });
    assertNull(Task.current());
  }

  @RootTest
  @DisplayName("a failed task throws the same exception at everybody who asks")
  void failed() {
    IOException thrown = new IOException();
    virtually(() -> {
      Task<Object> t =
          Hub.current()
              .spawn(() -> {
                sleep(1);
                throw thrown;
              });
      Task<?> asks = spawn(() -> assertSame(thrown, assertThrows(IOException.class, t::result)));
      assertSame(thrown, assertThrows(IOException.class, t::result));
      assertSame(thrown, t.exception());
      assertEquals("failed", t.toString().replaceAll(".*, |]", ""));
      t.join();
      asks.result();
    });
  }

  @RootTest
  @DisplayName(
      "killed: while it waits, before it began, after its end, by itself, again while it unwinds")
  void kill() {
    virtually(() -> {
      Task<?> waiting =
          spawn(() -> {
            try {
              sleep(1000);
            } catch (Exception e) {
              note("not an Exception");
            } finally {
              sleep(1);
              note("unwound at " + Hub.current().time().toSeconds());
            }
          });
      Hub.sleep(Duration.ZERO);
      waiting.kill();
      assertTrue(waiting.isDone());
      assertFalse(waiting.isSuccessful());
      assertInstanceOf(GreenletExit.class, waiting.exception());
      CancellationException e = assertThrows(CancellationException.class, waiting::result);
      assertInstanceOf(GreenletExit.class, e.getCause());

      Task<?> unstarted = spawn(() -> note("never"));
      unstarted.kill();
      assertThrows(CancellationException.class, unstarted::result);

      Task<String> ended = Hub.current().spawn(() -> "value");
      ended.join();
      ended.kill();
      assertEquals("value", ended.result());

      Task<?> itself =
          spawn(() -> {
            Task.current().kill();
            note("not here");
          });
      assertThrows(CancellationException.class, itself::result);

      Task<?> stubborn =
          spawn(() -> {
            try {
              sleep(1000);
            } catch (GreenletExit exit) {
              note("caught");
              sleep(1);
            }
          });
      Hub.sleep(Duration.ZERO);
      stubborn.kill();
      assertTrue(stubborn.isSuccessful());
      assertThrows(IllegalStateException.class, () -> Task.current().join());
    });
    assertEquals(List.of("unwound at 1", "caught"), trace);
  }

  @RootTest
  @DisplayName(
      "what is raised in a task that is ready comes out of its next wait, each in its turn")
  void interrupt() {
    virtually(() -> {
      var w = new Waiter<String>("a value");
      Task<?> t =
          spawn(() -> {
            note(w.await());
            for (int i = 0; i < 3; i++) {
              try {
                Hub.sleep(Duration.ZERO);
                note("slept");
              } catch (IllegalStateException e) {
                note(e.getMessage());
              }
            }
          });
      Hub.sleep(Duration.ZERO);
      w.wake("value");
      t.interrupt(new IllegalStateException("first"));
      t.interrupt(new IllegalStateException("second"));
      t.result();
      t.interrupt(new IllegalStateException("has ended"));
      assertThrows(IllegalArgumentException.class, () -> t.interrupt(null));
      Task<?> unstarted = spawn(() -> note("never"));
      IOException e = new IOException();
      Hub.current().onFailure((task, thrown) -> assertSame(unstarted, task));
      unstarted.interrupt(e);
      assertSame(e, assertThrows(IOException.class, unstarted::result));
    });
    assertEquals(List.of("value", "first", "second", "slept"), trace);
  }

  @RootTest
  @DisplayName("join and result with a limit")
  void limits() {
    virtually(() -> {
      Task<String> t =
          Hub.current()
              .spawn(() -> {
                sleep(5);
                return "value";
              });
      assertFalse(t.join(Duration.ofSeconds(1)));
      assertThrows(TimeoutException.class, () -> t.result(Duration.ofSeconds(1)));
      assertEquals(Duration.ofSeconds(2), Hub.current().time());
      assertEquals("value", t.result(Duration.ofSeconds(10)));
      assertTrue(t.join(Duration.ZERO));
      assertEquals(Duration.ofSeconds(5), Hub.current().time());
    });
  }

  @RootTest
  @DisplayName("links run in tasks of their own, raw links as a part of the end")
  void links() {
    Hub hub = Hubs.virtualTime();
    hub.onFailure((task, e) -> note("reported " + e.getMessage()));
    hub.run(
        Threads.callable(() -> {
          Task<String> t = hub.spawn(() -> "value");
          t.link(ended -> {
            sleep(1);
            note("linked " + ended.result() + " at " + hub.time().toSeconds());
          });
          t.rawLink(ended -> note("raw " + ended.isDone()));
          t.rawLink(ended -> {
            throw new IllegalStateException("broken link");
          });
          t.join();
          note("joined");
          t.link(ended -> note("linked late"));
          t.rawLink(ended -> note("at once"));
          hub.join();
          spawn(
                  () -> {
                    throw new IOException("asked for by a link");
                  })
              .link(ended -> note(ended.exception().getMessage()));
          hub.join();
        }));
    assertEquals(
        List.of(
            "raw true",
            "reported broken link",
            "joined",
            "at once",
            "linked late",
            "linked value at 1",
            "asked for by a link"),
        trace);
  }

  private void noteEnd(Task<?> t, String when) {
    t.rawLink(ended -> note(ended.name() + " raw, linked " + when));
    t.link(ended -> note(ended + " linked " + when));
  }

  @RootTest
  @DisplayName("links of each kind of end are called once, also those that come after it")
  void linksOfEachEnd() {
    virtually(() -> {
      Hub hub = Hub.current();
      hub.spawn("good", () -> "value");
      hub.spawn(
          "bad",
          () -> {
            throw new IOException();
          });
      hub.spawn("asleep", () -> sleep(1000));
      List<Task<?>> all = hub.tasks().subList(1, 4);
      for (Task<?> t : all) noteEnd(t, "before");
      Hub.sleep(Duration.ZERO);
      all.get(2).kill();
      for (int i = 1; i < 3; i++) {
        for (Task<?> t : all) noteEnd(t, "after " + i);
        sleep(1);
      }
    });
    assertEquals(
        List.of(
            "good raw, linked before",
            "bad raw, linked before",
            "Task[good, successful] linked before",
            "Task[bad, failed] linked before",
            "asleep raw, linked before",
            "Task[asleep, killed] linked before",
            "good raw, linked after 1",
            "bad raw, linked after 1",
            "asleep raw, linked after 1",
            "Task[good, successful] linked after 1",
            "Task[bad, failed] linked after 1",
            "Task[asleep, killed] linked after 1",
            "good raw, linked after 2",
            "bad raw, linked after 2",
            "asleep raw, linked after 2",
            "Task[good, successful] linked after 2",
            "Task[bad, failed] linked after 2",
            "Task[asleep, killed] linked after 2"),
        trace);
  }

  @RootTest
  @DisplayName("a task is not done at any switch to it, and no link is called before its end")
  void notDoneWhileItBegins() {
    virtually(() -> {
      Task<?> t =
          Hub.current()
              .spawn(
                  "mine",
                  () -> {
                    note("begins");
                    sleep(1);
                    note("ends");
                  });
      Greenlet.setListener((event, origin, target) -> {
        if (!target.name().equals("mine")) return;
        note(t.toString());
        t.rawLink(ended -> note("link"));
      });
      t.join();
      Greenlet.setListener(null);
    });
    assertEquals(
        List.of("Task[mine, unstarted]", "begins", "Task[mine, suspended]", "ends", "link", "link"),
        trace);
  }

  @RootTest
  @DisplayName("a future for other threads; a task of another thread's hub as a result")
  void futures() throws Throwable {
    Hub hub = Hubs.realTime();
    hub.onFailure((task, e) -> {}); // nobody may be asking yet
    var begun = new CompletableFuture<List<Task<?>>>();
    var over = new CompletableFuture<Object>();
    var other =
        Threads.PLATFORM.start(
            "other",
            () ->
                hub.run(() -> {
                  Task<String> good =
                      hub.spawn(() -> {
                        Hub.sleep(Duration.ofMillis(1));
                        return "value";
                      });
                  Task<String> bad =
                      hub.spawn(() -> {
                        throw new IOException();
                      });
                  Task<String> killed =
                      hub.spawn(
                          "killed",
                          () -> {
                            sleep(1000);
                            return "";
                          });
                  begun.complete(List.of(good, bad, killed));
                  return Hub.await(over);
                }));
    List<Task<?>> tasks = Threads.await(begun);
    assertEquals("value", tasks.get(0).result());
    assertEquals("value", tasks.get(0).toCompletableFuture().get());
    assertSame(tasks.get(0).toCompletableFuture(), tasks.get(0).toCompletableFuture());
    assertThrows(IOException.class, () -> Threads.await(tasks.get(1).toCompletableFuture()));
    tasks.get(2).interrupt(new GreenletExit());
    assertThrows(CancellationException.class, () -> tasks.get(2).toCompletableFuture().get());
    assertThrows(CancellationException.class, () -> virtually(() -> tasks.get(2).result()));
    over.complete("over");
    assertEquals("over", Threads.await(other));
  }

  @RootTest
  @DisplayName("a chain of 100,000 tasks passes a value on")
  void chain() {
    int length = 100_000;
    assertEquals(
        length,
        Hubs.virtualTime()
            .run(() -> {
              Task<Integer> last =
                  Hub.current()
                      .spawn(() -> {
                        sleep(1);
                        return 0;
                      });
              for (int i = 0; i < length; i++) {
                Task<Integer> before = last;
                last = Hub.current().spawn(() -> before.result() + 1);
              }
              return last.result();
            }));
  }

  @NothingSuspended.Except("the greenlets of the chain stay where they are")
  @RootTest
  @DisplayName("a chain of 100,000 greenlets passes a value on")
  void chainOfGreenlets() {
    int length = 100_000;
    Greenlet next = Greenlet.current();
    List<Greenlet> all = new ArrayList<>(length);
    for (int i = 0; i < length; i++) {
      Greenlet to = next;
      Greenlet g = Greenlet.of(args -> to.switchTo((Integer) args[0] + 1), Greenlet.current());
      all.add(g);
      next = g;
    }
    assertEquals(length, next.switchTo(0));
    assertTrue(all.stream().allMatch(Greenlet::isActive));
  }
}
