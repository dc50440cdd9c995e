package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.hub.Hub;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** A program whose code has changed goes on exactly where each entry goes to a wait that it was recorded for. */
@ExtendWith(LeakCheck.class)
class DivergedTest {
  private static final Pattern STEP = Pattern.compile("\\b([a-z])\\((\\d)\\)");
  private static final int GOES_ON = -1;

  /**
   * {@code a(1)} is step a with argument 1; {@code sleep 5}; {@code get m} receives; in brackets are what a task does, what has a limit,
   * and the new and the old branch of a version.
   */
  private static final String CODE =
      "a(1) task t [ c(1) d(1) ] b(1) limit 20 [ e(1) ] get m limit 7 [ n(1) ] f(1) sleep 5 g(1)";

  private record Script(String code) implements Program<String, String> {
    @Override
    public String run(String argument) {
      run(new ArrayList<>(List.of(code.split(" +"))));
      return "end";
    }

    private Void run(List<String> words) {
      while (!words.isEmpty()) {
        String word = words.remove(0);
        switch (word) {
          case "task" -> {
            String name = words.remove(0);
            List<String> body = block(words);
            Hub.current().spawn(name.equals("-") ? null : name, () -> run(body));
          }
          case "limit" -> {
            Duration limit = Duration.ofMillis(Long.parseLong(words.remove(0)));
            List<String> body = block(words);
            Hub.timeout(limit, () -> run(body), () -> null);
          }
          case "sleep" -> Hub.sleep(Duration.ofMillis(Long.parseLong(words.remove(0))));
          case "get" -> Journal.receive(words.remove(0));
          case "version" -> {
            String name = words.remove(0);
            List<String> now = block(words);
            List<String> before = block(words);
            run(Journal.version(name, 1) == 1 ? now : before);
          }
          default -> {
            String argument = word.substring(2, word.length() - 1);
            Journal.step(word.substring(0, 1), () -> "", argument);
          }
        }
      }
      return null;
    }

    private static List<String> block(List<String> words) {
      words.remove(0);
      List<String> body = new ArrayList<>();
      for (int depth = 0; ; ) {
        String word = words.remove(0);
        if (word.equals("[")) depth++;
        if (word.equals("]") && depth-- == 0) return body;
        body.add(word);
      }
    }
  }

  private final List<Entry> journal = new ArrayList<>();

  private void add(Entry.Kind kind, String key, long mark, long time, String value) {
    journal.add(new Entry(journal.size(), 1000 + time, kind, key, mark, value));
  }

  private void outcome(String key, long time) {
    add(Entry.Kind.OUTCOME, key, Hash.add(Hash.NONE, "\"1"), time, "\"");
  }

  /** Of the code above, but for its end. */
  private void record() {
    add(Entry.Kind.BEGIN, "script", 1, 0, "\"");
    outcome("main:a#0", 1);
    outcome("main:b#0", 2);
    outcome("main/t.0:c#0", 3);
    outcome("main:e#0", 4);
    outcome("main/t.0:d#0", 5);
    add(Entry.Kind.MESSAGE, "main<m#0", 0, 6, "\"");
    add(Entry.Kind.TICK, "", 13_000_000, 13, null);
    outcome("main:f#0", 14);
    add(Entry.Kind.TICK, "", 19_000_000, 19, null);
    outcome("main:g#0", 20);
  }

  /** Where the code stops: the number of the entry that does not fit. */
  private int stops(String code) {
    try {
      Replay.of("p", new Script(code), Codec.STRINGS, journal, Long.MAX_VALUE);
      return GOES_ON;
    } catch (Diverged e) {
      return (int) e.entry().number();
    }
  }

