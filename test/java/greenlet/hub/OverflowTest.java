package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** A StackOverflowError in the midst of what a hub does, at each depth where there can be one. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class OverflowTest {
  /** So often without an overflow, so that nothing is loaded or linked when there is one. */
  private static final int WARM_UP = 50;

  /** In frames. Each try costs a stack trace, so that only those are made that are so close to where the action fitted the last time. */
  private static final int MARGIN = 150;

  /** The depth at which each kind of action fitted the last time. */
  private static final Map<Class<?>, Integer> FITTED = new HashMap<>();

  private static int tries;

  /** Where the action has come to its end, or 0; set by a plain store, which cannot fail. */
  private static int fitted;

  /** Calls {@code action} on the last frames of the stack, so that it overflows, and then on each frame further out. */
  private static void onTheEdge(int depth, int deepest, Runnable action) {
    try {
      onTheEdge(depth + 1, deepest, action);
    } catch (StackOverflowError edge) {
      if (fitted > 0) return;
      if (depth > deepest) throw edge;
      tries++;
      action.run(); // where that overflows there is more room a frame further out
      fitted = depth;
    }
  }

  private static void untilItFits(Runnable action) {
    Class<?> kind = action.getClass();
    tries = fitted = 0;
    onTheEdge(1, FITTED.getOrDefault(kind, Integer.MAX_VALUE - MARGIN) + MARGIN, action);
    assertTrue(fitted > 0);
    if (tries > 1) FITTED.put(kind, fitted);
    else FITTED.remove(kind); // there was room for more: frames have become smaller
  }

  @RootTest
  @DisplayName("A wake that overflows has not been, and can be tried again")
  void wake() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              for (int round = 0; round < 2 * WARM_UP; round++) {
                var w = new Waiter<String>("a value");
                Task<String> waits = Hub.current().spawn(w::await);
                Hub.sleep(Duration.ZERO);
                Runnable wake = () -> w.wake("woken");
                if (round < WARM_UP) wake.run();
                else untilItFits(wake);
                assertEquals("woken", waits.result());
              }
            }));
  }

  @RootTest
  @DisplayName("A spawn that overflows leaves no task that never runs")
  void spawn() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              int[] ran = {0};
              for (int before = 0; before < 2 * WARM_UP; before = ran[0]) {
                Runnable spawn = () -> Hub.current().spawn(() -> ran[0]++);
                if (before < WARM_UP) spawn.run();
                else untilItFits(spawn);
                Hub.current().join();
                assertTrue(ran[0] > before);
                assertEquals(1, Hub.current().tasks().size());
              }
            }));
  }

  @RootTest
  @DisplayName("What overflows between tasks has not been: no permit, lock, item or place is lost")
  void betweenTasks() {
    var semaphore = new Semaphore(2);
    var lock = new Lock();
    Queue<Integer> queue = Queue.fifo();
    var pool = new Pool(1);
    List<Runnable> all =
        List.of(
            semaphore::acquire,
            semaphore::release,
            lock::acquire,
            lock::release,
            () -> queue.put(1),
            queue::take,
            () -> pool.spawn(() -> 1));
    Hubs.realTime()
        .run(() -> {
          for (int round = 0; round < WARM_UP + 10; round++) {
            for (Runnable each : all) {
              if (round < WARM_UP) each.run();
              else untilItFits(each);
            }
            pool.join();
            assertEquals(List.of(Task.current()), Hub.current().tasks());
            assertEquals(List.of(2L, 1L), List.of(semaphore.available(), pool.free()));
            assertFalse(lock.isTaken());
            assertEquals(0, queue.size());
          }
        });
  }

  @RootTest
  @DisplayName(
      "What another thread has sent, and what a timer is to do, is done later if an error strikes it")
  void messagesAndTimers() {
    Hub hub = Hubs.virtualTime();
    List<Object> trace = new ArrayList<>();
    hub.run(
        Threads.callable(() -> {
          EventLoop loop = hub.scheduler.loop;
          loop.post(failingOnce(trace, "message"));
          loop.post(() -> trace.add("second message"));
          assertThrows(StackOverflowError.class, () -> Hub.sleep(Duration.ZERO));
          Hub.sleep(Duration.ZERO);
          loop.at(Duration.ZERO, failingOnce(trace, "timer"));
          loop.at(Duration.ZERO, () -> trace.add("second timer"));
          assertThrows(StackOverflowError.class, () -> Hub.sleep(Duration.ZERO));
          Hub.sleep(Duration.ZERO);
          assertEquals(
              List.of(
                  "error in message",
                  "message",
                  "second message",
                  "error in timer",
                  "timer",
                  "second timer"),
              trace);
        }));
  }

  private static Runnable failingOnce(List<Object> trace, String what) {
    return () -> {
      boolean failed = trace.contains("error in " + what);
      trace.add(failed ? what : "error in " + what);
      if (!failed) throw new StackOverflowError();
    };
  }
}
