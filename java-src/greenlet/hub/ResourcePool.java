package greenlet.hub;

import greenlet.GreenletExit;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Resources that are costly to make, such as connections, of which each is used by one task of a {@link Hub} at a time.
 *
 * <pre>{@code
 * try (var connections = new ResourcePool<>(10, this::connect, Connection::close)) {
 *   connections.check(Connection::isOpen).maxAge(Duration.ofMinutes(30));
 *   String answer = connections.use(c -> c.ask("who?"));
 * }
 * }</pre>
 *
 * <p>The pool has a bounded number of places. A task has one while its resource is made, used, and perhaps disposed of; tasks that
 * have to wait get a place in the order of asking. A task that has a place gets the resource that was used last, if it is not too old and
 * passes the check; otherwise the next one, or a new one. To make, to check and to dispose of a resource may wait. If one cannot be
 * made, the exception comes out of {@link #use} and the place goes to the next task.
 *
 * <p>A resource is used again only if its use has ended without an exception. After a kill or a limit nobody knows in which state it
 * is, so it is disposed of before the exception comes out. {@link #keepAfter} names exceptions after which it is kept.
 *
 * <p>It is for the tasks of one hub.
 *
 * @param <R> the type of the resources
 */
public final class ResourcePool<R> implements AutoCloseable {
  private static final class Resource<R> {
    final R value;
    final Duration made;

    Resource(R value, Duration made) {
      this.value = value;
      this.made = made;
    }
  }

  private final int size;
  private final Callable<? extends R> create;
  private final Consumer<? super R> dispose;
  private final Semaphore places;

  /** Those that nobody uses, the one used last first. */
  private final ArrayDeque<Resource<R>> idle = new ArrayDeque<>();

  private Predicate<? super R> check = value -> true;
  private @Nullable Duration maxAge;
  private Predicate<? super Exception> keepAfter = exception -> false;
  private boolean closed;

  /**
   * A pool that has no resources yet.
   *
   * @param size how many resources there may be, 1 or more
   * @param create makes one; called in the task that is going to use it
   * @param dispose gives one back to where it came from; called once for each that was made. What it throws is suppressed on the
   *     exception that the resource is disposed of for, or if there is none, comes out of {@link #close} or is dropped
   */
  public ResourcePool(int size, Callable<? extends R> create, Consumer<? super R> dispose) {
    if (size < 1)
      throw new IllegalArgumentException("a pool of resources has room for 1 or more: got " + size);
    this.size = size;
    this.create = Hub.require(create, "a pool of resources needs to know how to make one");
    this.dispose = Hub.require(dispose, "a pool of resources needs to know how to dispose of one");
    places = new Semaphore(size, size, "a pool of resources", "a resource of a pool");
  }

  /**
   * What is done with a resource.
   *
   * @param <R> the type of the resource
   * @param <T> the type of what comes of it
   */
  @FunctionalInterface
  public interface Use<R, T extends @Nullable Object> {
    /**
     * Uses a resource, which nobody else does meanwhile.
     *
     * @param resource the resource; not to be used after this has returned
     * @return anything
     * @throws Exception anything
     */
    T apply(R resource) throws Exception;
  }

  // What is kept

  /**
   * Says which resources are still good. To be called before the first use.
   *
   * @param check called with a resource before it is used again, in the task that is going to use it; where it returns false or
   *     throws an exception, the resource is disposed of
   * @return this pool
   */
  public ResourcePool<R> check(Predicate<? super R> check) {
    this.check = Hub.require(check, "a pool of resources checks by a predicate");
    return this;
  }

  /**
   * Says how old resources may become, since they were made and by the hub's clock: an older one is not used again. To be called
   * before the first use.
   *
   * @param age the age
   * @return this pool
   */
  public ResourcePool<R> maxAge(Duration age) {
    if (age == null || age.isNegative())
      throw new IllegalArgumentException("resources have an age of 0 or more: got " + age);
    maxAge = age;
    return this;
  }

  /**
   * Says after which exceptions of a use its resource is kept all the same. To be called before the first use.
   *
   * @param keeps asked of each exception but an {@link Error}, which a kill and a limit are, too
   * @return this pool
   */
  public ResourcePool<R> keepAfter(Predicate<? super Exception> keeps) {
    keepAfter = Hub.require(keeps, "a pool of resources is told by a predicate");
    return this;
  }

  // Using

  /**
   * Runs something with a resource that nobody else uses meanwhile; where all are in use, the current task waits.
   *
   * @param use what to run
   * @param <T> the type of its result
   * @return the result; what is thrown by it, by the making of a resource or out of the wait comes out of this call
   * @throws IllegalStateException if the pool has been closed, also while this waits
   */
  public <T extends @Nullable Object> T use(Use<? super R, ? extends T> use) {
    Hub.require(use, "there is nothing to do with a resource");
    requireOpen();
    places.acquire();
    try {
      requireOpen();
      Resource<R> resource = take();
      T result;
      try {
        result = use.apply(resource.value);
      } catch (Throwable thrown) {
        endAfter(resource, thrown);
        throw thrown;
      }
      giveBack(resource);
      return result;
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    } finally {
      places.release();
    }
  }

  private Resource<R> take() throws Exception {
    for (Resource<R> first = idle.poll(); first != null; first = idle.poll()) {
      if (isGood(first)) return first;
      drop(first);
    }
    R made = create.call();
    if (made == null) throw new IllegalStateException("what makes resources has made null");
    return new Resource<>(made, Hub.current().time());
  }

  private boolean isGood(Resource<R> resource) {
    try {
      return !isTooOld(resource) && check.test(resource.value);
    } catch (Error e) {
      endAfter(resource, e);
      throw e;
    } catch (Throwable t) {
      return false;
    }
  }

  private boolean isTooOld(Resource<R> resource) {
    return maxAge != null && Hub.current().time().minus(resource.made).compareTo(maxAge) > 0;
  }

  private void endAfter(Resource<R> resource, Throwable thrown) {
    boolean keeps = false;
    try {
      keeps = thrown instanceof Exception e && keepAfter.test(e);
    } catch (Throwable t) {
      Hub.setAside(t, thrown);
    }
    try {
      if (keeps) giveBack(resource);
      else dispose.accept(resource.value);
    } catch (Throwable t) {
      Hub.setAside(t, thrown);
    }
  }

  private void giveBack(Resource<R> resource) {
    if (closed || isTooOld(resource)) drop(resource);
    else idle.push(resource);
  }

  /** What this throws is of no interest to the task that happens to do it. */
  private void drop(Resource<R> resource) {
    try {
      dispose.accept(resource.value);
    } catch (GreenletExit | Signal | VirtualMachineError e) {
      throw e;
    } catch (Throwable t) {
      // it is of no use any more
    }
  }

  private void requireOpen() {
    if (closed) throw closedException();
  }

  private IllegalStateException closedException() {
    return new IllegalStateException("the pool has been closed: it has no resources any more");
  }

  // Asking

  /**
   * How many resources there may be.
   *
   * @return how many
   */
  public int size() {
    return size;
  }

  /**
   * How many more tasks can use a resource without waiting for others.
   *
   * @return how many
   */
  public long free() {
    return places.available();
  }

  /**
   * How many resources there are that nobody uses.
   *
   * @return how many
   */
  public int idle() {
    return idle.size();
  }

  /**
   * Disposes of all resources: at once of those that nobody uses, of the others after their use. Who waits for one, or asks for
   * one later, gets an {@link IllegalStateException}. To close it again has no effect.
   *
   * @throws RuntimeException or whatever disposing has thrown first, with the rest suppressed on it; all have been disposed of
   */
  @Override
  public void close() {
    places.failAll(this::closedException);
    closed = true;
    Throwable first = null;
    List<Throwable> later = new ArrayList<>();
    for (Resource<R> resource : List.copyOf(idle)) {
      try {
        if (idle.remove(resource)) dispose.accept(resource.value);
      } catch (Throwable t) {
        if (first == null) first = t;
        else later.add(t);
      }
    }
    if (first == null) return;
    for (Throwable t : later) Hub.setAside(t, first);
    throw Sneaky.unchecked(first);
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    long used = size - places.available();
    return "a pool of %d resource%s, %d in use, %d idle"
        .formatted(size, size == 1 ? "" : "s", used, idle.size());
  }
}
