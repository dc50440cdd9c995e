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

  final String path;
  final @Nullable TaskPath maker;
  private @Nullable Map<String, Integer> counts;
  private @Nullable Chance chance;

  TaskPath(@Nullable TaskPath maker, String name) {
    this.maker = maker;
    path = maker == null ? escaped(name) : maker.child(name);
  }

  private String child(String name) {
    return path + "/" + escaped(name) + "." + count("/" + name);
  }

  /** The key of a wait of this task that it has not asked for before. */
  String key(char kind, String name) {
    return path + kind + name + "#" + count(kind + name);
  }

  private int count(String of) {
    if (counts == null) counts = new HashMap<>(4);
    return counts.merge(of, 1, Integer::sum) - 1;
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
    return c == '/' || c == STEP || c == RECEIVE || c == VERSION || c == '%';
  }

  @Override
  public String toString() {
    return path;
  }
}
