package greenlet.testing;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.HotSpotDiagnosticMXBean.ThreadDumpFormat;
import greenlet.GreenletExit;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.Executable;

/** The kinds of threads, and waits that end: what takes too long fails and says where every thread is. */
public enum Threads {
  PLATFORM,
  VIRTUAL;

  /** How long a stress test goes on. */
  public static final long STRESS_SECONDS = Long.getLong("greenlet.stress.seconds", 3);

  private static final long LIMIT_SECONDS = 60 + STRESS_SECONDS;

  /** Starts a thread of this kind; the future has what the task returns or throws. */
  public <T> Future<T> start(String name, Callable<T> task) {
    var future = new FutureTask<>(task);
    builder().name(name).start(future);
    return future;
  }

  /** Calls {@code task} in a new thread of this kind that has ended when this returns. */
  public <T> T call(String name, Callable<T> task) throws Throwable {
    var future = new FutureTask<>(task);
    Thread thread = builder().name(name).start(future);
    T result = await(future);
    thread.join();
    return result;
  }

  /** Runs {@code task} in a new thread of this kind that has ended when this returns. */
  public void run(String name, Executable task) throws Throwable {
    call(name, callable(task));
  }

  private Thread.Builder builder() {
    return this == VIRTUAL ? Thread.ofVirtual() : Thread.ofPlatform().daemon();
  }

  public static Callable<Void> callable(Executable task) {
    return () -> {
      try {
        task.execute();
        return null;
      } catch (Throwable t) {
        throw Threads.<RuntimeException>unchecked(t);
      }
    };
  }

  /** Runs {@code task}, while another thread runs {@code read} time and again. */
  public static void whileAnother(Runnable read, Executable task) throws Throwable {
    var over = new AtomicBoolean();
    Future<Void> reader =
        PLATFORM.start(
            "reader",
            () -> {
              while (!over.get()) read.run();
              return null;
            });
    try {
      task.execute();
    } finally {
      over.set(true);
    }
    await(reader);
  }

  public static <T> T await(Future<T> future) throws Throwable {
    try {
      return future.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw e.getCause();
    } catch (TimeoutException e) {
      throw tooLong("a thread");
    }
  }

  public static void await(CountDownLatch latch) throws InterruptedException {
    if (!latch.await(LIMIT_SECONDS, TimeUnit.SECONDS)) throw tooLong("a latch");
  }

  public static void await(Process process) throws InterruptedException {
    if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw tooLong("process " + process.info().commandLine().orElse("" + process.pid()));
    }
  }

  /** Waits, yielding the processor, until {@code condition} holds. */
  public static void until(BooleanSupplier condition) {
    repeat(condition, Thread::yield);
  }

  /**
   * Waits until {@code thread} waits for something else than the processor. A platform thread that carries a virtual one is only
   * then sure to get an interrupt, see doc/caveats.md.
   */
  public static void untilWaiting(Thread thread) {
    until(() ->
        thread.getState() == Thread.State.WAITING
            || thread.getState() == Thread.State.TIMED_WAITING);
  }

  /** Collects garbage until {@code condition} holds. */
  public static void collect(BooleanSupplier condition) {
    repeat(
        condition,
        () -> {
          refreshCarriers();
          System.gc();
        });
  }

  /**
   * What a carrier of virtual threads ran last lies on its stack, interpreted, until it has run something else, and what was
   * last thrown on it seems to stay with it until something else is. So all of them have to run something that throws: none
   * of these threads gives its carrier back before there is one on each.
   */
  private static void refreshCarriers() {
    int carriers = Runtime.getRuntime().availableProcessors();
    var running = new AtomicInteger();
    // others may keep a carrier for longer
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(1);
    try {
      List<Future<Void>> all =
          Stream.generate(() ->
                  VIRTUAL.start(
                      "refresh",
                      callable(() -> {
                        running.incrementAndGet();
                        while (running.get() < carriers && System.nanoTime() < end)
                          Thread.onSpinWait();
                        throw new GreenletExit();
                      })))
              .limit(carriers)
              .toList();
      for (Future<Void> each : all) {
        try {
          await(each);
        } catch (GreenletExit e) {
          // as it has to be
        }
      }
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  private static void repeat(BooleanSupplier condition, Runnable step) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS / 4);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) throw tooLong("a condition");
      step.run();
    }
  }

  private static AssertionError tooLong(String what) {
    return new AssertionError(what + " took too long; the threads:\n" + dump());
  }

  /** Where every thread is, virtual ones included. */
  private static String dump() {
    try {
      Path file = Files.createTempFile("threads", ".txt");
      Files.delete(file);
      ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
          .dumpThreads(file.toString(), ThreadDumpFormat.TEXT_PLAIN);
      String dump = Files.readString(file);
      Files.delete(file);
      return dump;
    } catch (Exception e) {
      return "no dump: " + e;
    }
  }

  /** Throws {@code t} as it is, where it is not declared; to be called in a throw statement. */
  @SuppressWarnings("unchecked")
  public static <E extends Throwable> E unchecked(Throwable t) throws E {
    throw (E) t;
  }
}
