package greenlet.bench;

import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Tasklets and channels. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class TaskletBenchmark {
  private static final int VALUES = 100_000;

  /** A value from one tasklet to another: a send and a receive. */
  @Benchmark
  @OperationsPerInvocation(VALUES)
  public Object sendAndReceive() {
    return values(Channel.confined());
  }

  /** The same on a channel that other threads might use. */
  @Benchmark
  @OperationsPerInvocation(VALUES)
  public Object sendAndReceiveShared() {
    return values(Channel.shared());
  }

  private static Object values(Channel<Object> channel) {
    Object[] last = new Object[1];
    Tasklet.of(
            args -> {
              for (int n = 0; n < VALUES; n++) channel.send("one");
              return null;
            })
        .insert();
    Tasklet.of(
            args -> {
              for (int n = 0; n < VALUES; n++) last[0] = channel.receive();
              return null;
            })
        .insert();
    Tasklet.runAll();
    return last[0];
  }

  /** Two tasklets that take turns. */
  @Benchmark
  @OperationsPerInvocation(VALUES)
  public void schedule() {
    for (int i = 0; i < 2; i++) {
      Tasklet.of(
              args -> {
                for (int n = 0; n < VALUES / 2; n++) Tasklet.schedule();
                return null;
              })
          .insert();
    }
    Tasklet.runAll();
  }

  @Benchmark
  public void createRunEnd() {
    Tasklet.of(args -> null).insert();
    Tasklet.runAll();
  }
}
