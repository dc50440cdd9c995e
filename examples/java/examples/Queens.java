package examples;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.LeakDetector;
import java.util.ArrayList;
import java.util.List;

/** The eight queens: a search that yields each solution it comes to. Prints what its comments say. */
public final class Queens {
  /** All ways to put n queens on a board so that none attacks another: the column of the queen in each row. */
  static Generator<List<Integer>> queens(int n) {
    return Generator.of(out -> place(new ArrayList<>(), n, out));
  }

  static void place(List<Integer> board, int n, Generator.Yielder<List<Integer>> out) {
    if (board.size() == n) out.yield(List.copyOf(board));
    else {
      for (int column = 0; column < n; column++) {
        if (!isSafe(board, column)) continue;
        board.addLast(column);
        place(board, n, out);
        board.removeLast();
      }
    }
  }

  static boolean isSafe(List<Integer> board, int column) {
    for (int row = 0; row < board.size(); row++) {
      int shift = Math.abs(board.get(row) - column);
      if (shift == 0 || shift == board.size() - row) return false;
    }
    return true;
  }

  public static void main(String[] args) {
    System.out.println(queens(8).stream().count()); // prints 92

    try (Cursor<List<Integer>> solutions = queens(8).cursor()) {
      System.out.println(solutions.next()); // prints [0, 4, 7, 5, 2, 6, 1, 3]
      System.out.println(solutions.next()); // prints [0, 5, 7, 2, 6, 3, 1, 4]
    }

    var leaks = new LeakDetector();
    queens(8).stream().findFirst(); // the search stays half way, as nobody closes the stream
    try {
      leaks.close();
    } catch (AssertionError e) {
      System.out.println(e.getMessage().lines().findFirst().get()); // prints 1 left suspended; each has to come to its end or be closed:
    }
  }
}
