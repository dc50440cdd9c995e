package greenlet.hub;

import greenlet.Generator;
import greenlet.GreenletExit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A group of tasks of a {@link Hub}, of a bounded number at a time. Whoever spawns one waits until there is room, in the order of
 * asking. A task has its place from its spawn until its end.
 *
 * <pre>{@code
 * Pool pool = new Pool(20);
 * for (String page : pool.map(this::fetch, addresses)) print(page);
 * }</pre>
 *
 * <p>It is for the tasks of one hub.
 */
public final class Pool {
  private final Set<Task<?>> tasks = new LinkedHashSet<>();
  private final @Nullable Semaphore places;
  private final int size;

  /** Places that have yet to be given back. */
  private int owed;

  /** A pool of any number of tasks, to wait for or to kill all at once. */
  public Pool() {
    places = null;
    size = Integer.MAX_VALUE;
  }

  /**
   * A pool of a bounded number of tasks.
   *
   * @param size how many at a time, 1 or more
   */
  public Pool(int size) {
    if (size < 1)
      throw new IllegalArgumentException("a pool has room for 1 task or more: got " + size);
    places = new Semaphore(size, size, "a pool", "room in a pool");
    this.size = size;
  }

  /**
   * What {@link #map} does with each element.
   *
   * @param <A> the type of the element
   * @param <R> the type of the result
   */
  @FunctionalInterface
  public interface Work<A extends @Nullable Object, R extends @Nullable Object> {
    /**
     * Called in a task of its own.
     *
     * @param element the element
     * @return the result
     * @throws Exception anything: it comes out at the place of the element
     */
    R apply(A element) throws Exception;
  }

  // Spawning

  /*
   * A place goes back when its task ends, or at once if nothing has been spawned. What fails in between takes the task back, too.
   */

  /**
   * A new task of the current hub, in this pool; where there is no room, the current task waits.
   *
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawn(Callable<? extends T> body) {
    return spawn(null, body);
  }

  /**
   * As {@link #spawn(Callable)}, for a body without a result.
   *
   * @param body what it runs
   * @return the task
   */
  public Task<?> spawn(Task.Action body) {
    return spawn(null, body);
  }

  /**
   * A new task of the current hub with a name, in this pool; where there is no room, the current task waits.
   *
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawn(
      @Nullable String name, Callable<? extends T> body) {
    Hub.require(body, Hub.BODY);
    return add(() -> Hub.current().spawn(name, body));
  }

  /**
   * As {@link #spawn(String, Callable)}, for a body without a result.
   *
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @return the task
   */
  public Task<?> spawn(@Nullable String name, Task.Action body) {
    return spawn(name, Hub.callable(body));
  }

  /**
   * A new task of the current hub that becomes ready later; it has its place in this pool from now on. Where there is no room, the
   * current task waits.
   *
   * @param delay how much later
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawnLater(
      Duration delay, @Nullable String name, Callable<? extends T> body) {
    Hub.require(body, Hub.BODY);
    return add(() -> Hub.current().spawnLater(delay, name, body));
  }

  /**
   * As {@link #spawnLater(Duration, String, Callable)}, for a body without a result.
   *
   * @param delay how much later
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @return the task
   */
  public Task<?> spawnLater(Duration delay, @Nullable String name, Task.Action body) {
    return spawnLater(delay, name, Hub.callable(body));
  }

  private <T extends @Nullable Object> Task<T> add(Supplier<Task<T>> spawn) {
    settle();
    if (places != null) places.acquire();
    Task<T> task = null;
    boolean added = false;
    try {
      task = spawn.get();
      added = tasks.add(task);
      task.rawLink(this::ended);
      return task;
    } catch (Throwable t) {
      boolean hasEnded = added && !tasks.remove(task);
      if (!hasEnded) owed++;
      if (task != null) task.interrupt(new GreenletExit());
      settle();
      throw t;
    }
  }

  /** Gives places back; where an overflow is in the way, the next time. */
  private void settle() {
    for (; owed > 0; owed--) {
      if (places != null) places.release();
    }
  }

  private void ended(Task<?> task) {
    if (tasks.remove(task)) owed++;
    settle();
  }

  // Asking

  /**
   * Its tasks that have not ended, in the order in which they were spawned.
   *
   * @return a list of its own
   */
  public List<Task<?>> tasks() {
    return new ArrayList<>(tasks);
  }

