package greenlet.hub;

import greenlet.Greenlet;
import greenlet.Headroom;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One wait of one task, which is over at the first call of {@link #wake} or {@link #fail}; all that waits is built on it.
 * Made in the hub's thread, for the task that is current there.
 *
 * @param <T> the type of the value that is waited for
 */
public final class Waiter<T extends @Nullable Object> {
  private static final VarHandle OUTCOME;

  static {
    try {
      OUTCOME = MethodHandles.lookup().findVarHandle(Waiter.class, "outcome", Object.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Hub hub;
  private final boolean outside;
  @Nullable Object waitsFor;
  private volatile @Nullable Object outcome;
  private @Nullable Greenlet greenlet;

  /** Another scheduler waits, which hands what is raised to whom it concerns. */
  private boolean isOfScheduler;

  /**
   * For one wait for something that tasks of the current hub bring about.
   *
   * @param what what is waited for, which its text tells; for people
   */
  public Waiter(Object what) {
    this(Hub.current(), what, false);
  }

  /** {@code outside}: whether it is something that others than the tasks of the hub bring about. */
  Waiter(Hub hub, @Nullable Object what, boolean outside) {
    if (outside) hub.scheduler.loop.requireMayWaitForOutside(what);
    this.hub = hub;
    this.waitsFor = what;
    this.outside = outside;
  }

  /** {@code what} is outside of the tasks, and the driver of the hub brings it about. */
  private Waiter(Object what, Hub driven) {
    hub = driven;
    waitsFor = what;
    outside = true;
  }

  static <T extends @Nullable Object> Waiter<T> forInput(Hub driven, Object what) {
    return new Waiter<>(what, driven);
  }

  static Waiter<@Nullable Object> ofScheduler(Hub hub, Object what, boolean outside) {
    var waiter = new Waiter<@Nullable Object>(hub, what, outside);
    waiter.isOfScheduler = true;
    return waiter;
  }

  /**
   * Has the current task wait until somebody has called {@link #wake} or {@link #fail}; not at all, where that was before.
   *
   * @return the value; the exception comes out of this call
   * @throws IllegalStateException if another greenlet is waiting for it already
   */
  public T await() {
    if (outcome == null) suspend(hub.scheduler.requireCurrent());
    return open();
  }

  /** In {@code me}, which is current. */
  T awaitIn(Task<?> me) {
    if (outcome == null) suspend(me);
    return open();
  }

  /** Waits for {@code stage}. */
  T awaitStage(CompletionStage<? extends T> stage) {
    stage.whenComplete((value, e) -> {
      if (e == null) wake(value);
      else fail(unwrapped(e));
    });
    return await();
  }

  /** Waits for what another thread calls; to give up interrupts that. */
  T awaitCall(Callable<? extends T> call, BooleanSupplier isComplete) {
    return awaitThread(wakeWith(call, isComplete));
  }

  private T awaitThread(Thread thread) {
    try {
      return await();
    } catch (Throwable t) {
      thread.interrupt();
      throw t;
    }
  }

  /**
   * The places that a hub has for threads that run what blocks. A place is held until its thread ends, also if nobody waits for that any
   * longer. Whoever finds none waits in order. Taken in the hub's thread, given back in any.
   */
  static final class Places {
    /*
     * No lock: a task must not be blocked here in a cooperative hub. Whoever adds a waiter, or gives a place back, does so first and
     * then hands out what is free, so that one of two who come at once sees what the other has done.
     */

    private final Hub hub;
    private final Queue<Waiter<@Nullable Object>> waiting = new ConcurrentLinkedQueue<>();
    private final AtomicInteger free;
    private int bound;

    Places(Hub hub, int bound) {
      this.hub = hub;
      this.bound = bound;
      free = new AtomicInteger(bound);
    }

    void setBound(int newBound) {
      Headroom.requireMore();
      free.addAndGet(newBound - bound);
      bound = newBound;
      handOut();
    }

    /** Calls {@code call} in a virtual thread that holds a place, while the current task waits. */
    <T extends @Nullable Object> T call(Callable<? extends T> call) {
      var over = new Waiter<T>(hub, call, true);
      take();
      Thread thread;
      try {
        thread = over.start(() -> endAndGiveBack(over, call));
      } catch (Throwable t) { // there is no such thread
        giveBack();
        throw t;
      }
      return over.awaitThread(thread);
    }

    /** In this order, so that who has the place next cannot be ready first. */
    private <T extends @Nullable Object> void endAndGiveBack(
        Waiter<T> over, Callable<? extends T> call) {
      try {
        over.endWith(call);
      } finally {
        giveBack();
      }
    }

    private void take() {
      Headroom.requireMore();
      if (waiting.isEmpty() && tryTake()) return;
      var place =
          new Waiter<@Nullable Object>(
              hub, "a free thread to offload to, of " + bound + " (see offloadBound)", true);
      waiting.add(place);
      handOut();
      try {
        place.await();
      } catch (Throwable thrown) {
        waiting.remove(place);
        if (!place.fail(thrown) && Outcome.of(null) == place.outcome) giveBack();
        throw thrown;
      }
    }

    private boolean tryTake() {
      for (int now = free.get(); now > 0; now = free.get())
        if (free.compareAndSet(now, now - 1)) return true;
      return false;
    }

    private void giveBack() {
      free.incrementAndGet();
      handOut();
    }

    private void handOut() {
      while (!waiting.isEmpty() && tryTake()) {
        boolean isTaken = false;
        try {
          isTaken = wakeFirst();
        } finally {
          if (!isTaken) free.incrementAndGet();
        }
      }
    }

    /** Whether somebody has got the place. Who cannot be woken for want of memory stays the first. */
    private boolean wakeFirst() {
      Waiter<@Nullable Object> first = waiting.peek();
      if (first == null) return false;
      boolean isWoken;
      try {
        isWoken = first.wake(null);
      } catch (VirtualMachineError e) {
        if (first.isOver()) return true;
        throw e;
      }
      waiting.remove(first);
      return isWoken;
    }
  }

  static <T extends @Nullable Object> T get(Future<? extends T> future)
      throws InterruptedException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      throw Sneaky.unchecked(unwrapped(e));
    }
  }

  private static Throwable unwrapped(Throwable t) {
    return (t instanceof CompletionException || t instanceof ExecutionException)
            && t.getCause() != null
        ? t.getCause()
        : t;
  }

  private void suspend(Task<?> me) {
    Headroom.require();
    me.raiseInterrupt(isOfScheduler);
    if (greenlet != null) {
      throw new IllegalStateException(
          "%s cannot wait for %s: %s is waiting for it already".formatted(me, this, greenlet));
    }
    TaskScheduler scheduler = hub.scheduler;
    scheduler.requireMayWait(me);
    Waiter<?> before = me.waiter;
    Greenlet here = Greenlet.current();
    if (outside) scheduler.loop.beginWaitForOutside();
    me.waiter = this;
    greenlet = here;
    try {
      scheduler.park(me, here);
      if (!isOver()) {
        throw new IllegalStateException(
            "%s waits for %s, and somebody has switched to it; only its hub may do that"
                .formatted(me, this));
      }
    } finally {
      greenlet = null;
      me.waiter = before;
      if (scheduler.watchdog != null) me.lastWait = waitsFor;
      if (outside) scheduler.loop.endWaitForOutside(this);
    }
  }

  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  private T open() {
    try {
      return (T) Outcome.open(outcome);
    } catch (Throwable t) {
      Signal.trace(t);
      throw Sneaky.unchecked(t);
    }
  }

  /**
   * Ends the wait: the task is ready, and its wait returns the value. May be called from any thread.
   *
   * @param value what the wait returns
   * @return whether this ended it; false, if it was over before, and the value goes nowhere
   */
  public boolean wake(T value) {
    return end(Outcome.of(value));
  }

  /**
   * Ends the wait: the task is ready, and its wait throws the exception. May be called from any thread.
   *
   * @param exception what the wait throws
   * @return whether this ended it; false, if it was over before
   */
  public boolean fail(Throwable exception) {
    if (exception == null)
      throw new IllegalArgumentException(
          "nothing to throw out of the wait for " + waitsFor + ": got null");
    return end(Outcome.failure(exception));
  }

  private boolean end(Object how) {
    TaskScheduler scheduler = hub.scheduler;
    boolean isHere = scheduler.loop.isHere();
    if (!isHere) scheduler.loop.requireReachable();
    if (!OUTCOME.compareAndSet(this, null, how)) return false;
    if (!isHere) {
      scheduler.loop.post(this::ended);
      return true;
    }
    try {
      ended();
    } catch (VirtualMachineError e) {
      outcome = null; // as if nobody had called
      throw e;
    }
    scheduler.wakeIfOutside();
    return true;
  }

  /** In the hub's thread. */
  private void ended() {
    EventLoop loop = hub.scheduler.loop;
    loop.forget(this);
    // else it has seen the outcome before it waited, or waits no longer
    if (greenlet == null) return;
    if (hub.scheduler.observation != null) hub.scheduler.observation.wakes(this);
    loop.addReady(greenlet);
  }

  /**
   * Runs what blocks in a virtual thread of its own, and ends the wait with what comes of it.
   *
   * @param call what to run
   * @return the thread, for who gives up waiting to interrupt
   */
  public Thread wakeWith(Callable<? extends T> call) {
    return wakeWith(call, () -> false);
  }

  /**
   * As {@link #wakeWith(Callable)}, for something that tasks of the hub may complete, too. In virtual time the clock does not
   * go on then before the wait is over, so that the order of events is the same every time.
   *
   * @param call what to run
   * @param isComplete whether the call would return at once
   * @return the thread, for who gives up waiting to interrupt
   */
  public Thread wakeWith(Callable<? extends T> call, BooleanSupplier isComplete) {
    if (call == null)
      throw new IllegalArgumentException("nothing to run in another thread: got null");
    hub.scheduler.loop.requireMayWaitForOutside(waitsFor);
    if (!isOver()) hub.scheduler.loop.poll(this, () -> endIfComplete(call, isComplete));
    return start(() -> endWith(call));
  }

  /** Starts a virtual thread that ends this wait. */
  private Thread start(Runnable body) {
    Thread[] thread = new Thread[1];
    // The JDK holds a virtual thread until it ends, unless only an executor does: so what waits
    // for ever can be collected.
    Executors.newThreadPerTaskExecutor(
            r -> thread[0] = Thread.ofVirtual().name("offloaded").unstarted(r))
        .execute(body);
    return thread[0];
  }

  /** True also where the other thread is about to end it: the task is as good as ready. */
  private boolean endIfComplete(Callable<? extends T> call, BooleanSupplier isComplete) {
    if (!isComplete.getAsBoolean()) return false;
    endWith(call);
    return true;
  }

  /** Ends the wait with what comes of {@code call}. */
  void endWith(Callable<? extends T> call) {
    try {
      wake(call.call());
    } catch (Throwable t) {
      fail(t);
    }
  }

  /**
   * The hub whose task waits.
   *
   * @return the hub
   */
  public Hub hub() {
    return hub;
  }

  /**
   * Whether the wait is over. May be called from any thread.
   *
   * @return whether it has been woken or failed
   */
  public boolean isOver() {
    return outcome != null;
  }

  /** The greenlet that waits, if what is raised here ends that and not a task whose greenlet is {@code own}. */
  @Nullable Greenlet childOf(@Nullable Greenlet own) {
    return isOfScheduler || greenlet == own ? null : greenlet;
  }

  @Override
  public String toString() {
    return String.valueOf(waitsFor);
  }
}
