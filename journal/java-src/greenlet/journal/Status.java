package greenlet.journal;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a program fares.
 *
 * @param id the program
 * @param state whether it is run
 * @param function the name of its function
 * @param entries how many entries its journal has
 * @param waits what it waits for from outside, for people: steps, with how often they have been tried and what went wrong last, and
 *     messages. Empty where this host does not run it
 * @param due when it goes on without anything from outside, in milliseconds since 1970; {@link Park#NEVER} if not
 * @param problem why this host has stopped running it; null if it has not
 */
public record Status(
    String id,
    State state,
    String function,
    long entries,
    List<String> waits,
    long due,
    @Nullable Throwable problem) {
  /** Whether a program is run. */
  public enum State {
    /** This host runs it. */
    RUNNING,
    /** It has been forgotten, and will be run when it is due, or gets a message that it waits for. */
    PARKED,
    /** It has not ended, and this host does not run it: another one may. */
    IDLE,
    /** This host has stopped running it, because of the problem. */
    STOPPED,
    /** It has returned a value. */
    ENDED,
    /** It has failed, or was cancelled. */
    FAILED
  }

  /**
   * Copies the waits.
   *
   * @param id the program
   * @param state whether it is run
   * @param function the name of its function
   * @param entries how many entries
   * @param waits what it waits for
   * @param due when it goes on
   * @param problem why it does not
   */
  public Status {
    waits = List.copyOf(waits);
  }
}
