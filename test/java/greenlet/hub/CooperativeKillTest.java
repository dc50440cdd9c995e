package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Kills and limits of tasks that are blocked in the JDK, within what ends together with a part of the body. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class CooperativeKillTest {
  private final List<Object> trace = new ArrayList<>();

  @BeforeAll
  static void possible() {
    assumeTrue(Hubs.canCooperate(), "cooperative hubs");
  }

  /** Blocks in a scope, whose end waits for another task. */
  private void blocks() {
    Hub.scope(() -> {
      Hub.current()
          .spawn(() -> {
            try {
              Hub.sleep(Duration.ofSeconds(1000));
            } finally {
              trace.add("other task");
            }
          });
      Hub.sleep(Duration.ZERO);
      new CountDownLatch(1).await();
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A task that is killed in a scope ends by the kill, when the tasks of the scope have")
  void killed() {
    Hub.realTime()
        .cooperative()
        .run(() -> {
          Task<?> t = Hub.current().spawn(this::blocks);
          while (t.blocked == null) Hub.sleep(Duration.ZERO);
          t.kill();
          trace.add("killed");
          Throwable exit = assertInstanceOf(GreenletExit.class, t.exception());
          assertInstanceOf(InterruptedException.class, exit.getSuppressed()[0]);
        });
    assertEquals(List.of("other task", "killed"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A limit around a scope strikes, and comes out of the scope as a limit")
  void limited() {
    Hub.realTime()
        .cooperative()
        .run(() -> Hub.timeout(Duration.ofMillis(20), this::blocks, () -> trace.add("struck")));
    assertEquals(List.of("other task", "struck"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A task that is killed where a greenlet within it is blocked in a limit ends")
  void killedInGreenlet() {
    Hub.realTime()
        .cooperative()
        .run(() -> {
          Task<?> t =
              Hub.current()
                  .spawn(() -> {
                    Greenlet.of(args ->
                            Hub.timeout(
                                Duration.ofSeconds(1000),
                                () -> {
                                  new CountDownLatch(1).await();
                                  return null;
                                }))
                        .switchTo();
                    trace.add("goes on");
                    new CountDownLatch(1).await();
                  });
          while (t.blocked == null) Hub.sleep(Duration.ZERO);
          t.kill();
          assertInstanceOf(GreenletExit.class, t.exception());
          assertTrue(t.isDone());
        });
    assertEquals(List.of("goes on"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Of two limits that ran out in a lock the outer one, which was first, strikes")
  void outerFirst() {
    ReentrantLock lock = new ReentrantLock();
    Hub.realTime()
        .cooperative()
        .run(() -> {
          lock.lock();
          Task<String> t =
              Hub.current()
                  .spawn(() ->
                      Hub.timeout(
                          Duration.ofMillis(10),
                          () ->
                              Hub.timeout(
                                  Duration.ofMillis(20),
                                  () -> {
                                    lock.lock();
                                    lock.unlock();
                                    return "granted";
                                  },
                                  () -> "inner"),
                          () -> "outer"));
          Hub.sleep(Duration.ofMillis(50));
          lock.unlock();
          assertEquals("outer", t.result());
          return null;
        });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What the body of a scope throws after a failure that struck it in a lock is told with the failure")
  void ownException() {
    ReentrantLock lock = new ReentrantLock();
    Hub.realTime()
        .cooperative()
        .run(() -> {
          lock.lock();
          Task<?> t =
              Hub.current()
                  .spawn(() -> {
                    Hub.scope(() -> {
                      Hub.current()
                          .spawn(() -> {
                            throw new IllegalStateException("task");
                          });
                      lock.lock();
                      lock.unlock();
                      throw new IllegalArgumentException("body");
                    });
                  });
          Hub.sleep(Duration.ofMillis(20));
          lock.unlock();
          var e = assertThrows(IllegalStateException.class, t::result);
          assertInstanceOf(IllegalArgumentException.class, e.getSuppressed()[0]);
          return null;
        });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "An interrupt that was swallowed, and then raised and handled, takes no later exception's place")
  void handled() {
    Hub.realTime()
        .cooperative()
        .run(() -> {
          Task<?> t =
              Hub.current()
                  .spawn(() -> {
                    try {
                      new CountDownLatch(1).await();
                    } catch (InterruptedException e) {
                      trace.add("swallowed");
                    }
                    try {
                      Hub.sleep(Duration.ZERO);
                    } catch (IllegalArgumentException e) {
                      trace.add("handled");
                    }
                    Hub.timeout(
                        Duration.ofSeconds(1000),
                        () -> {
                          throw new IllegalStateException("later");
                        });
                  });
          while (t.blocked == null) Hub.sleep(Duration.ZERO);
          t.interrupt(new IllegalArgumentException("raised"));
          assertEquals("later", assertThrows(IllegalStateException.class, t::result).getMessage());
          return null;
        });
    assertEquals(List.of("swallowed", "handled"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A task's own interrupt status stays with it; that of one that ends goes nowhere")
  void ownStatus() {
    Hub.realTime()
        .cooperative()
        .run(() -> {
          Hub.current()
              .spawn(() -> {
                Thread.currentThread().interrupt();
                Hub.sleep(Duration.ofMillis(5));
                trace.add(Thread.interrupted());
              });
          Hub.current().spawn(() -> Thread.currentThread().interrupt());
          Task<?> other = Hub.current().spawn(() -> Thread.sleep(10));
          other.result();
          Hub.current().join();
          return null;
        });
    assertEquals(List.of(true), trace);
  }
}