  /**
   * How many tasks it has that have not ended.
   *
   * @return how many
   */
  public int count() {
    return tasks.size();
  }

  /**
   * How many more tasks it has room for.
   *
   * @return how many; {@link Long#MAX_VALUE} where there is no bound
   */
  public long free() {
    return places == null ? Long.MAX_VALUE : places.available() + owed;
  }

  /**
   * How many tasks it has room for.
   *
   * @return how many; {@link Integer#MAX_VALUE} where there is no bound
   */
  public int size() {
    return size;
  }

  // Waiting for all, ending all

  /** Has the current task wait until the pool has no tasks. */
  public void join() {
    while (!tasks.isEmpty()) tasks.iterator().next().join();
  }

  /**
   * Has the current task wait until the pool has no tasks, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it has none
   */
  public boolean join(Duration limit) {
    return Hub.within(limit, () -> join());
  }

  /**
   * Raises an exception in all its tasks, out of their pending waits or their next ones. Does not wait.
   *
   * @param exception what to raise; a {@link GreenletExit} ends them quietly
   */
  public void interrupt(Throwable exception) {
    Hub.require(exception, "there is nothing to raise in the tasks of a pool");
    for (Task<?> task : tasks()) task.interrupt(exception);
  }

  /**
   * Ends all its tasks, as {@link Task#kill} does, and waits until they have ended. If the current one is among them, it ends here,
   * after the others.
   */
  public void kill() {
    List<Task<?>> others = tasks();
    Task<?> me = Task.current();
    if (me != null && !others.remove(me)) me = null;
    for (Task<?> task : others) task.interrupt(new GreenletExit());
    for (Task<?> task : others) task.join();
    if (me != null) me.kill(); // it is one of them
  }

  /**
   * Kills tasks that nobody needs any longer, and waits until all have ended. What is raised in the current task meanwhile, such as
   * a kill of its own, comes out of its next wait instead.
   */
  static void killAll(Collection<? extends Task<?>> tasks) {
    List<Task<?>> all = List.copyOf(tasks);
    for (Task<?> task : all) task.interrupt(new GreenletExit());
    List<Throwable> raised = new ArrayList<>();
    try {
      for (Task<?> task : all) joinAnyhow(task, raised);
    } finally {
      raised.forEach(Hub::postpone);
    }
  }

  private static void joinAnyhow(Task<?> task, List<Throwable> raised) {
    IllegalStateException once = null;
    while (!task.isDone()) {
      try {
        task.join();
      } catch (Hub.LoopExit | WrongThreadException | VirtualMachineError e) {
        throw e; // it cannot wait, and could not the next time
      } catch (IllegalStateException e) { // a refusal, which comes again, or raised by somebody
        if (once != null) throw e;
        once = e;
      } catch (Throwable t) {
        raised.add(t);
      }
    }
    if (once != null) raised.add(once);
  }

  // Many at once

  /**
   * The results of some work on each of the elements, in their order, each by a task of this pool. As many tasks as the pool has
   * room for run ahead of the result that is asked for.
   *
   * <p>To be traversed in a task. An exception of the work comes out at the place of its element and ends the traversal; one that the
   * elements throw as they are traversed comes out after the last result. However the traversal ends, it kills the tasks that it has
   * left, and waits until they have ended.
   *
   * @param work what to do with each
   * @param elements their {@code forEach} is called in a task of its own, and goes on as far as needed
   * @param <A> the type of the elements
   * @param <R> the type of the results
   * @return a generator: each traversal does the work afresh
   */
  public <A extends @Nullable Object, R extends @Nullable Object> Generator<R> map(
      Work<? super A, ? extends R> work, Iterable<? extends A> elements) {
    return PoolMapping.generator(this, work, elements, true);
  }

  /**
   * As {@link #map}, but the results come in the order in which the tasks end.
   *
   * @param work what to do with each
   * @param elements their {@code forEach} is called in a task of its own, and goes on as far as needed
   * @param <A> the type of the elements
   * @param <R> the type of the results
   * @return a generator: each traversal does the work afresh
   */
  public <A extends @Nullable Object, R extends @Nullable Object> Generator<R> mapUnordered(
      Work<? super A, ? extends R> work, Iterable<? extends A> elements) {
    return PoolMapping.generator(this, work, elements, false);
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    int count = tasks.size();
    return "a pool of %d task%s%s"
        .formatted(count, count == 1 ? "" : "s", places == null ? "" : ", at most " + size);
  }
}
