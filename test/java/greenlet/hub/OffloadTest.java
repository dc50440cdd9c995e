package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** The bound on the threads of offload. */
@ExtendWith(LeakCheck.class)
class OffloadTest {
  private final List<String> trace = Collections.synchronizedList(new ArrayList<>());
  private final CountDownLatch go = new CountDownLatch(1);

  private static void run(int bound, Executable body) {
    Hubs.realTime().offloadBound(bound).run(Threads.callable(body));
  }

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  /** A task that holds a thread until {@link #go}. */
  private Task<?> hold() {
    Task<?> holder = spawn(() -> Hub.offload(() -> Threads.await(go)));
    Hub.sleep(Duration.ZERO);
    return holder;
  }

  private Task<?> note(String name) {
    return spawn(() -> Hub.offload(() -> trace.add(name)));
  }

  @RootTest
  @DisplayName("No more calls run at a time than the bound")
  void bound() {
    var running = new AtomicInteger();
    var most = new AtomicInteger();
    run(
        3,
        () ->
            Hub.joiningScope(() -> {
              for (int i = 0; i < 100; i++) {
                spawn(() ->
                    Hub.offload(() -> {
                      most.accumulateAndGet(running.incrementAndGet(), Math::max);
                      Thread.yield();
                      running.decrementAndGet();
                    }));
              }
            }));
    assertTrue(most.get() <= 3, () -> most + " at a time");
  }

  @RootTest
  @DisplayName("Who finds no place waits in order; a kill or a limit in the wait loses no place")
  void order() {
    run(
        1,
        () -> {
          hold();
          note("a");
          Task<?> killed = note("killed");
          note("b");
          Hub.sleep(Duration.ZERO);
          killed.kill();
          assertEquals(
              "late",
              Hub.timeout(Duration.ofMillis(1), () -> Hub.offload(() -> "in time"), () -> "late"));
          go.countDown();
          Hub.current().join();
          assertEquals("free", Hub.offload(() -> "free"));
        });
    assertEquals(List.of("a", "b"), trace);
  }

  @RootTest
  @DisplayName("A call that was given up holds its place until it has ended")
  void givenUp() {
    run(
        1,
        () -> {
          var inside = new CountDownLatch(1);
          Task<?> holder =
              spawn(() ->
                  Hub.offload(() -> {
                    inside.countDown();
                    while (go.getCount() > 0) Thread.onSpinWait();
                    trace.add("ended");
                  }));
          Hub.awaitFuture(
              new FutureTask<>(() -> "") {
                @Override
                public String get() throws InterruptedException {
                  Threads.await(inside);
                  return "";
                }
              });
          holder.kill();
          Task<?> next = note("next");
          Hub.sleep(Duration.ZERO);
          go.countDown();
          next.join();
        });
    assertEquals(List.of("ended", "next"), trace);
  }

  @RootTest
  @DisplayName(
      "A call that throws gives its place back, and the bound can be raised while tasks wait")
  void thrown() {
    run(
        1,
        () -> {
          for (int i = 0; i < 3; i++) {
            assertThrows(
                IllegalStateException.class,
                () ->
                    Hub.offload(() -> {
                      throw new IllegalStateException();
                    }));
          }
          hold();
          Task<?> next = note("next");
          Hub.sleep(Duration.ZERO);
          Hub.current().offloadBound(2);
          next.join();
          go.countDown();
        });
    assertEquals(List.of("next"), trace);
    assertThrows(IllegalArgumentException.class, () -> Hub.realTime().offloadBound(0));
  }

  /** Two tasks, of which the first holds the only place until {@link #go}. */
  private List<Task<?>> two(Hub hub) {
    return List.of(
        hub.spawn(() -> {
          Hub.offload(() -> Threads.await(go));
          trace.add("first");
        }),
        hub.spawn(() -> {
          Hub.offload(() -> "");
          trace.add("second");
        }));
  }

  @RootTest
  @DisplayName("The bound holds for a guest, whose host goes on while a task waits for a place")
  void guest() throws InterruptedException {
    BlockingQueue<Runnable> events = new LinkedBlockingQueue<>();
    Hub hub = Hubs.switched(Hub.on(events::add)).offloadBound(1);
    List<Task<?>> both = two(hub);
    for (Runnable event = events.poll(); event != null; event = events.poll()) event.run();
    trace.add("host");
    go.countDown();
    while (!both.stream().allMatch(Task::isDone)) events.take().run();
    assertEquals(List.of("host", "first", "second"), trace);
  }

  @RootTest
  @DisplayName("Outside of any task the thread's own hub has a bound, which its tasks share")
  void outside() {
    Hub.current().offloadBound(1);
    assertEquals("outside", Hub.offload(() -> "outside"));
    List<Task<?>> both = two(Hub.current());
    Hub.sleep(Duration.ZERO);
    assertThrows(
        TimeoutException.class,
        () -> Hub.timeout(Duration.ofMillis(5), () -> Hub.offload(() -> "in time")));
    go.countDown();
    assertEquals("outside", Hub.offload(() -> "outside"));
    trace.add("outside");
    both.forEach(Task::join);
    assertEquals(List.of("first", "second", "outside"), trace);
  }

  @RootTest
  @DisplayName("In virtual time a wait for a place takes none, and the bound changes no trace")
  void virtualTime() {
    for (int round = 0; round < 20; round++) {
      List<String> unbound = virtualTrace(256, 1);
      assertEquals(unbound, virtualTrace(1, 1));
      assertEquals(List.of("a0", "b1", "c2", "a3", "b4", "c5"), unbound);
      List<String> atOnce = virtualTrace(1, 0); // a call that ends at once goes on at once
      Collections.sort(atOnce);
      assertEquals(List.of("a0", "a3", "b0", "b3", "c0", "c3"), atOnce);
    }
  }

  /** Of three tasks that offload two calls each, beginning {@code apart} seconds one after the other. */
  private static List<String> virtualTrace(int bound, int apart) {
    var seen = new ArrayList<String>();
    Hub hub = Hub.virtualTime(true).offloadBound(bound);
    hub.run(() -> {
      Duration delay = Duration.ZERO;
      for (String name : List.of("a", "b", "c")) {
        hub.spawnLater(
            delay,
            name,
            () -> {
              for (int i = 0; i < 2; i++) {
                Hub.offload(() -> "");
                seen.add(name + hub.time().toSeconds());
                Hub.sleep(Duration.ofSeconds(3));
              }
            });
        delay = delay.plusSeconds(apart);
      }
      hub.join();
    });
    return seen;
  }
}
