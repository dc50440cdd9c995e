package greenlet.bench;

import java.util.function.IntConsumer;

/** A perfect binary tree of ints; in order, 1, 2, 3 … */
public final class Tree {
  static final int DEPTH = 20;

  /** The number of nodes, which is the number of elements of the flat sequences too. */
  public static final int SIZE = (1 << DEPTH) - 1;

  /** What the values add up to, for benchmarks to check. */
  public static final long SUM = (long) SIZE * (SIZE + 1) / 2;

  public static final Tree PERFECT = perfect(1, SIZE);

  public final Tree left;
  public final int value;
  public final Tree right;

  private Tree(Tree left, int value, Tree right) {
    this.left = left;
    this.value = value;
    this.right = right;
  }

  private static Tree perfect(int from, int to) {
    if (from > to) return null;
    int middle = (from + to) >>> 1;
    return new Tree(perfect(from, middle - 1), middle, perfect(middle + 1, to));
  }

  /** Plain recursion with a callback: what nothing that yields can beat. */
  static void walk(Tree t, IntConsumer out) {
    if (t == null) return;
    walk(t.left, out);
    out.accept(t.value);
    walk(t.right, out);
  }

  static void check(long sum) {
    if (sum != SUM) throw new AssertionError("the elements add up to " + sum + ", not to " + SUM);
  }
}
