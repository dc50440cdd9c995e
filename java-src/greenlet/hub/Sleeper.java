package greenlet.hub;

/**
 * How the thread of a {@link Hub} sleeps while no task is ready, and how others wake it: exchangeable, for a selector for one,
 * so that what the thread can wait for at once becomes more than time and other threads. All but {@link #wake} is called on behalf
 * of the hub, outside of any task: on its thread, or on the virtual-thread engine in a virtual thread that is running for it. It must
 * not wait in the hub, switch, or throw.
 */
public interface Sleeper {
  /**
   * Blocks the thread until {@link #wake} is called, also if that was after the last sleep began, or until something of its own
   * has happened. May return earlier. An interrupt ends it, and is left pending.
   *
   * @param nanos how long at most, above 0; {@link Long#MAX_VALUE} for no limit
   */
  void sleep(long nanos);

  /** Ends the sleep, or the next one. Called from any thread, and perhaps once after {@link #close}. */
  void wake();

  /** Looks, without blocking, at what has happened. Called once in each round of the hub's tasks. */
  void poll();

  /** Gives back what it holds: another sleeper takes its place, or the hub has come to its end. */
  void close();
}
