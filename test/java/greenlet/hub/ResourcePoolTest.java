package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Pools of resources. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ResourcePoolTest {
  @RootTest
  @DisplayName(
      "A kill that comes while a resource is disposed of ends the task, although the use has failed before")
  void killedWhileItDisposes() {
    Hubs.virtualTime()
        .run(() -> {
          var pool = new ResourcePool<>(1, Object::new, r -> Hub.sleep(Duration.ofSeconds(1)));
          Task<String> task =
              Hub.current()
                  .spawn(() -> {
                    try {
                      pool.use(r -> {
                        throw new IllegalArgumentException();
                      });
                    } catch (IllegalArgumentException e) {
                      // and goes on
                    }
                    Hub.sleep(Duration.ofSeconds(100));
                    return "alive";
                  });
          Hub.sleep(Duration.ofMillis(500));
          task.kill();
          assertFalse(task.isSuccessful());
        });
  }

  @RootTest
  @DisplayName("A predicate that throws has the resource disposed of")
  void keepAfterThrows() {
    List<Object> disposed = new ArrayList<>();
    Hubs.virtualTime()
        .run(() -> {
          var pool =
              new ResourcePool<>(1, () -> "resource", disposed::add)
                  .keepAfter(e -> {
                    throw new ClassCastException();
                  });
          assertThrows(
              IOException.class,
              () ->
                  pool.use(r -> {
                    throw new IOException();
                  }));
          assertEquals(List.of("resource"), disposed);
        });
  }

  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();
  private int made;
  private int most;
  private int there;

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static Object sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
    return seconds;
  }

  private void note(Object what) {
    trace.add(what + "@" + Hub.current().time().toSeconds());
  }

  private String make() {
    sleep(1);
    there++;
    most = Math.max(most, there);
    return "r" + ++made;
  }

  private void dispose(String resource) {
    note("-" + resource);
    there--;
  }

  private ResourcePool<String> pool(int size) {
    return new ResourcePool<>(size, this::make, this::dispose);
  }

  @RootTest
  @DisplayName(
      "Resources are made as they are needed, no more than there may be, and used in the order of asking")
  void order() {
    virtually(() -> {
      var pool = pool(2);
      for (String name : List.of("a", "b", "c", "d")) {
        spawn(() ->
            pool.use(r -> {
              note(name + r);
              return sleep(1);
            }));
      }
      sleep(0);
      assertEquals("a pool of 2 resources, 2 in use, 0 idle", pool.toString());
      assertEquals(0, pool.free());
      Hub.current().join();
      assertEquals(2, pool.idle());
      assertEquals("r1", pool.use(r -> r), "the one used last");
      pool.close();
    });
    assertEquals(List.of("ar1@1", "br2@1", "cr2@2", "dr1@2", "-r1@3", "-r2@3"), trace);
    assertEquals(0, there);
  }

  @RootTest
  @DisplayName("A creation that fails, or is killed, loses no place")
  void creationFails() {
    var failure = new IOException("unreachable");
    virtually(() -> {
      boolean[] fails = {true};
      var pool =
          new ResourcePool<String>(
              1,
              () -> {
                sleep(1);
                if (fails[0]) throw failure;
                return make();
              },
              this::dispose);
      Task<?> next = spawn(() -> {});
      spawn(() -> assertSame(failure, assertThrows(IOException.class, () -> pool.use(r -> r))))
          .result();
      Task<?> killed = spawn(() -> pool.use(r -> r));
      sleep(0);
      killed.kill();
      fails[0] = false;
      assertEquals("r1", pool.use(r -> r));
      assertEquals(1, pool.free());
      next.result();
    });
    assertEquals(1, there);
  }

  @RootTest
  @DisplayName(
      "What a task held that was killed, or whose limit ran out, or that failed, is not used again")
  void dropped() {
    virtually(() -> {
      var pool = pool(1).keepAfter(e -> e instanceof IOException);
      Task<?> killed = spawn(() -> pool.use(r -> sleep(100)));
      sleep(2);
      killed.kill();
      note(pool.use(r -> r));
      assertThrows(
          TimeoutException.class, () -> Hub.timeout(SECOND, () -> pool.use(r -> sleep(100))));
      note(pool.use(r -> r));
      assertThrows(
          IOException.class,
          () ->
              pool.use(r -> {
                throw new IOException();
              }));
      note(pool.use(r -> r));
      assertThrows(ArithmeticException.class, () -> pool.use(r -> 1 / 0));
      note(pool.use(r -> r));
      assertEquals(1, pool.free());
    });
    assertEquals(List.of("-r1@2", "r2@3", "-r2@4", "r3@5", "r3@5", "-r3@5", "r4@6"), trace);
  }

  @RootTest
  @DisplayName("What is too old, or does not pass the check, is disposed of on the way out")
  void checked() {
    virtually(() -> {
      List<String> broken = new ArrayList<>();
      var pool =
          pool(2)
              .maxAge(Duration.ofSeconds(10))
              .check(r -> {
                if (r.equals("r3")) throw new IllegalStateException("a check that fails");
                return !broken.contains(r);
              });
      note(pool.use(r -> r));
      note(pool.use(r -> r));
      broken.add("r1");
      note(pool.use(r -> r));
      sleep(11);
      note(pool.use(r -> r));
      note(pool.use(r -> r));
      sleep(5);
      pool.use(r -> sleep(6)); // too old when it comes back
      assertEquals(0, pool.idle());
    });
    assertEquals(
        List.of("r1@1", "r1@1", "-r1@1", "r2@2", "-r2@13", "r3@14", "-r3@14", "r4@15", "-r4@26"),
        trace);
  }

  @RootTest
  @DisplayName("A check that is killed drops what it checked")
  void killedCheck() {
    virtually(() -> {
      var pool = pool(1).check(r -> sleep(5) != null);
      pool.use(r -> r);
      Task<?> checking = spawn(() -> pool.use(r -> r));
      sleep(1);
      checking.kill();
      assertEquals(1, pool.free());
      assertEquals("r2", pool.use(r -> r));
    });
    assertEquals(List.of("-r1@2"), trace);
  }

  @RootTest
  @DisplayName("A pool that is closed disposes of all, and whoever waits hears of it")
  void closed() {
    virtually(() -> {
      var pool = pool(1);
      Task<?> user = spawn(() -> pool.use(r -> sleep(5)));
      Task<?> waiting =
          spawn(() ->
              Refusal.assertRefused(
                  IllegalStateException.class, () -> pool.use(r -> r), "has been closed"));
      sleep(2);
      pool.close();
      pool.close();
      waiting.result();
      note("told");
      user.result();
      Refusal.assertRefused(IllegalStateException.class, () -> pool.use(r -> r), "has been closed");
      try (var other = pool(1)) {
        other.use(r -> r);
      }
    });
    assertEquals(List.of("told@2", "-r1@6", "-r2@7"), trace);
  }

  @RootTest
  @DisplayName("What disposing throws is suppressed on what it is for, or comes out of close")
  void disposingFails() {
    virtually(() -> {
      var failure = new IllegalStateException("dispose");
      var pool =
          new ResourcePool<>(
              1,
              () -> "r",
              r -> {
                throw failure;
              });
      var e = assertThrows(ArithmeticException.class, () -> pool.use(r -> 1 / 0));
      assertEquals(List.of(failure), List.of(e.getSuppressed()));
      pool.check(r -> false);
      pool.use(r -> r);
      pool.use(r -> r);
      assertSame(failure, assertThrows(IllegalStateException.class, pool::close));
      assertEquals(1, pool.free());
    });
  }

  @RootTest
  @DisplayName(
      "Random uses, limits and kills: never too many resources, each disposed of, no place lost")
  void random() {
    for (int seed = 0; seed < 200; seed++) {
      made = most = there = 0;
      var random = new Random(seed);
      int size = 1 + random.nextInt(3);
      int failing = random.nextInt(10);
      String at = "seed " + seed;
      virtually(() -> {
        var pool =
            new ResourcePool<String>(
                    size,
                    () -> {
                      if (made == failing) {
                        made++;
                        sleep(1);
                        throw new IOException("unreachable");
                      }
                      return make();
                    },
                    r -> {
                      try {
                        sleep(1);
                      } finally {
                        there--;
                      }
                    })
                .check(r -> random.nextInt(4) > 0)
                .maxAge(Duration.ofSeconds(8))
                .keepAfter(e -> true);
        List<Task<?>> tasks = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
          Duration limit = Duration.ofSeconds(1 + random.nextInt(9));
          int time = random.nextInt(4);
          tasks.add(
              spawn(() -> {
                try {
                  sleep(random.nextInt(6));
                  Hub.timeout(limit, () -> pool.use(r -> sleep(time)), () -> null);
                } catch (Exception e) {
                  // of the one that could not be made
                  if (!(e instanceof IOException)) throw e;
                }
              }));
        }
        for (int i = 0; i < 6; i++) {
          sleep(1);
          tasks.get(random.nextInt(tasks.size())).interrupt(new greenlet.GreenletExit());
        }
        Hub.current().join();
        assertEquals(size, pool.free(), at);
        assertTrue(most <= size, at);
        assertEquals(there, pool.idle(), at);
        pool.close();
        assertEquals(0, there, at);
      });
    }
  }

  @RootTest
  @DisplayName("Wrong arguments are refused")
  void refused() {
    Refusal.assertRefused(IllegalArgumentException.class, () -> pool(0), "room for 1 or more", "0");
    Refusal.assertRefused(
        IllegalArgumentException.class,
        () -> new ResourcePool<>(1, null, r -> {}),
        "how to make one");
    var pool = pool(1);
    Refusal.assertRefused(IllegalArgumentException.class, () -> pool.use(null), "nothing to do");
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> pool.maxAge(SECOND.negated()), "0 or more");
    Refusal.assertRefused(IllegalArgumentException.class, () -> pool.check(null), "predicate");
    Refusal.assertRefused(IllegalArgumentException.class, () -> pool.keepAfter(null), "predicate");
  }
}
