package greenlet.bench;

import greenlet.hub.Hub;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Tasks of a hub. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class HubBenchmark {
  private static final int TASKS = 1_000;
  private static final int TURNS = 200;
  private static final int SPAWNED = 10_000;

  /** What the tasks themselves cost is spread over their turns. */
  @Benchmark
  @OperationsPerInvocation(TASKS * TURNS)
  public void sleepZero() {
    Hub hub = Hub.realTime();
    hub.run(() -> {
      for (int i = 0; i < TASKS; i++) {
        hub.spawn(() -> {
          for (int n = 0; n < TURNS; n++) Hub.sleep(Duration.ZERO);
          return null;
        });
      }
      hub.join();
      return null;
    });
  }

  @Benchmark
  @OperationsPerInvocation(SPAWNED)
  public void spawnRunJoin() {
    Hub hub = Hub.realTime();
    hub.run(() -> {
      for (int i = 0; i < SPAWNED; i++) hub.spawn(() -> "one").join();
      return null;
    });
  }
}
