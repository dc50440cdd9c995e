package greenlet.hub;

import greenlet.GreenletExit;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** The tasks that end with a part of another task's body. */
final class Scope {
  private final Task<?> owner;
  private final @Nullable Scope outer;
  private final Signal signal = new Signal("a task of the scope has failed");
  private final Set<Task<?>> tasks = new LinkedHashSet<>();
  private @Nullable Throwable error;
  private boolean ending;
  private @Nullable Waiter<@Nullable Object> joiner;

  Scope(Task<?> owner) {
    this.owner = owner;
    outer = owner.scope;
  }

  @SuppressWarnings("NullAway") // null only where T has it
  <T extends @Nullable Object> T call(Callable<? extends T> body, boolean joins) {
    owner.scope = this;
    T value = null;
    try {
      value = body.call();
      if (joins) join();
    } catch (Throwable t) {
      add(t);
    }
    owner.scope = outer;
    end();
    owner.forget(signal);
    if (error != null) throw Sneaky.unchecked(error);
    return value;
  }

  private void join() {
    while (!tasks.isEmpty()) {
      joiner =
          new Waiter<>(owner.hub(), "the end of " + tasks.size() + " tasks of its scope", false);
      try {
        joiner.await();
      } finally {
        joiner = null;
      }
    }
  }

  private void end() {
    cancel();
    while (!tasks.isEmpty()) {
      try {
        join();
      } catch (Hub.LoopExit e) {
        if (error != null) e.addSuppressed(error);
        throw e;
      } catch (Throwable t) {
        add(t);
      }
    }
  }

  private void cancel() {
    ending = true;
    for (Task<?> task : List.copyOf(tasks)) task.interruptHere(new GreenletExit());
  }

  /** The first error counts; later ones are suppressed on it. */
  private void add(Throwable t) {
    if (t == signal) return;
    if (error == null) error = t;
    else if (error != t) error.addSuppressed(t);
  }

  /** False if it is ending: the task must not run. */
  boolean add(Task<?> task) {
    tasks.add(task);
    return !ending;
  }

  /** A task of its has ended; {@code thrown} by what exception, if it was killed or came to its end none. */
  void ended(Task<?> task, @Nullable Throwable thrown) {
    tasks.remove(task);
    if (thrown != null) {
      boolean first = error == null && !ending;
      add(thrown);
      if (first) {
        cancel();
        owner.interruptHere(signal);
      }
    }
    if (tasks.isEmpty() && joiner != null) joiner.wake(null);
  }
}
