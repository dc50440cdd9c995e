package greenlet.journal;

import org.jspecify.annotations.Nullable;

/** Something has failed, and what is known of that is what the journal has. */
public abstract sealed class Failed extends RuntimeException permits StepFailed, ProgramFailed {
  private static final long serialVersionUID = 1L;

  /** The name of the class of what was thrown. */
  private final String type;

  /** Its message. */
  private final @Nullable String reason;

  private final transient @Nullable Object data;

  Failed(String what, Failure failure, Codec codec) {
    super("%s has failed: %s".formatted(what, failure));
    type = failure.type();
    reason = failure.message();
    String text = failure.data();
    data = text == null ? null : codec.decode(text);
  }

  /**
   * What was thrown.
   *
   * @return the name of its class
   */
  public String type() {
    return type;
  }

  /**
   * The message of what was thrown.
   *
   * @return null if it had none
   */
  public @Nullable String reason() {
    return reason;
  }

  /**
   * The data of what was thrown, as far as the codec keeps it: see {@link Codec#data}.
   *
   * @return null if there is none
   */
  public @Nullable Object data() {
    return data;
  }
}
