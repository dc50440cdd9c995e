package greenlet.hub;

import java.time.Duration;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A value that some task of a {@link Hub} will provide, once, or an exception in its place; others wait for it.
 *
 * <pre>{@code
 * AsyncResult<String> answer = new AsyncResult<>();
 * hub.spawn(() -> answer.complete(ask()));
 * System.out.println(answer.result());
 * }</pre>
 *
 * <p>It is for the tasks of one hub; a call that would reach tasks that wait in another thread is a {@link WrongThreadException}
 * and changes nothing. Other threads complete a {@code CompletableFuture}, which {@link Hub#await} waits for.
 *
 * @param <T> the type of the value
 */
public final class AsyncResult<T extends @Nullable Object> {
  private final WaitQueue<@Nullable Object> waiting = new WaitQueue<>("an async-result");
  private @Nullable Object outcome;

  /** A result that is not there yet. */
  public AsyncResult() {}

  /**
   * Completes it with a value. All who wait are ready, in the order of their coming.
   *
   * @param value the value
   * @return whether this completed it; false if it was complete before, and the value goes nowhere
   */
  public boolean complete(T value) {
    return completeAs(Outcome.of(value));
  }

  /**
   * Completes it with an exception. All who wait are ready, in the order of their coming.
   *
   * @param exception what {@link #result} throws
   * @return whether this completed it; false if it was complete before
   */
  public boolean fail(Throwable exception) {
    Hub.require(exception, "an async-result fails with an exception");
    return completeAs(Outcome.failure(exception));
  }

  private boolean completeAs(Object how) {
    waiting.requireThread();
    if (outcome != null) return false;
    waiting.wakeAll(null);
    outcome = how;
    return true;
  }

  /**
   * Whether it is complete.
   *
   * @return true if it is, with a value or an exception
   */
  public boolean isDone() {
    return outcome != null;
  }

  /**
   * Whether it is complete with a value.
   *
   * @return false if it is not complete, or with an exception
   */
  public boolean isSuccessful() {
    return outcome != null && exception() == null;
  }

  /**
   * The exception that it is complete with.
   *
   * @return the exception; null if it is not complete, or with a value
   */
  public @Nullable Throwable exception() {
    return Outcome.thrown(outcome);
  }

  /** Has the current task wait until it is complete, in whichever way. */
  public void join() {
    if (outcome == null) waiting.await(this, ignored -> {});
  }

  /**
   * Has the current task wait until it is complete, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it is complete
   */
  public boolean join(Duration limit) {
    return Hub.within(limit, () -> join());
  }

  /**
   * Has the current task wait until it is complete.
   *
   * @return the value; the exception that it is complete with comes out of this call, the same object
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  public T result() {
    join();
    try {
      return (T) Outcome.open(outcome);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  /**
   * Has the current task wait until it is complete, but not for longer than a limit.
   *
   * @param limit how long
   * @return the value, as from {@link #result()}
   * @throws TimeoutException if it is not complete by then
   */
  public T result(Duration limit) throws TimeoutException {
    return Hub.timeout(limit, () -> result());
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    if (outcome == null) return "an async-result";
    return exception() == null ? "an async-result with a value" : "an async-result that has failed";
  }
}
