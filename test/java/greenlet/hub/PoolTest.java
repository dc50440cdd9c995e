package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.GreenletExit;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Pools of tasks, mapping by them, and what is complete first. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class PoolTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();

  private void virtually(Executable body) {
    Hubs.virtualTime()
        .onFailure((task, e) -> trace.add("reported: " + e))
        .run(Threads.callable(body));
  }

  private static Object sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
    return seconds;
  }

  private static int slept(int seconds) {
    sleep(seconds);
    return seconds;
  }

  private void note(Object what) {
    trace.add(what + "@" + Hub.current().time().toSeconds());
  }

  private static void assertOnlyMeIn(Pool pool) {
    assertEquals(List.of(Task.current()), Hub.current().tasks());
    assertEquals(0, pool.count());
    assertEquals(pool.size(), Math.min(Integer.MAX_VALUE, pool.free()));
  }

  // Tasks

  @RootTest
  @DisplayName("Whoever spawns waits until there is room")
  void room() {
    virtually(() -> {
      var pool = new Pool(2);
      for (int i = 0; i < 4; i++) {
        int n = i;
        Task<?> task =
            pool.spawn(
                "work " + n,
                () -> {
                  sleep(1);
                  note(n);
                  return null;
                });
        assertEquals("work " + n, task.name());
        note("spawned " + n);
      }
      assertEquals(2, pool.count());
      assertEquals(0, pool.free());
      assertFalse(pool.join(Duration.ofMillis(500)));
      pool.join();
      assertTrue(pool.join(SECOND));
      assertOnlyMeIn(pool);
    });
    assertEquals(
        List.of(
            "spawned 0@0", "spawned 1@0", "0@1", "1@1", "spawned 2@1", "spawned 3@1", "2@2", "3@2"),
        trace);
  }

  @RootTest
  @DisplayName(
      "A place is not lost where nothing could be spawned, a task never began or who spawns was killed")
  void noPlaceLost() {
    virtually(() -> {
      var pool = new Pool(1);
      Refusal.assertRefused(
          IllegalArgumentException.class,
          () -> pool.spawn((Callable<Object>) null),
          "no body",
          "null");
      assertEquals(1, pool.free());
      pool.spawn(() -> "never").kill();
      assertEquals(1, pool.free());
      pool.spawnLater(SECOND, "later", () -> sleep(1));
      assertEquals(0, pool.free());
      Task<?> spawner = Hub.current().spawn(() -> pool.spawn(() -> "never"));
      sleep(0);
      spawner.kill();
      pool.join();
      note("joined");
      pool.spawn(() -> {
        throw new IllegalStateException("failed");
      });
      pool.join();
      assertOnlyMeIn(pool);
    });
    assertEquals(List.of("joined@2", "reported: java.lang.IllegalStateException: failed"), trace);
  }

  @RootTest
  @DisplayName("To kill a pool ends all its tasks, the one that does it last")
  void kill() {
    virtually(() -> {
      var pool = new Pool();
      for (int i = 0; i < 3; i++) {
        int n = i;
        pool.spawn(() -> {
          try {
            return sleep(100);
          } finally {
            sleep(1);
            note(n);
          }
        });
      }
      Task<?> killer =
          pool.spawn(() -> {
            sleep(1);
            try {
              pool.kill();
              return note("not here");
            } finally {
              note("killer");
            }
          });
      assertEquals(4, pool.tasks().size());
      assertEquals(Long.MAX_VALUE, pool.free());
      killer.join();
      assertTrue(killer.exception() instanceof GreenletExit);
      assertOnlyMeIn(pool);
      var hurried = pool.spawn(() -> sleep(100));
      sleep(0);
      var hurry = new Exception("hurry");
      pool.interrupt(hurry);
      assertSame(hurry, assertThrows(Exception.class, hurried::result));
    });
    assertEquals(List.of("0@2", "1@2", "2@2", "killer@2"), trace);
  }

  private Object note(String what) {
    note((Object) what);
    return what;
  }

  // Mapping

  @RootTest
  @DisplayName(
      "Results come in the order of the elements, or of the ends, as many at a time as there is room for")
  void map() {
    virtually(() -> {
      assertEquals(List.of(3, 1, 2), list(new Pool(3).map(PoolTest::slept, List.of(3, 1, 2))));
      assertEquals(
          List.of(1, 2, 3), list(new Pool(3).mapUnordered(PoolTest::slept, List.of(3, 1, 2))));
      assertEquals(
          List.of(1, 3, 2), list(new Pool(2).mapUnordered(PoolTest::slept, List.of(3, 1, 2))));
      note("mapped");
      var running = new int[2];
      var pool = new Pool(4);
      List<Integer> all = IntStream.range(0, 20).boxed().toList();
      Pool.Work<Integer, Integer> counted =
          n -> {
            running[1] = Math.max(running[1], ++running[0]);
            sleep(n % 3);
            running[0]--;
            return n;
          };
      assertEquals(all, list(pool.map(counted, all)));
      assertEquals(4, running[1]);
      assertEquals(all, list(pool.mapUnordered(counted, all)).stream().sorted().toList());
      assertEquals(List.of(5, 6), list(new Pool().map(PoolTest::slept, List.of(5, 6))));
      assertEquals(List.of(), list(new Pool(1).map(PoolTest::slept, List.<Integer>of())));
      assertEquals(List.of(), list(new Pool().mapUnordered(PoolTest::slept, List.<Integer>of())));
      assertOnlyMeIn(pool);
    });
    assertEquals(List.of("mapped@9"), trace);
  }

  private static <T> List<T> list(Generator<T> generator) {
    List<T> all = new ArrayList<>();
    generator.forEach(all::add);
    return all;
  }

  @RootTest
  @DisplayName(
      "What the work throws, and what the elements throw, comes out at its place, and nothing is left")
  void mapFails() {
    virtually(() -> {
      var pool = new Pool(2);
      var failure = new Exception("at 2");
      Pool.Work<Integer, Integer> failing =
          n -> {
            sleep(n);
            if (n == 2) throw failure;
            return n;
          };
      Generator<Integer> elements =
          Generator.of(out -> {
            out.yield(1);
            out.yield(0);
            throw failure;
          });
      for (boolean ordered : new boolean[] {true, false}) {
        List<Integer> seen = new ArrayList<>();
        List<Integer> three = List.of(1, 2, 3);
        Generator<Integer> results =
            ordered ? pool.map(failing, three) : pool.mapUnordered(failing, three);
        assertSame(failure, assertThrows(Exception.class, () -> results.forEach(seen::add)));
        assertEquals(List.of(1), seen);
        assertOnlyMeIn(pool);
        Generator<Integer> short_ =
            ordered ? pool.map(failing, elements) : pool.mapUnordered(failing, elements);
        seen.clear();
        assertSame(failure, assertThrows(Exception.class, () -> short_.forEach(seen::add)));
        assertEquals(ordered ? List.of(1, 0) : List.of(0, 1), seen);
        assertOnlyMeIn(pool);
      }
    });
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName(
      "A scope that a traversal runs in does not hear of what it throws before it comes out")
  void mapInScope() {
    virtually(() -> {
      Object caught =
          Hub.scope(() -> {
            try {
              return list(new Pool(2).map(n -> 1 / n, List.of(1, 0)));
            } catch (ArithmeticException e) {
              sleep(1);
              return "caught";
            }
          });
      assertEquals("caught", caught);
    });
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("A task of a traversal that is killed is a cancellation at its place")
  void mapKilled() {
    virtually(() -> {
      var pool = new Pool(2);
      List<Integer> seen = new ArrayList<>();
      Hub.current()
          .spawnLater(
              SECOND,
              null,
              () -> {
                pool.tasks().get(1).kill();
                return null;
              });
      assertThrows(
          CancellationException.class,
          () -> pool.map(PoolTest::slept, List.of(2, 3, 4)).forEach(seen::add));
      assertEquals(List.of(2), seen);
      assertOnlyMeIn(pool);
    });
  }

  @RootTest
  @DisplayName("However a traversal ends, the tasks that it has left have ended, in an orderly way")
  void mapEnds() {
    virtually(() -> {
      var pool = new Pool(3);
      Iterable<Integer> naturals = () -> Stream.iterate(0, n -> n + 1).iterator();
      for (boolean ordered : new boolean[] {true, false}) {
        Generator<Integer> results =
            ordered
                ? pool.map(PoolTest::slowly, naturals)
                : pool.mapUnordered(PoolTest::slowly, naturals);
        assertFalse(results.forEachWhile(n -> n < 2));
        assertOnlyMeIn(pool);
        try (Cursor<Integer> cursor = results.cursor()) {
          assertEquals(0, cursor.next());
        }
        assertOnlyMeIn(pool);
        assertThrows(TimeoutException.class, () -> Hub.timeout(SECOND, () -> list(results)));
        assertOnlyMeIn(pool);
        Task<?> traversing = Hub.current().spawn(() -> list(results));
        sleep(1);
        traversing.kill();
        assertOnlyMeIn(pool);
      }
    });
    assertEquals(List.of(), trace);
  }

  /** As a task that takes its time to unwind, too. */
  private static int slowly(int n) {
    try {
      sleep(n % 2);
      return n;
    } finally {
      sleep(1);
    }
  }

  @RootTest
  @DisplayName("A kill that comes while a traversal kills its tasks is not lost, nor are they")
  void mapKilledTwice() {
    virtually(() -> {
      var pool = new Pool(3);
      Iterable<Integer> naturals = () -> Stream.iterate(1, n -> n + 1).iterator();
      Task<?> traversing =
          Hub.current()
              .spawn(() -> {
                pool.map(PoolTest::unwindingSlowly, naturals).forEachWhile(n -> false);
                assertEquals(0, pool.count());
                note("over");
                sleep(100);
                return note("not here");
              });
      Hub.sleep(Duration.ofMillis(3500)); // it has its element, and kills the others
      traversing.kill();
      assertTrue(traversing.exception() instanceof GreenletExit);
      assertOnlyMeIn(pool);
    });
    assertEquals(List.of("over@4"), trace);
  }

  private static int unwindingSlowly(int n) {
    try {
      return slept(n == 1 ? 2 : 100);
    } finally {
      sleep(1);
    }
  }

  @RootTest
  @DisplayName("A pool without room for a task, and what is no work, is refused")
  void refused() {
    Refusal.assertRefused(IllegalArgumentException.class, () -> new Pool(0), "1 task or more", "0");
    var pool = new Pool(1);
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> pool.map(null, List.of()), "some work", "null");
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> pool.mapUnordered(n -> n, null), "elements", "null");
    assertEquals("a pool of 0 tasks, at most 1", pool.toString());
    assertEquals("a pool of 0 tasks", new Pool().toString());
  }

  // Completions

  @RootTest
  @DisplayName("Tasks, and anything that can be waited for, come as they become complete")
  void completions() {
    virtually(() -> {
      Hub hub = Hub.current();
      List<Task<Object>> tasks =
          Stream.of(3, 1, 2).map(n -> hub.<Object>spawn(() -> sleep(n))).toList();
      List<Object> ends = new ArrayList<>();
      Completions.inOrder(tasks).forEach(task -> ends.add(task.result()));
      assertEquals(List.of(1L, 2L, 3L), ends);

      var event = new Event();
      var never = new Event();
      hub.spawnLater(
          SECOND,
          null,
          () -> {
            event.set();
            return null;
          });
      List<Event> seen = new ArrayList<>();
      Completions.inOrder(List.of(never, event), Event::await)
          .forEachWhile(e -> {
            seen.add(e);
            return false;
          });
      assertEquals(List.of(event), seen);
      assertEquals(List.of(Task.current()), hub.tasks());

      var failed = new AsyncResult<String>();
      failed.fail(new Exception());
      assertEquals(
          List.of(failed), list(Completions.inOrder(List.of(failed), AsyncResult::result)));
      assertEquals(List.of(), list(Completions.inOrder(List.<Event>of(), Event::await)));
      var long_ = hub.spawn(() -> sleep(10));
      list(
          Generator.of(out ->
              Completions.inOrder(List.of(long_, hub.spawn(() -> sleep(1))))
                  .forEachWhile(t -> false)));
      long_.join();
      List<Event> withNull = new ArrayList<>();
      withNull.add(null);
      Refusal.assertRefused(
          IllegalArgumentException.class,
          () -> Completions.inOrder(withNull, Event::await),
          "nothing to wait for");
    });
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("Tasks of another hub are waited for, too")
  void otherHub() throws Throwable {
    AsyncResult<Task<Integer>> there = new AsyncResult<>();
    Hub hub = Hubs.realTime();
    var future =
        Threads.PLATFORM.start(
            "other",
            () ->
                hub.<Object>run(() -> {
                  there.complete(hub.spawn(() -> 1));
                  return Hub.current().spawn(() -> there.result()).result().result();
                }));
    Threads.await(future);
    Hubs.realTime()
        .run(
            Threads.callable(() ->
                assertEquals(
                    List.of(there.result()), list(Completions.inOrder(List.of(there.result()))))));
  }
}
