package greenlet;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Where the leak detector and a census look in, while one is open. */
final class Probe {
  private static final List<Consumer<Object>> WATCHERS = new ArrayList<>();

  /** All of them in one; null if there are none. */
  private static volatile @Nullable Consumer<Object> watcher;

  private Probe() {}

  /** Does nothing a second time. */
  static void add(Consumer<Object> newWatcher) {
    synchronized (WATCHERS) {
      if (!WATCHERS.contains(newWatcher)) WATCHERS.add(newWatcher);
      combine();
    }
  }

  static void remove(Consumer<Object> oldWatcher) {
    synchronized (WATCHERS) {
      WATCHERS.remove(oldWatcher);
      combine();
    }
  }

  private static void combine() {
    watcher = WATCHERS.stream().reduce(Consumer::andThen).orElse(null);
  }

  /** To be called with each greenlet that is made, and in the body of each traversal that pulls, when it begins. */
  static void see(Object made) {
    Consumer<Object> watching = watcher;
    if (watching != null) watching.accept(made);
  }
}
