package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Generator;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Events, results, semaphores and locks. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class SyncTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
  }

  private void note(Object what) {
    trace.add(what + "@" + Hub.current().time().toSeconds());
  }

  // Events

  @RootTest
  @DisplayName("A set event lets all who wait go on in their order, also if it is cleared at once")
  void event() {
    virtually(() -> {
      var event = new Event();
      for (String name : List.of("a", "b")) {
        spawn(() -> {
          event.await();
          note(name);
        });
      }
      sleep(1);
      event.set();
      assertTrue(event.isSet());
      event.clear();
      note("set");
      sleep(0);
      assertFalse(event.isSet());
      assertFalse(event.await(SECOND));
      note("late");
      event.set();
      event.await();
      assertTrue(event.await(SECOND));
      note("at once");
    });
    assertEquals(List.of("set@1", "a@1", "b@1", "late@2", "at once@2"), trace);
  }

  @RootTest
  @DisplayName("Who waits anew in its turn waits for the next setting")
  void eventAgain() {
    virtually(() -> {
      var event = new Event();
      Task<?> waiter =
          spawn(() -> {
            spawn(event::set);
            event.await();
            event.clear();
            assertFalse(event.await(SECOND));
            note("not again");
          });
      waiter.result();
    });
    assertEquals(List.of("not again@1"), trace);
  }

  // Results

  @RootTest
  @DisplayName("A result is complete once, and all who wait have it")
  void result() {
    virtually(() -> {
      var answer = new AsyncResult<String>();
      for (String name : List.of("a", "b")) spawn(() -> note(name + answer.result()));
      assertFalse(answer.isDone());
      assertFalse(answer.join(SECOND));
      assertThrows(TimeoutException.class, () -> answer.result(SECOND));
      assertTrue(answer.complete("42"));
      assertFalse(answer.complete("43"));
      assertFalse(answer.fail(new Exception()));
      assertTrue(answer.isDone() && answer.isSuccessful());
      assertEquals("42", answer.result(SECOND));
      sleep(0);
    });
    assertEquals(List.of("a42@2", "b42@2"), trace);
  }

  @RootTest
  @DisplayName("A result that fails throws its exception, the same object, and null is a value")
  void failedResult() {
    virtually(() -> {
      var failed = new AsyncResult<String>();
      var exception = new Exception("no");
      spawn(() -> failed.fail(exception));
      assertSame(exception, assertThrows(Exception.class, failed::result));
      assertSame(exception, failed.exception());
      assertTrue(failed.isDone() && !failed.isSuccessful());
      failed.join();
      var none = new AsyncResult<String>();
      none.complete(null);
      assertEquals(null, none.result());
      assertTrue(none.isSuccessful());
      Refusal.assertRefused(IllegalArgumentException.class, () -> none.fail(null), "got null");
    });
  }

  // Semaphores

  @RootTest
  @DisplayName("Permits are served in the order of asking")
  void semaphore() {
    virtually(() -> {
      var two = new Semaphore(2);
      for (String name : List.of("a", "b", "c", "d")) {
        spawn(() -> {
          two.acquire();
          note(name);
          sleep(1);
          two.release();
        });
      }
      sleep(0);
      assertEquals(0, two.available());
      assertFalse(two.tryAcquire());
      assertFalse(two.acquire(Duration.ofMillis(500)));
      Hub.current().join();
      assertEquals(2, two.available());
      assertTrue(two.tryAcquire() && two.acquire(SECOND));
      assertEquals(0, two.available());
    });
    assertEquals(List.of("a@0", "b@0", "c@1", "d@1"), trace);
  }

  @RootTest
  @DisplayName("Nobody comes in between who gives a permit back and who waits for it")
  void fair() {
    virtually(() -> {
      var one = new Semaphore(1);
      one.acquire();
      Task<?> waiting = spawn(one::acquire);
      sleep(0);
      one.release();
      assertFalse(one.tryAcquire());
      waiting.result();
      one.release();
      assertEquals(1, one.available());
    });
  }

  @RootTest
  @DisplayName("Who gives up, or is killed as the permit comes, takes none along")
  void noPermitLost() {
    virtually(() -> {
      var one = new Semaphore(1);
      one.acquire();
      Task<?> killed = spawn(one::acquire);
      Task<?> late = spawn(() -> note(one.acquire(SECOND)));
      Task<?> next = spawn(one::acquire);
      sleep(0);
      killed.kill();
      late.join();
      one.release();
      next.result();
      one.release();
      assertEquals(1, one.available());

      one.acquire();
      Task<?> atOnce =
          spawn(() -> {
            one.acquire();
            try {
              sleep(1);
            } finally {
              one.release();
            }
          });
      sleep(0);
      one.release();
      atOnce.kill(); // it has the permit already: the kill comes out of its next wait
      assertEquals(1, one.available());
    });
    assertEquals(List.of("false@1"), trace);
  }

  @RootTest
  @DisplayName("A bounded semaphore refuses a permit too many")
  void bounded() {
    virtually(() -> {
      Refusal.assertRefused(
          IllegalStateException.class, () -> Semaphore.bounded(1).release(), "its 1 permits");
      Refusal.assertRefused(
          IllegalStateException.class, () -> Semaphore.bounded(0).release(), "its 0 permits");
      var free = new Semaphore(0);
      free.release();
      assertEquals(1, free.available());
      Refusal.assertRefused(
          IllegalArgumentException.class, () -> new Semaphore(-1), "0 permits or more", "-1");
    });
  }

  // Locks

  @RootTest
  @DisplayName("A lock is for one task, again and again, and for the bodies that it pulls")
  void lock() {
    virtually(() -> {
      var lock = new Lock();
      spawn(() -> {
        lock.acquire();
        note("in");
        sleep(1);
        Generator<Object> again =
            Generator.of(out -> {
              lock.acquire();
              out.yield("again");
              lock.release();
            });
        again.forEach(this::note);
        sleep(1);
        lock.release();
      });
      sleep(0);
      Refusal.assertRefused(
          IllegalStateException.class, lock::release, "by its owner alone", "Task[");
      assertTrue(lock.isTaken());
      assertFalse(lock.tryAcquire());
      assertFalse(lock.acquire(Duration.ofMillis(1)));
      lock.acquire();
      assertTrue(lock.tryAcquire() && lock.acquire(SECOND));
      note("other");
      for (int i = 0; i < 3; i++) {
        assertTrue(lock.isTaken());
        lock.release();
      }
      assertFalse(lock.isTaken());
      Refusal.assertRefused(IllegalStateException.class, lock::release, "nobody");
    });
    assertEquals(List.of("in@0", "again@1", "other@2"), trace);
  }

  // Threads, and texts

  @RootTest
  @DisplayName("A call that would reach tasks in another thread is refused, and changes nothing")
  void otherThread() {
    Hub hub = Hubs.realTime();
    hub.run(
        Threads.callable(() -> {
          var event = new Event();
          var answer = new AsyncResult<String>();
          var none = new Semaphore(0);
          spawn(event::await);
          spawn(answer::result);
          spawn(none::acquire);
          sleep(0);
          for (Executable call :
              List.<Executable>of(
                  event::set, () -> answer.complete(""), none::release, event::await)) {
            Hub.offload(
                Threads.callable(() ->
                    Refusal.assertRefused(
                        WrongThreadException.class,
                        call,
                        "for the tasks of one hub",
                        "execute",
                        hub)));
          }
          assertFalse(event.isSet() || answer.isDone());
          assertEquals(0, none.available());
          Hub.offload(
              Threads.callable(() -> {
                hub.execute(event::set);
                hub.execute(() -> answer.complete("done"));
                hub.execute(none::release);
              }));
          hub.join();
          assertEquals("done", answer.result());
        }));
  }

  @RootTest
  @DisplayName(
      "The texts tell what it is and in which state, and the hub tells what its tasks wait for")
  void texts() {
    var event = new Event();
    var answer = new AsyncResult<String>();
    assertEquals("an event", event.toString());
    event.set();
    assertEquals("an event that is set", event.toString());
    assertEquals("an async-result", answer.toString());
    answer.complete("x");
    assertEquals("an async-result with a value", answer.toString());
    assertEquals("a semaphore of 1 permit", new Semaphore(1).toString());
    assertEquals("a lock", new Lock().toString());
    var lock = new Lock();
    var stuck =
        assertThrows(
            Hub.LoopExit.class,
            () ->
                virtually(() -> {
                  Hub.current().spawn("a", Threads.callable(new Semaphore(0)::acquire));
                  Hub.current().spawn("b", Threads.callable(lock::acquire));
                  Hub.current().spawn("c", Threads.callable(lock::acquire));
                  Hub.current().spawn("d", Threads.callable(new AsyncResult<>()::result));
                  sleep(0);
                  assertEquals("a lock of Task[b, successful]", lock.toString());
                  new Event().await();
                }));
    for (String part :
        List.of(
            "a, suspended] waits for a permit of a semaphore",
            "c, suspended] waits for a lock",
            "d, suspended] waits for an async-result",
            "waits for an event")) assertTrue(stuck.getMessage().contains(part), stuck::getMessage);
  }
}
