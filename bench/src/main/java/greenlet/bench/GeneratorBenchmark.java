package greenlet.bench;

import clojure.java.api.Clojure;
import clojure.lang.IFn;
import greenlet.Generator;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Traversals of generators, an element each: of a million ints, and of a tree walked by recursive yields. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(Tree.SIZE)
@State(Scope.Thread)
public class GeneratorBenchmark {
  private static final IFn REQUIRE = Clojure.var("clojure.core", "require");

  static {
    REQUIRE.invoke(Clojure.read("greenlet.bench"));
  }

  private static IFn fn(String name) {
    return Clojure.var("greenlet.bench", name);
  }

  private static final IFn REDUCE_TREE = fn("reduce-tree");
  private static final IFn REDUCE_FLAT = fn("reduce-flat");
  private static final IFn SEQ_TREE = fn("seq-tree");
  private static final IFn SEQ_FLAT = fn("seq-flat");

  private static final Generator<Integer> FLAT = Generator.of(out -> {
    for (int i = 1; i <= Tree.SIZE; i++) out.yield(i);
  });
  private static final Generator<Integer> TREE = Generator.of(out -> walk(Tree.PERFECT, out));

  private static void walk(Tree t, Generator.Yielder<Integer> out) {
    if (t == null) return;
    walk(t.left, out);
    out.yield(t.value);
    walk(t.right, out);
  }

  private static void iterate(Generator<Integer> g) {
    long sum = 0;
    for (Iterator<Integer> i = g.iterator(); i.hasNext(); ) sum += i.next();
    Tree.check(sum);
  }

  private static void push(Generator<Integer> g) {
    long[] sum = new long[1];
    g.forEach(v -> sum[0] += v);
    Tree.check(sum[0]);
  }

  @Benchmark
  public void iteratorFlat() {
    iterate(FLAT);
  }

  @Benchmark
  public void iteratorTree() {
    iterate(TREE);
  }

  @Benchmark
  public void forEachFlat() {
    push(FLAT);
  }

  @Benchmark
  public void forEachTree() {
    push(TREE);
  }

  @Benchmark
  public void clojureReduceFlat() {
    REDUCE_FLAT.invoke();
  }

  @Benchmark
  public void clojureReduceTree() {
    REDUCE_TREE.invoke();
  }

  @Benchmark
  public void clojureSeqFlat() {
    SEQ_FLAT.invoke();
  }

  @Benchmark
  public void clojureSeqTree() {
    SEQ_TREE.invoke();
  }
}
