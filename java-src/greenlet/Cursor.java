package greenlet;

import java.util.Iterator;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * One traversal of a generator, pulled element by element, that also leads the other way: what is {@linkplain #send sent}
 * is what the body's pending yield returns.
 *
 * <pre>{@code
 * Generator<Integer> sums = Generator.of(out -> {
 *   int sum = 0;
 *   while (true) sum += (Integer) out.yield(sum);
 * });
 * try (Cursor<Integer> c = sums.cursor()) {
 *   c.next();  // 0
 *   c.send(3);
 *   c.next();  // 3
 *   c.send(4);
 *   c.next();  // 7
 * }
 * }</pre>
 *
 * <p>The body runs only inside of {@code hasNext}, {@code next}, {@code peek}, {@code send}, {@code throwInto} and
 * {@code close}, as part of the greenlet that calls. An exception in the body comes out of that call, as it is, checked ones
 * too; then the traversal is over. A cursor belongs to the thread that first pulls from it, unless it is a {@linkplain
 * Generator#sharedCursor shared} one, which any thread may pull from, one at a time: the callers see to that. Wrong calls get
 * an {@code IllegalStateException}, or from another thread a {@code WrongThreadException}, and change nothing: any call while
 * the body is running, also from within it, and any call but {@code close} after {@code close}.
 *
 * <p>Closing a cursor raises a {@link GreenletExit} at the pending yield, and at later ones, so that {@code finally} blocks
 * run. A body that catches very many of them and yields each time is abandoned, and {@code close} throws an {@code
 * IllegalStateException} that says so. A cursor that is only forgotten is collected with the body's stack, and nothing of it runs.
 *
 * @param <T> the type of the elements
 */
public final class Cursor<T extends @Nullable Object> implements Iterator<T>, AutoCloseable {
  private final PulledTraversal<T> traversal;

  Cursor(Generator<T> generator, boolean confined, @Nullable Ahead<T> ahead) {
    traversal = new PulledTraversal<>(generator, confined, ahead);
  }

  /** Whether there is a next element; runs the body as far as that. */
  @Override
  public boolean hasNext() {
    return traversal.advance();
  }

  /**
   * Takes the next element; runs the body as far as that.
   *
   * @return the element
   * @throws NoSuchElementException if the body has ended
   */
  @Override
  @SuppressWarnings("NullAway") // null only where T has it
  public T next() {
    peek();
    return traversal.take();
  }

  /**
   * The next element, which stays the next one; runs the body as far as that.
   *
   * @return the element
   * @throws NoSuchElementException if the body has ended
   */
  @SuppressWarnings("NullAway") // null only where T has it
  public T peek() {
    if (!traversal.advance()) throw traversal.noElement();
    return traversal.peek();
  }

  /**
   * How many elements can be taken before the body runs again: without chunks 1 after {@code hasNext} or {@code peek} has found an
   * element, else 0; with chunks as many as are left of what the body has yielded ahead.
   *
   * @return the number; 0 does not say that the body has ended
   */
  public int available() {
    return traversal.available();
  }

  /**
   * Has the body's pending yield return a value, and runs the body as far as its next yield.
   *
   * @param value what the yield returns
   * @return whether there is a next element, for {@link #next} to take
   * @throws IllegalStateException if no yield is pending: before the first {@code next} and after the end; or if {@code
   *     hasNext} or {@code peek} has found an element that has not been taken; or if the cursor takes {@linkplain
   *     Generator#cursor(int) chunks}
   */
  public boolean send(@Nullable Object value) {
    return traversal.answer(value, null);
  }

  /**
   * Has the body's pending yield throw an exception, and runs the body as far as its next yield. Before the first {@code
   * next} the body never runs and the exception comes right out.
   *
   * @param exception what the yield throws
   * @return whether there is a next element, for {@link #next} to take
   * @throws IllegalStateException after the end, or if there is an element that has not been taken, or if the cursor takes
   *     {@linkplain Generator#cursor(int) chunks}
   */
  public boolean throwInto(Throwable exception) {
    if (exception == null)
      throw new IllegalArgumentException("nothing to throw into the " + traversal + ": got null");
    return traversal.answer(null, exception);
  }

  /**
   * What the body returned.
   *
   * @return the result; null where an exception ended the body, and for a body that has no result
   * @throws IllegalStateException if the body has not ended, or elements before its end have not been taken
   */
  public @Nullable Object result() {
    return traversal.result();
  }

  /**
   * Whether the body has ended, one way or another, and what it yielded before has been taken. May be asked at any time.
   *
   * @return false as long as there may be another element
   */
  public boolean isOver() {
    return traversal.isOver();
  }

  /**
   * Unwinds the body, if it is suspended; what other exception that ends with comes out. Does nothing a second time.
   *
   * @throws IllegalStateException if the body refuses to end
   */
  @Override
  public void close() {
    traversal.close();
  }

  @Override
  public String toString() {
    return "Cursor[" + traversal + (traversal.isOver() ? ", over]" : "]");
  }
}
