package greenlet.hub;

import greenlet.Greenlet;
import greenlet.Headroom;
import greenlet.Scheduler;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** The loop of a hub: in which order greenlets run, how time passes, and what the thread does while none is ready. */
abstract sealed class EventLoop permits EventLoop.OwnThread, GuestLoop, DrivenLoop {
  /*
   * A greenlet that waits or ends gives the control to the next one that is ready, directly. The loop is a greenlet of its
   * own, the parent of all tasks, and runs where nobody is ready. So if it finds that one of the tenant's is running, somebody
   * has switched to the loop by hand.
   *
   * A StackOverflowError or an OutOfMemoryError can strike in any call. So what others rely on is changed after the last call that
   * can fail, or put back in one place that catches: a message or a timer whose action is struck is kept and done later, when
   * there may be room; a greenlet that could not be suspended is taken back.
   */

  /** Whose greenlets it runs. Its text is that of the hub. */
  interface Tenant {
    /** Whether a greenlet of its own has the control: not so between the leaving of one and the going on of the next. */
    boolean isRunning();

    /** Begins to tell the Flight Recorder what happens, or ends that; returns whether it does. */
    boolean setRecorded(boolean isRecorded);

    /** No greenlet follows the one before: the thread may be about to sleep. */
    void pauses();

    /** Somebody has switched to the loop, or thrown into it. */
    void intruded(@Nullable Throwable thrown);

    /** Nothing will ever happen, or nothing has for too long. */
    void stuck(String why);

    /** Before virtual time goes on: waits for those who are about to become ready by what has happened in this thread. */
    void settle();

    /** The thread has been interrupted while it slept. */
    void interrupted();

    /** In the thread of somebody else's event loop: one round. */
    void turn();

    /** In that thread, when the round is over: does what was to be done there outside of the tenant's greenlets. */
    void serveHost();

    /** The tasks that are ready, for people. */
    String listedReady();
  }

  /** How many tasks without a name there have been. */
  private static final AtomicInteger TASKS = new AtomicInteger();

  private final Queue<Runnable> inbox = new ConcurrentLinkedQueue<>();

  /** A message that an error has struck, to be read again. */
  private @Nullable Runnable struck;

  private final Timers timers = new Timers();

  /** Not final, so that tests can count what is done with it. */
  ReadyQueue ready = new ReadyQueue();

  /** Whether the tenant tells the Flight Recorder what happens. */
  private boolean isRecorded;

  /** How many rounds there have been. */
  private long rounds;

  /** How many of those that are ready have a turn before inbox and timers are looked at. */
  private int left;

  private int waitsForOutside;

  /** In virtual time: waits for what is complete before anybody says so, and what ends them if it is. */
  private final Map<Object, BooleanSupplier> polled = new LinkedHashMap<>();

  /** Of the thread that it runs in, while it does. */
  private volatile @Nullable Greenlet root;

  /** That, while a driven hub within one of its tasks has the thread, and this one is not there. */
  private volatile @Nullable Greenlet away;

  /** Runs while nobody is ready. */
  private @Nullable Greenlet loop;

  /** Whether the loop is to come to its end. */
  private boolean isResting;

  /** Whether it has run, and takes nothing more. */
  private volatile boolean isOver;

  @SuppressWarnings("NullAway.Init") // the first thing that happens to it
  private Tenant tenant;

  final void setTenant(Tenant newTenant) {
    tenant = newTenant;
  }

  final Tenant tenant() {
    return tenant;
  }

  // What the kind of loop decides

  /** Nanoseconds since it was made. */
  abstract long now();

  /** Between two rounds: where nobody is ready, lets the time pass until somebody may be. */
  abstract void endRound();

  /** From any thread: there is something in the inbox, or in its thread and outside of a turn: somebody is ready. */
  abstract void wake();

  /** Sets how the thread sleeps. */
  abstract void setSleeper(Sleeper sleeper);

  /** In its thread: where tasks wait for channels, claimed. */
  abstract Readiness claimReadiness() throws IOException;

  /** In its thread: nothing runs outside of the tasks any longer for a while. Gives back what it held for channels, if nobody waits for one. */
  void giveBack() {}

  /** Sets how long, in real time, virtual time waits for what is outside of the hub. */
  void setPatience(Duration limit) {
    throw new IllegalStateException(
        tenant + " has real time, in which patience is a limit: use timeout");
  }

  /** Whether time passes on its own. */
  boolean isReal() {
    return true;
  }

  /** Refuses where what other threads do and its time would not agree. */
  void requireCooperates() {}

