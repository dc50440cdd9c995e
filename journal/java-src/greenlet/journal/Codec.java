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

  /**
   * What is to be kept of an exception, besides its class and its message.
   *
   * @param failure what a step, or the program, has thrown
   * @return a value that is encoded as others are; null for none, as by default
   */
  default @Nullable Object data(Throwable failure) {
    return null;
  }

  /** For values that are strings, or null. */
  Codec STRINGS =
      new Codec() {
        @Override
        public String encode(@Nullable Object value) {
          if (value == null) return "";
          if (value instanceof String s) return "\"" + s;
          throw new IllegalArgumentException(
              "a value is a string or null here, as the codec has it; got "
                  + value.getClass().getName());
        }

        @Override
        public @Nullable String decode(String text) {
          return text.isEmpty() ? null : text.substring(1);
        }
      };
}
