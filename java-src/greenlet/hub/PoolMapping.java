package greenlet.hub;

import greenlet.Generator;
import greenlet.GreenletExit;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** One traversal of {@link Pool#map} or {@link Pool#mapUnordered}. */
final class PoolMapping<A extends @Nullable Object, R extends @Nullable Object> {
  /*
   * A task, the feeder, goes through the elements. It spawns a task for each, as soon as there is room, and the traversal takes their
   * results.
   *
   * The feeder does not wait between the spawn of a task and the moment when this object knows of it, so no kill can come in between.
   * It may be woken with room, or with a place in the pool, and be killed before its turn: then it spawns once more. Where the
   * traversal is over by then, that task is ended at once and never runs.
   *
   * The tasks do not fail: what the work throws is kept in the result, and thrown where that is asked for. So neither the hub's
   * handler nor a scope hears of it.
   */

  private final Pool pool;
  private final Pool.Work<? super A, ? extends R> work;
  private final boolean isOrdered;

  /** For results that nobody has asked for; null if there is no bound. */
  private final @Nullable Semaphore room;

  /** In the order of the elements, from the spawn on; or in the order of their ends. Closed after the last. */
  private final Queue<@Nullable Result<R>> results = Queue.fifo();

  private final Set<Task<?>> running = new LinkedHashSet<>();

  /** Whether the feeder has ended. */
  private boolean isFed;

  /** What the elements have thrown, as the feeder went through them. */
  private @Nullable Throwable feedersFailure;

  /** Whether the traversal has ended. */
  private boolean isOver;

  private PoolMapping(Pool pool, Pool.Work<? super A, ? extends R> work, boolean isOrdered) {
    this.pool = pool;
    this.work = work;
    this.isOrdered = isOrdered;
    room = pool.size() == Integer.MAX_VALUE ? null : new Semaphore(pool.size());
  }

  static <A extends @Nullable Object, R extends @Nullable Object> Generator<R> generator(
      Pool pool,
      Pool.Work<? super A, ? extends R> work,
      Iterable<? extends A> elements,
      boolean isOrdered) {
    Hub.require(work, "a pool maps some work");
    Hub.require(elements, "a pool maps elements");
    return Generator.of(
        out -> new PoolMapping<A, R>(pool, work, isOrdered).traverse(elements, out));
  }

  /** Of the work on one element, which a task does. */
  private static final class Result<R extends @Nullable Object> {
    private @Nullable Task<?> task;
    private @Nullable R value;
    private @Nullable Throwable thrown;

    @SuppressWarnings("NullAway") // null only where R has it
    R get() {
      if (task != null) task.result(); // waits, and throws if it was killed
      if (thrown != null) throw Sneaky.unchecked(thrown);
      return value;
    }
  }

  private void traverse(Iterable<? extends A> elements, Generator.Yielder<R> out) {
    Task<?> feeder = Hub.current().spawn("feeder of a pool", () -> feed(elements));
    try {
      feeder.rawLink(this::fed);
      for (Result<R> next = results.take(null); next != null; next = results.take(null)) {
        if (room != null) room.release();
        out.yield(next.get());
      }
      if (feedersFailure != null) throw Sneaky.unchecked(feedersFailure);
    } finally {
      isOver = true;
      List<Task<?>> left = new ArrayList<>(running);
      left.add(0, feeder);
      Pool.killAll(left);
    }
  }

  private @Nullable Object feed(Iterable<? extends A> elements) {
    try {
      elements.forEach(this::start);
    } catch (GreenletExit e) {
      throw e;
    } catch (Throwable t) {
      feedersFailure = t;
    }
    return null;
  }

  private void start(A element) {
    if (room != null) room.acquire();
    var result = new Result<R>();
    Task<?> task = pool.spawn(() -> work(element, result));
    try {
      result.task = task;
      running.add(task);
      if (isOrdered) results.put(result);
      task.rawLink(ended -> ended(ended, result));
      if (isOver) task.interrupt(new GreenletExit());
    } catch (Throwable t) {
      task.interrupt(new GreenletExit());
      throw t;
    }
  }

  private @Nullable Object work(A element, Result<R> result) {
    try {
      result.value = work.apply(element);
    } catch (GreenletExit e) {
      throw e;
    } catch (Throwable t) {
      result.thrown = t;
    }
    return null;
  }

  private void ended(Task<?> task, Result<R> result) {
    running.remove(task);
    if (isOrdered) return;
    results.put(result);
    if (isFed && running.isEmpty()) results.close();
  }

  private void fed(Task<?> feeder) {
    isFed = true;
    if (feeder.exception() != null)
      feedersFailure =
          new CancellationException(feeder + ", which goes through the elements, was killed");
    if (isOrdered || running.isEmpty()) results.close();
  }
}
