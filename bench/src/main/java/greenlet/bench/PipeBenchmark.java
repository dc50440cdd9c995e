package greenlet.bench;

import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** What {@link BridgeBenchmark} does, by the JDK's pipe and a thread that writes. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(Written.WRITES)
@State(Scope.Thread)
public class PipeBenchmark {
  private static final int DEFAULT_BUFFER = 1024;
  private static final int LARGE_BUFFER = 65_536;

  private static void pass(int size, int buffer) throws IOException, InterruptedException {
    try (PipedInputStream in = new PipedInputStream(buffer)) {
      PipedOutputStream out = new PipedOutputStream(in);
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                try (out) {
                  Written.produce(size, out);
                } catch (IOException e) {
                  throw new IllegalStateException(e);
                }
              });
      Written.consume(size, in);
      writer.join();
    }
  }

  @Benchmark
  public void big() throws IOException, InterruptedException {
    pass(Written.BIG, DEFAULT_BUFFER);
  }

  @Benchmark
  public void bigLargeBuffer() throws IOException, InterruptedException {
    pass(Written.BIG, LARGE_BUFFER);
  }

  @Benchmark
  public void small() throws IOException, InterruptedException {
    pass(Written.SMALL, DEFAULT_BUFFER);
  }

  @Benchmark
  public void smallLargeBuffer() throws IOException, InterruptedException {
    pass(Written.SMALL, LARGE_BUFFER);
  }
}
