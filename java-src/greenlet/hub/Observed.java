package greenlet.hub;

import greenlet.Account;
import org.jspecify.annotations.Nullable;

/** What is noted of a task, in its hub's thread, for those who look. */
abstract class Observed extends RingNode {
  /** Since when it waits, by the hub's clock: in its present wait, or in the one that was seen last. */
  long waitsSince;

  /** Whether that is when its present wait began, and not when somebody first saw it. */
  boolean isSinceExact;

  /** What it has used, if somebody has asked. */
  @Nullable Account account;

  /** For the Flight Recorder: a FlightRecords.OfTask, if a recording wants any. */
  @Nullable Object records;

  abstract String name();

  abstract String hubName();

  /** How it has ended. */
  abstract String ending();

  abstract StackTraceElement[] stackTrace();
}
