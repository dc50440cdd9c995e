package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * A message that was sent to a program, and waits in the store until the program receives it.
 *
 * @param number which of the program's messages it is, in the order of sending; given by the store
 * @param time when it was sent, in milliseconds since 1970
 * @param name the name that the program receives it by; null for a cancellation
 * @param key what tells that it is the same message, when it is sent again; null for one that is sent once
 * @param value the encoded value; null for a cancellation
 */
public record Message(
    long number, long time, @Nullable String name, @Nullable String key, @Nullable String value) {
  /**
   * Whether it cancels the program.
   *
   * @return true if it has no name
   */
  public boolean isCancellation() {
    return name == null;
  }
}