  private int entryOf(String step) {
    for (Entry entry : journal)
      if (entry.key().contains(":" + step + "#")) return (int) entry.number();
    return GOES_ON; // it was given up
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Each step renamed, with another argument, left out, or after a new one: it stops at that step's entry")
  void steps() {
    record();
    assertEquals(GOES_ON, stops(CODE));
    List<String> steps = STEP.matcher(CODE).results().map(found -> found.group(1)).toList();
    assertEquals(8, steps.size());
    for (String step : steps) {
      int entry = entryOf(step);
      String call = step + "(1)";
      assertEquals(entry, stops(CODE.replace(call, "z(1)")), step + " renamed");
      assertEquals(entry, stops(CODE.replace(call, step + "(2)")), step + " with another argument");
      if (entry != GOES_ON) assertEquals(entry, stops(CODE.replace(call, "")), step + " left out");
      assertEquals(entry, stops(CODE.replace(call, "z(1) " + call)), "a new step before " + step);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Other edits of the code: where each stops, or that it goes on")
  void edits() {
    record();
    Object[][] edits = {
      // what makes no difference to any entry
      {"g(1)", "g(1) z(1)", GOES_ON},
      {"task t", "task u [ z(1) ] task t", GOES_ON},
      {"] b(1)", "] task u [ z(1) ] b(1)", GOES_ON},
      {"] b(1)", "] task - [ z(1) ] b(1)", GOES_ON},
      {"d(1) ]", "d(1) z(1) ]", GOES_ON},
      {"limit 20", "limit 30", GOES_ON},
      {"limit 20 [ e(1) ]", "e(1)", GOES_ON},
      {"g(1)", "limit 5 [ g(1) ]", GOES_ON},
      {"b(1)", "task u [ ] b(1)", GOES_ON},
      {"n(1)", "n(1) z(1)", GOES_ON},
      {"n(1)", "sleep 100", GOES_ON},
      {"] b(1)", "] sleep 0 b(1)", GOES_ON},
      // where the code has changed, and says so
      {"b(1)", "version x [ z(1) ] [ b(1) ]", GOES_ON},
      {"c(1)", "version x [ z(1) ] [ c(1) ]", GOES_ON},
      {"g(1)", "g(1) version x [ z(1) ] [ ]", GOES_ON},
      {"get m", "version x [ get n ] [ get m ]", GOES_ON},
      {"b(1)", "version x [ b(1) ] [ z(1) ]", 2},
      // order, tasks, limits, messages
      {"a(1) task t [ c(1) d(1) ] b(1)", "b(1) task t [ c(1) d(1) ] a(1)", 1},
      {"c(1) d(1)", "d(1) c(1)", 3},
      {"task t", "task u", 3},
      {"task t", "task -", 3},
      {"task t", "task t [ z(1) ] task t", 3},
      {"task t [ c(1) d(1) ]", "c(1) d(1)", 2},
      {"task t [ c(1) d(1) ]", "", 3},
      {"b(1) limit 20 [ e(1) ]", "limit 20 [ e(1) ] b(1)", 2},
      {"limit 7", "limit 8", 7},
      {"limit 7", "limit 6", 7},
      {"limit 7 [ n(1) ]", "n(1)", 7},
      {"limit 7 [ n(1) ]", "", 7},
      {"limit 20", "limit 1", GOES_ON}, // the outcome is of a step that is given up
      {"get m", "get o", 6},
      {"get m", "", 6},
      {"get m", "get m get m", 7},
      {"sleep 5", "", 9},
      {"sleep 5", "sleep 4", 9},
      {"sleep 5", "sleep 5 sleep 1", 10},
      {"f(1) sleep 5", "sleep 5 f(1)", 8},
    };
    for (Object[] edit : edits) {
      String code = CODE.replace((String) edit[0], (String) edit[1]);
      assertEquals(edit[2], stops(code), () -> edit[0] + " -> " + edit[1]);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("It says what does not fit, and what the program waits for")
  void message() {
    record();
    var e =
        assertThrows(
            Diverged.class,
            () -> Replay.of("p", new Script("a(1) z(1)"), Codec.STRINGS, journal, Long.MAX_VALUE));
    assertEquals(
        "program p of script does not fit its journal at "
            + journal.get(2)
            + ": nothing asks for main:b#0. It waits for [main:z#0], its next timer is due at no time",
        e.getMessage());
  }
}
