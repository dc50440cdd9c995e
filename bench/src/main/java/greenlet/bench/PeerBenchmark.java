package greenlet.bench;

import clojure.lang.IFn;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** The traversals of {@link GeneratorBenchmark} by what else there is in Java, Clojure and Kotlin, on the consumer's stack. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class PeerBenchmark {
  private static long sum(Iterator<Integer> elements) {
    long sum = 0;
    while (elements.hasNext()) sum += elements.next();
    return sum;
  }

  // By hand

  private static void flat(int size, IntConsumer out) {
    for (int i = 1; i <= size; i++) out.accept(i);
  }

  @Benchmark
  public void callbackFlat(Tree.Many elements) {
    long[] sum = new long[1];
    flat(elements.size, v -> sum[0] += v);
    elements.check(sum[0]);
  }

  @Benchmark
  public void callbackTree(Tree.Many elements) {
    long[] sum = new long[1];
    Tree.walk(elements.tree, v -> sum[0] += v);
    elements.check(sum[0]);
  }

  private static final class Ints implements Iterator<Integer> {
    private final int last;
    private int previous;

    Ints(int size) {
      last = size;
    }

    @Override
    public boolean hasNext() {
      return previous < last;
    }

    @Override
    public Integer next() {
      return ++previous;
    }
  }

  private static final class InOrder implements Iterator<Integer> {
    private final Deque<Tree> pending = new ArrayDeque<>();

    InOrder(Tree t) {
      descend(t);
    }

    private void descend(Tree t) {
      for (; t != null; t = t.left) pending.push(t);
    }

    @Override
    public boolean hasNext() {
      return !pending.isEmpty();
    }

    @Override
    public Integer next() {
      Tree t = pending.pop();
      descend(t.right);
      return t.value;
    }
  }

  @Benchmark
  public void iteratorFlat(Tree.Many elements) {
    elements.check(sum(new Ints(elements.size)));
  }

  @Benchmark
  public void iteratorTree(Tree.Many elements) {
    elements.check(sum(new InOrder(elements.tree)));
  }

  // Kotlin

  @Benchmark
  public void sequenceFlat(Tree.Many elements) {
    elements.check(sum(Sequences.flat(elements.size)));
  }

  @Benchmark
  public void sequenceTree(Tree.Many elements) {
    elements.check(sum(Sequences.inOrder(elements.tree)));
  }

  @Benchmark
  public void sequenceYieldAllTree(Tree.Many elements) {
    elements.check(sum(Sequences.inOrderByYieldAll(elements.tree)));
  }

  // Clojure

  /** Loaded where it is used. */
  private static final class Code {
    private static final ClojureCode PEERS = new ClojureCode("greenlet.bench.peers");
    static final IFn FLAT = PEERS.fn("flat");
    static final IFn IN_ORDER = PEERS.fn("in-order");
    static final IFn IN_ORDER_BY_CONCAT = PEERS.fn("in-order-by-concat");
    static final IFn PRE_ORDER_BY_TREE_SEQ = PEERS.fn("pre-order-by-tree-seq");
    static final IFn GO_FLAT = PEERS.fn("go-flat");
    static final IFn GO_IN_ORDER = PEERS.fn("go-in-order");
    static final IFn SUM_BY_TAKES = PEERS.fn("sum-by-takes");
    static final IFn SUM_BY_SEQ = new ClojureCode("greenlet.bench.generators").fn("sum-by-seq");
  }

  private static final Object UNBUFFERED = null;
  private static final Object BUFFER = 64L;

  @Benchmark
  public void lazySeqFlat(Tree.Many elements) {
    elements.check((long) Code.SUM_BY_SEQ.invoke(Code.FLAT.invoke(elements.size)));
  }

  @Benchmark
  public void lazySeqTree(Tree.Many elements) {
    elements.check((long) Code.SUM_BY_SEQ.invoke(Code.IN_ORDER.invoke(elements.tree)));
  }

  @Benchmark
  public void lazySeqConcatTree(Tree.Few elements) {
    elements.check((long) Code.SUM_BY_SEQ.invoke(Code.IN_ORDER_BY_CONCAT.invoke(elements.tree)));
  }

  @Benchmark
  public void treeSeqTree(Tree.Few elements) {
    elements.check((long) Code.SUM_BY_SEQ.invoke(Code.PRE_ORDER_BY_TREE_SEQ.invoke(elements.tree)));
  }

  @Benchmark
  public void goFlat(Tree.Few elements) {
    elements.check((long) Code.SUM_BY_TAKES.invoke(Code.GO_FLAT.invoke(elements.size, UNBUFFERED)));
  }

  @Benchmark
  public void goBufferFlat(Tree.Few elements) {
    elements.check((long) Code.SUM_BY_TAKES.invoke(Code.GO_FLAT.invoke(elements.size, BUFFER)));
  }

  @Benchmark
  public void goTree(Tree.Few elements) {
    elements.check(
        (long) Code.SUM_BY_TAKES.invoke(Code.GO_IN_ORDER.invoke(elements.tree, UNBUFFERED)));
  }

  @Benchmark
  public void goBufferTree(Tree.Few elements) {
    elements.check((long) Code.SUM_BY_TAKES.invoke(Code.GO_IN_ORDER.invoke(elements.tree, BUFFER)));
  }
}
