package greenlet.hub;

import greenlet.Headroom;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The waits of tasks for channels, in one selector. That is how the thread of a hub sleeps from the first such wait on; hubs whose
 * thread is not theirs have a {@link SelectorThread} in common.
 */
final class Readiness implements Sleeper {
  /*
   * Interest in reading stays after an event, and is taken back only when an event finds nobody waiting: a reader that waits time
   * and again costs no system call for it. Interest in writing ends with the event, as most channels can be written nearly always.
   */

  private static final int READING = SelectionKey.OP_READ | SelectionKey.OP_ACCEPT;
  private static final int WRITING = SelectionKey.OP_WRITE | SelectionKey.OP_CONNECT;

  /** All whose selector is open, for who closes a channel. */
  private static final List<WeakReference<Readiness>> OPEN = new CopyOnWriteArrayList<>();

  /** Gives the selectors of abandoned hubs back. */
  private static final Cleaner CLEANER = Cleaner.create();

  private final Selector selector;
  private final Cleaner.Cleanable closing;

  /** Whether a thread of its own selects, and not that of the hub whose tasks wait. */
  private final boolean isShared;

  private final Map<SelectableChannel, Interest> interests = new ConcurrentHashMap<>();

  /** How many interests there are when those in closed channels are forgotten. */
  private int most = 64;

  private final AtomicInteger waiting = new AtomicInteger();

  /** Whether the thread has just slept, and so has looked. */
  private boolean hasLooked;

  /** How many channels were ready when it last slept. */
  private int found;

  /** Whether a channel has been closed whose descriptor the selector still holds. */
  private volatile boolean holdsClosed;

  Readiness(boolean isShared) throws IOException {
    this.isShared = isShared;
    Selector mine = selector = open();
    try {
      var self = new WeakReference<>(this);
      closing = CLEANER.register(this, () -> close(mine, self));
      OPEN.add(self);
    } catch (Throwable t) { // no memory
      mine.close();
      throw t;
    }
  }

  private static Selector open() throws NoSelectorException {
    try {
      return Selector.open();
    } catch (IOException e) {
      throw new NoSelectorException(e);
    }
  }

