package examples;

import greenlet.Generator;
import greenlet.Greenlet;
import java.util.List;

/** The Java part of README.md. Prints what its comments say. */
public final class Leaves {
  static void fringe(Object tree) {
    if (tree instanceof List<?> branches) branches.forEach(Leaves::fringe);
    else Generator.yield(tree); // from any depth, through forEach too
  }

  public static void main(String[] args) {
    Generator<Object> leaves = Generator.of(out -> fringe(List.of(List.of(1, List.of(2)), 3)));
    System.out.println(leaves.stream().limit(2).toList()); // prints [1, 2]

    Greenlet main = Greenlet.current();
    Greenlet echo = Greenlet.of(sent -> {
      Object got = sent[0];
      while (true) got = main.switchTo("got " + got);
    });
    System.out.println(echo.switchTo("a")); // prints got a
    System.out.println(echo.switchTo("b")); // prints got b
  }
}
