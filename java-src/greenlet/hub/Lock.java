package greenlet.hub;

import greenlet.Greenlet;
import greenlet.Headroom;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A lock for one task of a {@link Hub} at a time, in the order of asking. Whoever has it may take it again, and gives it back as
 * often.
 *
 * <p>Its owner is the task, with all greenlets and bodies of generators that run as a part of it; outside of tasks it is the
 * thread. A lock of the JDK either does not exclude tasks from each other or blocks their thread, depending on the engine. This one
 * suspends the task, and others run meanwhile. It is for the tasks of one hub, as {@link Semaphore} is.
 */
public final class Lock {
  private final Semaphore permit = new Semaphore(1, 1, "a lock", "a lock");
  private String name = "a lock";
  private @Nullable Object owner;
  private long depth;

  /** A lock that nobody has. */
  public Lock() {
    permit.setWhat(this);
  }

  /**
   * Gives it a name, by which messages and snapshots of tasks that wait call it.
   *
   * @param newName the name
   * @return this lock
   */
  public Lock named(String newName) {
    name = "the lock " + Hub.require(newName, "a name is needed");
    return this;
  }

  /** Takes the lock; where another task has it, the current one waits. */
  public void acquire() {
    Headroom.require();
    Object me = me();
    if (owner != me) {
      permit.acquire();
      owner = me;
    }
    depth++;
  }

  /**
   * Takes the lock; where another task has it, the current one waits, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it has the lock
   */
  public boolean acquire(Duration limit) {
    Hub.require(limit, Hub.LIMIT);
    Headroom.require();
    Object me = me();
    if (owner != me) {
      if (!permit.acquire(limit)) return false;
      owner = me;
    }
    depth++;
    return true;
  }

  /**
   * Takes the lock, if no other task has it. Does not wait.
   *
   * @return whether it did
   */
  public boolean tryAcquire() {
    Headroom.require();
    Object me = me();
    if (owner != me) {
      if (!permit.tryAcquire()) return false;
      owner = me;
    }
    depth++;
    return true;
  }

  /**
   * Gives the lock back, once. When it has been given back as often as taken, the first who waits has it.
   *
   * @throws IllegalStateException if it is not the current task that has it
   */
  public void release() {
    if (owner != me())
      throw new IllegalStateException(
          "a lock can be released by its owner alone, which is "
              + (owner == null ? "nobody" : owner));
    if (depth > 1) {
      depth--;
      return;
    }
    permit.release();
    owner = null; // whoever has the permit now says so when it runs
    depth = 0;
  }

  /**
   * Whether some task has it.
   *
   * @return whether it could not be taken without waiting, by a task that does not have it
   */
  public boolean isTaken() {
    return permit.available() == 0;
  }

  /** Who takes it or gives it back. */
  private static Object me() {
    Task<?> task = Task.current();
    return task != null ? task : Greenlet.root().thread();
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    Object has = owner;
    return has == null ? name : name + " of " + has;
  }
}
