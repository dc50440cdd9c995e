package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * Sees every transfer of control between the greenlets of one thread.
 *
 * @see Greenlet#setListener(SwitchListener)
 */
@FunctionalInterface
public interface SwitchListener {
  /** What is being delivered to the target. */
  enum Event {
    /** Values; a {@link GreenletExit} that has become a value too. */
    SWITCH,
    /** An exception. */
    THROW
  }

  /**
   * Called in the target, after the transfer and before the value or exception is delivered; on a first start
   * before the body runs. May switch itself, and is then called for those switches too.
   *
   * @param event what is being delivered
   * @param origin the greenlet that control came from
   * @param target the current greenlet; the same as {@code origin} where a greenlet switches to itself
   * @throws Throwable anything: it replaces the value or exception in the target, and the listener is removed.
   *     Where the target was about to start, its body then never runs
   */
  void onSwitch(Event event, Greenlet origin, Greenlet target) throws Throwable;

  /**
   * The same with what is being delivered; this is what the library calls. By default it calls the one without.
   *
   * @param event what is being delivered
   * @param origin the greenlet that control came from
   * @param target the current greenlet
   * @param sent the value, null for none, a {@link SwitchArgs} for several; or the exception
   * @throws Throwable as above
   */
  default void onSwitch(Event event, Greenlet origin, Greenlet target, @Nullable Object sent)
      throws Throwable {
    onSwitch(event, origin, target);
  }

  /**
   * The body of a generator is about to go on, because somebody has asked for its next element. Called on the stack of who asks, which
   * must not pull itself here. What it throws comes out of the pull.
   *
   * @param traversal the name of that run of the body
   * @param puller the current greenlet
   */
  default void onPull(String traversal, Greenlet puller) {}

  /**
   * The body of a generator has yielded, or has ended. Called on the stack of who has asked for its next element.
   *
   * @param traversal the name of that run of the body
   * @param puller the current greenlet
   * @param value the element; null at the end
   * @param isAtEnd whether the body has ended
   */
  default void onYield(
      String traversal, Greenlet puller, @Nullable Object value, boolean isAtEnd) {}
}
