package greenlet.journal;

import greenlet.Scheduler;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * What the tasks of a {@link Program} call for all that is not the same at every run. The rest is {@link greenlet.hub}, as anywhere: to
 * sleep, limits, tasks, scopes, queues.
 *
 * <pre>{@code
 * Program<String, String> order = customer -> {
 *   String items = Journal.receive("items");
 *   return Journal.step("charge", () -> charge(customer, items), customer, items);
 * };
 * }</pre>
 *
 * <p>All but {@link #stepKey} are an {@code IllegalStateException} outside of a program's tasks.
 */
public final class Journal {
  private static final ThreadLocal<@Nullable String> STEP_KEY = new ThreadLocal<>();
  private static final Object STEP_KEY_OF_TASK = new Object();

  private Journal() {}

  /**
   * As {@link #step(Step, Callable, Object...)}, tried once, by {@code offload}.
   *
   * @param name what the step is called
   * @param body what it runs
   * @param arguments what the body depends on
   * @param <T> the type of its outcome
   * @return what the body has returned, as it was decoded
   */
  public static <T extends @Nullable Object> T step(
      String name, Callable<? extends T> body, @Nullable Object... arguments) {
    return step(Step.named(name), body, arguments);
  }

  /**
   * Runs something once that is not the same at every run, or has an effect, while the current task alone waits. Its outcome is kept:
   * run again, the program gets that, and the body does not run. It does run again where nobody knows its outcome, because the process
   * ended before that was durable: so an effect happens at least once, and {@link #stepKey} names it.
   *
   * <p>If the wait is given up, by a limit or a kill, the body is interrupted and never run again. Whether its effect has happened is
   * not known then.
   *
   * @param step its name, and how it is run
   * @param body what it runs
   * @param arguments what the body depends on, encoded as values are: a program that asks for this step with other ones has diverged
   * @param <T> the type of its outcome
   * @return what the body has returned, as it was decoded
   * @throws StepFailed if the body has thrown something, the last time that it was tried; or if what it has returned cannot be encoded
   * @throws IllegalArgumentException if an argument cannot be encoded
   */
  public static <T extends @Nullable Object> T step(
      Step step, Callable<? extends T> body, @Nullable Object... arguments) {
    if (body == null)
      throw new IllegalArgumentException("step " + step.name() + " has nothing to run: got null");
    return Run.current("step").step(step, body, arguments);
  }

  /**
   * Waits for a message, while the current task alone waits. A message is received once, in the order of sending for each name.
   *
   * @param name the name that it is sent by
   * @param <T> the type of the message
   * @return the message, as it was decoded
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  public static <T extends @Nullable Object> T receive(String name) {
    if (name == null) throw new IllegalArgumentException("a message has a name: got null");
    return (T) Run.current("receive").receive(name);
  }

  /**
   * The time of the program: that of its last entry.
   *
   * @return the time
   */
  public static Instant now() {
    return Run.current("now").now();
  }

  /**
   * A number by chance, of the seed that the program has begun with; each task has chance of its own.
   *
   * @return from 0 on, and below 1
   */
  public static double random() {
    return Run.current("random").chance().nextDouble();
  }

  /**
   * A whole number by chance; see {@link #random()}.
   *
   * @param bound above 0
   * @return from 0 on, and below the bound
   */
  public static long random(long bound) {
    if (bound <= 0) throw new IllegalArgumentException("a bound above 0 is needed; got " + bound);
    return Run.current("random").chance().nextLong(bound);
  }

  /**
   * A UUID by chance; see {@link #random()}.
   *
   * @return one of version 4
   */
  public static UUID uuid() {
    return Run.current("uuid").chance().nextUuid();
  }

  /**
   * Which code is to run, where that has changed since a program has begun.
   *
   * @param name which change it is
   * @param version the number of the new code, above 0
   * @return 0 for a program that has been here with the code from before the change, so that its journal has entries from later on
   *     and none of this change; else the version that the program has gone on with when it was first here
   */
  public static int version(String name, int version) {
    if (version <= 0)
      throw new IllegalArgumentException("a version is a number above 0; got " + version);
    return Run.current("version").version(name, version);
  }

  /**
   * Ends the program, with its {@code finally} blocks, and begins it once more with another argument and an empty journal. Its messages
   * stay. For what would never end, so that its journal does not grow for ever.
   *
   * @param argument the argument
   * @return nothing: throws what unwinds the program
   */
  public static RuntimeException restart(@Nullable Object argument) {
    Run.current("restart");
    throw new Restart(argument);
  }

  /**
   * In the body of a step: what names it, and so its effect. The same each time that the body runs.
   *
   * @return the program's id and the step's key
   * @throws IllegalStateException elsewhere, and in other threads than the body's own
   */
  public static String stepKey() {
    String key = STEP_KEY.get();
    if (key != null) return key;
    Scheduler scheduler = Scheduler.registered();
    Map<Object, Object> locals = scheduler == null ? null : scheduler.taskLocals();
    if (locals != null && locals.get(STEP_KEY_OF_TASK) instanceof String s) return s;
    throw new IllegalStateException(
        "a step key is for the body of a step, in its own thread; here is none");
  }

  /** Calls the body of a step that has this key: in a thread of its own, or as a task. */
  static <T extends @Nullable Object> T withStepKey(String key, boolean isTask, Callable<T> body)
      throws Exception {
    if (isTask) {
      Scheduler scheduler = Scheduler.registered();
      Map<Object, Object> locals = scheduler == null ? null : scheduler.taskLocals();
      if (locals != null) locals.put(STEP_KEY_OF_TASK, key);
      return body.call();
    }
    STEP_KEY.set(key);
    try {
      return body.call();
    } finally {
      STEP_KEY.remove();
    }
  }
}
