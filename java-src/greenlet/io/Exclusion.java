package greenlet.io;

import greenlet.hub.Task;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Lets one task, or thread outside of tasks, at a time do something. Another one is refused at once: it does not wait. */
final class Exclusion extends AtomicReference<@Nullable Object> {
  private static final long serialVersionUID = 1;

  private final String verb;

  /** {@code verb}: what one does with an object, for people, such as "read from". */
  Exclusion(String verb) {
    this.verb = verb;
  }

  /** Refused by an IllegalStateException that names both, if another one has begun and not ended. Returns the task; null outside of tasks. */
  @Nullable Task<?> begin(Object what) {
    Task<?> task = Task.current();
    Object me = task == null ? Thread.currentThread() : task;
    Object other = compareAndExchange(null, me);
    if (other != null)
      throw new IllegalStateException(
          "%s cannot %s %s: %s does so already, and only one may at a time"
              .formatted(me, verb, what, other));
    return task;
  }

  void end() {
    set(null);
  }

  /** Whether somebody has begun and not ended. */
  boolean isTaken() {
    return get() != null;
  }
}
