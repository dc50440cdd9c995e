package greenlet;

import java.util.AbstractList;
import java.util.RandomAccess;
import org.jspecify.annotations.Nullable;

/**
 * The values of one switch on their way. One value travels as itself; none, and two or more, in an envelope,
 * because a body that they start gets them as separate arguments. A pending switch gets none as null and
 * several as an unmodifiable list: this class, which an envelope is not, so that a list that was received and
 * is sent on stays the one value that it is.
 */
final class Values extends AbstractList<@Nullable Object> implements RandomAccess {
  private record Envelope(@Nullable Object[] values) {}

  /** No value at all. */
  static final Object NONE = new Envelope(new Object[0]);

  private final @Nullable Object[] values;

  private Values(@Nullable Object[] values) {
    this.values = values;
  }

  /** Two or more values, to be sent in one switch. */
  static Object several(@Nullable Object first, @Nullable Object second, @Nullable Object[] more) {
    Object[] all = new Object[2 + more.length];
    all[0] = first;
    all[1] = second;
    System.arraycopy(more, 0, all, 2, more.length);
    return new Envelope(all);
  }

  /** What a pending switch returns for {@code sent}. */
  static @Nullable Object received(@Nullable Object sent) {
    if (!(sent instanceof Envelope several)) return sent;
    return several.values.length == 0 ? null : new Values(several.values);
  }

  /** The arguments of a body that {@code sent} starts. */
  static @Nullable Object[] arguments(@Nullable Object sent) {
    return sent instanceof Envelope several ? several.values : new Object[] {sent};
  }

  @Override
  public @Nullable Object get(int index) {
    return values[index];
  }

  @Override
  public int size() {
    return values.length;
  }
}
