package greenlet.journal;

import java.util.Set;

/**
 * What a program waits for that nobody runs: its stack has been forgotten.
 *
 * @param due when it is to be run, in milliseconds since 1970; {@link #NEVER} if it waits for messages alone
 * @param messages the names of the messages that it waits for
 */
public record Park(long due, Set<String> messages) {
  /** The time that does not come. */
  public static final long NEVER = Long.MAX_VALUE;

  /**
   * Copies the names.
   *
   * @param due when it is to be run
   * @param messages the names of messages
   */
  public Park {
    messages = Set.copyOf(messages);
  }

  /**
   * Whether a message is one that it waits for.
   *
   * @param message the message
   * @return true also for any cancellation
   */
  public boolean awaits(Message message) {
    return message.name() == null || messages.contains(message.name());
  }
}
