package greenlet.tasklet;

import greenlet.Account;
import greenlet.Greenlet;
import org.jspecify.annotations.Nullable;

/**
 * What the ring keeps of a tasklet, and a channel while the tasklet waits there: its state, its neighbours, what it sends and
 * what it gets.
 */
abstract class RingNode {
  enum State {
    PAUSED,
    SCHEDULED,
    BLOCKED,
    DEAD
  }

  volatile State state = State.PAUSED;

  /** Its neighbours, in the ring or in the queue of a channel. */
  @Nullable Tasklet next;

  @Nullable Tasklet previous;

  /** What it waits on; whether to send, or to receive in an iteration; whether it is in the queue there. */
  @Nullable Channel<?> channel;

  boolean sends;
  boolean iterates;
  boolean queued;

  /** What it sends, while it waits to; what it gets when it is resumed. */
  @Nullable Object value;

  @Nullable Throwable error;

  /** Where it is suspended: its own greenlet or another that it uses. Null when it has ended. */
  @Nullable Greenlet at;

  /** What it has used, if somebody has asked; and since when it waits, or has last given way. */
  @Nullable Account account;

  long waitsSince;

  /** Whether the ring knows it for one that may be waiting. */
  boolean enrolled;

  /** On its own stack, when it has been resumed: what it was given, or an exception that was raised in it. */
  @Nullable Object resume() {
    Throwable thrown = error;
    Object given = value;
    if (given != null) value = null;
    if (thrown == null) return given;
    error = null;
    throw Sneaky.unchecked(thrown);
  }

  String waitsFor() {
    Channel<?> on = channel;
    return on == null ? "blocked" : (sends ? "sending on " : "receiving from ") + on.name();
  }
}