  /** Whether a round may follow the one before at once. */
  boolean roundsFollow() {
    return true;
  }

  /** Something outside of the tasks is about to wait: refused where that would block a thread that is not ours. */
  void requireOwnThread() {}

  /** Whether a turn may end before all that are ready have run; then {@link #isTurnOver} is asked after each. */
  boolean isBounded;

  boolean isTurnOver() {
    return false;
  }

  /** Bounds the time that a turn takes. */
  void setTurnTime(Duration limit) {
    throw new IllegalStateException(
        tenant + " has its thread for itself: there are turns only in somebody else's event loop");
  }

  /** In its thread, when a round begins. */
  void beginRound() {}

  /** In its thread, when nobody was ready and somebody is. */
  void beginTurns() {}

  /** What it is called in messages, if that is the same at every run. */
  @Nullable String name() {
    return null;
  }

  /** Makes up the name of a task. */
  int nextTaskNumber() {
    return TASKS.incrementAndGet();
  }

  /** In its thread: a task has been made, by another one if not null. */
  void made(Object task, @Nullable String name, @Nullable Object maker) {}

  /** From outside of its thread: refused, before anything is changed, where it takes nothing, or may not be reached from there. */
  void requireReachable() {
    DrivenLoop.requireOutside(tenant);
  }

  /** Refuses that a task waits for something outside of the hub, before anything is changed. */
  void requireMayWaitForOutside(@Nullable Object what) {}

  // Beginning and end

  /** From now on it runs in the calling thread. */
  final void begin() {
    root = Greenlet.root();
    isOver = false;
  }

  /** Takes nothing more from other threads, and does what they have sent. */
  final void close() {
    synchronized (inbox) {
      isOver = true;
      readInbox();
    }
  }

  /** It does not run any longer. */
  void end() {
    isOver = true;
    root = null;
    polled.clear();
    rest();
  }

  /** Unwinds the loop, for as long as there is nobody to run. */
  final void rest() {
    Greenlet resting = loop;
    if (resting == null || isBelow(resting)) return;
    loop = null;
    isResting = true;
    try {
      if (resting.isActive()) resting.close();
    } finally {
      isResting = false;
    }
  }

  /** Whether the current greenlet is one of {@code ancestor}'s descendants, and so cannot close it. */
  private static boolean isBelow(Greenlet ancestor) {
    for (Greenlet g = Greenlet.current(); g != null; g = g.parent()) if (g == ancestor) return true;
    return false;
  }

  /** Of the thread that it runs in. */
  final @Nullable Greenlet root() {
    Greenlet here = root;
    return here != null ? here : away;
  }

  /** A driven hub within one of its tasks is about to have the thread. */
  final void leaveThread() {
    away = root;
    root = null;
  }

  /** It has had it. */
  final void returnToThread() {
    root = away;
    away = null;
  }

  final boolean isHere() {
    Greenlet mine = root;
    return mine != null && Greenlet.root() == mine;
  }

  /** The parent of all tasks, made where it is first needed. */
  final Greenlet greenlet() {
    Greenlet here = loop;
    if (here == null) loop = here = Greenlet.of(args -> run(), Greenlet.current(), "hub");
    return here;
  }

  /** The parent of all tasks, if there is one now; asked for in any thread. */
  final @Nullable Greenlet greenletIfAny() {
    return loop;
  }

  // Giving way

  final void addReady(Greenlet greenlet) {
    ready.add(greenlet);
  }

  /** Suspends {@code here}, the current greenlet, until it has its turn again. If that is refused, nothing has happened. */
  final void giveWay(Greenlet here) {
    Greenlet next = null;
    try {
      next = next();
      Scheduler.resume(next);
    } catch (Throwable t) {
      if (!tenant.isRunning()) takeBack(here, next);
      throw t;
    }
  }

  /** {@code here} could not be suspended, so that {@code next} does not run. */
  private void takeBack(Greenlet here, @Nullable Greenlet next) {
    // there is one where it gave way, or has been woken meanwhile
    ready.removeLast(here);
    if (next != null && next != loop) putBack(next);
  }

  private void putBack(Greenlet next) {
    ready.addFirst(next);
    left++;
  }

  /** The end of the current greenlet, which gives the control to the next one and not to its parent. */
  final void leave() {
    Greenlet next = null;
    try {
      next = next();
      if (next != loop) Scheduler.setSuccessor(next);
    } catch (VirtualMachineError e) { // the parent is the loop, which goes on
      if (next != null && next != loop) putBack(next);
    }
  }

