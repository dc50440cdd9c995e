package greenlet;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Where the leak detector looks in, while one is open. */
final class Probe {
  private static volatile @Nullable Consumer<Object> watcher;

  private Probe() {}

  static void watch(@Nullable Consumer<Object> newWatcher) {
    watcher = newWatcher;
  }

  /** To be called with each greenlet that is made, and in the body of each traversal that pulls, when it begins. */
  static void see(Object made) {
    Consumer<Object> watching = watcher;
    if (watching != null) watching.accept(made);
  }
}