  private static void close(Selector selector, WeakReference<Readiness> self) {
    OPEN.remove(self);
    try {
      selector.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** It is not closed before {@link #release}. */
  Readiness claim() {
    waiting.incrementAndGet();
    return this;
  }

  void release() {
    waiting.decrementAndGet();
  }

  /** Of a task. */
  interface Wait {
    /** The task. */
    Object who();

    /** False if it is over already. */
    boolean wake(int ready);

    /** False if it is over already. */
    boolean fail(Exception e);
  }

  /** One direction of a channel, for which one task at a time waits. */
  private static final class Direction {
    private static final VarHandle WAITER = waiterField();

    private final SelectableChannel channel;
    private final String readiness;
    private volatile @Nullable Wait waiter;

    Direction(SelectableChannel channel, String readiness) {
      this.channel = channel;
      this.readiness = readiness;
    }

    private static VarHandle waiterField() {
      try {
        return MethodHandles.lookup().findVarHandle(Direction.class, "waiter", Wait.class);
      } catch (ReflectiveOperationException e) {
        throw new ExceptionInInitializerError(e);
      }
    }

    void begin(Wait newWaiter) {
      var here = (Wait) WAITER.compareAndExchange(this, (Wait) null, newWaiter);
      if (here != null)
        throw new IllegalStateException(
            "%s cannot wait until %s %s: %s does so already, and only one may at a time"
                .formatted(newWaiter.who(), channel, readiness, here.who()));
    }

    /** Whether somebody has been waiting. */
    boolean wake(int ready) {
      return tell(here -> here.wake(ready));
    }

    void fail() {
      tell(here -> here.fail(new AsynchronousCloseException()));
    }

    private boolean tell(Predicate<Wait> how) {
      Wait here = waiter;
      try {
        return here != null && how.test(here);
      } catch (RuntimeException e) { // of a guest's executor, and none of the business of others
        Failures.handUncaught(
            Thread.currentThread(), "a task cannot go on that has waited for " + channel, e);
        return true;
      }
    }

    /** Whether it was this wait's. */
    boolean end(Wait over) {
      return WAITER.compareAndSet(this, over, (Wait) null);
    }
  }

  /** In one channel. Another thread may select it meanwhile; no lock, since who waits for one in a task would stop the hub. */
  static final class Interest {
    private final Direction reading;
    private final Direction writing;
    private @Nullable SelectionKey key;

    Interest(SelectableChannel channel) {
      reading = new Direction(channel, "can be read");
      writing = new Direction(channel, "can be written");
    }

    private void begin(int ops, Wait wait) {
      if ((ops & READING) != 0) reading.begin(wait);
      if ((ops & WRITING) != 0) writing.begin(wait);
    }

    void end(Wait wait) {
      reading.end(wait);
      boolean wrote = writing.end(wait);
      // who has connected would never be ready for that again, and the selector never sleep
      if (!wrote || key == null) return;
      try {
        if ((key.interestOps() & SelectionKey.OP_CONNECT) != 0)
          key.interestOpsAnd(~SelectionKey.OP_CONNECT);
      } catch (CancelledKeyException e) {
        // closed, so nobody looks any longer
      }
    }

    /** Adds to what the selector looks for. */
    @SuppressWarnings("NullAway") // it is registered
    private boolean add(int ops) {
      return (key.interestOps() & ops) != ops && (key.interestOpsOr(ops) & ops) != ops;
    }

    @SuppressWarnings("NullAway")
    private void happened() {
      int ready = key.readyOps();
      if ((ready & WRITING) != 0) {
        key.interestOpsAnd(~WRITING); // before who is woken waits anew
        writing.wake(ready);
      }
      Wait seen = reading.waiter;
      if ((ready & READING) == 0 || reading.wake(ready)) return;
      key.interestOpsAnd(~READING);
      Wait begun = reading.waiter; // meanwhile, and has found the interest still there
      if (begun != null && begun != seen) key.interestOpsOr(key.channel().validOps() & READING);
    }

    private void fail() {
      reading.fail();
      writing.fail();
    }
  }

  // In a hub's thread

  /** A wait begins: it is woken, or fails, when one of {@code ops} is ready or the channel is closed, unless it {@linkplain Interest#end ends} before. */
  Interest begin(SelectableChannel channel, int ops, Wait wait) throws IOException {
    Interest interest = interestIn(channel);
    try {
      interest.begin(ops, wait);
      if (!channel.isOpen()) throw new ClosedChannelException(); // else who closes it sees the wait
      if (interest.add(ops) && isShared) selector.wakeup();
      return interest;
    } catch (CancelledKeyException e) {
      interest.end(wait);
      throw new ClosedChannelException();
    } catch (Throwable t) {
      interest.end(wait);
      throw t;
    }
  }

  static void requireUsable(SelectableChannel channel, int ops) {
    if (ops == 0 || (ops & ~channel.validOps()) != 0)
      throw new IllegalArgumentException(
          "%s cannot be ready for %s; its operations, of SelectionKey, are %s"
              .formatted(channel, ops, channel.validOps()));
    if (channel.isBlocking()) throw new IllegalBlockingModeException();
  }

  private Interest interestIn(SelectableChannel channel) throws IOException {
    Interest known = interests.get(channel);
    return known != null ? known : register(channel);
  }

  /** One at a time: to register a second time would replace what the key has. */
  private synchronized Interest register(SelectableChannel channel) throws IOException {
    Interest known = interests.get(channel);
    if (known != null) return known;
    if (interests.size() >= most) forgetClosed();
    var made = new Interest(channel);
    Headroom.requireMore();
    made.key =
        channel.register(
            selector, 0, new WeakReference<>(made)); // else the selector would hold the hub
    interests.put(channel, made);
    return made;
  }

  /** Those that were closed by others than {@link #close(Channel)}. */
  private void forgetClosed() {
    interests
        .values()
        .removeIf(each -> {
          boolean isClosed = !each.reading.channel.isOpen();
          if (isClosed) each.fail();
          return isClosed;
        });
    most = Math.max(64, 2 * interests.size());
  }

  // From any thread

  static void close(Channel channel) throws IOException {
    try {
      channel.close();
    } finally {
      if (channel instanceof SelectableChannel selectable) forget(selectable);
    }
  }

  private static void forget(SelectableChannel closed) {
    for (WeakReference<Readiness> each : OPEN) {
      Readiness open = each.get();
      if (open != null) open.forgets(closed);
    }
  }

  private void forgets(SelectableChannel closed) {
    Interest interest = interests.remove(closed);
    if (interest == null) return;
    holdsClosed = true;
    interest.fail();
    selector.wakeup();
  }

  // Outside of tasks

  /** Blocks the calling thread. {@code limit}: null for none. */
  static int block(SelectableChannel channel, int ops, @Nullable Duration limit)
      throws IOException {
    requireUsable(channel, ops);
    var own = new Readiness(true);
    try {
      Interest interest = own.interestIn(channel);
      interest.add(ops);
      return own.blockFor(interest, ops, limit == null ? Timers.NEVER : Timers.nanos(limit));
    } catch (CancelledKeyException e) {
      throw new AsynchronousCloseException();
    } finally {
      own.close();
    }
  }

  @SuppressWarnings("NullAway") // it is registered
  private int blockFor(Interest interest, int ops, long nanos) throws IOException {
    long begin = System.nanoTime();
    for (long left = nanos; ; left = nanos - (System.nanoTime() - begin)) {
      if (left <= 0) selector.selectNow();
      else selector.select(millis(nanos == Timers.NEVER ? nanos : left));
      if (!interest.reading.channel.isOpen()) throw new AsynchronousCloseException();
      int ready = interest.key.readyOps() & ops;
      if (ready != 0 || left <= 0) return ready;
      if (Thread.interrupted())
        throw Sneaky.unchecked(
            new InterruptedException("interrupted while waiting for " + interest.reading.channel));
    }
  }

  /** Of a selector, which counts in them; 0 for ever. */
  private static long millis(long nanos) {
    return nanos == Timers.NEVER ? 0 : Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos + 999_999));
  }

  // How a thread sleeps

  @Override
  public void sleep(long nanos) {
    try {
      holdsClosed = false;
      // lets those go on who have just been answered, so that more of their requests are found at a
      // time
      if (found > 1 && !Thread.currentThread().isVirtual()) Thread.yield();
      found = selector.select(Readiness::happened, millis(nanos));
      hasLooked = true;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void wake() {
    selector.wakeup();
  }

  @Override
  public void poll() {
    boolean looked = hasLooked;
    hasLooked = false;
    if (looked || (isIdle() && !holdsClosed)) return;
    Headroom.requireMore();
    try {
      holdsClosed = false;
      selector.selectNow(Readiness::happened);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void happened(SelectionKey key) {
    try {
      Interest interest = (Interest) ((WeakReference<?>) key.attachment()).get();
      if (interest != null) interest.happened();
    } catch (CancelledKeyException e) {
      // closed just now, and who waited has been told
    }
  }

  /** Whether nobody waits. */
  boolean isIdle() {
    return waiting.get() == 0;
  }

  @Override
  public void close() {
    closing.clean();
  }
}
