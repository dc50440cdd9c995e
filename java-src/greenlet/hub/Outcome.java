package greenlet.hub;

import org.jspecify.annotations.Nullable;

/** How a task or a wait has ended, as one object that is not null. */
final class Outcome {
  private static final Object NULL = new Object();

  private record Failure(Throwable thrown) {}

  private Outcome() {}

  static Object of(@Nullable Object value) {
    return value == null ? NULL : value;
  }

  static Object failure(Throwable thrown) {
    return new Failure(thrown);
  }

  static @Nullable Object open(@Nullable Object outcome) throws Throwable {
    if (outcome instanceof Failure f) throw f.thrown;
    return value(outcome);
  }

  /** Of one that is no failure. */
  static @Nullable Object value(@Nullable Object outcome) {
    return outcome == NULL ? null : outcome;
  }

  static @Nullable Throwable thrown(@Nullable Object outcome) {
    return outcome instanceof Failure f ? f.thrown : null;
  }
}
