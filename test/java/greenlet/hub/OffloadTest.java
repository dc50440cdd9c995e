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
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
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
}
