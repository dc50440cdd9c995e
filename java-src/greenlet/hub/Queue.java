package greenlet.hub;

import greenlet.Headroom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * A queue of items between the tasks of a {@link Hub}: {@link #put} waits for room, {@link #take} for an item, and both are
 * served in the order of their coming. Items may be null.
 *
 * <pre>{@code
 * Queue<String> lines = Queue.fifo(10);
 * hub.spawn(() -> { read(lines::put); lines.close(); return null; });
 * for (String line : lines) handle(line);
 * }</pre>
 *
 * <p>An item goes to the first task that waits for one; otherwise into the queue, if that has room; otherwise the task that puts it
 * waits. A queue of size 0 has no room: each item goes from one task directly to another. A task that gives up waiting, by a limit
 * or a kill, takes no item along and leaves none.
 *
 * <p>It is for the tasks of one hub; a call that would reach tasks that wait in another thread is a {@link WrongThreadException}
 * and changes nothing. Other threads send items by {@link Hub#execute}.
 *
 * @param <T> the type of the items
 */
public final class Queue<T extends @Nullable Object> implements Iterable<T>, AutoCloseable {
  /*
   * An item goes to the first taker that waits; otherwise into the store, which has the order; otherwise its putter waits. So takers
   * wait only while the store is empty, and putters only while it is full. Where there is room again, the item of the first putter
   * goes into the store before that is woken.
   */

  private record Item<T extends @Nullable Object>(T value, long number) {}

  private static final class Putter<T extends @Nullable Object> {
    final Waiter<@Nullable Object> waiter;
    final Item<T> item;

    Putter(Item<T> item, String what) {
      this.item = item;
      waiter = new Waiter<>(what);
    }
  }

  private static final String NAME = "a queue";

  private final java.util.Queue<Item<T>> store;
  private final boolean isLifo;
  private final long size;

  /** They get null where the queue has been closed. */
  private final WaitQueue<@Nullable Item<T>> takers = new WaitQueue<>(NAME);

  private final ArrayDeque<Putter<T>> putters = new ArrayDeque<>();
  private final WaitQueue<@Nullable Object> joiners = new WaitQueue<>(NAME);
  // What is waited for, for people
  private String name = NAME;
  private String itemOfIt = "an item of a queue";
  private String roomInIt = "room in a queue";

  private boolean closed;
  private long put;
  private long unfinished;

  private Queue(java.util.Queue<Item<T>> store, boolean isLifo, long size) {
    if (size < 0)
      throw new IllegalArgumentException("a queue has room for 0 items or more: got " + size);
    this.store = store;
    this.isLifo = isLifo;
    this.size = size;
  }

  // Making

  /**
   * A queue of any number of items, first in, first out.
   *
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> fifo() {
    return fifo(Long.MAX_VALUE);
  }

  /**
   * A queue with room for some items, first in, first out.
   *
   * @param size for how many; 0 for a queue that hands over
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> fifo(long size) {
    return new Queue<>(new ArrayDeque<>(), false, size);
  }

  /**
   * A queue of any number of items, last in, first out.
   *
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> lifo() {
    return lifo(Long.MAX_VALUE);
  }

  /**
   * A queue with room for some items, last in, first out.
   *
   * @param size for how many; 0 for a queue that hands over
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> lifo(long size) {
    return new Queue<>(new ArrayDeque<>(), true, size);
  }

  /**
   * A queue of any number of items, the least first, and among equal ones the one put first.
   *
   * @param order compares items
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> priority(Comparator<? super T> order) {
    return priority(order, Long.MAX_VALUE);
  }

  /**
   * A queue with room for some items, the least first, and among equal ones the one put first.
   *
   * @param order compares items
   * @param size for how many; 0 for a queue that hands over
   * @param <T> the type of the items
   * @return the queue
   */
  public static <T extends @Nullable Object> Queue<T> priority(
      Comparator<? super T> order, long size) {
    Hub.require(order, "a queue by priority needs a comparator");
    Comparator<Item<T>> byValue = (a, b) -> Hub.standing(() -> order.compare(a.value, b.value));
    return new Queue<>(new PriorityQueue<>(byValue.thenComparingLong(Item::number)), false, size);
  }

  /**
   * Gives it a name, by which messages and snapshots of tasks that wait call it.
   *
   * @param newName the name
   * @return this queue
   */
  public Queue<T> named(String newName) {
    name = "the queue " + Hub.require(newName, "a name is needed");
    itemOfIt = "an item of " + name;
    roomInIt = "room in " + name;
    return this;
  }

  // Putting

  /**
   * Adds an item; where there is no room, the current task waits.
   *
   * @param item the item
   * @throws IllegalStateException if the queue has been closed, also while this waits
   */
  public void put(T item) {
    Item<T> made = newItem(item);
    if (accept(made)) return;
    var putter = new Putter<>(made, roomInIt);
    putters.add(putter);
    try {
      putter.waiter.await();
    } catch (Throwable t) {
      putters.remove(putter);
      throw t;
    }
  }

  /**
   * Adds an item, if there is room. Does not wait.
   *
   * @param item the item
   * @return whether it did
   * @throws IllegalStateException if the queue has been closed
   */
  public boolean offer(T item) {
    return accept(newItem(item));
  }

  /**
   * Adds an item; where there is no room, the current task waits, but not for longer than a limit.
   *
   * @param item the item
   * @param limit how long
   * @return whether it did
   * @throws IllegalStateException if the queue has been closed, also while this waits
   */
  public boolean offer(T item, Duration limit) {
    Hub.require(limit, Hub.LIMIT);
    if (offer(item)) return true;
    return Hub.within(limit, () -> put(item));
  }

  private Item<T> newItem(T item) {
    requireThread();
    if (closed)
      throw new IllegalStateException(
          "the queue has been closed: nothing can be put into it any more");
    return new Item<>(item, put++);
  }

  /** Whether a taker, or the store, takes it. */
  private boolean accept(Item<T> item) {
    if (!takers.wakeFirst(item)) {
      if (store.size() >= size) return false;
      add(item);
    }
    unfinished++;
    return true;
  }

  private void add(Item<T> item) {
    if (isLifo) ((ArrayDeque<Item<T>>) store).addFirst(item);
    else store.add(item);
  }

  private void requireThread() {
    takers.requireThread();
    Putter<T> first = putters.peek();
    if (first != null) WaitQueue.requireThread(first.waiter, NAME);
  }

  // Taking

  /**
   * Takes the next item; where there is none, the current task waits.
   *
   * @return the item
   * @throws NoSuchElementException if the queue has been closed and is empty
   */
  public T take() {
    Item<T> item = takeItem();
    if (item == null) throw new NoSuchElementException("the queue has been closed, and is empty");
    return item.value;
  }

  /**
   * Takes the next item; where there is none, the current task waits.
   *
   * @param otherwise what to return if the queue has been closed and is empty
   * @return the item
   */
  public T take(T otherwise) {
    Item<T> item = takeItem();
    return item == null ? otherwise : item.value;
  }

  /**
   * Takes the next item, if there is one. Does not wait.
   *
   * @param otherwise what to return if there is none
   * @return the item
   */
  public T poll(T otherwise) {
    requireThread();
    Item<T> item = nextItem();
    return item == null ? otherwise : item.value;
  }

  /**
   * Takes the next item; where there is none, the current task waits, but not for longer than a limit.
   *
   * @param otherwise what to return if there is none in time, or the queue has been closed and is empty
   * @param limit how long
   * @return the item
   */
  public T poll(T otherwise, Duration limit) {
    return Hub.timeout(limit, () -> take(otherwise), () -> otherwise);
  }

  /**
   * The next item that lies in the queue, and stays there. Does not wait, and does not see what a task waits to put.
   *
   * @param otherwise what to return if there is none
   * @return the item
   */
  public T peek(T otherwise) {
    Item<T> item = store.peek();
    return item == null ? otherwise : item.value;
  }

  private @Nullable Item<T> takeItem() {
    requireThread();
    Item<T> item = nextItem();
    if (item != null || closed) return item;
    return takers.await(itemOfIt, this::takeBack);
  }

  /** From a taker that was handed it and cannot take it. */
  private void takeBack(@Nullable Item<T> item) {
    if (item == null || takers.wakeFirst(item)) return;
    if (store instanceof ArrayDeque<Item<T>> deque) deque.addFirst(item);
    else store.add(item);
  }

  /** Null where there is none. */
  private @Nullable Item<T> nextItem() {
    Headroom.require();
    Item<T> item = store.poll();
    if (item == null) return handOver();
    refill();
    return item;
  }

  /** In a queue of size 0: the item of the first that waits to put. */
  private @Nullable Item<T> handOver() {
    for (Putter<T> first = putters.peek(); first != null; first = putters.peek()) {
      boolean woken = first.waiter.wake(null);
      putters.poll();
      if (!woken) continue;
      unfinished++;
      return first.item;
    }
    return null;
  }

  /** There is room for one item: that of the first that waits to put. */
  private void refill() {
    for (Putter<T> first = putters.peek(); first != null; first = putters.peek()) {
      boolean added = !first.waiter.isOver() && addFor(first);
      putters.poll();
      if (added) return;
    }
  }

  private boolean addFor(Putter<T> putter) {
    try {
      add(putter.item);
    } catch (VirtualMachineError e) {
      throw e;
    } catch (Throwable e) { // of the comparator
      putter.waiter.fail(e);
      return false;
    }
    unfinished++;
    putter.waiter.wake(null);
    return true;
  }

  /**
   * The items, each taken as {@link #take} does, until the queue has been closed and is empty. {@code hasNext} waits for an item,
   * and takes it.
   *
   * @return an iterator for the tasks of the hub
   */
  @Override
  public Iterator<T> iterator() {
    return new Iterator<>() {
      private @Nullable Item<T> next;

      @Override
      public boolean hasNext() {
        if (next == null) next = takeItem();
        return next != null;
      }

      @Override
      public T next() {
        Item<T> item = next != null ? next : takeItem();
        next = null;
        if (item == null)
          throw new NoSuchElementException("the queue has been closed, and is empty");
        return item.value;
      }
    };
  }

  // Closing, and the work on the items

  /**
   * Closes the queue: nothing can be put any more, and tasks that wait to put get an {@link IllegalStateException}. What lies in
   * it can still be taken. To close it again has no effect.
   */
  @Override
  public void close() {
    requireThread();
    closed = true;
    takers.wakeAll(null);
    for (Putter<T> putter : List.copyOf(putters)) {
      putter.waiter.fail(
          new IllegalStateException(
              "the queue has been closed while this was waiting for room in it"));
    }
  }

  /**
   * Whether it has been closed.
   *
   * @return true also while items lie in it
   */
  public boolean isClosed() {
    return closed;
  }

  /**
   * How many items lie in it.
   *
   * @return how many, without those that tasks wait to put
   */
  public int size() {
    return store.size();
  }

  /**
   * Tells that the work on an item that was taken is done.
   *
   * @throws IllegalStateException if this has been called for as many items as were put
   */
  public void taskDone() {
    if (unfinished == 0)
      throw new IllegalStateException(
          "taskDone was called more often than items were put into the queue");
    if (unfinished == 1) {
      joiners.requireThread();
      joiners.wakeAll(null);
    }
    unfinished--;
  }

  /**
   * How many items have been put whose work is not {@linkplain #taskDone done}.
   *
   * @return how many
   */
  public long unfinished() {
    return unfinished;
  }

  /** Has the current task wait until {@link #taskDone} has been called for each item that was put. */
  public void join() {
    if (unfinished > 0) joiners.await("the end of the work on " + name, ignored -> {});
  }

  /**
   * Has the current task wait until {@link #taskDone} has been called for each item that was put, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it has
   */
  public boolean join(Duration limit) {
    return Hub.within(limit, () -> join());
  }

  /** What it is, for people. */
  @Override
  public String toString() {
    int items = store.size();
    return name.equals(NAME)
        ? "%squeue of %d item%s"
            .formatted(closed ? "a closed " : "a ", items, items == 1 ? "" : "s")
        : "%s, of %d item%s%s"
            .formatted(name, items, items == 1 ? "" : "s", closed ? ", closed" : "");
  }
}
