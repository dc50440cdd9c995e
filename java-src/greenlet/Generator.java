package greenlet;

import java.util.Objects;
import java.util.Spliterator;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * A sequence written as a body that yields its elements, one by one, from any depth of ordinary calls.
 *
 * <p>A generator is a recipe: each traversal runs the body afresh, only as far as elements are asked for.
 *
 * <pre>{@code
 * static void walk(Tree t, Generator.Yielder<String> out) {
 *   if (t == null) return;
 *   walk(t.left, out);
 *   out.yield(t.label);
 *   walk(t.right, out);
 * }
 *
 * Generator<String> labels = Generator.of(out -> walk(tree, out));
 * for (String label : labels) System.out.println(label);
 * }</pre>
 *
 * <p><b>Ways to traverse.</b> {@link #forEach} and {@link #forEachWhile} run the body on the caller's own stack, where
 * a yield is a call of the consumer: by far the fastest. {@link #cursor()}, {@link #iterator} and {@link #stream} run it on a
 * stack of its own, as far as the next element, or ahead, {@linkplain #cursor(int) in chunks}. A cursor or iterator belongs to
 * the thread that first pulls from it; a stream, or a {@linkplain #sharedCursor() shared} cursor, may be continued by another thread.
 *
 * <p>The body runs as part of whoever traverses it: {@link Greenlet#current()} is the traversing greenlet, and a switch
 * inside the body suspends that one. An exception in the body comes out of the call that ran into it, as it is, checked
 * ones too, and the traversal is over.
 *
 * <p><b>Resources.</b> A traversal that ends early by {@code forEachWhile}, or by closing the stream, raises a
 * {@link GreenletExit} at the pending yield, so that {@code finally} blocks run. A traversal that is only forgotten is
 * collected, and nothing of it runs.
 *
 * @param <T> the type of the elements
 */
public final class Generator<T extends @Nullable Object> implements Iterable<T> {
  /**
   * The body of a generator.
   *
   * @param <T> the type of the elements
   */
  @FunctionalInterface
  public interface Body<T extends @Nullable Object> {
    /**
     * Runs once for each traversal.
     *
     * @param out where to yield to
     * @throws Throwable anything: it comes out of the call that traverses
     */
    void run(Yielder<T> out) throws Throwable;
  }

  /**
   * The body of a generator, that has a result.
   *
   * @param <T> the type of the elements
   */
  @FunctionalInterface
  public interface Returning<T extends @Nullable Object> {
    /**
     * Runs once for each traversal.
     *
     * @param out where to yield to
     * @return what {@link Cursor#result} returns
     * @throws Throwable anything: it comes out of the call that traverses
     */
    @Nullable Object run(Yielder<T> out) throws Throwable;
  }

  /**
   * The consumer's end of one traversal, for its body to yield to. To be used while the body runs, from any depth of
   * calls, also from within the bodies of other generators that it traverses.
   *
   * @param <T> the type of the elements
   */
  public interface Yielder<T extends @Nullable Object> {
    /**
     * Gives the consumer a value and suspends the body until it asks for the next.
     *
     * @param value the value
     * @return what the consumer sends back: null where the way of traversing has no means to
     * @throws GreenletExit if the traversal ends here, and at every further yield
     * @throws IllegalStateException if the body is not running, or not in the calling greenlet
     */
    @Nullable Object yield(T value);

    /**
     * Yields all elements, one by one. Those of a generator cost no more at the tenth level of nesting than at the first.
     *
     * @param all the elements
     */
    // a body that yields a subtype of T may yield to whom takes any T
    @SuppressWarnings("unchecked")
    default void yieldAll(Iterable<? extends T> all) {
      Objects.requireNonNull(all, "an Iterable to yield all elements of is needed: got null");
      if (!(all instanceof Generator<? extends T> inner)) {
        for (T value : all) this.yield(value);
        return;
      }
      try {
        ((Generator<T>) inner).run(this);
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    }
  }

  private static final AtomicLong COUNT = new AtomicLong();

  private final Returning<T> body;

  /** Those in force where it was made. */
  final @Nullable Object bindings = Bindings.current();

  private final long number = COUNT.incrementAndGet();

  private Generator(Returning<T> body) {
    this.body = body;
  }

  /**
   * A new generator. Nothing of the body runs before it is traversed.
   *
   * @param body yields the elements; run afresh for each traversal
   * @param <T> the type of the elements
   * @return the generator
   */
  public static <T extends @Nullable Object> Generator<T> of(Body<T> body) {
    if (body == null)
      throw new IllegalArgumentException("a generator needs a body that yields: got null");
    return new Generator<>(out -> {
      body.run(out);
      return null;
    });
  }

  /**
   * A new generator whose body has a result, for a cursor to return.
   *
   * @param body yields the elements; run afresh for each traversal
   * @param <T> the type of the elements
   * @return the generator
   */
  public static <T extends @Nullable Object> Generator<T> returning(Returning<T> body) {
    if (body == null)
      throw new IllegalArgumentException("a generator needs a body that yields: got null");
    return new Generator<>(body);
  }

  /** Runs the body once, with the bindings that it was made in. */
  @Nullable Object run(Yielder<T> out) throws Throwable {
    Object callers = Bindings.current();
    Bindings.restore(bindings);
    try {
      if (out instanceof PulledTraversal<T> pulled) Probe.see(pulled);
      return body.run(out);
    } finally {
      Bindings.restore(callers);
    }
  }

  /**
   * Gives a value to the innermost traversal whose body is running in the current greenlet; where there is none,
   * switches to the greenlet's parent with the value.
   *
   * @param value the value
   * @return what the consumer, or whoever switches back, sends
   * @throws GreenletExit if the traversal ends here
   * @throws IllegalStateException in a root greenlet outside of any generator's body
   */
  public static @Nullable Object yield(@Nullable Object value) {
    Context here = ThreadState.context();
    Traversal<@Nullable Object> innermost = Traversal.innermost(here);
    return innermost != null ? innermost.deliver(here, value) : parent().switchTo(value);
  }

  /**
   * The handle of the innermost traversal whose body is running in the current greenlet: for code further in to yield to,
   * whichever other generators it traverses.
   *
   * @param <T> the type of the elements, which the caller has to know
   * @return the handle
   * @throws IllegalStateException outside of any generator's body
   */
  @SuppressWarnings("unchecked")
  public static <T extends @Nullable Object> Yielder<T> yielder() {
    Context here = ThreadState.context();
    if (here.innermost == null)
      throw new IllegalStateException("no generator's body is running in " + here.group());
    return (Yielder<T>) here.innermost;
  }

  /**
   * Yields all elements, one by one, as {@link #yield} would.
   *
   * @param all the elements
   */
  public static void yieldAll(Iterable<?> all) {
    Objects.requireNonNull(all, "an Iterable to yield all elements of is needed: got null");
    Traversal<@Nullable Object> innermost = Traversal.innermost(ThreadState.context());
    Yielder<@Nullable Object> out =
        innermost != null ? innermost : value -> parent().switchTo(value);
    out.yieldAll(all);
  }

  /**
   * Runs {@code task} in a dynamic extent. Each time the body of a generator that this is called in is suspended by a yield, the
   * extent is left, and when it is resumed, the extent is entered again. Outside of any generator's body nothing is called.
   *
   * @param extent hears of it
   * @param task what to run
   * @param <T> the type of its result
   * @return the result of the task; what it throws comes out of this call, checked exceptions too
   */
  public static <T extends @Nullable Object> T during(
      DynamicExtent extent, Callable<? extends T> task) {
    if (extent == null) throw new IllegalArgumentException("a dynamic extent is needed: got null");
    Traversal<?> innermost = Traversal.innermost(ThreadState.context());
    if (innermost != null) innermost.enter(extent);
    try {
      return task.call();
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    } finally {
      if (innermost != null) innermost.exit();
    }
  }

  private static Greenlet parent() {
    Greenlet current = Greenlet.current();
    Greenlet parent = current.parent();
    if (parent != null) return parent;
    throw new IllegalStateException(
        "nobody to yield to: "
            + current
            + " is the root of its thread, which has no parent, "
            + "and no generator's body is running; call yield, in Clojure yield!, from the body of a generator, or from a greenlet");
  }

  /**
   * Traverses on the caller's stack.
   *
   * @param consumer called with each element
   */
  @Override
  public void forEach(Consumer<? super T> consumer) {
    requireConsumer(consumer);
    forEachWhile(value -> {
      consumer.accept(value);
      return true;
    });
  }

  /**
   * Traverses on the caller's stack until the consumer has enough; then a {@link GreenletExit} unwinds the body. A body that
   * catches it and yields again gets another one, and after very many an {@code IllegalStateException}. A loop that catches that as
   * well never ends, because it has no stack of its own that could be left.
   *
   * @param consumer called with each element; returns whether it wants more
   * @return false if the consumer had enough, true if the body came to its end before
   */
  public boolean forEachWhile(Predicate<? super T> consumer) {
    requireConsumer(consumer);
    try {
      return new PushedTraversal<>(this, consumer).run();
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  private static void requireConsumer(Object consumer) {
    Objects.requireNonNull(consumer, "a consumer to call with each element is needed: got null");
  }

  /**
   * Begins a traversal that pulls, one element at a time. In try-with-resources it is closed where the loop is left early, so that
   * the {@code finally} blocks of the body run.
   *
   * @return a cursor for the thread that first uses it; others get a {@link WrongThreadException}
   */
  @Override
  public Cursor<T> iterator() {
    return cursor();
  }

  /**
   * Begins a traversal that pulls, one element at a time.
   *
   * @return a cursor for the thread that first uses it; others get a {@link WrongThreadException}
   */
  public Cursor<T> cursor() {
    return new Cursor<>(this, true, null);
  }

  /**
   * Begins a traversal that pulls, in chunks: the body runs ahead, so that most elements cost no change of stacks. It is suspended
   * when it has yielded {@code chunk} elements that the cursor has not given out yet. The first chunk has 32 elements at most, and
   * each one after it twice as many as the one before, up to {@code chunk}.
   *
   * <p>The cursor gives out the same elements as one without chunks, and what ends the body comes after the elements before it.
   * But the body has gone on since, so that {@link Cursor#send} and {@link Cursor#throwInto} are refused. {@link Cursor#close}
   * forgets the elements that have not been taken, and an exception that ended the body after them.
   *
   * @param chunk the most elements that the body runs ahead, 1 or more
   * @return a cursor for the thread that first uses it; others get a {@link WrongThreadException}
   */
  public Cursor<T> cursor(int chunk) {
    return new Cursor<>(this, true, ahead(chunk));
  }

  /**
   * Begins a traversal that pulls, one element at a time, and that any thread may continue. Its body has a virtual thread
   * of its own, whatever the engine.
   *
   * @return a cursor for whichever threads, one at a time
   */
  public Cursor<T> sharedCursor() {
    return new Cursor<>(this, false, null);
  }

  /**
   * Begins a traversal that pulls in chunks, as {@link #cursor(int)}, and that any thread may continue, as {@link
   * #sharedCursor()}.
   *
   * @param chunk the most elements that the body runs ahead, 1 or more
   * @return a cursor for whichever threads, one at a time
   */
  public Cursor<T> sharedCursor(int chunk) {
    return new Cursor<>(this, false, ahead(chunk));
  }

  private static <T extends @Nullable Object> Ahead<T> ahead(int chunk) {
    if (chunk < 1)
      throw new IllegalArgumentException("a chunk has 1 element or more: got " + chunk);
    return new Ahead<>(chunk);
  }

  /**
   * Begins a traversal as a sequential stream. Any thread may continue it, one at a time. Closing it unwinds the body.
   *
   * @return the stream: lazy, ordered, of unknown size
   */
  public Stream<T> stream() {
    Elements<T> elements = new Elements<>(this);
    return StreamSupport.stream(elements, false).onClose(elements::close);
  }

  /**
   * Begins a traversal that pulls, or pushes where all elements are asked for at once. Any thread may continue it, one
   * at a time.
   *
   * @return a spliterator that does not split
   */
  @Override
  public Spliterator<T> spliterator() {
    return new Elements<>(this);
  }

  @Override
  public String toString() {
    return "generator-" + number;
  }

  private static final class Elements<T extends @Nullable Object> implements Spliterator<T> {
    private final Generator<T> generator;
    private @Nullable Cursor<T> cursor;

    Elements(Generator<T> generator) {
      this.generator = generator;
    }

    @Override
    public boolean tryAdvance(Consumer<? super T> action) {
      requireConsumer(action);
      if (cursor == null) cursor = generator.sharedCursor();
      if (!cursor.hasNext()) return false;
      action.accept(cursor.next());
      return true;
    }

    @Override
    public void forEachRemaining(Consumer<? super T> action) {
      requireConsumer(action);
      if (cursor == null) generator.forEach(action);
      else cursor.forEachRemaining(action);
    }

    void close() {
      if (cursor != null) cursor.close();
    }

    @Override
    public @Nullable Spliterator<T> trySplit() {
      return null;
    }

    @Override
    public long estimateSize() {
      return Long.MAX_VALUE;
    }

    @Override
    public int characteristics() {
      return ORDERED;
    }
  }
}
