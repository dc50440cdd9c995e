package greenlet.journal;

import org.jspecify.annotations.Nullable;

/** A step has failed, for the last time that it was tried. What is known of that is what the journal has, whether it is live or replayed. */
public final class StepFailed extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String step;
  private final String failure;
  private final @Nullable String failureMessage;
  private final transient @Nullable Object data;

  StepFailed(String step, String failure, @Nullable String failureMessage, @Nullable Object data) {
    super(
        "%s has failed: %s%s"
            .formatted(step, failure, failureMessage == null ? "" : ": " + failureMessage));
    this.step = step;
    this.failure = failure;
    this.failureMessage = failureMessage;
    this.data = data;
  }

  /**
   * Which step.
   *
   * @return its key in the journal
   */
  public String step() {
    return step;
  }

  /**
   * What the step has thrown.
   *
   * @return the name of its class
   */
  public String failure() {
    return failure;
  }

  /**
   * The message of what the step has thrown.
   *
   * @return null if it had none
   */
  public @Nullable String failureMessage() {
    return failureMessage;
  }

  /**
   * The data of what the step has thrown, if the codec knows how to get and keep it, as Clojure's does with {@code ex-data}.
   *
   * @return null if there is none
   */
  public @Nullable Object data() {
    return data;
  }
}
