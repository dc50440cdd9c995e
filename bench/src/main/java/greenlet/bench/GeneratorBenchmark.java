package greenlet.bench;

import clojure.lang.IFn;
import greenlet.Cursor;
import greenlet.Generator;
import java.util.Iterator;
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

/** Traversals of generators: of a flat sequence, and of a tree walked by recursive yields. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class GeneratorBenchmark {
  private static final ClojureCode CLOJURE = new ClojureCode("greenlet.bench.generators");
  private static final IFn FLAT = CLOJURE.fn("flat");
  private static final IFn IN_ORDER = CLOJURE.fn("in-order");
  private static final IFn SUM_BY_REDUCE = CLOJURE.fn("sum-by-reduce");
  private static final IFn SUM_BY_SEQ = CLOJURE.fn("sum-by-seq");
  private static final IFn CONFINED = CLOJURE.fn("confined");
  private static final IFn CHUNKED = CLOJURE.fn("chunked");
  private static final IFn SUM_BY_CURSOR = CLOJURE.fn("sum-by-cursor");

  private static Generator<Integer> flat(Tree.Elements elements) {
    return Generator.of(out -> {
      for (int i = 1; i <= elements.size; i++) out.yield(i);
    });
  }

  private static Generator<Integer> inOrder(Tree.Elements elements) {
    return Generator.of(out -> walk(elements.tree, out));
  }

  private static void walk(Tree t, Generator.Yielder<Integer> out) {
    if (t == null) return;
    walk(t.left, out);
    out.yield(t.value);
    walk(t.right, out);
  }

  private static long sumByIterator(Generator<Integer> g) {
    long sum = 0;
    for (int i : g) sum += i;
    return sum;
  }

  private static long sumByChunkedCursor(Generator<Integer> g) {
    long sum = 0;
    for (Cursor<Integer> c = g.cursor(32); c.hasNext(); ) sum += c.next();
    return sum;
  }

  private static long sumByForEach(Generator<Integer> g) {
    long[] sum = new long[1];
    g.forEach(v -> sum[0] += v);
    return sum[0];
  }

  @Benchmark
  public void iteratorFlat(Tree.Many elements) {
    elements.check(sumByIterator(flat(elements)));
  }

  @Benchmark
  public void iteratorTree(Tree.Many elements) {
    elements.check(sumByIterator(inOrder(elements)));
  }

  @Benchmark
  public void chunkedCursorFlat(Tree.Many elements) {
    elements.check(sumByChunkedCursor(flat(elements)));
  }

  @Benchmark
  public void chunkedCursorTree(Tree.Many elements) {
    elements.check(sumByChunkedCursor(inOrder(elements)));
  }

  @Benchmark
  public void forEachFlat(Tree.Many elements) {
    elements.check(sumByForEach(flat(elements)));
  }

  @Benchmark
  public void forEachTree(Tree.Many elements) {
    elements.check(sumByForEach(inOrder(elements)));
  }

  @Benchmark
  public void clojureReduceFlat(Tree.Many elements) {
    elements.check((long) SUM_BY_REDUCE.invoke(FLAT.invoke(elements.size)));
  }

  @Benchmark
  public void clojureReduceTree(Tree.Many elements) {
    elements.check((long) SUM_BY_REDUCE.invoke(IN_ORDER.invoke(elements.tree)));
  }

  @Benchmark
  public void clojureSeqFlat(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(FLAT.invoke(elements.size)));
  }

  @Benchmark
  public void clojureSeqTree(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(IN_ORDER.invoke(elements.tree)));
  }

  @Benchmark
  public void clojureConfinedSeqFlat(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(CONFINED.invoke(FLAT.invoke(elements.size))));
  }

  @Benchmark
  public void clojureConfinedSeqTree(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(CONFINED.invoke(IN_ORDER.invoke(elements.tree))));
  }

  @Benchmark
  public void clojureChunkedSeqFlat(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(CHUNKED.invoke(FLAT.invoke(elements.size))));
  }

  @Benchmark
  public void clojureChunkedSeqTree(Tree.Many elements) {
    elements.check((long) SUM_BY_SEQ.invoke(CHUNKED.invoke(IN_ORDER.invoke(elements.tree))));
  }

  @Benchmark
  public void clojureChunkedCursorFlat(Tree.Many elements) {
    elements.check((long) SUM_BY_CURSOR.invoke(FLAT.invoke(elements.size)));
  }

  @Benchmark
  public void clojureChunkedCursorTree(Tree.Many elements) {
    elements.check((long) SUM_BY_CURSOR.invoke(IN_ORDER.invoke(elements.tree)));
  }

  /** A pull whose yield is so many calls deep. */
  @State(Scope.Thread)
  public static class Deep {
    @Param({"0", "10", "100", "1000", "5000"})
    int depth;

    Iterator<Integer> endless;

    @Setup
    public void begin() {
      Generator<Integer> g = Generator.of(out -> descend(out, depth));
      endless = g.iterator();
    }

    private static void descend(Generator.Yielder<Integer> out, int levels) {
      if (levels > 0) descend(out, levels - 1);
      else while (true) out.yield(levels);
    }
  }

  @Benchmark
  @Fork(jvmArgsAppend = Main.DEEP)
  public int pullAtDepth(Deep deep) {
    return deep.endless.next();
  }
}
