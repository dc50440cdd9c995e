package greenlet.journal;

import greenlet.hub.Task;
import greenlet.hub.Waiter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** One wait of a program's task for an entry: for the outcome of a step, a message, or the branch of a version. */
final class Wait {
  final String key;

  /** What is asked for: the kind of its key. */
  final char kind;

  final String name;

  /** The hash of a step's arguments; of a version the branch that is taken where the code is new. */
  final long mark;

  /** How the step is run; null for what is none. */
  final @Nullable Step step;

  final @Nullable Callable<?> body;
  final Waiter<Entry> waiter;

  /** Runs the step. */
  @Nullable Task<?> task;

  int tries;
  @Nullable Throwable lastFailure;

  /** Whether nobody waits any longer, and no outcome is kept. */
  volatile boolean isGivenUp;

  /** Of a version: whether the journal has an entry for it, or it goes on without one. */
  boolean isWritten;

  Wait(
      Run run,
      char kind,
      String name,
      String key,
      long mark,
      @Nullable Step step,
      @Nullable Callable<?> body) {
    this.kind = kind;
    this.name = name;
    this.key = key;
    this.mark = mark;
    this.step = step;
    this.body = body;
    waiter = run.waiter(this);
  }

  boolean isStep() {
    return kind == TaskPath.STEP;
  }

  boolean isReceive() {
    return kind == TaskPath.RECEIVE;
  }

  /** What it is, and how it fares; for people, and the same at every run as long as it does not fail. */
  @Override
  public String toString() {
    String what =
        switch (kind) {
          case TaskPath.STEP -> "step ";
          case TaskPath.RECEIVE -> "a message ";
          default -> "the branch of version ";
        };
    return what + key;
  }

  String progress() {
    if (lastFailure == null) return toString();
    return "%s, tried %d times, last with %s".formatted(this, tries, lastFailure);
  }
}
