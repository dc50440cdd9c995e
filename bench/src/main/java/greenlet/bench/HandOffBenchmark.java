package greenlet.bench;

import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Control passed from thread to thread by the JDK's own means. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class HandOffBenchmark {
  private static final int TRANSFERS = 10_000;

  /** Whose turn it is; the other waits, parked. */
  private static final class Turn {
    private volatile Thread owner;

    void pass(Thread to) {
      owner = to;
      LockSupport.unpark(to);
    }

    void await() {
      while (owner != Thread.currentThread()) LockSupport.park(this);
    }
  }

  private static void exchange(Thread.Builder first, Thread.Builder second)
      throws InterruptedException {
    Turn turn = new Turn();
    Thread[] pair = new Thread[2];
    for (int i = 0; i < 2; i++) {
      int other = 1 - i;
      pair[i] =
          (i == 0 ? first : second)
              .unstarted(() -> {
                for (int n = 0; n < TRANSFERS / 2; n++) {
                  turn.await();
                  turn.pass(pair[other]);
                }
              });
    }
    for (Thread t : pair) t.start();
    turn.pass(pair[0]);
    for (Thread t : pair) t.join();
  }

  @Benchmark
  @OperationsPerInvocation(TRANSFERS)
  public void parkVirtualAndVirtual() throws InterruptedException {
    exchange(Thread.ofVirtual(), Thread.ofVirtual());
  }

  @Benchmark
  @OperationsPerInvocation(TRANSFERS)
  public void parkPlatformAndVirtual() throws InterruptedException {
    exchange(Thread.ofPlatform(), Thread.ofVirtual());
  }

  // A SynchronousQueue as a generator; 0 is the end

  private static long sumOf(Consumer<IntConsumer> elements) throws InterruptedException {
    SynchronousQueue<Integer> queue = new SynchronousQueue<>();
    AtomicLong sum = new AtomicLong();
    Thread.startVirtualThread(() -> {
      elements.accept(v -> put(queue, v));
      put(queue, 0);
    });
    Thread.startVirtualThread(
            () -> {
              long s = 0;
              for (int v; (v = take(queue)) != 0; ) s += v;
              sum.set(s);
            })
        .join();
    return sum.get();
  }

  private static void put(SynchronousQueue<Integer> queue, int value) {
    try {
      queue.put(value);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static int take(SynchronousQueue<Integer> queue) {
    try {
      return queue.take();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Benchmark
  public void synchronousQueueFlat(Tree.Few elements) throws InterruptedException {
    elements.check(
        sumOf(out -> {
          for (int i = 1; i <= elements.size; i++) out.accept(i);
        }));
  }

  @Benchmark
  public void synchronousQueueTree(Tree.Few elements) throws InterruptedException {
    elements.check(sumOf(out -> Tree.walk(elements.tree, out)));
  }
}
