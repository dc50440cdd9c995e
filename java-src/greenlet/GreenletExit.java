package greenlet;

/**
 * Ends a greenlet, or the traversal of a generator, quietly.
 *
 * <p>Raised inside a greenlet by {@link Greenlet#throwInto()} and {@link Greenlet#close()}, and at the pending
 * yield of a generator whose traversal ends early, so that {@code finally} blocks run. When it leaves a
 * greenlet's body it is not raised in the parent: the instance arrives there as a value.
 *
 * <p>An {@code Error}, so that {@code catch (Exception e)} does not swallow it, and without a stack trace, so
 * that raising one costs little.
 */
public final class GreenletExit extends Error {
  private static final long serialVersionUID = 1L;

  /** Makes one without a message. */
  public GreenletExit() {
    this("the greenlet or the traversal was asked to end");
  }

  /**
   * Makes one with a message.
   *
   * @param message what {@link #getMessage()} returns
   */
  public GreenletExit(String message) {
    super(message, null, true, false);
  }

  private GreenletExit(GreenletExit first) {
    super(first.getMessage(), first, true, false);
  }

  /** How often it has been raised {@link #again}. */
  int repetitions;

  /** A fresh copy for repeated raises: {@code addSuppressed} rejects the same instance. */
  GreenletExit again() {
    repetitions++;
    return new GreenletExit(this);
  }

  /** Whether {@code t} is this one or {@link #again}. */
  boolean is(Throwable t) {
    return t == this || t instanceof GreenletExit && t.getCause() == this;
  }
}
