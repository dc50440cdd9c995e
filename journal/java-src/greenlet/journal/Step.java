package greenlet.journal;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a step is run: its name, and how often it is tried, for how long, and where. Each method returns another one.
 *
 * <pre>{@code
 * Journal.step(Step.named("charge").attempts(5, Duration.ofSeconds(1)).limit(Duration.ofSeconds(30)), () -> charge(customer), customer);
 * }</pre>
 *
 * @param name what it is called; part of what it is known by in the journal
 * @param attempts how often it is tried at most
 * @param backOff how long it waits after the first failure; twice as long after each further one
 * @param longestBackOff but no longer than this
 * @param limit how long each try may take, or null
 * @param isTask whether it runs as a task of the hub that hosts the program; else by {@code offload}, in a virtual thread of its own
 * @param codec what its outcome is encoded by; null for the host's
 */
public record Step(
    String name,
    int attempts,
    Duration backOff,
    Duration longestBackOff,
    @Nullable Duration limit,
    boolean isTask,
    @Nullable Codec codec) {

  private static final Duration LONGEST = Duration.ofMinutes(5);

  /**
   * Refuses what makes no sense.
   *
   * @param name what it is called
   * @param attempts 1 or more
   * @param backOff not negative
   * @param longestBackOff not negative
   * @param limit above zero, or null
   * @param isTask where it runs
   * @param codec its own, or null
   */
  public Step {
    if (name == null) throw new IllegalArgumentException("a step needs a name: got null");
    if (attempts < 1)
      throw new IllegalArgumentException(
          "step %s is tried once or more; got %d attempts".formatted(name, attempts));
    if (backOff.isNegative() || longestBackOff.isNegative())
      throw new IllegalArgumentException(
          "step %s waits for some time or none between its attempts; got %s, at most %s"
              .formatted(name, backOff, longestBackOff));
    if (limit != null && !limit.isPositive())
      throw new IllegalArgumentException(
          "the limit of step %s is a time above zero; got %s".formatted(name, limit));
  }

  /**
   * A step that is tried once, without a limit, by {@code offload}.
   *
   * @param name what it is called
   * @return the step
   */
  public static Step named(String name) {
    return new Step(name, 1, Duration.ZERO, LONGEST, null, false, null);
  }

  /**
   * Has it tried again where it fails.
   *
   * @param most how often at most, the first time included
   * @param firstBackOff how long it waits after the first failure; twice as long after each further one, five minutes at most
   * @return another step
   */
  public Step attempts(int most, Duration firstBackOff) {
    return new Step(name, most, firstBackOff, longestBackOff, limit, isTask, codec);
  }

  /**
   * Sets how long it waits between two attempts at most.
   *
   * @param longest how long
   * @return another step
   */
  public Step longestBackOff(Duration longest) {
    return new Step(name, attempts, backOff, longest, limit, isTask, codec);
  }

  /**
   * Sets how long each try may take. One that takes longer is interrupted, and fails.
   *
   * @param time how long
   * @return another step
   */
  public Step limit(Duration time) {
    return new Step(name, attempts, backOff, longestBackOff, time, isTask, codec);
  }

  /**
   * Runs it as a task of the hub that hosts the program: for what waits in that hub, and does not block.
   *
   * @return another step
   */
  public Step asTask() {
    return new Step(name, attempts, backOff, longestBackOff, limit, true, codec);
  }

  /**
   * Has its outcome encoded by another codec than the host's.
   *
   * @param own the codec
   * @return another step
   */
  public Step codec(Codec own) {
    return new Step(name, attempts, backOff, longestBackOff, limit, isTask, own);
  }

  /** How long it waits after so many failures. */
  Duration backOffAfter(int failures) {
    Duration wait = backOff;
    for (int i = 1; i < failures && wait.compareTo(longestBackOff) < 0; i++) wait = wait.plus(wait);
    return wait.compareTo(longestBackOff) < 0 ? wait : longestBackOff;
  }
}
