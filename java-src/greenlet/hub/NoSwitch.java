package greenlet.hub;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** A part of a task's body that is not to give way: remembers the first time that it does. */
final class NoSwitch {
  private final Object task;
  final @Nullable NoSwitch outer;
  private @Nullable Throwable first;

  NoSwitch(Object task, @Nullable NoSwitch outer) {
    this.task = task;
    this.outer = outer;
  }

  /** The task is about to give way; called on its stack. */
  void isBroken() {
    if (first == null) first = new Throwable("it gave way here");
  }

  /** The task is blocked in the JDK. */
  void isBroken(Blocked wait) {
    if (first != null) return;
    first = new Throwable("it gave way here: it was " + wait);
    first.setStackTrace(wait.stackTrace());
  }

  <T extends @Nullable Object> T call(Callable<? extends T> body) {
    T value;
    try {
      value = body.call();
    } catch (Throwable t) {
      if (first != null) t.addSuppressed(refusal(first));
      throw Sneaky.unchecked(t);
    }
    if (first != null) throw refusal(first);
    return value;
  }

  private IllegalStateException refusal(Throwable where) {
    if (outer != null && outer.first == null) outer.first = where;
    return new IllegalStateException(
        task + " has given way within a part of its body that must not: others have run meanwhile",
        where);
  }
}