  /** Takes the next one of those that are ready; the loop, if there is none in this round and nobody may begin another. */
  private Greenlet next() {
    if (isBounded && isTurnOver()) left = 0;
    if (left == 0 && roundsFollow()) collect();
    return left > 0 ? take() : greenlet();
  }

  /** The next one of those that are ready, if there is one in this round; else the loop, which may begin another. */
  final Greenlet nextInRound() {
    return left > 0 ? take() : greenlet();
  }

  private Greenlet take() {
    Greenlet next = ready.take();
    left--;
    return next;
  }

  // Rounds

  private @Nullable Object run() {
    Throwable thrown = null;
    while (!isResting) {
      try {
        if (tenant.isRunning() || thrown != null) tenant.intruded(thrown);
        else if (left > 0) Scheduler.resume(take());
        else nextRound();
        thrown = null;
      } catch (Throwable t) {
        thrown = t;
      }
    }
    return null;
  }

  private void nextRound() {
    tenant.pauses();
    endRound();
    if (isBounded) return; // its turn is over, and the next one begins with a round
    collect();
    if (left > 0) beginTurns();
  }

  /** Begins a round. */
  private void collect() {
    rounds++;
    if (FlightRecords.areWanted() != isRecorded) isRecorded = tenant.setRecorded(!isRecorded);
    beginRound();
    if (!inboxIsEmpty()) readInbox();
    if (!timers.isEmpty()) timers.fire(now());
    left = ready.size();
  }

  private void readInbox() {
    Headroom.require();
    Runnable message = struck != null ? struck : inbox.poll();
    struck = null;
    for (; message != null; message = inbox.poll()) {
      try {
        message.run();
      } catch (VirtualMachineError e) {
        struck = message;
        throw e;
      }
    }
  }

  /** A round of its own, in a greenlet that is none of the tenant's. */
  void round() {
    collect();
    if (left > 0) Scheduler.resume(take());
  }

  // What makes somebody ready

  /** Has {@code action} run in its thread, when the next round begins; false if it has run and takes nothing. Called from any thread. */
  final boolean post(Runnable action) {
    requireReachable();
    boolean isAdded = !isOver && inbox.add(action);
    if (isAdded && !isOver) {
      wake();
      return true;
    }
    synchronized (inbox) { // when all has been read that came before
      return isAdded && !inbox.remove(action);
    }
  }

  /** As {@link #post}, after so much real time, whatever the loop's own clock says; until then it can be cancelled. */
  final Future<?> postAfter(Duration delay, Runnable action) {
    var over = new CompletableFuture<@Nullable Void>();
    over.thenRun(() -> post(action));
    return over.completeOnTimeout(null, Timers.nanos(delay), TimeUnit.NANOSECONDS);
  }

  /** Has {@code action} run in its thread when {@code delay} is over; one that is negative is over. */
  final Timers.Timer at(Duration delay, Runnable action) {
    return at(Math.max(0, Timers.nanos(delay)), action);
  }

  /** Has {@code action} run in its thread in so many nanoseconds. */
  final Timers.Timer at(long nanos, Runnable action) {
    long now = now();
    return timers.add(nanos < Timers.NEVER - now ? now + nanos : Timers.NEVER, action);
  }

  final void cancel(Timers.Timer timer) {
    timers.cancel(timer);
  }

  final void beginWaitForOutside() {
    waitsForOutside++;
  }

  final void endWaitForOutside(Object waiter) {
    waitsForOutside--;
    forget(waiter);
  }

  /** Takes back {@link #poll}: it is over, or given up. */
  final void forget(Object waiter) {
    if (!polled.isEmpty()) polled.remove(waiter);
  }

  /** In virtual time, the clock does not go on before {@code waiter} is over, if {@code endIfComplete} says that it is about to be. */
  final void poll(Object waiter, BooleanSupplier endIfComplete) {
    if (!isReal()) polled.put(waiter, endIfComplete);
  }

  /** Whether something that is waited for has been complete already. */
  final boolean pollAll() {
    boolean any = false;
    for (BooleanSupplier source : List.copyOf(polled.values())) any |= source.getAsBoolean();
    return any;
  }

  final boolean hasWaitsForOutside() {
    return waitsForOutside > 0;
  }

  final long rounds() {
    return rounds;
  }

  final Timers timers() {
    return timers;
  }

  final long nextTimer() {
    return timers.next();
  }

  final boolean isTimerDue() {
    return !timers.isEmpty() && timers.next() <= now();
  }

  final boolean inboxIsEmpty() {
    return inbox.isEmpty() && struck == null;
  }

