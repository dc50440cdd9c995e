package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.Program;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** {@code -Dgreenlet.journal.programs} is how many programs are forgotten, in 512 bytes of heap each, and 16 MB more. */
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "a store knows of no engine")
class DirectoryMemoryTest {
  private static final int PROGRAMS = Integer.getInteger("greenlet.journal.programs", 30_000);

  @TempDir Path directory;

  @Test
  @DisplayName("A forgotten program takes little of the heap, whatever is in its journal")
  void memory() throws Exception {
    long heap = PROGRAMS >= 1_000_000 ? 512 : 16 + PROGRAMS / 2000;
    List<String> lines =
        new Program(directory.resolve("store").toString())
            .launch(
                List.of(
                    "-Xmx" + heap + "m",
                    "-Dgreenlet.journal.programs=" + PROGRAMS,
                    "-cp",
                    System.getProperty("java.class.path"),
                    Forgotten.class.getName()));
    assertEquals("is there", lines.get(lines.size() - 1));
  }

  static final class Forgotten {
    private static final int GROUP = 500;

    public static void main(String[] args) throws Exception {
      Path directory = Path.of(args[0]);
      try (Store store = DirectoryStore.open(directory)) {
        for (int from = 0; from < PROGRAMS; from += GROUP) append(store, from);
        check(store);
      }
      long before = System.nanoTime();
      try (Store store = DirectoryStore.open(directory)) {
        long opened = (System.nanoTime() - before) / 1_000_000;
        System.gc();
        var runtime = Runtime.getRuntime();
        System.out.printf(
            "%d programs, opened in %d ms, %d bytes of heap each%n",
            PROGRAMS, opened, (runtime.totalMemory() - runtime.freeMemory()) / PROGRAMS);
        check(store);
      }
      System.out.println("is there");
    }

    private static String id(int i) {
      return "order-%07d".formatted(i);
    }

    private static void append(Store store, int from) throws Exception {
      List<Append> group = new ArrayList<>();
      for (int i = from; i < Math.min(PROGRAMS, from + GROUP); i++) {
        List<Entry> entries = new ArrayList<>();
        entries.add(new Entry(0, i, Entry.Kind.BEGIN, "order", i, "{:customer \"" + i + "\"}"));
        for (int n = 1; n < 4; n++)
          entries.add(
              new Entry(n, i, Entry.Kind.OUTCOME, "main/charge#" + n, i, "[:paid " + i + "]"));
        group.add(
            new Append(
                id(i),
                i,
                0,
                entries,
                List.of(),
                new Park(1_000_000L + i, Set.of("items" + i % 3))));
      }
      assertEquals(Set.of(), store.append(group));
      store.send(id(from), new Message(0, 0, "other", "key", "v"));
    }

    private static void check(Store store) throws Exception {
      assertEquals(List.of(id(0), id(1), id(2)), store.due(Long.MAX_VALUE - 1, 3));
      assertEquals(List.of(), store.unparked());
      for (int i = 0; i < PROGRAMS; i += 997) assertEquals(4, store.read(id(i)).size());
    }
  }
}
