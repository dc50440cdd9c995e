package greenlet.hub;

import greenlet.Greenlet;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** How time passes for a hub, and what its thread does while no task is ready. */
abstract sealed class EventLoop {
  static final long NEVER = Long.MAX_VALUE;

  /** Nanoseconds since it was made. */
  abstract long now();

  /**
   * In the hub's loop, between two rounds: where no task is ready, lets the time pass until there may be one. Returns when
   * it is time to look at inbox and timers.
   */
  abstract void endRound(Hub hub);

  /** Whether time passes on its own. */
  boolean isReal() {
    return true;
  }

  /** Whether a round may follow the one before at once. */
  boolean roundsFollow() {
    return true;
  }

  /** From any thread: there is something in the hub's inbox, or in its thread and outside of a turn: something is ready. */
  abstract void wake(Hub hub);

  /** Something outside of the tasks is about to wait: refused where that would block a thread that is not ours. */
  void requireOwnThread(Hub hub) {}

  /** Sets how the hub's thread sleeps. */
  abstract void setSleeper(Hub hub, Sleeper sleeper);

  /** In the hub's thread, when a round begins. */
  void poll() {}

  /** The hub does not run any longer. */
  void close() {}

  /** In a thread that has nothing else to do. */
  private abstract static sealed class OwnThread extends EventLoop {
    private Sleeper sleeper = new ParkingSleeper();
    private volatile boolean sleeps;

    /** Blocks the thread until it is woken or {@code nanos} are over. */
    final void sleep(Hub hub, long nanos) {
      sleeps = true;
      try {
        if (hub.inboxIsEmpty() && nanos > 0) sleeper.sleep(nanos);
      } finally {
        sleeps = false;
      }
      if (Thread.interrupted()) hub.interrupted();
    }

    @Override
    final void wake(Hub hub) {
      if (sleeps) sleeper.wake();
    }

    @Override
    final void setSleeper(Hub hub, Sleeper newSleeper) {
      Sleeper before = sleeper;
      if (before == newSleeper) return;
      sleeper = newSleeper;
      before.close();
    }

    @Override
    final void poll() {
      sleeper.poll();
    }

    @Override
    final void close() {
      sleeper.close();
      sleeper = new ParkingSleeper();
    }
  }

  static final class ParkingSleeper implements Sleeper {
    private volatile @Nullable Thread sleeping;
    private volatile boolean woken;

    @Override
    public void sleep(long nanos) {
      // before it looks whether it has been woken, as wake writes before it looks who sleeps
      sleeping = Thread.currentThread();
      if (!woken) {
        if (nanos == NEVER) LockSupport.park(this);
        else LockSupport.parkNanos(this, nanos);
      }
      sleeping = null;
      woken = false;
    }

    @Override
    public void wake() {
      woken = true;
      LockSupport.unpark(sleeping);
    }

    @Override
    public void poll() {}

    @Override
    public void close() {}
  }

  static final class RealTime extends OwnThread {
    private final long origin = System.nanoTime();

    @Override
    long now() {
      return System.nanoTime() - origin;
    }

    @Override
    void endRound(Hub hub) {
      if (hub.isReady()) return;
      long next = hub.nextTimer();
      if (next != NEVER) sleep(hub, next - now());
      else if (hub.hasWaitsForOutside()) sleep(hub, NEVER);
      else hub.stuck();
    }
  }

  /** Time that stands still while a task can run, and then jumps to the next timer. */
  static final class VirtualTime extends OwnThread {
    private final boolean holds;
    private long now;

    /** {@code holds}: whether it stands still as well while a task waits for something outside of the hub. */
    VirtualTime(boolean holds) {
      this.holds = holds;
    }

    @Override
    long now() {
      return now;
    }

    @Override
    boolean isReal() {
      return false;
    }

    @Override
    void endRound(Hub hub) {
      if (hub.isReady() || hub.poll()) return;
      long next = hub.nextTimer();
      boolean waitsForOutside = hub.hasWaitsForOutside();
      if (next != NEVER && !(holds && waitsForOutside)) now = Math.max(now, next);
      else if (waitsForOutside) sleep(hub, NEVER);
      else hub.stuck();
    }
  }

  /** Real time, as a guest in an event loop of somebody else's: its executor hands turns to the hub, in its own thread. */
  static final class Guest extends EventLoop {
    private final Executor executor;
    private final @Nullable ScheduledExecutorService timers;
    private final long origin = System.nanoTime();
    private final AtomicBoolean requested = new AtomicBoolean();
    private @Nullable Greenlet host;
    private @Nullable Future<?> alarm;
    private long alarmAt = NEVER;

    Guest(Executor executor, @Nullable ScheduledExecutorService timers) {
      this.executor = executor;
      this.timers = timers;
    }

    @Override
    long now() {
      return System.nanoTime() - origin;
    }

    /** One round, in the host's thread; the greenlet that it calls this in is where the loop gives the control back to. */
    private void turn(Hub hub) {
      requested.set(false);
      Greenlet outer = host;
      host = Greenlet.current();
      try {
        hub.turn();
      } finally {
        host = outer;
      }
      if (hub.isReady()) wake(hub);
      else setAlarm(hub, hub.nextTimer());
    }

    @Override
    @SuppressWarnings("NullAway") // a round is part of a turn
    void endRound(Hub hub) {
      host.switchTo();
    }

    @Override
    boolean roundsFollow() {
      return false;
    }

    @Override
    void wake(Hub hub) {
      if (requested.getAndSet(true)) return;
      try {
        executor.execute(() -> turn(hub));
      } catch (Throwable t) {
        requested.set(false);
        throw t;
      }
    }

    @Override
    void setSleeper(Hub hub, Sleeper sleeper) {
      throw new IllegalStateException(
          "the thread of "
              + hub
              + " never sleeps for it: it belongs to the event loop that the hub "
              + "runs in; give a sleeper to a hub of realTime or virtualTime");
    }

    private void setAlarm(Hub hub, long next) {
      if (alarmAt == next && alarm != null && !alarm.isDone()) return;
      if (alarm != null) alarm.cancel(false);
      alarm = null;
      alarmAt = next;
      if (next == NEVER) return;
      long nanos = Math.max(0, next - now());
      if (timers != null) {
        alarm = timers.schedule(() -> wake(hub), nanos, TimeUnit.NANOSECONDS);
        return;
      }
      var over = new CompletableFuture<@Nullable Void>();
      alarm = over; // before it can be over: to cancel it takes it out of the JDK's own timers
      over.thenRun(() -> wake(hub));
      over.completeOnTimeout(null, nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    void requireOwnThread(Hub hub) {
      throw new IllegalStateException(
          "nothing can be waited for here: it would block the thread of the event loop that "
              + hub
              + " runs in; wait in a task of the hub, made by spawn");
    }
  }

  static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) { // more than 292 years
      return duration.isNegative() ? Long.MIN_VALUE : NEVER;
    }
  }
}
