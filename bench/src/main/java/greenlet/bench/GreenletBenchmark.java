package greenlet.bench;

import greenlet.Greenlet;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Switches. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class GreenletBenchmark {
  private static final int SWITCHES = 100_000;

  private Greenlet endless;

  @Setup
  public void begin() {
    Greenlet root = Greenlet.current();
    endless =
        Greenlet.of(args -> {
          while (true) root.switchTo("one");
        });
  }

  @Benchmark
  public Object rootAndBack() {
    return endless.switchTo("two");
  }

  @Benchmark
  @OperationsPerInvocation(SWITCHES / 2)
  public void rootOfVirtualThreadAndBack() throws InterruptedException {
    Thread.startVirtualThread(
            () -> {
              Greenlet root = Greenlet.current();
              Greenlet other =
                  Greenlet.of(args -> {
                    while (true) root.switchTo("one");
                  });
              for (int n = 0; n < SWITCHES / 2; n++) other.switchTo("two");
            })
        .join();
  }

  /** Two greenlets that switch to each other; the root is only there at the start and at the end. */
  @Benchmark
  @OperationsPerInvocation(SWITCHES)
  public Object toAnother() {
    Greenlet[] pair = new Greenlet[2];
    for (int i = 0; i < 2; i++) {
      int other = 1 - i;
      pair[i] =
          Greenlet.of(args -> {
            for (int n = 0; n < SWITCHES / 2; n++) pair[other].switchTo("one");
            return null;
          });
    }
    return pair[0].switchTo();
  }

  @Benchmark
  public Object createRunEnd() {
    return Greenlet.of(args -> args[0]).switchTo("one");
  }

  /** A round trip from so many calls deep. */
  @State(Scope.Thread)
  public static class Deep {
    @Param({"0", "10", "100", "1000", "5000"})
    int depth;

    Greenlet endless;

    @Setup
    public void begin() {
      Greenlet root = Greenlet.current();
      endless = Greenlet.of(args -> descend(root, depth));
    }

    private static Object descend(Greenlet root, int levels) {
      if (levels > 0) return descend(root, levels - 1);
      while (true) root.switchTo("one");
    }
  }

  @Benchmark
  @Fork(jvmArgsAppend = Main.DEEP)
  public Object rootAndBackAtDepth(Deep deep) {
    return deep.endless.switchTo("two");
  }
}
