package greenlet.tasklet;

import greenlet.Greenlet;
import greenlet.Headroom;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Where tasklets meet: a value goes from one that sends to one that receives, and whoever comes first waits for the other.
 * Nothing is kept in between, unless the channel is made with a buffer: then who sends waits only while that is full, and who
 * receives only while it is empty. A value goes through the buffer without a switch.
 *
 * <pre>{@code
 * Channel<String> words = Channel.confined();
 * Tasklet.of(args -> {
 *   words.send("hello");
 *   words.send("world");
 *   return null;
 * }).insert();
 * words.receive(); // "hello"
 * words.receive(); // "world"
 * }</pre>
 *
 * <p><b>Order.</b> Those that wait are served first come, first served. Who runs next when a partner was waiting is a matter
 * of {@linkplain #setPreference preference}: by default the receiver does, at once.
 *
 * <p><b>Threads.</b> A {@linkplain #confined confined} channel is for the tasklets of one thread, that which first sends or
 * receives; for others it is a {@link WrongThreadException}. A {@linkplain #shared shared} one is for tasklets of any
 * threads. With a partner in another thread nobody switches: the partner is made runnable there, its thread is woken if it
 * waits for just that, and the caller goes on. One that waits and whose thread has ended is passed over. What has been
 * handed to a tasklet is lost with it, if that is killed, or its thread ends, before it runs again.
 *
 * <p><b>Waiting.</b> Where a tasklet would have to wait, and no other of its thread can run, and none of the thread waits on a
 * shared channel, nobody could ever wake it: a deadlock, which is an {@link IllegalStateException} that lists who waits for
 * what. If there is somebody on a shared channel, the thread waits for another thread to come; who interrupts it then has
 * its main tasklet get an {@link InterruptedException}.
 *
 * <p><b>Failure.</b> An operation that throws, for one of these reasons or because the stack cannot be suspended, has not
 * happened: nothing was sent or received, and everybody is where they were. Checked exceptions come out as they are.
 *
 * <p><b>Resources.</b> A tasklet that waits on a channel which nobody else can reach is garbage, and nothing in it runs.
 *
 * <p>The model is that of <a href="https://stackless.readthedocs.io">Stackless Python</a>.
 *
 * @param <T> the type of the values
 */
public final class Channel<T extends @Nullable Object> implements Iterable<T> {
  /*
   * The queue holds only senders or only receivers, linked by their fields next and previous, which the ring does not need
   * meanwhile. A sender's field value is what it sends; a receiver's is where the sender puts it. An exception travels as
   * a value, in an envelope.
   *
   * A shared channel has a lock, for the queue and for the fields of those in it: queued, value, next, previous. It is never
   * held across a switch. A partner of another thread is served at once, under the lock, and keeps counting as blocked until
   * its own thread reads the message that says so; it is not queued any more by then.
   */

  /** Sees every operation on the channels of a thread. See {@link Channel#setCallback}. */
  @FunctionalInterface
  public interface Callback {
    /**
     * Called before anything happens, in the tasklet that sends or receives. Must not send, receive or switch itself: that
     * is an {@code IllegalStateException}.
     *
     * @param channel on what
     * @param tasklet who
     * @param sending true if it sends, false if it receives
     * @param willBlock whether there is no partner, so that it will have to wait
     * @throws Throwable anything: it comes out of the operation, which has then not happened
     */
    void onAction(Channel<?> channel, Tasklet tasklet, boolean sending, boolean willBlock)
        throws Throwable;
  }

  private record Envelope(Throwable exception) {}

  private static final int SEND = 1;
  private static final int RECEIVE = -1;
  private static final Object END = new Object();

  /** In a buffer, which takes no null. */
  private static final Object NULL = new Object();

  private static int count;

  private final @Nullable String name;
  private final int number;
  private final @Nullable ReentrantLock lock;

  /** The root of the thread that it is confined to; and the ring of the last tasklet that began to wait in an iteration. */
  private @Nullable Greenlet owner;

  private volatile @Nullable Ring iterating;

  /** What has been sent and not received; with no room, empty for ever. */
  private final ArrayDeque<Object> buffer = new ArrayDeque<>(0);

  private final int room;
  private @Nullable Tasklet first;
  private @Nullable Tasklet last;
  private int balance;
  private volatile int preference = RECEIVE;
  private volatile boolean scheduleAll;
  private volatile boolean closing;

  private Channel(@Nullable ReentrantLock lock, @Nullable String name, int room) {
    if (room < 0)
      throw new IllegalArgumentException(
          "a channel's buffer has room for 0 values or more: got " + room);
    this.lock = lock;
    this.name = name;
    this.room = room;
    synchronized (END) {
      number = name == null ? ++count : 0;
    }
  }

  /**
   * A new channel for the tasklets of one thread, that which first sends or receives.
   *
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> confined() {
    return confined(null);
  }

  /**
   * A new channel for the tasklets of one thread, that which first sends or receives.
   *
   * @param name what messages call it; null for a name that is made up
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> confined(@Nullable String name) {
    return confined(name, 0);
  }

  /**
   * A new channel with a buffer, for the tasklets of one thread, that which first sends or receives.
   *
   * @param name what messages call it; null for a name that is made up
   * @param room how many values it keeps that nobody has received yet
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> confined(@Nullable String name, int room) {
    return new Channel<>(null, name, room);
  }

  /**
   * A new channel for the tasklets of any threads.
   *
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> shared() {
    return shared(null);
  }

  /**
   * A new channel for the tasklets of any threads.
   *
   * @param name what messages call it; null for a name that is made up
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> shared(@Nullable String name) {
    return shared(name, 0);
  }

  /**
   * A new channel with a buffer, for the tasklets of any threads.
   *
   * @param name what messages call it; null for a name that is made up
   * @param room how many values it keeps that nobody has received yet
   * @param <T> the type of the values
   * @return the channel
   */
  public static <T extends @Nullable Object> Channel<T> shared(@Nullable String name, int room) {
    return new Channel<>(new ReentrantLock(), name, room);
  }

  /**
   * Sends a value: to the tasklet that has waited longest to receive, or else waits for one.
   *
   * @param value the value
   * @throws IllegalStateException if it would have to wait, and cannot: a deadlock, the channel is closed, the tasklet's
   *     {@linkplain Tasklet#setBlockTrap block trap} or the thread's {@linkplain Tasklet#switchTrap switch trap} is set
   * @throws WrongThreadException if the channel is confined to another thread
   */
  public void send(T value) {
    act(SEND, value, false);
  }

  /**
   * Sends an exception, as {@link #send} does a value: the receiver's call throws it, the same object. A {@link
   * NoSuchElementException} ends an iteration.
   *
   * @param exception what to throw
   */
  public void sendException(Throwable exception) {
    if (exception == null)
      throw new IllegalArgumentException("no exception to send on " + this + ": got null");
    act(SEND, new Envelope(exception), false);
  }

  /**
   * Sends all elements, one by one.
   *
   * @param all the values
   * @return how many there were
   */
  public int sendSequence(Iterable<? extends T> all) {
    int sent = 0;
    for (T value : all) {
      send(value);
      sent++;
    }
    return sent;
  }

  /**
   * Receives a value: from the tasklet that has waited longest to send, or else waits for one.
   *
   * @return the value
   * @throws IllegalStateException if it would have to wait, and cannot: a deadlock, the channel is closed, the tasklet's
   *     {@linkplain Tasklet#setBlockTrap block trap} or the thread's {@linkplain Tasklet#switchTrap switch trap} is set
   * @throws WrongThreadException if the channel is confined to another thread
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  public T receive() {
    return (T) open(act(RECEIVE, null, false));
  }

  private static @Nullable Object open(@Nullable Object cargo) {
    if (cargo instanceof Envelope sent) throw Sneaky.unchecked(sent.exception);
    return cargo;
  }

  /**
   * Receives until the channel is {@linkplain #close closed} and nobody waits to send, or somebody sends a {@link
   * NoSuchElementException}. {@code hasNext} receives, and waits as {@link #receive} does; nothing is received ahead of what
   * is asked for.
   *
   * @return an iterator, for the thread that the channel is for
   */
  @Override
  public Iterator<T> iterator() {
    return new Elements();
  }

  private final class Elements implements Iterator<T> {
    private @Nullable Object next;
    private boolean received;

    @Override
    public boolean hasNext() {
      if (!received) {
        Object got = act(RECEIVE, null, true);
        next =
            got instanceof Envelope sent && sent.exception instanceof NoSuchElementException
                ? END
                : open(got);
        received = true;
      }
      return next != END;
    }

    @Override
    @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
    public T next() {
      if (!hasNext()) throw new NoSuchElementException(Channel.this + " has come to its end");
      received = false;
      T element = (T) next;
      next = null;
      return element;
    }
  }

  /**
   * How many wait.
   *
   * @return the number of tasklets that wait to send; if there are some that wait to receive, minus their number
   */
  public int balance() {
    lock();
    try {
      if (lock != null || owner == Greenlet.root()) {
        for (Tasklet t = first, next; t != null; t = next) {
          next = t.next;
          if (t.ring.hasEnded()) dequeue(t);
        }
      }
      return balance;
    } finally {
      unlock();
    }
  }

  /**
   * How many values lie in its buffer.
   *
   * @return the number of those that have been sent and not received
   */
  public int buffered() {
    lock();
    try {
      return buffer.size();
    } finally {
      unlock();
    }
  }

  /**
   * The one that has waited longest.
   *
   * @return the tasklet; null if nobody waits
   */
  public @Nullable Tasklet queue() {
    lock();
    try {
      return living();
    } finally {
      unlock();
    }
  }

  /**
   * Who runs next when a partner was waiting.
   *
   * @return -1, 0 or 1: see {@link #setPreference}
   */
  public int preference() {
    return preference;
  }

  /**
   * Decides who runs next when a partner was waiting; only the sign counts. Negative: the receiver, so that a send switches to
   * it at once, and a receive goes on; the default. Positive: the sender, so that a receive switches to it at once, and a send
   * goes on. 0: whoever came last goes on. The other one is appended to those that can run; who switches stays at its place
   * among them.
   *
   * @param preference the preference
   */
  public void setPreference(int preference) {
    this.preference = Integer.signum(preference);
  }

  /**
   * Whether the preference is overridden.
   *
   * @return see {@link #setScheduleAll}
   */
  public boolean scheduleAll() {
    return scheduleAll;
  }

  /**
   * Overrides the preference: a partner that was waiting is appended to those that can run, and the next of them runs.
   *
   * @param scheduleAll whether to
   */
  public void setScheduleAll(boolean scheduleAll) {
    this.scheduleAll = scheduleAll;
  }

  /**
   * Has nobody begin to wait here any longer: from now on a call that would have to is an {@code IllegalStateException}, and an
   * iteration ends, also one that is waiting. Others that are waiting already are not woken, and can be served as before. May
   * be called from any thread.
   */
  public void close() {
    Headroom.require();
    closing = true;
    Ring here = Ring.ofCaller();
    Ring there = iterating;
    if (lock != null || there == null || there.root == here.root) endIterations(here);
    else there.post(() -> endIterations(there));
  }

  private void endIterations(Ring here) {
    lock();
    try {
      for (Tasklet t = closing && balance < 0 ? first : null, next; t != null; t = next) {
        next = t.next;
        if (!t.iterates) continue;
        dequeue(t);
        t.value = END;
        wake(here, t);
      }
    } finally {
      unlock();
    }
  }

  /** Takes back {@link #close}. */
  public void open() {
    closing = false;
  }

  /**
   * Whether {@link #close} has been called.
   *
   * @return true until it is opened again
   */
  public boolean isClosing() {
    return closing;
  }

  /**
   * Whether it has been closed, its buffer is empty, and nobody waits.
   *
   * @return true if nothing can happen here any more
   */
  public boolean isClosed() {
    return closing && queue() == null && buffered() == 0;
  }

  /**
   * Whether it is for tasklets of any threads.
   *
   * @return false if it is confined to one
   */
  public boolean isShared() {
    return lock != null;
  }

  /**
   * Sets the callback of the calling thread, which sees every operation on its channels.
   *
   * @param callback the new one, or null for none
   * @return the one before, or null
   */
  public static @Nullable Callback setCallback(@Nullable Callback callback) {
    Ring here = Ring.here();
    Callback old = here.channelCallback;
    here.channelCallback = callback;
    return old;
  }

  /** Its name, and how many wait; for people, and not fixed. */
  @Override
  public String toString() {
    int n = balance;
    int kept = buffer.size();
    return "Channel["
        + name()
        + (kept == 0 ? "" : ", " + kept + " buffered")
        + (n == 0 ? "" : n > 0 ? ", " + n + " sending" : ", " + -n + " receiving")
        + (closing ? ", closed]" : "]");
  }

  String name() {
    return name != null ? name : "channel-" + Integer.toUnsignedString(number);
  }

  // An operation

  private @Nullable Object act(int direction, @Nullable Object cargo, boolean mayEnd) {
    Headroom.requireMore();
    Ring here = Ring.here();
    if (owner != here.root && lock == null) claim(here);
    if (here.channelCallback != null) tell(here, direction);
    Tasklet me = here.current();
    Tasklet partner;
    Object got = null;
    boolean toPartner = false;
    boolean toNext = false;
    lock();
    try {
      partner = direction * balance < 0 ? living() : null;
      if (room > 0 && direction == RECEIVE && !buffer.isEmpty()) return fromBuffer(here, partner);
      if (partner == null && direction == SEND && hasRoom()) {
        if (closing) throw isClosedTo(me, direction);
        buffer.add(cargo == null ? NULL : cargo);
        return null;
      }
      if (partner == null) {
        if (closing && mayEnd) return END;
        requireWaiting(here, me, direction);
        here.leave(me);
        enqueue(me, direction, cargo);
        me.iterates = mayEnd;
        if (mayEnd) iterating = here;
      } else {
        if (partner.ring == here) {
          toNext = scheduleAll;
          toPartner = !toNext && preference == -direction;
          if (toNext || toPartner) here.requireSwitching(verb(direction), name());
        }
        dequeue(partner);
        got = partner.value;
        partner.value = cargo;
      }
    } finally {
      unlock();
    }
    if (partner == null) return here.block(me, this);
    if (partner.ring != here) {
      wake(here, partner);
      return got;
    }
    Throwable refusal = here.meet(me, partner, toPartner, toNext);
    if (refusal != null) {
      putBack(partner, first, got);
      throw Sneaky.unchecked(refusal);
    }
    if (toPartner || toNext) me.resume();
    return got;
  }

  private boolean hasRoom() {
    return buffer.size() < room;
  }

  /** What comes next; the first that waits to send, if there is one, has room now. */
  private @Nullable Object fromBuffer(Ring here, @Nullable Tasklet sender) {
    Object next = buffer.poll();
    if (sender != null) {
      dequeue(sender);
      buffer.add(sender.value == null ? NULL : sender.value);
      sender.value = null;
      wake(here, sender);
    }
    return next == NULL ? null : next;
  }

  /** Makes {@code t} runnable, which has been served. */
  private static void wake(Ring here, Tasklet t) {
    if (t.ring == here) here.wake(t);
    else t.ring.post(() -> t.ring.wake(t));
  }

  private static String verb(int direction) {
    return direction == SEND ? "send on" : "receive from";
  }

  private void claim(Ring here) {
    synchronized (this) {
      if (owner == null) owner = here.root;
    }
    if (owner == here.root) return;
    throw new WrongThreadException(
        here.current()
            + " of thread "
            + here.threadName()
            + " cannot use "
            + this
            + ", which is confined to thread "
            + Ring.describe(owner.thread())
            + "; for several threads, make a shared channel");
  }

  private void requireWaiting(Ring here, Tasklet me, int direction) {
    if (closing) throw isClosedTo(me, direction);
    if (me.blockTrap())
      throw new IllegalStateException(
          me
              + " would have to wait to "
              + verb(direction)
              + " "
              + this
              + ", and its block trap is set");
    here.requireSwitching(verb(direction), name());
  }

  private IllegalStateException isClosedTo(Tasklet me, int direction) {
    return new IllegalStateException(
        me + " cannot " + verb(direction) + " " + this + ": nobody waits there, and it is closed");
  }

  private void tell(Ring here, int direction) {
    here.requireNoCallback(verb(direction), name());
    boolean willBlock;
    lock();
    try {
      boolean isAlone = direction * balance >= 0 || living() == null;
      willBlock = isAlone && !(direction == SEND ? hasRoom() : !buffer.isEmpty());
    } finally {
      unlock();
    }
    try {
      here.tell(this, here.current(), direction == SEND, willBlock);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  // The queue; in the lock

  private void lock() {
    if (lock != null) lock.lock();
  }

  private void unlock() {
    if (lock != null) lock.unlock();
  }

  /** The first whose thread or task has not ended. */
  private @Nullable Tasklet living() {
    while (first != null && first.ring.hasEnded()) dequeue(first);
    return first;
  }

  private void enqueue(Tasklet t, int direction, @Nullable Object cargo) {
    link(t, null);
    balance += direction;
    t.channel = this;
    t.sends = direction == SEND;
    t.value = cargo;
  }

  /** Puts {@code t} in before {@code successor}, or last. */
  private void link(Tasklet t, @Nullable Tasklet successor) {
    Tasklet before = successor == null ? last : successor.previous;
    t.next = successor;
    t.previous = before;
    if (before == null) first = t;
    else before.next = t;
    if (successor == null) last = t;
    else successor.previous = t;
    t.queued = true;
  }

  private void dequeue(Tasklet t) {
    if (t.previous == null) first = t.next;
    else t.previous.next = t.next;
    if (t.next == null) last = t.previous;
    else t.next.previous = t.previous;
    t.next = null;
    t.previous = null;
    t.queued = false;
    balance -= t.sends ? 1 : -1;
  }

  // For the ring

  /** Takes {@code t} out of the queue; false if it is not there any more. */
  boolean withdraw(Tasklet t) {
    lock();
    try {
      if (!t.queued) return false;
      dequeue(t);
      return true;
    } finally {
      unlock();
    }
  }

  /** Whether {@code t} is in the queue. */
  boolean holds(Tasklet t) {
    lock();
    try {
      return t.queued;
    } finally {
      unlock();
    }
  }

  /** Puts {@code t} back in, before {@code successor} if that is still there, because what has woken it did not happen. */
  void putBack(Tasklet t, @Nullable Tasklet successor, @Nullable Object value) {
    lock();
    try {
      boolean there = successor != null && successor.queued && successor.channel == this;
      link(t, there ? successor : null);
      balance += t.sends ? 1 : -1;
      t.channel = this;
      t.value = value;
    } finally {
      unlock();
    }
  }
}
