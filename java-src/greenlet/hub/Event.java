package greenlet.hub;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Something that has happened or not, for the tasks of one {@link Hub}: they wait until it is set. It can be cleared and be set
 * again.
 *
 * <pre>{@code
 * Event lit = new Event();
 * hub.spawn(() -> { lit.await(); return enter(); });
 * lit.set();
 * }</pre>
 *
 * <p>To wait is for the hub's tasks; a call that would reach tasks that wait in another thread is a {@link WrongThreadException}
 * and changes nothing. {@link #isSet} may be asked in any thread.
 */
public final class Event {
  private final WaitQueue<@Nullable Object> waiting = new WaitQueue<>("an event");
  private volatile boolean isSet;

  /** An event that is not set. */
  public Event() {}

  /**
   * Sets it. All tasks that wait for it are ready, in the order of their coming, also if it is cleared before their turn.
   */
  public void set() {
    waiting.requireThread();
    waiting.wakeAll(null);
    isSet = true;
  }

  /** Makes it one that is not set. */
  public void clear() {
    isSet = false;
  }

  /**
   * Whether it is set.
   *
   * @return whether it is
   */
  public boolean isSet() {
    return isSet;
  }

  /** Has the current task wait until it is set; not at all, if it is. */
  public void await() {
    if (!isSet) waiting.await(this, ignored -> {});
  }

  /**
   * Has the current task wait until it is set, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it was set in time
   */
  public boolean await(Duration limit) {
    return Hub.within(limit, () -> await());
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    return isSet ? "an event that is set" : "an event";
  }
}
