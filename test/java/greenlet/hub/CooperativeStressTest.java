package greenlet.hub;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/**
 * Random programs of blocking calls in cooperative hubs. {@code -Dgreenlet.random.seconds} is how long they go on,
 * {@code -Dgreenlet.random.seed} the first program; the second has the next number, and so on.
 */
@ExtendWith(LeakCheck.class)
class CooperativeStressTest {
  private static final double SECONDS =
      Double.parseDouble(System.getProperty("greenlet.random.seconds", "10"));

  private static final long SEED =
      Long.getLong("greenlet.random.seed", ThreadLocalRandom.current().nextInt(1_000_000_000));

  /** How long a single program may take. */
  private static final long LIMIT_SECONDS = 120;

  @BeforeAll
  static void possible() {
    assumeTrue(Hubs.canCooperate(), "cooperative hubs");
  }

  private interface Run {
    void run(long seed, ExecutorService helpers) throws Throwable;
  }

  /** Runs one program after the other, each in a thread of its own. */
  private static void forSeconds(double seconds, String kind, Run run) throws Throwable {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    long seed = SEED;
    System.out.printf("Random programs in %s, from %d on%n", kind, seed);
    try (var helpers = Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory())) {
      do {
        long program = seed++;
        inTime(kind + ", program " + program, () -> run.run(program, helpers));
      } while (System.nanoTime() < end);
    }
    System.out.printf("%d random programs in %s%n", seed - SEED, kind);
  }

  private static void inTime(String what, Executable program) throws Throwable {
    Future<Void> over =
        greenlet.testing.Threads.PLATFORM.start(what, greenlet.testing.Threads.callable(program));
    try {
      over.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(what, e.getCause());
    } catch (TimeoutException e) {
      throw new AssertionError(what + " does not end; the platform threads:\n" + platformThreads());
    }
  }

  /** To ask for the stacks of virtual threads may crash the JVM. */
  private static String platformThreads() {
    var text = new StringBuilder();
    for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
      text.append(each.getKey()).append('\n');
      for (StackTraceElement frame : each.getValue()) text.append("  ").append(frame).append('\n');
    }
    return text.toString();
  }

  @Test
  @DisplayName(
      "In a hub with a thread of its own: nobody waits in vain, exclusion holds, limits strike, kills end, nothing is left")
  void ownThread() throws Throwable {
    forSeconds(
        0.7 * SECONDS,
        "hubs",
        (seed, helpers) -> new BlockingProgram(seed, Hub.realTime().cooperative(), helpers).run());
  }

  @Test
  @DisplayName("So it is in a hub that is a guest in somebody else's event loop")
  void guest() throws Throwable {
    forSeconds(
        0.3 * SECONDS,
        "guest hubs",
        (seed, helpers) -> {
          try (var host = Executors.newSingleThreadExecutor()) {
            new BlockingProgram(seed, Hub.on(host).cooperative(), helpers).runIn(host);
          }
        });
  }
}
