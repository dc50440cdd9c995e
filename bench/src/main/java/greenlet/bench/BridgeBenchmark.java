package greenlet.bench;

import greenlet.bridge.Bridge;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** A write that is read through a bridge. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(Written.WRITES)
@State(Scope.Thread)
public class BridgeBenchmark {
  @Benchmark
  public void big() throws IOException {
    Written.consume(Written.BIG, Bridge.inputStream(out -> Written.produce(Written.BIG, out)));
  }

  @Benchmark
  public void bigConfined() throws IOException {
    Written.consume(
        Written.BIG, Bridge.confinedInputStream(out -> Written.produce(Written.BIG, out)));
  }

  @Benchmark
  public void bigTransferred() throws IOException {
    InputStream in = Bridge.inputStream(out -> Written.produce(Written.BIG, out));
    Written.check(Written.BIG, in.transferTo(OutputStream.nullOutputStream()));
  }

  @Benchmark
  public void small() throws IOException {
    Written.consume(Written.SMALL, Bridge.inputStream(out -> Written.produce(Written.SMALL, out)));
  }

  @Benchmark
  public void smallConfined() throws IOException {
    Written.consume(
        Written.SMALL, Bridge.confinedInputStream(out -> Written.produce(Written.SMALL, out)));
  }

  @Benchmark
  public void smallBuffered() throws IOException {
    Written.consume(
        Written.SMALL,
        Bridge.inputStream(out -> {
          try (OutputStream buffered = new BufferedOutputStream(out)) {
            Written.produce(Written.SMALL, buffered);
          }
        }));
  }
}
