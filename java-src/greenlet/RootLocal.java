package greenlet;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A variable that all greenlets of one thread share, on every engine. It is to a scheduler of greenlets what a {@link
 * ThreadLocal} is to a scheduler of threads: on the virtual-thread engine each greenlet has a thread of its own, and a
 * ThreadLocal would have a value for each.
 *
 * <pre>{@code
 * private static final RootLocal<Queue<Greenlet>> READY = new RootLocal<>(ArrayDeque::new);
 *
 * static void later(Greenlet g) {
 *   READY.get().add(g);
 * }
 * }</pre>
 *
 * <p>Each thread that uses greenlets has a value of its own. The body of a generator sees that of the thread which pulls from
 * it. A value is held until its thread ends or another one is set. Made for static fields: each instance takes a place in every
 * thread that has used it, for as long as that thread lives.
 *
 * @param <T> the type of the value
 */
public final class RootLocal<T extends @Nullable Object> {
  private static final AtomicInteger COUNT = new AtomicInteger();

  private final int index = COUNT.getAndIncrement();
  private final @Nullable Supplier<? extends T> initial;

  /** Makes a variable that is null in each thread at first. */
  public RootLocal() {
    this(null);
  }

  /**
   * Makes a variable with an initial value in each thread.
   *
   * @param initial called at the first {@link #get} in a thread whose value is null; null for none
   */
  public RootLocal(@Nullable Supplier<? extends T> initial) {
    this.initial = initial;
  }

  /**
   * The value of the calling thread's greenlets.
   *
   * @return the value
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  public T get() {
    Context known = Context.current();
    if (known == null && initial == null) return null; // a thread without greenlets stays one
    ThreadState here = known == null ? ThreadState.here() : ThreadState.of(known);
    Object value = index < here.locals.length ? here.locals[index] : null;
    if (value != null || initial == null) return (T) value;
    T made = initial.get();
    set(made);
    return made;
  }

  /**
   * Sets the value of the calling thread's greenlets.
   *
   * @param value the new value; null for none
   */
  public void set(@Nullable T value) {
    ThreadState here = ThreadState.here();
    if (index >= here.locals.length) here.locals = Arrays.copyOf(here.locals, index + 1);
    here.locals[index] = value;
  }
}
