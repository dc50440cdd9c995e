package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.RootTest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;

/** Each Java cell of the table in the guide: as many steps of the body as are needed, and not one more. */
class LazinessTest {
  private static final Map<String, Consumer<Generator<Integer>>> CELLS = new HashMap<>();

  static {
    CELLS.put("g.cursor()", g -> g.cursor());
    CELLS.put("g.cursor().peek()", g -> g.cursor().peek());
    CELLS.put("g.cursor(4).next()", g -> g.cursor(4).next());
    CELLS.put("g.iterator()", g -> g.iterator());
    CELLS.put("g.iterator().hasNext()", g -> g.iterator().hasNext());
    CELLS.put("g.iterator().next()", g -> g.iterator().next());
    CELLS.put("g.forEach(x -> {})", g -> g.forEach(x -> {}));
    CELLS.put("g.forEachWhile(x -> x < 2)", g -> g.forEachWhile(x -> x < 2));
    CELLS.put("g.stream().map(x -> x + 1)", g -> g.stream().map(x -> x + 1));
    CELLS.put("g.stream().findFirst()", g -> g.stream().findFirst());
    CELLS.put("g.stream().iterator().next()", g -> g.stream().iterator().next());
    CELLS.put("g.stream().limit(1).toList()", g -> g.stream().limit(1).toList());
    CELLS.put("g.stream().limit(3).toList()", g -> g.stream().limit(3).toList());
    CELLS.put("g.stream().skip(2).findFirst()", g -> g.stream().skip(2).findFirst());
    CELLS.put(
        "g.stream().filter(x -> x % 2 == 1).findFirst()",
        g -> g.stream().filter(x -> x % 2 == 1).findFirst());
    CELLS.put(
        "g.stream().takeWhile(x -> x < 3).toList()",
        g -> g.stream().takeWhile(x -> x < 3).toList());
    CELLS.put(
        "g.stream().dropWhile(x -> x < 3).findFirst()",
        g -> g.stream().dropWhile(x -> x < 3).findFirst());
    CELLS.put("g.stream().toList()", g -> g.stream().toList());
    CELLS.put("g.stream().count()", g -> g.stream().count());
  }

  private static int steps(Consumer<Generator<Integer>> ask) {
    int[] steps = new int[1];
    ask.accept(
        Generator.of(out -> {
          for (int i = 0; i < 100; i++) {
            steps[0]++;
            out.yield(i);
          }
        }));
    return steps[0];
  }

  @RootTest
  @DisplayName("The table of the guide is what happens")
  void table() throws Exception {
    Map<String, Integer> documented = new TreeMap<>();
    for (String line : Files.readAllLines(Path.of("doc", "guide.md"))) {
      Matcher row = Pattern.compile("\\| (.*) \\| (\\d+) \\|").matcher(line);
      if (!row.matches()) continue;
      Matcher cell = Pattern.compile("`(g\\..*?)`").matcher(row.group(1));
      while (cell.find()) documented.put(cell.group(1), Integer.valueOf(row.group(2)));
    }
    Map<String, Integer> measured = new TreeMap<>();
    CELLS.forEach((code, ask) -> measured.put(code, steps(ask)));
    assertEquals(documented, measured);
  }
}
