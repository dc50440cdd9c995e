package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Greenlet;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NativeFrame;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** How the control goes from task to task, and the thread to sleep. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class EventLoopTest {
  private final List<Object> trace = new ArrayList<>();

  @RootTest
  @DisplayName("A thread that was woken before it sleeps does not sleep")
  void wokenBefore() throws Throwable {
    var sleeper = new ParkingSleeper();
    sleeper.wake();
    sleeper.sleep(Timers.NEVER);
    CountDownLatch going = new CountDownLatch(1);
    Thread sleeping = Thread.currentThread();
    Future<Void> waker =
        Threads.PLATFORM.start(
            "waker",
            () -> {
              Threads.await(going);
              Threads.untilWaiting(sleeping);
              sleeper.wake();
              return null;
            });
    going.countDown();
    sleeper.sleep(Timers.NEVER);
    Threads.await(waker);
  }

  @RootTest
  @DisplayName("A hub that is new hears of what another thread completes, time and again")
  void newHubs() throws Throwable {
    for (int i = 0; i < 2_000; i++) {
      var future = new CompletableFuture<Integer>();
      int sent = i;
      Future<Void> other =
          Threads.VIRTUAL.start(
              "completes",
              () -> {
                future.complete(sent);
                return null;
              });
      assertEquals(i, Hubs.realTime().<Integer>run(() -> Hub.await(future)));
      Threads.await(other);
    }
  }

  @RootTest
  @DisplayName("A task that has ended leaves its greenlet the parent that it had")
  void parentOfEnded() {
    Hubs.virtualTime()
        .run(() -> {
          Greenlet loop = Greenlet.current().parent();
          Greenlet[] of = new Greenlet[3];
          for (int i = 0; i < of.length; i++) {
            int n = i;
            Hub.current().spawn(() -> of[n] = Greenlet.current());
          }
          Hub.sleep(Duration.ofSeconds(1));
          for (Greenlet ended : of) assertSame(loop, ended.parent());
          return null;
        });
  }

  @RootTest
  @DisplayName(
      "What a greenlet of an ended task leaves goes to the hub, and not to the task that ran next")
  void orphan() {
    Hubs.virtualTime()
        .run(() -> {
          Greenlet[] orphan = new Greenlet[1];
          Hub.current().spawn("first", () -> orphan[0] = Greenlet.of(args -> "orphan's"));
          Task<Object> next =
              Hub.current()
                  .spawn(
                      "next",
                      () -> {
                        Hub.sleep(Duration.ofSeconds(5));
                        return trace.add("next has slept");
                      });
          Task<Object> user =
              Hub.current()
                  .spawn(
                      "user",
                      () -> {
                        Hub.sleep(Duration.ofSeconds(1));
                        try {
                          return orphan[0].switchTo();
                        } catch (IllegalStateException e) {
                          assertTrue(
                              e.getMessage().contains("has switched to its hub"), e::getMessage);
                          return trace.add("user is told");
                        }
                      });
          next.join();
          user.join();
          return null;
        });
    assertEquals(List.of("user is told", "next has slept"), trace);
  }

  @RootTest
  @DisplayName("A task that could not give way where it was is not run twice")
  void refusedYield() {
    Hubs.virtualTime()
        .run(() -> {
          Task<Object> refused =
              Hub.current()
                  .spawn(
                      "refused",
                      () -> {
                        NativeFrame.initialiseClass(() -> {
                          try {
                            Hub.sleep(Duration.ZERO);
                          } catch (IllegalStateException e) {
                            assertTrue(e.getMessage().contains("native frame"), e::getMessage);
                          }
                        });
                        return trace.add("ended");
                      });
          Task<Object> asleep =
              Hub.current()
                  .spawn(
                      "asleep",
                      () -> {
                        for (int i = 0; i < 3; i++) Hub.sleep(Duration.ofSeconds(1));
                        return trace.add("slept " + Hub.current().time().toSeconds());
                      });
          refused.join();
          asleep.join();
          return null;
        });
    assertEquals(List.of("ended", "slept 3"), trace);
  }

  @RootTest
  @DisplayName("A sleeper is asked outside of any task")
  void pollsOutside() {
    List<Object> polled = new ArrayList<>();
    Hubs.realTime()
        .sleeper(
            new Sleeper() {
              @Override
              public void sleep(long nanos) {}

              @Override
              public void wake() {}

              @Override
              public void poll() {
                polled.add(String.valueOf(Task.current()));
              }

              @Override
              public void close() {
                trace.add("closed");
              }
            })
        .run(() -> {
          for (int i = 0; i < 3; i++) Hub.sleep(Duration.ZERO);
          return null;
        });
    assertEquals(List.of("null"), polled.stream().distinct().toList());
    assertEquals(List.of("closed"), trace);
  }
}
