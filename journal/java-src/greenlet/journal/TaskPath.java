package greenlet.journal;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a task is known by at every run: the names of the tasks that have spawned each other, as far as it, counted for each spawning
 * task and name. What other tasks do makes no difference to it.
 */
final class TaskPath {
  /** Between the path of a task and what it waits for, in the key of a wait. */
  static final char STEP = ':', RECEIVE = '<', VERSION = '?';

  private static final char CHILD = '/';

  final String path;
  final @Nullable TaskPath maker;
  private @Nullable Map<Asked, Counter> counters;
  private @Nullable Chance chance;

  private record Asked(char kind, String name) {}

  /** How many there were of a kind and name; and what they begin with. */
  private static final class Counter {
    final String prefix;
    int count;

    Counter(String prefix) {
      this.prefix = prefix;
    }

    String next() {
      return prefix + count++;
    }
  }

  TaskPath(@Nullable TaskPath maker, String name) {
    this.maker = maker;
    path = maker == null ? escaped(name) : maker.child(name);
  }

  private String child(String name) {
    return counter(CHILD, name, ".").next();
  }

  /** The key of a wait of this task that it has not asked for before. */
  String key(char kind, String name) {
    return counter(kind, name, "#").next();
  }

  private Counter counter(char kind, String name, String last) {
    if (counters == null) counters = new HashMap<>(4);
    return counters.computeIfAbsent(
        new Asked(kind, name),
        asked -> new Counter(path + kind + (kind == CHILD ? escaped(name) : name) + last));
  }

  Chance chance(long seed) {
    if (chance == null) chance = new Chance(seed ^ Hash.of(path));
    return chance;
  }

  /** Without the characters that part a key. */
  private static String escaped(String name) {
    if (name.chars().noneMatch(TaskPath::parts)) return name;
    var escaped = new StringBuilder();
    for (char c : name.toCharArray()) {
      if (parts(c)) escaped.append('%').append(Integer.toHexString(c));
      else escaped.append(c);
    }
    return escaped.toString();
  }

  private static boolean parts(int c) {
    return c == CHILD || c == STEP || c == RECEIVE || c == VERSION || c == '%';
  }

  @Override
  public String toString() {
    return path;
  }
}
