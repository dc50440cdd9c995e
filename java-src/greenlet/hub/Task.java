package greenlet.hub;

import greenlet.Account;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.Snapshot;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.ConcurrentModificationException;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A greenlet that a {@link Hub} runs, and that has a result. Made by {@link Hub#spawn}.
 *
 * <p>It runs in the hub's thread when its turn comes, until it waits or ends. It ends with a value; with an exception; or
 * quietly, with a {@link GreenletExit}, because it was {@linkplain #kill killed}: that is an end by cancellation, of
 * which the {@link #result} is a {@link CancellationException}.
 *
 * <p>All may be called from any thread: what waits has the caller's own hub wait. A hub holds its tasks until they have ended.
 *
 * @param <T> the type of the result
 */
public final class Task<T extends @Nullable Object> extends Observed {
  /** The body of a task, or a part of one, that has no result. */
  // no @FunctionalInterface: Clojure would take any function for one, and drop what that returns
  public interface Action {
    /**
     * Runs once.
     *
     * @throws Throwable anything: it ends the task, or comes out of the call that runs this part of it
     */
    void run() throws Throwable;
  }

  /**
   * Sees what happens to the tasks of a hub. Called in the hub's thread, in the midst of it; must neither wait nor switch. What it
   * throws is reported as a failure of the task, and it hears of nothing more.
   */
  public interface Listener {
    /**
     * A task has been made, and has its turn later.
     *
     * @param task the new one
     * @param by who made it; null if no task of the hub did
     */
    default void onSpawn(Task<?> task, @Nullable Task<?> by) {}

    /**
     * A task has its first turn.
     *
     * @param task which one
     */
    default void onBegin(Task<?> task) {}

    /**
     * A task is about to give way.
     *
     * @param task which one
     * @param what what it waits for; its text is for people
     */
    default void onWait(Task<?> task, Object what) {}

    /**
     * What a task waited for has come; it has its turn later.
     *
     * @param task which one
     */
    default void onWake(Task<?> task) {}

    /**
     * A task goes on that had given way.
     *
     * @param task which one
     */
    default void onResume(Task<?> task) {}

    /**
     * A task has ended, in whichever way.
     *
     * @param task which one
     */
    default void onEnd(Task<?> task) {}
  }

  /** When a blocked task that was interrupted is so once more: finally blocks, which may wait, have that long. */
  private static final Duration AGAIN = Duration.ofMillis(100);

  private final TaskScheduler scheduler;
  private final @Nullable String name;
  private final int number;
  private @Nullable Callable<? extends T> body;
  private volatile @Nullable Object outcome;

  /** The scope that it belongs to. */
  private final Scope.@Nullable Tasks home;

  /** The innermost scope that it is in. */
  Scope.@Nullable Tasks scope;

  /** What it waits for. */
  @Nullable Waiter<?> waiter;

  /** While the JDK has suspended it. */
  @Nullable Blocked blocked;

  /** Made when the JDK first suspends it. */
  private Blocked.@Nullable Owner inJdk;

  /** How often it has been interrupted in the JDK for what is to be raised next. */
  private int interruptions;

  /** The innermost part of its body that is not to give way. */
  @Nullable NoSwitch unbroken;

  /** What it waited for last, where its hub has a watchdog. */
  @Nullable Object lastWait;

  /** Stands for the wait that was seen last; 0 for none. */
  private int seenWait;

  /** Where it was seen last. */
  private Snapshot.@Nullable Place seenAt;

  /** Stands for the wait that it was seen there in; 0 for none. */
  private int seenAtWait;

  /** The greenlet that has given way, and is ready. */
  @Nullable Greenlet gaveWay;

  /** Until it ends. */
  volatile @Nullable Greenlet greenlet;

  /** What makes it ready later. */
  Timers.@Nullable Timer start;

  private boolean started;
  private int asking;
  private @Nullable ArrayDeque<Throwable> interrupts;

  /** The exit that has been raised in a greenlet within the task, and that is to be raised outside of it. */
  private @Nullable Throwable raisedInChild;

  /** That greenlet. */
  private @Nullable Greenlet unwoundChild;

  /** What the JDK was interrupted for, if it has been raised since: in a wait of a finally block, which may have swallowed it. */
  private @Nullable Throwable raisedAfterInterrupt;

  private @Nullable List<Runnable> links;
  private @Nullable CompletableFuture<T> future;
  private @Nullable Map<Object, Object> locals;

  Task(
      TaskScheduler scheduler,
      @Nullable String name,
      Callable<? extends T> body,
      Scope.@Nullable Tasks home) {
    this.scheduler = scheduler;
    this.name = name;
    this.number = name == null ? scheduler.loop.nextTaskNumber() : 0;
    this.body = body;
    this.home = home;
    this.scope = home;
  }

  /**
   * The task that is running in the calling thread, also where a generator's body or a greenlet runs as a part of it.
   *
   * @return the task; null outside of the tasks of a hub
   */
  public static @Nullable Task<?> current() {
    Hub hub = Hub.currentIfAny();
    return hub != null && hub.scheduler.isInTask() ? hub.scheduler.current : null;
  }

  /**
   * The hub that runs it.
   *
   * @return the hub
   */
  public Hub hub() {
    return scheduler.hub;
  }

  /**
   * Its name.
   *
   * @return the name it was given, or one that is made up
   */
  @Override
  public String name() {
    return name != null ? name : "task-" + Integer.toUnsignedString(number);
  }

  // Asking

  /**
   * Whether it has ended.
   *
   * @return true if it has ended, in whichever way
   */
  public boolean isDone() {
    return outcome != null;
  }

  /**
   * Whether it has ended with a value.
   *
   * @return false if it has not ended, or was killed, or ended with an exception
   */
  public boolean isSuccessful() {
    return outcome != null && Outcome.thrown(outcome) == null;
  }

  /**
   * The exception that it has ended with.
   *
   * @return the exception, a {@link GreenletExit} if it was killed; null if it has not ended, or with a value
   */
  public @Nullable Throwable exception() {
    return Outcome.thrown(outcome);
  }

  /**
   * Where it is: what its body has called, without the frames of this library. May be called from any thread.
   *
   * @return the frames, the innermost first; empty if it has not begun or has ended
   */
  @Override
  public StackTraceElement[] stackTrace() {
    Greenlet g = greenlet;
    return g == null ? new StackTraceElement[0] : g.stackTrace();
  }

  /**
   * What it has used, where its hub {@linkplain Hub#accounting keeps accounts}. May be called from any thread.
   *
   * @return the account; null if none is kept, or the task has had no turn since
   */
  public @Nullable Account account() {
    return account;
  }

  /**
   * How it stands: looked at, without switching to it. May be called from any thread.
   *
   * @return its snapshot, by itself
   */
  public Snapshot snapshot() {
    Waiter<?> waits = waiter;
    Blocked inside = blocked;
    boolean isReady = gaveWay != null || (waits != null && waits.isOver());
    String state = isReady ? "ready" : state();
    Snapshot.Waiting waiting =
        isReady || isDone()
            ? null
            : inside != null ? inside.waiting() : waits != null ? waiting(waits) : null;
    Account known = account;
    return new Snapshot(
        "task",
        name(),
        state,
        home == null ? scheduler.hub.name() : home.owner.name(),
        0,
        waiting,
        place(waits, inside),
        known == null ? null : known.spawnedBy());
  }

  private Snapshot.Waiting waiting(Waiter<?> waits) {
    long now = scheduler.loop.now();
    int name = System.identityHashCode(waits);
    boolean isExact = isSinceExact;
    if (!isExact && name != seenWait) waitsSince = now;
    seenWait = name;
    return new Snapshot.Waiting(
        Snapshot.textOf(waits.waitsFor), Duration.ofNanos(now - waitsSince), !isExact);
  }

  private Snapshot.@Nullable Place place(@Nullable Waiter<?> waits, @Nullable Blocked inside) {
    Greenlet own = greenlet;
    if (own == null || isDone()) return null;
    int wait = waits == null ? 0 : System.identityHashCode(waits);
    if (inside == null && wait != 0 && wait == seenAtWait) return seenAt;
    Greenlet child = inside != null ? inside.greenlet : waits == null ? null : waits.childOf(own);
    Snapshot.Place now = Snapshot.placeOf(child == null ? own : child);
    seenAtWait = now == null ? 0 : wait;
    if (now != null) seenAt = now;
    else if (started && seenAt != null) return new Snapshot.Place(seenAt.frame(), true);
    return now;
  }

  /** What other schedulers have within it. */
  void tellWithin(Snapshot.Listener listener) {
    Map<Object, Object> all = locals;
    if (all == null) return;
    try {
      for (Object local : all.values())
        if (local instanceof Snapshot.Source source) source.tell(listener);
    } catch (ConcurrentModificationException e) {
      // another thread looks, and may miss them
    }
  }

  boolean hasBegun() {
    return started;
  }

  /** The task whose scope it belongs to. */
  @Nullable Task<?> parent() {
    return home == null ? null : home.owner;
  }

  // Waiting for it

  /**
   * Has the current task wait until this one has ended, in whichever way. Elsewhere than in this task's hub, a task of another
   * hub waits, or the hub of the calling thread runs until the wait is over.
   */
  public void join() {
    if (outcome == null) join(Hub.current());
  }

  /** {@code here} is the hub of the calling thread. */
  private void join(Hub here) {
    boolean isOutside = here != scheduler.hub;
    Task<?> me = here.scheduler.current();
    if (me == this) throw new IllegalStateException(this + " cannot wait for its own end");
    var ended = new Waiter<@Nullable Object>(here, this, isOutside);
    Runnable link = () -> ended.wake(null);
    if (isOutside) scheduler.inThread(() -> whenEnded(link));
    else addLink(link);
    try {
      ended.awaitIn(me);
    } finally {
      if (isOutside && outcome == null) scheduler.inThread(() -> removeLink(link));
      else removeLink(link);
    }
  }

  /**
   * Has the current task wait until this one has ended, but not for longer than a limit.
   *
   * @param limit how long
   * @return whether it has ended
   */
  public boolean join(Duration limit) {
    Hub.timeout(limit, () -> join(), () -> {});
    return isDone();
  }

  /**
   * Has the current task wait until this one has ended. Elsewhere than in
   * this task's hub, a task of another hub waits, or the hub of the calling thread runs until the wait is over.
   *
   * @return its result; the exception that ended it comes out of this call, the same object
   * @throws CancellationException if it was killed
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  public T result() {
    if (outcome == null) {
      Hub here = Hub.current();
      if (here != scheduler.hub) {
        here.scheduler.loop.requireMayWaitForOutside(this);
        return Hub.await(toCompletableFuture());
      }
      asking++;
      try {
        join(here);
      } finally {
        asking--;
      }
    }
    try {
      return (T) Outcome.open(outcome);
    } catch (GreenletExit e) {
      throw (CancellationException) new CancellationException(this + " was killed").initCause(e);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  /**
   * Has the current task wait until this one has ended, but not for longer than a limit.
   *
   * @param limit how long
   * @return its result, as from {@link #result()}
   * @throws TimeoutException if it has not ended by then
   */
  public T result(Duration limit) throws TimeoutException {
    return Hub.timeout(limit, () -> result());
  }

  /**
   * Its end as a future, for other threads. To cancel that does not touch the task. May be called from any thread.
   *
   * @return the future, always the same: completed with the result, with the exception, or cancelled
   */
  public CompletableFuture<T> toCompletableFuture() {
    scheduler.requireReachable();
    synchronized (this) {
      if (future != null) return future;
      future = new CompletableFuture<>();
    }
    CompletableFuture<T> f = future;
    scheduler.inThread(() -> {
      asking++;
      whenEnded(() -> complete(f));
    });
    return f;
  }

  @SuppressWarnings("unchecked")
  private void complete(CompletableFuture<T> f) {
    Throwable thrown = exception();
    if (thrown instanceof GreenletExit) f.cancel(false);
    else if (thrown != null) f.completeExceptionally(thrown);
    else f.complete((T) Outcome.value(outcome));
  }

  /**
   * Has a new task of the hub call a function when this one has ended; soon, if it has already. Counts as asking for the
   * result. May be called from any thread. When the end of the hub's run kills this task, it kills the new one, too; see {@link
   * #rawLink}.
   *
   * @param callback called with this task
   */
  public void link(Consumer<? super Task<T>> callback) {
    if (callback == null)
      throw new IllegalArgumentException("nothing to link to " + this + ": got null");
    scheduler.inThread(() -> {
      asking++;
      whenEnded(() ->
          scheduler.spawnFree(() -> {
            callback.accept(this);
            return null;
          }));
    });
  }

  /**
   * Has a function called when this task has ended, as a part of its end; at once, if it has ended already. May be called
   * from any thread.
   *
   * @param callback called with this task, in the hub's thread; must not wait
   */
  public void rawLink(Consumer<? super Task<T>> callback) {
    if (callback == null)
      throw new IllegalArgumentException("nothing to link to " + this + ": got null");
    scheduler.inThread(() ->
        whenEnded(() -> {
          try {
            callback.accept(this);
          } catch (Throwable t) {
            scheduler.report(this, t);
          }
        }));
  }

  /** Has {@code link} called when this has ended; returns what takes that back. Called in the hub's thread. */
  Runnable linked(Runnable link) {
    whenEnded(link);
    return () -> removeLink(link);
  }

  private void whenEnded(Runnable link) {
    if (outcome != null) link.run();
    else addLink(link);
  }

  private void addLink(Runnable link) {
    if (links == null) links = new ArrayList<>(1);
    links.add(link);
  }

  private void removeLink(Runnable link) {
    if (links != null) links.remove(link);
  }

  // Ending it

  /**
   * Ends this task: raises a {@link GreenletExit} in it, out of its pending wait or its next one, and waits until it has
   * ended, so that its {@code finally} blocks have run. One that has not begun never runs; one that has ended stays as it
   * is; the current one ends here.
   */
  public void kill() {
    if (isDone()) return;
    if (current() == this) {
      if (Greenlet.current() != greenlet) raiseLater(new GreenletExit()); // as in interruptHere
      throw new GreenletExit();
    }
    interrupt(new GreenletExit());
    join();
  }

  /**
   * Raises an exception in this task, out of its pending wait, or out of its next one if it does not wait. One that has not
   * begun ends with it and never runs; nothing happens to one that has ended. Does not wait. May be called from any thread.
   *
   * @param exception what to raise; a {@link GreenletExit} ends it quietly
   */
  public void interrupt(Throwable exception) {
    if (exception == null)
      throw new IllegalArgumentException("nothing to raise in " + this + ": got null");
    scheduler.inThread(() -> interruptHere(exception));
  }

  /** As {@link #interrupt}, in the hub's thread. */
  void interruptHere(Throwable exception) {
    if (outcome != null) return;
    if (!started && !scheduler.isOutsider(this)) {
      if (start != null) scheduler.loop.cancel(start);
      end(Outcome.failure(exception));
    } else if (blocked != null) {
      raiseLater(exception);
      interruptBlocked();
    } else if (isDetached()) {
      scheduler.throwInto(this, exception);
    } else {
      Greenlet child = exception instanceof GreenletExit ? suspendedChild() : null;
      if (waiter == null || !waiter.fail(exception)) raiseLater(exception);
      else if (child != null) raiseOutside(child, exception);
    }
  }

  /** Whether its greenlet has been suspended by a switch that was none of the hub's. */
  private boolean isDetached() {
    return waiter == null
        && gaveWay == null
        && blocked == null
        && this != scheduler.current
        && !scheduler.isOutsider(this);
  }

  /** The greenlet that waits, if that is not the task's own but one that it has switched to. */
  private @Nullable Greenlet suspendedChild() {
    return scheduler.isOutsider(this) || waiter == null ? null : waiter.childOf(greenlet);
  }

  private void raiseLater(Throwable exception) {
    if (interrupts == null) interrupts = new ArrayDeque<>(1);
    interrupts.add(exception);
  }

  /**
   * Raises the first exception that was to be raised while it did not wait.
   *
   * @param reachesTask whether it comes to the task, whichever greenlet it is raised in
   */
  void raiseInterrupt(boolean reachesTask) {
    if (interrupts == null) return;
    Throwable first = toRaise(Greenlet.current());
    if (first == null) return;
    boolean wasInterrupted = interruptions > 0;
    if (reachesTask) forget(first);
    else takeInterrupt(first);
    if (wasInterrupted) raisedAfterInterrupt = first;
    Signal.trace(first);
    throw Sneaky.unchecked(first);
  }

  /**
   * {@code first} is being raised here. A greenlet within the task ends by an exit alone: the task would get that as a value and live.
   * So it is raised again outside of that greenlet, which may wait in the meantime. Not so where another exit is to come anyway.
   */
  private void takeInterrupt(Throwable first) {
    forget(first);
    Greenlet here = Greenlet.current();
    if (first instanceof GreenletExit && here != greenlet && !scheduler.isOutsider(this))
      raiseOutside(here, first);
  }

  private void raiseOutside(Greenlet child, Throwable exit) {
    if (interrupts != null) for (Throwable t : interrupts) if (t instanceof GreenletExit) return;
    unwoundChild = child;
    raisedInChild = exit;
    raiseLater(exit);
  }

  /** The first exception that is to be raised in {@code here}; null if there is none. */
  private @Nullable Throwable toRaise(Greenlet here) {
    if (interrupts != null)
      for (Throwable t : interrupts) if (t != raisedInChild || here != unwoundChild) return t;
    return null;
  }

  /** Whether something is to be raised in it. */
  boolean hasInterrupts() {
    return interrupts != null;
  }

  private boolean isPending(Throwable exception) {
    return interrupts != null && interrupts.contains(exception);
  }

  /** Takes back what has not been raised yet; whether there was any. */
  boolean forget(Throwable exception) {
    if (raisedAfterInterrupt == exception) raisedAfterInterrupt = null;
    if (interrupts == null || !interrupts.remove(exception)) return false;
    if (interrupts.isEmpty()) interrupts = null;
    settle();
    return true;
  }

  // Blocked in the JDK

  /**
   * If it is blocked, and something is to be raised in it: interrupts it. What does not end by that, or a body that waits once more, is
   * interrupted again, less and less often.
   */
  void interruptBlocked() {
    Blocked wait = blocked;
    if (wait == null || toRaise(wait.greenlet) == null) return;
    int before = interruptions++;
    if (before == 0) wait.thread.interrupt();
    else
      scheduler.loop.postAfter(
          AGAIN.multipliedBy(1L << Math.min(before - 1, 4)),
          () -> {
            if (blocked == wait) wait.thread.interrupt();
          });
  }

  /** Whether the JDK has been interrupted for {@code exception}, which has not been raised. */
  boolean isInterruptedFor(Throwable exception) {
    return interruptions > 0 && isPending(exception);
  }

  /** The first one that is to be raised here, where it was pending; from now on it is not. */
  @SuppressWarnings("NullAway") // there is one
  Throwable takeFirst() {
    Throwable first = toRaise(Greenlet.current());
    takeInterrupt(first);
    return first;
  }

  /**
   * What has ended the body, or a limit or scope within it, by {@code t}: if the JDK has been interrupted, what that was for, which takes
   * the place of {@code t}.
   */
  Throwable meant(Throwable t) {
    if (Signal.isOurs(t)) return t;
    Throwable first = interruptions > 0 ? toRaise(Greenlet.current()) : null;
    if (first == null && Failures.isOfInterrupt(t)) first = raisedAfterInterrupt;
    if (first == null || first == t) return t;
    takeInterrupt(first);
    if (first instanceof Signal) first.setStackTrace(t.getStackTrace());
    first.addSuppressed(t);
    return first;
  }

  /** What it was interrupted for in the JDK has been raised, or is not to be: the thread must not be interrupted any longer. */
  private void settle() {
    if (interruptions == 0) return;
    interruptions = 0;
    Thread.interrupted();
  }

  private final class InJdk implements Blocked.Owner {
    @Override
    public Object who() {
      return Task.this;
    }

    @Override
    public void block(Blocked wait) {
      blocked = wait;
      if (scheduler.observation != null) scheduler.observation.blocks(Task.this, wait);
      scheduler.leaveBlocked(wait);
      if (unbroken != null) unbroken.isBroken(wait);
      interruptBlocked();
    }

    @Override
    public void goOn(Blocked wait) {
      blocked = null;
      if (wait.atEnd != null) wait.atEnd.run();
      scheduler.current = Task.this;
      if (scheduler.observation != null) scheduler.observation.resumes(Task.this);
    }

    @Override
    public void giveUp() {
      blocked = null;
      interruptions = 0;
      end(
          Outcome.failure(
              new GreenletExit("it was blocked in the JDK when its hub came to its end")));
    }
  }

  Blocked.Owner inJdk() {
    if (inJdk == null) inJdk = new InJdk();
    return inJdk;
  }

  // Running, in the hub's thread

  TaskScheduler scheduler() {
    return scheduler;
  }

  /** Somebody is going to ask for its result. */
  void isAsked() {
    asking++;
  }

  /** False if that is ending. */
  boolean joinScope() {
    return home == null || home.add(this);
  }

  /** Takes back {@link #joinScope}. */
  void leaveScope() {
    if (home != null) home.remove(this);
  }

  /** For other schedulers that run within it. */
  Map<Object, Object> locals() {
    if (locals == null) locals = new IdentityHashMap<>(1);
    return locals;
  }

  @SuppressWarnings("NullAway") // it runs once
  @Nullable Object run(@Nullable Object... args) {
    if (outcome == null) {
      scheduler.current = this;
      started = true;
      if (scheduler.observation != null) scheduler.observation.begins(this);
      Object how;
      try {
        Callable<? extends T> toRun = body;
        body = null;
        how = Outcome.of(toRun.call());
      } catch (Throwable t) {
        how = Outcome.failure(meant(t));
      }
      settle();
      end(how);
      if (scheduler.isCooperative()) Thread.interrupted(); // its own, and nobody's from now on
    }
    scheduler.leave();
    return null;
  }

  private void end(Object how) {
    outcome = how;
    body = null;
    greenlet = null;
    start = null;
    lastWait = null;
    interrupts = null;
    unwoundChild = null;
    raisedInChild = null;
    raisedAfterInterrupt = null;
    Throwable thrown = Outcome.thrown(how);
    if (thrown instanceof GreenletExit) thrown = null;
    if (scheduler.observation != null) scheduler.observation.ends(this);
    scheduler.still++;
    try {
      callLinks();
      if (home != null) home.ended(this, thrown);
      else if (thrown != null && asking == 0) scheduler.report(this, thrown);
      if (locals != null) closeAll(locals.values());
      locals = null;
    } catch (Throwable t) { // out of stack, or of memory
      scheduler.report(this, t);
    } finally {
      scheduler.still--;
      scheduler.remove(this);
    }
  }

  private void callLinks() {
    List<Runnable> toCall = links;
    links = null;
    if (toCall == null) return;
    for (Runnable link : toCall) {
      try {
        link.run();
      } catch (Throwable t) {
        scheduler.report(this, t);
      }
    }
  }

  private void closeAll(Collection<Object> values) {
    for (Object value : values) {
      if (!(value instanceof AutoCloseable closeable)) continue;
      try {
        closeable.close();
      } catch (Throwable t) {
        scheduler.report(this, t);
      }
    }
  }

  /** Its name and state; for people, and not fixed. */
  @Override
  public String toString() {
    return "Task[" + name() + ", " + state() + "]";
  }

  /**
   * What it waits for. Called in the hub's thread.
   *
   * @return a text for people; null if it does not wait
   */
  public @Nullable String waitsFor() {
    if (blocked != null) return blocked.toString();
    return waiter == null || waiter.isOver() ? null : waiter.toString();
  }

  /** What it waits for, too. */
  String description() {
    Waiter<?> pending = waiter;
    Blocked wait = blocked;
    if (wait != null) return this + " is " + wait;
    return this + (pending == null ? "" : " waits for " + pending);
  }

  @Override
  String hubName() {
    return scheduler.hub.name();
  }

  @Override
  String ending() {
    Throwable thrown = exception();
    return thrown == null ? "successful" : thrown instanceof GreenletExit ? "killed" : "failed";
  }

  private String state() {
    if (outcome != null) return ending();
    if (!started) return "unstarted";
    return scheduler.current == this ? "running" : blocked != null ? "blocked" : "suspended";
  }
}
