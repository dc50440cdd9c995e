package greenlet;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What the body of a chunked traversal has yielded ahead of its consumer: one chunk, which is filled by the body and then emptied by
 * the consumer. The first has {@link #FIRST} places at most and each later one twice as many as the one before, up to what was asked
 * for. So a large chunk costs no memory, and runs no body ahead, before so many elements have been wanted.
 */
final class Ahead<T extends @Nullable Object> {
  private static final int FIRST = 32;
  private static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

  private final int most;

  /** Of the chunk that is being filled, or emptied. */
  private int size;

  private @Nullable Object[] places = {};
  private int filled;
  private int taken;

  Ahead(int chunk) {
    most = Math.min(chunk, LONGEST_ARRAY);
    size = Math.min(chunk, FIRST);
  }

  /** Adds an element, for which there is room; whether that was the last place. */
  boolean fill(T element) {
    if (filled == places.length) { // may fail: then nothing has changed
      long longer = Math.max(FIRST, 2L * filled);
      places = Arrays.copyOf(places, (int) Math.min(longer, size));
    }
    places[filled++] = element;
    return filled == size;
  }

  /** Takes {@link #fill} back, where the chunk could not be handed over. */
  void withdraw() {
    if (filled > taken) places[--filled] = null;
  }

  int left() {
    return filled - taken;
  }

  /** The next element, of which there is one at least. After the last one the chunk is to be filled anew. */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  T take() {
    T element = (T) places[taken];
    places[taken++] = null;
    if (taken == filled) {
      if (filled == size) size = (int) Math.min(2L * size, most);
      filled = taken = 0;
    }
    return element;
  }

  void clear() {
    places = new Object[0];
    filled = taken = 0;
  }

  @Override
  public String toString() {
    return "chunks of up to " + most + (most == 1 ? " element" : " elements");
  }
}
