package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * What a journal has of an exception: the value of an entry of kind {@code FAILURE} or {@code ERROR}.
 *
 * @param type the name of its class
 * @param message its message, or null
 * @param data what the codec has kept of it, encoded, or null
 */
public record Failure(String type, @Nullable String message, @Nullable String data) {
  private static final int MOST_OF_MESSAGE = 10_000;

  static Failure of(Throwable thrown, Codec codec) {
    String message = thrown.getMessage();
    if (message != null && message.length() > MOST_OF_MESSAGE)
      message = message.substring(0, MOST_OF_MESSAGE);
    return new Failure(thrown.getClass().getName(), message, data(thrown, codec));
  }

  private static @Nullable String data(Throwable thrown, Codec codec) {
    try {
      Object data = codec.data(thrown);
      return data == null ? null : codec.encode(data);
    } catch (RuntimeException e) { // it is not what the exception is about
      return null;
    }
  }

  /**
   * The value of an entry: the class, the number of characters of the message or {@code -}, the message, the encoded data, with a space
   * between each.
   *
   * @return the text
   */
  public String text() {
    String text = type + (message == null ? " -" : " " + message.length() + " " + message);
    return data == null ? text : text + " " + data;
  }

  /** Without the data, if that does not fit. */
  String text(int limit) {
    return text().length() <= limit ? text() : new Failure(type, message, null).text();
  }

  /**
   * Reads what {@link #text} has written.
   *
   * @param text the value of an entry
   * @return what it has of the exception
   */
  public static Failure parse(String text) {
    int type = text.indexOf(' ');
    if (text.startsWith("-", type + 1))
      return new Failure(text.substring(0, type), null, rest(text, type + 2));
    int length = text.indexOf(' ', type + 1);
    int end = length + 1 + Integer.parseInt(text, type + 1, length, 10);
    return new Failure(text.substring(0, type), text.substring(length + 1, end), rest(text, end));
  }

  private static @Nullable String rest(String text, int end) {
    return end == text.length() ? null : text.substring(end + 1);
  }

  @Override
  public String toString() {
    return message == null ? type : type + ": " + message;
  }
}
