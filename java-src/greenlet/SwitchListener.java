package greenlet;

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
}
