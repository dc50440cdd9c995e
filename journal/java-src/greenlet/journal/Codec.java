package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * Has values be text, as stores keep them: the arguments, the outcomes of steps, the messages and the result of a program. What the
 * program sees is always what was decoded. For any thread.
 */
public interface Codec {
  /**
   * A value as text.
   *
   * @param value the value
   * @return the text; the same for the same value, as steps are known by that of their arguments
   * @throws IllegalArgumentException if it cannot be text, or {@link #decode} would not return an equal value
   */
  String encode(@Nullable Object value);

  /**
   * The value that was encoded.
   *
   * @param text what {@link #encode} returned
   * @return a new value
   */
  @Nullable Object decode(String text);
}