  final boolean hasReady() {
    return ready.size() > 0 || !inboxIsEmpty();
  }

  private static final String IMPATIENT =
      "has waited for %s of real time for what is outside of it, and its patience has come to an end";

  static final String NOTHING_LEFT =
      "would wait for ever: no task is ready, no timer is set, and nobody waits for anything outside of it";

  /** In a thread that has nothing else to do. */
  abstract static sealed class OwnThread extends EventLoop {
    private Sleeper sleeper = new ParkingSleeper();
    private volatile boolean sleeps;

    /** Blocks the thread until it is woken or {@code nanos} are over. */
    final void sleep(long nanos) {
      sleeps = true;
      try {
        if (inboxIsEmpty() && nanos > 0) sleeper.sleep(nanos);
      } finally {
        sleeps = false;
      }
      if (Thread.interrupted()) tenant().interrupted();
    }

    @Override
    final void wake() {
      if (sleeps) sleeper.wake();
    }

    @Override
    final void setSleeper(Sleeper newSleeper) {
      Sleeper before = sleeper;
      if (before == newSleeper) return;
      if (before instanceof Readiness mine && !mine.isIdle())
        throw new IllegalStateException(
            "the sleeper of %s cannot be exchanged while tasks wait for channels in it; set it before"
                .formatted(tenant()));
      sleeper = newSleeper;
      before.close();
    }

    @Override
    final Readiness claimReadiness() throws IOException {
      if (sleeper instanceof ParkingSleeper) {
        var made = new Readiness(false);
        // in a cooperative hub another task may have been before
        if (sleeper instanceof ParkingSleeper) setSleeper(made);
        else made.close();
      }
      return sleeper instanceof Readiness mine ? mine.claim() : SelectorThread.claim();
    }

    @Override
    final void giveBack() {
      if (sleeper instanceof Readiness mine && mine.isIdle()) setSleeper(new ParkingSleeper());
    }

    @Override
    final void beginRound() {
      // a selector that is about to sleep looks then
      if (sleeper instanceof Readiness && !hasReady() && !isTimerDue()) return;
      sleeper.poll();
    }

    @Override
    final void end() {
      super.end();
      sleeper.close();
      sleeper = new ParkingSleeper();
    }
  }

  static final class RealTime extends OwnThread {
    private final long origin = System.nanoTime();

    @Override
    long now() {
      return System.nanoTime() - origin;
    }

    @Override
    void endRound() {
      if (hasReady()) return;
      long next = nextTimer();
      if (next != Timers.NEVER) sleep(next - now());
      else if (hasWaitsForOutside()) sleep(Timers.NEVER);
      else tenant().stuck(NOTHING_LEFT);
    }
  }

  /** Time that stands still while a task can run, and then jumps to the next timer. */
  static final class VirtualTime extends OwnThread {
    private final boolean holds;
    private long now;

    /** How long at most it waits, in real time, for what is outside of the hub. */
    private long patience = Timers.NEVER;

    /** Whether it has waited so since {@link #idleSince}. */
    private boolean isIdle;

    private long idleSince;

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
    void requireCooperates() {
      if (holds)
        throw new IllegalStateException(
            ("%s holds its clock while anything outside of it is waited for, and in a cooperative hub a lock that another task "
                    + "holds over a sleep is that, too: neither would ever end. Leave hold out")
                .formatted(tenant()));
    }

    @Override
    void setPatience(Duration limit) {
      patience = Math.max(0, Timers.nanos(limit));
    }

    @Override
    void endRound() {
      if (hasReady() || pollAll()) return;
      boolean waits = hasWaitsForOutside();
      if (waits) tenant().settle();
      if (hasReady()) return;
      long next = nextTimer();
      if (next != Timers.NEVER && !(holds && waits)) now = Math.max(now, next);
      else if (waits) sleepPatiently();
      else tenant().stuck(NOTHING_LEFT);
    }

    private void sleepPatiently() {
      long now = System.nanoTime();
      if (!isIdle) idleSince = now;
      isIdle = true;
      long left = patience == Timers.NEVER ? patience : patience - (now - idleSince);
      if (left > 0) {
        sleep(left);
        return;
      }
      isIdle = false; // who hears of it may be long in ending
      tenant().stuck(IMPATIENT.formatted(Timers.text(Duration.ofNanos(patience))));
    }

    @Override
    void beginTurns() {
      isIdle = false;
    }
  }

  static String describe(Thread thread) {
    return "\"%s\""
        .formatted(
            thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName());
  }
}
