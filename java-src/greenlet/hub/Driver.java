package greenlet.hub;

import org.jspecify.annotations.Nullable;

/**
 * Who gives a {@link DrivenHub} its inputs, in its turns. What the hub does is a function of these, so that it does the same when it is
 * given the same. All is called in the hub's thread, outside of its tasks, and must not wait.
 */
public interface Driver {
  /**
   * The time of the hub. It does not change but in {@link #deliver}, and never goes back.
   *
   * @return in nanoseconds since the hub began
   */
  long nanoTime();

  /**
   * Called when none of the hub's tasks is ready. May let the time go on, wake waits, spawn and interrupt tasks: what is called "an
   * input". Timers that are due by then fire after that.
   *
   * @return false if there is no input now: the turn ends
   */
  boolean deliver();

  /**
   * A task has been made, and has not run.
   *
   * @param task the task
   * @param name the name that it was given; null if its name is made up
   * @param maker the task that has made it; null if it was made in {@link #deliver}
   */
  default void made(Task<?> task, @Nullable String name, @Nullable Task<?> maker) {}
}
