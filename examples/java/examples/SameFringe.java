package examples;

import greenlet.Cursor;
import greenlet.Generator;
import java.util.List;

/** Whether two trees have the same leaves in the same order. Prints what its comments say. */
public final class SameFringe {
  static Generator<Object> leaves(Object tree) {
    return Generator.of(out -> walk(tree, out));
  }

  static void walk(Object tree, Generator.Yielder<Object> out) {
    if (tree instanceof List<?> branches) branches.forEach(branch -> walk(branch, out));
    else out.yield(tree);
  }

  /** Two walks take turns, as far as the first difference; what is left of them is unwound. */
  static boolean sameFringe(Object a, Object b) {
    try (Cursor<Object> ofA = leaves(a).cursor(); Cursor<Object> ofB = leaves(b).cursor()) {
      while (ofA.hasNext() && ofB.hasNext()) {
        if (!ofA.next().equals(ofB.next())) return false;
      }
      return !ofA.hasNext() && !ofB.hasNext();
    }
  }

  public static void main(String[] args) {
    List<Object> tree = List.of(1, List.of(2, 3), List.of(List.of(4)));
    System.out.println(sameFringe(tree, List.of(List.of(1, 2), List.of(3, 4)))); // prints true
    System.out.println(sameFringe(tree, List.of(1, 2, 4, 3))); // prints false
    System.out.println(sameFringe(tree, List.of(1, 2, 3))); // prints false
  }
}
