package greenlet.bench;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The JVM's own continuation with nothing round it. Its round trip, one run and one yield, is the unit: raw. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class RawBenchmark {
  private static final MethodHandle NEW;
  private static final MethodHandle RUN;
  private static final MethodHandle YIELD;
  private static final Object SCOPE;

  static {
    try {
      var lookup = MethodHandles.lookup();
      Class<?> scope = Class.forName("jdk.internal.vm.ContinuationScope");
      Class<?> continuation = Class.forName("jdk.internal.vm.Continuation");
      SCOPE =
          lookup
              .findConstructor(scope, MethodType.methodType(void.class, String.class))
              .invoke("raw");
      NEW =
          lookup
              .findConstructor(
                  continuation, MethodType.methodType(void.class, scope, Runnable.class))
              .asType(MethodType.methodType(Object.class, Object.class, Runnable.class));
      RUN =
          lookup
              .findVirtual(continuation, "run", MethodType.methodType(void.class))
              .asType(MethodType.methodType(void.class, Object.class));
      YIELD =
          lookup
              .findStatic(continuation, "yield", MethodType.methodType(boolean.class, scope))
              .asType(MethodType.methodType(boolean.class, Object.class));
    } catch (Throwable t) {
      throw new ExceptionInInitializerError(t);
    }
  }

  private int value;
  private Object endless;

  private static void suspend() {
    try {
      boolean done = (boolean) YIELD.invokeExact(SCOPE);
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  @Setup
  public void begin() throws Throwable {
    endless =
        (Object)
            NEW.invokeExact(
                SCOPE,
                (Runnable)
                    () -> {
                      while (true) {
                        value++;
                        suspend();
                      }
                    });
  }

  @Benchmark
  public int roundTrip() throws Throwable {
    RUN.invokeExact(endless);
    return value;
  }

  /** What the JVM zeroes with AVX-512, where it has that. */
  public static final class Pair {
    Object first;
    Object second;
  }

  private Pair pair;

  /** A round trip after which something is allocated whose fields stay as they are. */
  @Benchmark
  public int roundTripAndPair() throws Throwable {
    RUN.invokeExact(endless);
    pair = new Pair();
    return value;
  }

  @Benchmark
  public void tree(Tree.Many elements) throws Throwable {
    Object walk =
        (Object)
            NEW.invokeExact(
                SCOPE,
                (Runnable)
                    () -> {
                      Tree.walk(
                          elements.tree,
                          v -> {
                            value = v;
                            suspend();
                          });
                    });
    long sum = 0;
    for (int i = 0; i < elements.size; i++) {
      RUN.invokeExact(walk);
      sum += value;
    }
    elements.check(sum);
  }

  @Benchmark
  public int createRunEnd() throws Throwable {
    Object once = (Object) NEW.invokeExact(SCOPE, (Runnable) () -> value++);
    RUN.invokeExact(once);
    return value;
  }

  /** A round trip from so many calls deep. */
  @State(Scope.Thread)
  public static class Deep {
    @Param({"0", "10", "100", "1000", "5000"})
    int depth;

    int value;
    Object endless;

    @Setup
    public void begin() throws Throwable {
      endless = (Object) NEW.invokeExact(SCOPE, (Runnable) () -> descend(depth));
    }

    private void descend(int levels) {
      if (levels > 0) descend(levels - 1);
      else
        while (true) {
          value++;
          suspend();
        }
    }
  }

  @Benchmark
  @Fork(jvmArgsAppend = Main.DEEP)
  public int roundTripAtDepth(Deep deep) throws Throwable {
    RUN.invokeExact(deep.endless);
    return deep.value;
  }
}
