package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.Generator;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.management.ManagementFactory;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.logging.Logger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What blocked tasks take, and when it is given back. */
@ExtendWith(LeakCheck.class)
class CooperationMemoryTest {
  private static final int MANY = 100_000;
  private static final long LIMIT_BYTES = 2048;
  private static final Duration SHORT = Duration.ofMillis(20);
  private static final Duration LONG = Duration.ofHours(1);

  /** Objects that have to be collected. Made in methods of their own, so that no frame of the test holds them. */
  private final List<WeakReference<?>> forgotten = new ArrayList<>();

  private final List<Object> trace = new ArrayList<>();

  private <T> T forget(T object) {
    forgotten.add(new WeakReference<>(object));
    return object;
  }

  private long left() {
    return forgotten.stream().filter(reference -> reference.get() != null).count();
  }

  @BeforeEach
  void possible() {
    assumeTrue(Hubs.canCooperate(), "the flag that carrying takes");
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "100,000 tasks are blocked at once, half in Thread.sleep and half in a latch, each within 2 KB more than a virtual thread")
  void manyAtOnce() throws Throwable {
    // compiled code has smaller frames, so both begin with a few
    threads(2000);
    tasks(2000);
    long more = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
      long plain = threads(MANY);
      more = (tasks(MANY) - plain) / MANY;
      if (more <= LIMIT_BYTES) return;
    }
    assertTrue(more <= LIMIT_BYTES, more + " bytes more");
  }

  /** The bytes that so many virtual threads take. */
  private static long threads(int count) throws InterruptedException {
    CountDownLatch latch = new CountDownLatch(1);
    Thread[] all = new Thread[count];
    long before = heap();
    for (int i = 0; i < count; i++) {
      boolean sleeps = i % 2 == 0;
      all[i] =
          Thread.startVirtualThread(() -> {
            try {
              block(sleeps, latch);
            } catch (InterruptedException e) {
              // it has slept long enough
            }
          });
    }
    for (Thread each : all) Threads.untilWaiting(each);
    long taken = heap() - before;
    latch.countDown();
    for (int i = 0; i < count; i += 2) all[i].interrupt();
    for (Thread each : all) each.join();
    return taken;
  }

  /** The bytes that so many tasks of a cooperative hub take. */
  private static long tasks(int count) {
    CountDownLatch latch = new CountDownLatch(1);
    Task<?>[] all = new Task<?>[count];
    Hub hub = Hub.realTime().cooperative();
    long taken =
        hub.run(() -> {
          long before = heap();
          for (int i = 0; i < count; i++) {
            boolean sleeps = i % 2 == 0;
            all[i] =
                hub.spawn(() -> {
                  block(sleeps, latch);
                  return null;
                });
          }
          for (Task<?> each : all) while (each.blocked == null) Hub.sleep(Duration.ZERO);
          long now = heap() - before;
          latch.countDown();
          for (int i = 1; i < count; i += 2) all[i].join();
          return now; // the sleepers are killed
        });
    for (Task<?> each : all) assertTrue(each.isDone());
    return taken;
  }

  private static void block(boolean sleeps, CountDownLatch latch) throws InterruptedException {
    if (sleeps) Thread.sleep(LONG);
    else latch.await();
  }

  /** What is in use once collecting has no effect any more: what one collection finds may be what lets go of other things. */
  private static long heap() {
    long used = Long.MAX_VALUE;
    while (true) {
      System.gc();
      long now = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
      if (now >= used - 1_000_000) return now;
      used = now;
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Guests whose executor is forgotten are collected with tasks that are blocked, but for the thread's own hub")
  void abandonedGuests() throws Throwable {
    int hubs = 20;
    Threads.PLATFORM.run(
        "host",
        () -> {
          for (int i = 0; i < hubs; i++) abandonGuest();
          assertEquals(6 * hubs, forgotten.size());
          // the first one stays the thread's hub
          Threads.collect(() -> left() <= 6);
        });
    Threads.collect(() -> left() == 0);
  }

  private void abandonGuest() {
    Queue<Runnable> turns = new ArrayDeque<>();
    CountDownLatch latch = forget(new CountDownLatch(1));
    Hub hub = forget(Hub.on(turns::add).cooperative());
    Task<?> waiting = spawn(hub, latch::await);
    Task<?> pulling =
        spawn(
            hub,
            () ->
                Generator.<Object>of(
                        out -> {
                          Object onStack = forget(new Object());
                          block(false, latch);
                          out.yield(onStack);
                        })
                    .iterator()
                    .next());
    Task<?> joining = spawn(hub, waiting::join);
    for (Runnable turn = turns.poll(); turn != null; turn = turns.poll()) turn.run();
    assertTrue(waiting.blocked != null && pulling.blocked != null && !joining.isDone());
  }

  /** A task that is to be collected, with what it has on its stack. */
  private Task<?> spawn(Hub hub, Executable body) {
    return forget(hub.spawn(Threads.callable(body)));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What a hub gives up is collected, and stays given up when it is granted what it waits for")
  void givenUp() {
    Logger logger = Logger.getLogger("greenlet.hub");
    logger.setUseParentHandlers(false); // it warns
    try {
      giveUp(forget(hub()));
      giveUpTwice(forget(hub()));
    } finally {
      logger.setUseParentHandlers(true);
    }
    assertEquals(2 + 3 * 11, forgotten.size());
    Threads.collect(() -> left() == 0);
  }

  private void giveUpTwice(Hub hub) {
    giveUp(hub).complete("after the run");
    CompletableFuture<Object> late = giveUp(hub);
    hub.run(() -> {
      late.complete("in the next run");
      Hub.sleep(SHORT);
      return null;
    });
    assertEquals(List.of(), trace);
  }

  private static Hub hub() {
    Hub hub = Hub.realTime().cooperative().grace(SHORT);
    hub.scheduler.setReports(SHORT); // until the next of which the hub is held
    return hub;
  }

  /** Returns what ten tasks of the hub have waited for in vain. */
  private CompletableFuture<Object> giveUp(Hub hub) {
    CompletableFuture<Object> future = forget(new CompletableFuture<>());
    hub.run(() -> {
      List<Task<?>> all = new ArrayList<>();
      for (int i = 0; i < 10; i++) all.add(spawn(hub, () -> trace.add(future.join())));
      for (Task<?> each : all) while (each.blocked == null) Hub.sleep(Duration.ZERO);
      return null;
    });
    assertEquals(List.of(), trace);
    return future;
  }
}
