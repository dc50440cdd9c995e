package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Who has held the thread of a hub for too long. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class WatchdogTest {
  private static final boolean IN_THREAD = Greenlet.engine().startsWith("continuation");
  private static final Duration LIMIT = Duration.ofMillis(20);

  /** A hub that works must not be held up for so long, also on a machine that is busy. */
  private static final Duration LONG_LIMIT = Duration.ofMillis(500);

  private final List<Hub.Held> reports = new CopyOnWriteArrayList<>();

  private static void hold(Duration time) {
    long begin = System.nanoTime();
    while (System.nanoTime() - begin < time.toNanos()) Thread.onSpinWait();
  }

  /** Does not give way before there are so many reports. */
  private void holdUntilReported(int many) {
    Threads.until(() -> reports.size() >= many);
  }

  private void run(Hub hub, Executable body) {
    hub.run(Threads.callable(body));
  }

  private Hub watched() {
    return Hub.realTime().watchdog(LIMIT, reports::add);
  }

  /** The only report is of {@code task}, and has the stack, with {@code method}, where that can be known. */
  private void assertReported(Task<?> task, Thread thread, String method) {
    assertEquals(1, reports.size());
    Hub.Held held = reports.getFirst();
    assertSame(task, held.task());
    assertTrue(held.duration().compareTo(LIMIT) >= 0, held::toString);
    assertFalse(held.since().isAfter(Instant.now()), held::toString);
    if (IN_THREAD && !thread.isVirtual()) {
      assertNull(held.missing());
      assertTrue(
          held.stack().stream()
              .anyMatch(frame ->
                  frame.getClassName().equals(getClass().getName())
                      && frame.getMethodName().equals(method)),
          () -> held.stack().toString());
      assertTrue(
          held.stack().stream()
              .noneMatch(frame ->
                  frame.getClassName().equals("greenlet.hub.Task")
                      || frame.getMethodName().equals("assertHolderIsFound")),
          () -> held.stack().toString());
    } else {
      assertEquals(List.of(), held.stack());
      assertTrue(held.missing().contains(thread.isVirtual() ? "hub is virtual" : "of its own"));
      assertTrue(held.missing().contains("crash"), held::missing);
    }
  }

  private void assertHolderIsFound(Executable body, String method) {
    Thread thread = Thread.currentThread();
    Task<?>[] holder = new Task<?>[1];
    run(
        watched(),
        () -> {
          Hub.current().spawn("other", () -> Hub.sleep(Duration.ZERO));
          holder[0] = Hub.current().spawn("holder", body::execute);
          holder[0].result();
        });
    assertReported(holder[0], thread, method);
  }

  // What holds the thread

  @RootTest
  @DisplayName("a task that computes")
  void busyLoop() {
    assertHolderIsFound(this::compute, "compute");
  }

  private void compute() {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (reports.isEmpty() && System.nanoTime() < end) Thread.onSpinWait();
  }

  @RootTest
  @DisplayName("a task that reads what nobody has written yet")
  void blockingRead() throws Throwable {
    // a socket would leave the JDK's pollers, which are virtual threads
    try (var in = new PipedInputStream();
        var out = new PipedOutputStream(in)) {
      Future<Void> writer =
          Threads.PLATFORM.start(
              "writer",
              () -> {
                holdUntilReported(1);
                out.write(1);
                out.flush();
                return null;
              });
      assertHolderIsFound(() -> read(in), "read");
      Threads.await(writer);
    }
  }

  private static void read(InputStream in) throws Throwable {
    assertEquals(1, in.read());
  }

  @RootTest
  @DisplayName("a task that sleeps by Thread.sleep")
  void sleep() {
    assertHolderIsFound(this::sleepUntilReported, "sleepUntilReported");
  }

  private void sleepUntilReported() throws InterruptedException {
    for (int i = 0; i < 2_000 && reports.isEmpty(); i++) Thread.sleep(10);
  }

  @RootTest
  @DisplayName("a task that asks for a lock that another one holds over a wait")
  void lockHeldOverWait() throws Throwable {
    assumeTrue(!IN_THREAD, "such a lock is the thread's, and lets the other task in");
    var lock = new ReentrantLock();
    var release = new CompletableFuture<Void>();
    var contending = new CompletableFuture<Thread>();
    Future<Void> judge =
        Threads.PLATFORM.start(
            "judge",
            () -> {
              holdUntilReported(1);
              release.complete(null);
              contending.join().interrupt();
              return null;
            });
    Thread thread = Thread.currentThread();
    Task<?>[] contender = new Task<?>[1];
    run(
        watched(),
        () -> {
          Task<?> owner =
              Hub.current()
                  .spawn(
                      "owner",
                      () -> {
                        lock.lock();
                        try {
                          Hub.await(release);
                        } finally {
                          lock.unlock();
                        }
                      });
          contender[0] =
              Hub.current()
                  .spawn(
                      "contender",
                      () -> {
                        contending.complete(Thread.currentThread());
                        assertThrows(InterruptedException.class, lock::lockInterruptibly);
                      });
          contender[0].result();
          owner.result();
        });
    Threads.await(judge);
    assertReported(contender[0], thread, "none");
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("a task that pulls from a body in a virtual thread: its own place is known")
  void carriedBody() {
    assumeTrue(IN_THREAD && !Greenlet.engine().contains("not carried"));
    Generator<Integer> slow =
        Generator.of(out -> {
          holdUntilReported(1);
          out.yield(1);
        });
    run(
        watched(),
        () -> {
          try (Cursor<Integer> cursor = slow.sharedCursor()) {
            pull(cursor);
          }
        });
    Hub.Held held = reports.getFirst();
    assertTrue(held.missing().contains("in a virtual thread"), held::missing);
    List<String> methods =
        held.stack().stream().map(StackTraceElement::getMethodName).distinct().toList();
    assertTrue(methods.contains("pull"), methods::toString);
    assertFalse(methods.contains("holdUntilReported"), methods::toString);
  }

  private static void pull(Cursor<Integer> cursor) {
    assertEquals(1, cursor.next());
  }

  @RootTest
  @DisplayName("in virtual time the limit is real")
  void virtualTime() {
    Hub hub = Hub.virtualTime().watchdog(LIMIT, reports::add);
    run(
        hub,
        () -> {
          Hub.sleep(Duration.ofDays(1));
          holdUntilReported(1);
        });
    assertTrue(reports.getFirst().duration().compareTo(Duration.ofHours(1)) < 0);
  }

  // Reports

  @RootTest
  @DisplayName("each time that a task holds the thread is reported once")
  void once() {
    run(
        watched(),
        () -> {
          holdUntilReported(1);
          hold(LIMIT.multipliedBy(5));
          assertEquals(1, reports.size());
          Hub.sleep(Duration.ZERO);
          holdUntilReported(2);
          hold(LIMIT.multipliedBy(5));
        });
    assertEquals(2, reports.size());
    assertTrue(reports.get(0).since().isBefore(reports.get(1).since()));
  }

  @RootTest
  @DisplayName("a report says what the task waited for last")
  void lastWait() {
    run(
        watched(),
        () -> {
          holdUntilReported(1);
          var bell = new Waiter<String>("the bell");
          Hub.current().spawn(() -> bell.wake("rings"));
          bell.await();
          holdUntilReported(2);
        });
    assertNull(reports.get(0).lastWait());
    assertEquals("the bell", reports.get(1).lastWait());
    String line = reports.get(1).toString();
    assertTrue(line.contains("it waited last for the bell"), line);
    assertEquals(1, line.lines().count());
  }

  @RootTest
  @DisplayName("a handler that throws is told of, and hears of the next one")
  void failingHandler() throws Throwable {
    var uncaught = new LinkedBlockingQueue<Throwable>();
    Hub hub =
        Hub.realTime()
            .watchdog(
                LIMIT,
                held -> {
                  Thread.currentThread()
                      .setUncaughtExceptionHandler((thread, t) -> uncaught.add(t));
                  reports.add(held);
                  throw new IllegalStateException("the handler's");
                });
    run(
        hub,
        () -> {
          holdUntilReported(1);
          Hub.sleep(Duration.ZERO);
          holdUntilReported(2);
        });
    for (int i = 0; i < 2; i++) {
      Throwable told = uncaught.poll(20, TimeUnit.SECONDS);
      assertEquals("the handler's", told.getCause().getMessage());
    }
  }

  @RootTest
  @DisplayName("without a handler it is logged as a warning")
  void logged() {
    var records = new CopyOnWriteArrayList<LogRecord>();
    Logger logger = Logger.getLogger("greenlet.hub.Hub");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord r) {
            records.add(r);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    boolean passedOn = logger.getUseParentHandlers();
    logger.setUseParentHandlers(false);
    logger.addHandler(handler);
    try {
      Hub hub = Hub.realTime();
      assertSame(hub, hub.watchdog(LIMIT));
      hub.run(() -> Threads.until(() -> !records.isEmpty()));
      LogRecord logged = records.getFirst();
      assertEquals("WARNING", logged.getLevel().getName());
      assertTrue(
          logged.getMessage().contains(" has held the thread of " + "Hub@"), logged::getMessage);
      boolean isKnown = IN_THREAD && !Thread.currentThread().isVirtual();
      if (isKnown) assertTrue(logged.getThrown().getStackTrace().length > 0);
      else assertNull(logged.getThrown());
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(passedOn);
    }
  }

  // What does not hold the thread

  @RootTest
  @DisplayName("no report of tasks that give way, however busy")
  void switching() {
    Hub hub = Hub.realTime().watchdog(LONG_LIMIT, reports::add);
    run(
        hub,
        () -> {
          long begin = System.nanoTime();
          // alone: whose turn it is never changes
          while (System.nanoTime() - begin < 3 * LONG_LIMIT.toNanos()) Hub.sleep(Duration.ZERO);
        });
    assertEquals(List.of(), reports);
  }

  @RootTest
  @DisplayName("no report of a hub that sleeps, or waits for another thread")
  void asleep() throws Throwable {
    var asked = new CountDownLatch(1);
    var answer = new CompletableFuture<String>();
    Future<Void> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              Threads.await(asked);
              hold(LIMIT.multipliedBy(5));
              answer.complete("answer");
              return null;
            });
    run(
        watched(),
        () -> {
          Hub.sleep(LIMIT.multipliedBy(5));
          asked.countDown();
          Hub.await(answer);
        });
    Threads.await(other);
    assertEquals(List.of(), reports);
  }

  @RootTest
  @DisplayName("no report of code outside of the tasks, whose thread has a hub of its own")
  void outside() {
    Hub.current().watchdog(LIMIT, reports::add);
    Hub.sleep(LIMIT);
    hold(LIMIT.multipliedBy(5));
    assertEquals(List.of(), reports);
    Hub.current().spawn("holder", () -> holdUntilReported(1)).join();
    assertEquals("holder", reports.getFirst().task().name());
  }

  @RootTest
  @DisplayName("a guest's task is reported, and nothing that runs between its turns")
  void guest() throws Throwable {
    ExecutorService host = Executors.newSingleThreadExecutor();
    try {
      Hub hub = Hub.on(host).watchdog(LIMIT, reports::add);
      assertEquals(1, Threads.await(hub.spawn(() -> 1).toCompletableFuture()));
      Threads.await(host.submit(() -> hold(LIMIT.multipliedBy(5))));
      assertEquals(List.of(), reports);
      Task<?> holder = hub.spawn("holder", () -> holdUntilReported(1));
      Threads.await(holder.toCompletableFuture());
      assertSame(holder, reports.getFirst().task());
    } finally {
      host.close();
    }
  }

  // When it looks

  /** Whose turn it is seems to be what a test says. */
  private static class Scripted implements Watchdog.Turns<String> {
    final AtomicInteger looks = new AtomicInteger();
    final List<Integer> reportedAt = new CopyOnWriteArrayList<>();
    volatile boolean isOver;

    @Override
    public Thread thread() {
      return isOver ? null : Thread.currentThread();
    }

    @Override
    public String holder() {
      looks.incrementAndGet();
      return "holder";
    }

    @Override
    public int count() {
      return 0;
    }

    @Override
    public boolean areOnThread() {
      return false;
    }

    @Override
    public void report(
        String holder, Duration time, List<StackTraceElement> stack, String missing) {
      reportedAt.add(looks.get());
    }

    /** Is watched until it has been looked at so often. */
    void watchFor(int many, long limit) {
      var watchdog = new Watchdog<>(this, limit);
      watchdog.begin();
      Threads.until(() -> looks.get() >= many);
      isOver = true;
      Reference.reachabilityFence(watchdog);
    }
  }

  @RootTest
  @DisplayName("the same turn, seen nine times in a row, is reported the ninth time alone")
  void sameTurn() {
    var turns = new Scripted();
    turns.watchFor(40, 8_000_000);
    assertEquals(List.of(9), turns.reportedAt);
  }

  @RootTest
  @DisplayName("another turn of the same holder, and nobody's turn, begin anew")
  void otherTurns() {
    var many =
        new Scripted() {
          @Override
          public int count() {
            return looks.get() / 8;
          }
        };
    many.watchFor(40, 8_000_000);
    assertEquals(List.of(), many.reportedAt);
    var now =
        new Scripted() {
          @Override
          public String holder() {
            return super.holder() != null && looks.get() % 8 == 0 ? null : "holder";
          }
        };
    now.watchFor(40, 8_000_000);
    assertEquals(List.of(), now.reportedAt);
  }

  // Its own life

  private static boolean runs() {
    return Thread.getAllStackTraces().keySet().stream()
        .anyMatch(thread -> thread.getName().equals("greenlet-watchdog"));
  }

  @RootTest
  @DisplayName("the watchdog's thread runs while a hub with a watchdog does")
  void thread() {
    Threads.until(() -> !runs());
    Hub hub = watched();
    assertFalse(runs());
    for (int i = 0; i < 2; i++) {
      run(hub, () -> assertTrue(runs()));
      Threads.until(() -> !runs());
    }
    int before = reports.size();
    run(hub, () -> holdUntilReported(before + 1)); // it is watched again
  }

  @RootTest
  @DisplayName("what nobody else holds is collected, and the watchdog's thread ends")
  void collected() {
    WeakReference<Scripted> watched = watchedAndForgotten();
    assertTrue(runs());
    Threads.collect(() -> watched.get() == null);
    Threads.until(() -> !runs());
  }

  private static WeakReference<Scripted> watchedAndForgotten() {
    var turns = new Scripted();
    new Watchdog<>(turns, TimeUnit.HOURS.toNanos(1)).begin();
    return new WeakReference<>(turns);
  }

  @RootTest
  @DisplayName("a guest whose thread has ended is not looked at any longer")
  void hostEnds() throws Throwable {
    ExecutorService host = Executors.newSingleThreadExecutor();
    Hub hub = Hub.on(host).watchdog(LIMIT, reports::add);
    assertEquals(1, Threads.await(hub.spawn(() -> 1).toCompletableFuture()));
    assertTrue(runs());
    host.close();
    Threads.until(() -> !runs());
    Reference.reachabilityFence(hub);
  }

  @RootTest
  @DisplayName("a watchdog that is set anew takes the place of the one before")
  void replaced() {
    Hub hub = Hub.realTime().watchdog(LIMIT, held -> reports.add(held));
    hub.watchdog(Duration.ofHours(1), reports::add);
    run(
        hub,
        () -> {
          hold(LIMIT.multipliedBy(5));
          assertEquals(List.of(), reports);
          hub.watchdog(LIMIT, reports::add);
          holdUntilReported(1);
          hub.watchdog(Duration.ofHours(1), reports::add);
          Hub.sleep(Duration.ZERO);
          hold(LIMIT.multipliedBy(5));
        });
    assertEquals(1, reports.size());
  }

  @RootTest
  @DisplayName("a limit that is not above zero is refused, and so is nothing, and another thread")
  void refused() throws Throwable {
    Hub hub = Hub.realTime();
    for (Duration limit : List.of(Duration.ZERO, Duration.ofSeconds(-1))) {
      Refusal.assertRefused(
          IllegalArgumentException.class, () -> hub.watchdog(limit), "a time above zero");
    }
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> hub.watchdog(null), "needs a limit");
    Refusal.assertRefused(
        IllegalArgumentException.class, () -> hub.watchdog(LIMIT, null), "needs a handler");
    run(
        hub,
        () ->
            Threads.PLATFORM.run(
                "other",
                () ->
                    Refusal.assertRefused(
                        WrongThreadException.class, () -> hub.watchdog(LIMIT), "the watchdog of")));
    assertNotNull(hub.watchdog(Duration.ofSeconds(Long.MAX_VALUE)));
  }
}
