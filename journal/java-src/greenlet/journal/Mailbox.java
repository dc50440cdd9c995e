package greenlet.journal;

import greenlet.hub.Hub;
import greenlet.hub.Waiter;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/** What is to be done in the thread of a host, by one of its tasks. */
final class Mailbox {
  private final Queue<Runnable> posted = new ConcurrentLinkedQueue<>();
  private volatile @Nullable Waiter<@Nullable Object> asleep;

  /** From any thread. */
  void post(Runnable action) {
    posted.add(action);
    wake();
  }

  /** From any thread. */
  void wake() {
    Waiter<@Nullable Object> sleeper = asleep;
    if (sleeper != null) sleeper.wake(null);
  }

  boolean isEmpty() {
    return posted.isEmpty();
  }

  /** Does so many at most. */
  void serve(int most) {
    for (int i = 0; i < most; i++) {
      Runnable next = posted.poll();
      if (next == null) return;
      next.run();
    }
  }

  /** Until something is posted, it is woken, or so many milliseconds are over. */
  void sleep(long millis) {
    if (millis == Long.MAX_VALUE) sleep();
    else if (millis > 0) Hub.timeout(Duration.ofMillis(millis), this::sleep, () -> {});
  }

  private void sleep() {
    try {
      Hub.<@Nullable Object>await(waiter -> {
        asleep = waiter;
        if (!posted.isEmpty()) waiter.wake(null);
      });
    } finally {
      asleep = null;
    }
  }
}
