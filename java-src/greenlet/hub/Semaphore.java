package greenlet.hub;

import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Permits that the tasks of a {@link Hub} take and give back; whoever has to wait gets one in the order of asking.
 *
 * <pre>{@code
 * door.acquire();
 * try {
 *   pass();
 * } finally {
 *   door.release();
 * }
 * }</pre>
 *
 * <p>A permit that is given back goes to the first task that waits, and no other can take it in between. A task that gives up
 * waiting, by a limit or a kill, takes none along. Permits belong to no task: a task that ends does not give back what it has taken.
 *
 * <p>It is for the tasks of one hub; a call that would reach tasks that wait in another thread is a {@link WrongThreadException}
 * and changes nothing.
 */
public final class Semaphore {
  /*
   * To take a permit asks for as much headroom as to give it back, so that whoever has it can give it back at the same depth of the
   * stack.
   */

  private final WaitQueue<@Nullable Object> waiting;
  private Object what;
  private final Consumer<@Nullable Object> takeBack = ignored -> release();
  private @Nullable String name;
  private final long most;
  private long permits;

  /**
   * A semaphore that may get more permits than it had at first.
   *
   * @param permits how many it has at first, 0 or more
   */
  public Semaphore(long permits) {
    this(permits, Long.MAX_VALUE, "a semaphore", "a permit of a semaphore");
  }

  /**
   * A semaphore to which no more permits can be given back than have been taken.
   *
   * @param permits how many it has at first, 0 or more
   * @return the semaphore
   */
  public static Semaphore bounded(long permits) {
    return new Semaphore(permits, permits, "a semaphore", "a permit of a semaphore");
  }

  /**
   * Gives it a name, by which messages and snapshots of tasks that wait call it.
   *
   * @param newName the name
   * @return this semaphore
   */
  public Semaphore named(String newName) {
    name = "the semaphore " + Hub.require(newName, "a name is needed");
    what = "a permit of " + name;
    return this;
  }

  /** Those who wait are said to wait for {@code newWhat}. */
  void setWhat(Object newWhat) {
    what = newWhat;
  }

  Semaphore(long permits, long most, String owner, String what) {
    if (permits < 0)
      throw new IllegalArgumentException("a semaphore has 0 permits or more: got " + permits);
    this.permits = permits;
    this.most = most;
    this.what = what;
    waiting = new WaitQueue<>(owner);
  }

  /** Takes a permit; where there is none, the current task waits for it. */
  public void acquire() {
    waiting.requireThread();
    if (permits > 0) permits--;
    else waiting.await(what, takeBack);
  }

  /**
   * Takes a permit; where there is none, the current task waits for it, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it has a permit
   */
  public boolean acquire(Duration limit) {
    Hub.require(limit, Hub.LIMIT);
    if (tryAcquire()) return true;
    return Hub.within(limit, () -> acquire());
  }

  /**
   * Takes a permit, if there is one. Does not wait.
   *
   * @return whether it did
   */
  public boolean tryAcquire() {
    waiting.requireThread();
    if (permits == 0) return false;
    permits--;
    return true;
  }

  /**
   * Gives a permit back. The first who waits has it.
   *
   * @throws IllegalStateException if the semaphore is bounded, and has all its permits
   */
  public void release() {
    waiting.requireThread();
    if (permits >= most)
      throw new IllegalStateException(
          "a bounded semaphore has been released more often than acquired: it has its %d permits already"
              .formatted(most));
    if (!waiting.wakeFirst(null)) permits++;
  }

  /** All who wait get an exception in place of a permit. */
  void failAll(Supplier<? extends Throwable> exception) {
    waiting.requireThread();
    waiting.failAll(exception);
  }

  /**
   * How many permits could be taken without waiting.
   *
   * @return how many
   */
  public long available() {
    return permits;
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    String of = permits + (permits == 1 ? " permit" : " permits");
    return name == null ? "a semaphore of " + of : name + ", of " + of;
  }
}
