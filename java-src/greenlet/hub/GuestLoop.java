package greenlet.hub;

import greenlet.Greenlet;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** Real time, as a guest in an event loop of somebody else's: its executor hands turns to the hub, in its own thread. */
final class GuestLoop extends EventLoop {
  private final Executor executor;
  private final @Nullable ScheduledExecutorService alarms;
  private final long origin = System.nanoTime();
  private final AtomicBoolean requested = new AtomicBoolean();
  private @Nullable Greenlet host;
  private @Nullable Future<?> alarm;
  private long alarmAt = Timers.NEVER;

  /** Tells how long a turn takes; not final for tests. */
  LongSupplier clock = System::nanoTime;

  private long turnNanos;
  private long turnBegun;

  GuestLoop(Executor executor, @Nullable ScheduledExecutorService alarms) {
    this.executor = executor;
    this.alarms = alarms;
  }

  @Override
  long now() {
    return System.nanoTime() - origin;
  }

  /** One round, in the host's thread. */
  private void turn() {
    requested.set(false);
    if (isBounded) turnBegun = clock.getAsLong();
    tenant().turn();
    if (hasReady()) wake();
    else setAlarm(nextTimer());
    tenant().serveHost();
  }

  /** The greenlet that this is called in is where the loop gives the control back to. */
  @Override
  void round() {
    Greenlet outer = host;
    host = Greenlet.current();
    try {
      super.round();
    } finally {
      host = outer;
    }
  }

  @Override
  @SuppressWarnings("NullAway") // a round is part of a turn
  void endRound() {
    host.switchTo();
  }

  @Override
  boolean roundsFollow() {
    return false;
  }

  @Override
  void setTurnTime(Duration limit) {
    turnNanos = Timers.nanos(limit);
    isBounded = true;
  }

  @Override
  boolean isTurnOver() {
    return clock.getAsLong() - turnBegun >= turnNanos;
  }

  @Override
  void wake() {
    if (requested.getAndSet(true)) return;
    try {
      executor.execute(this::turn);
    } catch (Throwable t) {
      requested.set(false);
      throw t;
    }
  }

  @Override
  void setSleeper(Sleeper sleeper) {
    throw new IllegalStateException(
        ("the thread of %s never sleeps for it: it belongs to the event loop that the hub runs in; "
                + "give a sleeper to a hub of realTime or virtualTime")
            .formatted(tenant()));
  }

  @Override
  Readiness claimReadiness() throws IOException {
    return SelectorThread.claim();
  }

  private void setAlarm(long next) {
    if (alarmAt == next && alarm != null && !alarm.isDone()) return;
    if (alarm != null) alarm.cancel(false);
    alarm = null;
    alarmAt = next;
    if (next == Timers.NEVER) return;
    long nanos = Math.max(0, next - now());
    if (alarms != null) {
      alarm = alarms.schedule(this::wake, nanos, TimeUnit.NANOSECONDS);
      return;
    }
    var over = new CompletableFuture<@Nullable Void>();
    alarm = over; // before it can be over: to cancel it takes it out of the JDK's own timers
    over.thenRun(this::wake);
    over.completeOnTimeout(null, nanos, TimeUnit.NANOSECONDS);
  }

  @Override
  void requireOwnThread() {
    throw new IllegalStateException(
        ("nothing can be waited for here: it would block the thread of the event loop that %s runs in; "
                + "wait in a task of the hub, made by spawn")
            .formatted(tenant()));
  }
}
