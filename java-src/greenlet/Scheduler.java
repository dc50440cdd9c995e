package greenlet;

import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Decides which of a thread's greenlets runs while another one waits. Where two schedulers meet on a thread, one inside the
 * other, they meet here: the outer one is registered, and the inner one that has nobody to run waits in it.
 *
 * <p>A scheduler in ten lines, which a greenlet can wait in that has never heard of it:
 *
 * <pre>{@code
 * final class RoundRobin implements Scheduler {
 *   private final Queue<Greenlet> ready = new ConcurrentLinkedQueue<>();
 *
 *   void run(Body... bodies) {
 *     for (Body body : bodies) ready.add(Greenlet.of(body));
 *     Scheduler outer = Scheduler.register(this);
 *     for (Greenlet g = ready.poll(); g != null; g = ready.poll()) g.switchTo();
 *     Scheduler.register(outer);
 *   }
 *
 *   public void await(Object what, boolean fromOutside, Consumer<Runnable> start) {
 *     Greenlet waiting = Greenlet.current();
 *     start.accept(() -> ready.add(waiting));
 *     waiting.parent().switchTo();
 *   }
 * }
 * }</pre>
 */
public interface Scheduler {
  /**
   * Suspends the current greenlet, and lets others run, until it is woken. Called in this scheduler's thread. May throw what the
   * scheduler raises in its tasks, such as the exit of one that is killed: the caller sees to it that this ends the task.
   *
   * @param what what is waited for; its text is for people
   * @param fromOutside whether another thread may wake it; if not, a scheduler that has nobody to run can tell a deadlock
   * @param start called at once with what wakes the greenlet, which may be called from any thread, and more than once
   * @throws IllegalStateException if the current greenlet is none that this scheduler can suspend
   */
  void await(Object what, boolean fromOutside, Consumer<Runnable> start);

  /**
   * Raises what came out of {@link #await} out of the current task's next wait instead. For code that was told to stop waiting, and
   * finds that it has already been given what it waited for. Called in this scheduler's thread.
   *
   * @param raised what came out
   */
  default void postpone(Throwable raised) {
    if (!(raised instanceof InterruptedException)) throw Sneaky.unchecked(raised);
    Thread.currentThread().interrupt();
  }

  /**
   * The variables of the task that the current greenlet runs as part of, for others to keep there what belongs to the task and
   * goes with it. A task is whatever of its own this scheduler lets take turns. Of two tasks one may wait for the other. When a
   * task has ended, values that are {@link AutoCloseable} are to be closed. Called in this scheduler's thread.
   *
   * @return the variables; null outside of any task, and for a scheduler whose greenlets have none: tasklets cannot be used in
   *     two of them at a time then
   */
  default @Nullable Map<Object, Object> taskLocals() {
    return null;
  }

  /**
   * Asked by {@link Greenlet#forgetThread} whether the thread can forget this scheduler, because it runs nothing now; one that says so
   * takes nothing more. Called in this scheduler's thread, at its root.
   *
   * @return true if it can be forgotten
   */
  default boolean retire() {
    return false;
  }

  /**
   * Has another greenlet take the parent's place when the current greenlet ends, so that a scheduler goes on with the next one right
   * from the end of the one before: {@code next} gets the control, and the result or the exception. The parent stays the parent.
   *
   * @param next a greenlet of the same thread
   * @throws IllegalArgumentException if it is null
   * @throws WrongThreadException if it belongs to another thread
   */
  static void setSuccessor(Greenlet next) {
    if (next == null)
      throw new IllegalArgumentException(
          "a successor is needed: got null; without one the parent gets the control");
    ThreadState.here().setSuccessor(next);
  }

  /**
   * Goes on with a greenlet, as {@link Greenlet#switchTo()} does; in a {@link CooperativeTree} also with one that was suspended by
   * the JDK, once it is {@linkplain Parking#unparked unparked}.
   *
   * @param next a greenlet of the same thread
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the JDK has it suspended
   * @throws WrongThreadException if it belongs to another thread
   */
  static void resume(Greenlet next) {
    if (next == null)
      throw new IllegalArgumentException("there is no greenlet to go on with: got null");
    next.resume();
  }

  /**
   * The scheduler that is registered with the calling thread's root.
   *
   * @return the scheduler, or null
   */
  static @Nullable Scheduler registered() {
    return ThreadState.here().scheduler;
  }

  /**
   * Registers a scheduler with the calling thread's root, for as long as it runs greenlets there.
   *
   * @param scheduler the scheduler, or null for none
   * @return the one that was registered before, or null; to be registered again afterwards
   */
  static @Nullable Scheduler register(@Nullable Scheduler scheduler) {
    ThreadState here = ThreadState.here();
    Scheduler before = here.scheduler;
    here.scheduler = scheduler;
    return before;
  }
}
