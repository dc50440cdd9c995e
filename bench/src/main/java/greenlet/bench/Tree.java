package greenlet.bench;

import java.util.function.IntConsumer;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** A perfect binary tree of ints; in order, 1, 2, 3 … */
public final class Tree {
  public final Tree left;
  public final int value;
  public final Tree right;

  private Tree(Tree left, int value, Tree right) {
    this.left = left;
    this.value = value;
    this.right = right;
  }

  static Tree perfect(int levels) {
    return perfect(1, size(levels));
  }

  private static Tree perfect(int from, int to) {
    if (from > to) return null;
    int middle = (from + to) >>> 1;
    return new Tree(perfect(from, middle - 1), middle, perfect(middle + 1, to));
  }

  static int size(int levels) {
    return (1 << levels) - 1;
  }

  /** Plain recursion with a callback: what nothing that yields can beat. */
  static void walk(Tree t, IntConsumer out) {
    if (t == null) return;
    walk(t.left, out);
    out.accept(t.value);
    walk(t.right, out);
  }

  /** What is traversed: a tree, or the flat sequence of as many ints. A benchmark's score is divided by their number. */
  public abstract static class Elements {
    Tree tree;
    int size;

    void plant(int levels) {
      tree = perfect(levels);
      size = size(levels);
    }

    void check(long sum) {
      long expected = size * (size + 1L) / 2;
      if (sum != expected)
        throw new AssertionError("the elements add up to " + sum + ", not to " + expected);
    }
  }

  @State(Scope.Benchmark)
  public static class Many extends Elements {
    @Param("20")
    public int levels;

    @Setup
    public void plant() {
      plant(levels);
    }
  }

  /** For what takes microseconds an element. */
  @State(Scope.Benchmark)
  public static class Few extends Elements {
    @Param("15")
    public int levels;

    @Setup
    public void plant() {
      plant(levels);
    }
  }
}
