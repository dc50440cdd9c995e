package greenlet.hub;

import greenlet.Headroom;
import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Tasks that wait for the same thing, in the order of their coming. One that has given up is passed over: to wake it has no effect.
 *
 * @param <T> the type of what they wait for
 */
final class WaitQueue<T extends @Nullable Object> {
  /*
   * A wake happens or, where an error strikes it, does not. So a waiter is woken first and leaves the queue afterwards: a call
   * that is struck has changed nothing, and can be repeated.
   */

  private final String owner;
  private final ArrayDeque<Waiter<T>> waiters = new ArrayDeque<>();

  /** {@code owner}: what has this queue, for messages. */
  WaitQueue(String owner) {
    this.owner = owner;
  }

  /** Refuses a thread that is not that of the hub whose tasks wait. Whoever is about to change the owner calls this first. */
  void requireThread() {
    Headroom.requireMore();
    Waiter<T> first = waiters.peek();
    if (first != null) requireThread(first, owner);
  }

  static void requireThread(Waiter<?> waiter, String owner) {
    if (waiter.hub().isHere()) return;
    waiter.hub().scheduler.loop.requireReachable();
    throw new WrongThreadException(
        "%s is for the tasks of one hub, and those of %s wait for it; other threads use execute (in Clojure execute!) of that hub"
            .formatted(owner, waiter.hub()));
  }

  /**
   * Has the current task wait at the end of the queue.
   *
   * @param what what it waits for, for people
   * @param takeBack gets the value that had been handed over already, if the wait ends with an exception all the same
   */
  T await(Object what, Consumer<? super T> takeBack) {
    requireThread();
    var waiter = new Waiter<T>(what);
    waiters.add(waiter);
    try {
      return waiter.await();
    } catch (Throwable thrown) {
      waiters.remove(waiter);
      if (!waiter.fail(thrown)) takeBack(waiter, thrown, takeBack);
      throw thrown;
    }
  }

  /** The wait was over before {@code thrown}: by that itself, or by a value. */
  private static <T extends @Nullable Object> void takeBack(
      Waiter<T> waiter, Throwable thrown, Consumer<? super T> takeBack) {
    T value;
    try {
      value = waiter.await();
    } catch (Throwable same) {
      return;
    }
    try {
      takeBack.accept(value);
    } catch (Throwable t) {
      if (t != thrown) thrown.addSuppressed(t);
    }
  }

  /** Hands {@code value} to the first that still waits; whether there was one. */
  boolean wakeFirst(T value) {
    for (Waiter<T> first = waiters.peek(); first != null; first = waiters.peek()) {
      boolean woken = first.wake(value);
      waiters.poll();
      if (woken) return true;
    }
    return false;
  }

  /** Hands {@code value} to all that still wait. */
  void wakeAll(T value) {
    while (wakeFirst(value)) {
      // the next one
    }
  }

  /** Each that waits gets an exception of its own, and leaves the queue when it goes on. */
  void failAll(Supplier<? extends Throwable> exception) {
    for (Waiter<T> waiter : List.copyOf(waiters)) waiter.fail(exception.get());
  }
}
