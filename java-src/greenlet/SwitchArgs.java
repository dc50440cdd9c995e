package greenlet;

import java.util.AbstractList;
import java.util.RandomAccess;
import org.jspecify.annotations.Nullable;

/**
 * Two or more values that were sent in one {@linkplain Greenlet#switchTo(Object, Object, Object...) switch}, as the pending
 * switch returns them: an unmodifiable list. Nobody else makes instances, so that a caller can tell several values from a list
 * that was sent as one value. A list that was received and is sent on is one value.
 */
public final class SwitchArgs extends AbstractList<@Nullable Object> implements RandomAccess {
  /*
   * On its way one value travels as itself. None, and two or more, travel in an envelope, because a body that they start gets
   * them as separate arguments.
   */
  private record Envelope(@Nullable Object[] values) {}

  /** No value at all. */
  static final Object NONE = new Envelope(new Object[0]);

  /** No value either: from a scheduler to a greenlet that goes on. */
  static final Object RESUME = new Envelope(new Object[0]);

  private final @Nullable Object[] values;

  private SwitchArgs(@Nullable Object[] values) {
    this.values = values;
  }

  /** Two or more values, to be sent in one switch. */
  static Object several(@Nullable Object first, @Nullable Object second, @Nullable Object[] more) {
    @Nullable Object[] all = new Object[2 + more.length];
    all[0] = first;
    all[1] = second;
    System.arraycopy(more, 0, all, 2, more.length);
    return new Envelope(all);
  }

  /** What a pending switch returns for {@code sent}. */
  static @Nullable Object received(@Nullable Object sent) {
    if (!(sent instanceof Envelope several)) return sent;
    return several.values.length == 0 ? null : new SwitchArgs(several.values);
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
