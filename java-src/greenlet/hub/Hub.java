package greenlet.hub;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.RootLocal;
import greenlet.Scheduler;
import greenlet.Snapshot;
import java.io.IOException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.SelectableChannel;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs {@linkplain Task tasks}, which are greenlets that wait for each other, for the time and for what other threads do:
 * where one waits, the next that is ready runs. The model is that of Python's <a href="https://www.gevent.org">gevent</a>.
 *
 * <pre>{@code
 * String both = Hub.realTime().run(() -> {
 *   Task<String> a = Hub.current().spawn(() -> { Hub.sleep(Duration.ofMillis(20)); return "a"; });
 *   Task<String> b = Hub.current().spawn(() -> { Hub.sleep(Duration.ofMillis(10)); return "b"; });
 *   return a.result() + b.result();
 * });
 * }</pre>
 *
 * <p><b>Order.</b> The tasks of a hub run in one thread, one at a time, and give way only where they wait: in one of the
 * static methods here, in {@link Task#join}, {@link Task#result}, {@link Task#kill} and {@link Waiter#await}, from any depth
 * of calls, also within the body of a generator that a task pulls from. Those that are ready run in the order in which they
 * became so, in rounds: timers, and what other threads have sent, are looked at when all that were ready before have had
 * their turn. Timers that are due fire in the order of their times, and of their making where these are equal.
 *
 * <p><b>Loops.</b> A hub of {@link #realTime} or {@link #virtualTime} is run by {@link #run}, in the thread that calls it,
 * which blocks while nobody is ready. One that was made by {@link #on} lives in somebody else's event loop and never blocks
 * that. {@link #current} is the hub of the calling thread, made at the first use of it where it has none: what waits
 * outside of any task runs that hub until the wait is over.
 *
 * <p><b>Virtual time</b> stands still while a task is ready, and then jumps to the next timer. It knows nothing of other
 * threads: what a task waits for outside of the hub takes no time while timers are left, and the hub waits for it really
 * when none are; unless it was told to hold the clock meanwhile.
 *
 * <p><b>Errors.</b> An exception ends its task and is kept for whoever asks for the {@linkplain Task#result result}. Where
 * nobody is asking when the task ends, the {@linkplain #onFailure handler} of the hub gets it, which by default is the
 * thread's handler of uncaught exceptions; other tasks go on. In a {@link #scope} it ends the scope instead. Where every
 * task waits, and there is nothing left that could wake one, that is a {@link LoopExit} in the task that {@code run} runs.
 *
 * <p><b>Threads.</b> {@link #spawn}, {@link #execute}, {@link Waiter#wake} and all of {@link Task} may be called from any thread.
 * To wait for a task of another thread's hub is to wait in one's own. The hub's own {@link #join} and {@link #tasks}, and what
 * awaits a {@link Waiter}, are for the hub's thread; others get a {@link WrongThreadException}.
 */
public final class Hub implements Executor, Snapshot.Source {
  /** The one that runs in the thread, if there is one. */
  static final RootLocal<@Nullable Hub> OF_ROOT = new RootLocal<>();

  static final String BODY = "there is no body to run";
  static final String LIMIT = "a limit is needed; where there is none, call the body itself";
  private static final int OFFLOAD_BOUND = 256;
  private static final String SOURCE = "there is nothing to wait for";

  final TaskScheduler scheduler;
  final Waiter.Places places = new Waiter.Places(this, OFFLOAD_BOUND);
  private @Nullable Duration watchdogLimit;
  private @Nullable String name;
  private final EventLoop loop;

  Hub(EventLoop loop) {
    this.loop = loop;
    scheduler = new TaskScheduler(this, loop);
  }

  // Making

  /**
   * A new hub whose time is that of {@link System#nanoTime}.
   *
   * @return the hub, for {@link #run}
   */
  public static Hub realTime() {
    return new Hub(new EventLoop.RealTime());
  }

  /**
   * A new hub whose time jumps to the next timer as soon as no task is ready: for simulations, and for tests. The same
   * program leaves the same trace every time.
   *
   * @return the hub, for {@link #run}
   */
  public static Hub virtualTime() {
    return virtualTime(false);
  }

  /**
   * A new hub whose time jumps to the next timer as soon as no task is ready.
   *
   * @param hold whether time stands still as well while a task waits for something outside of the hub, such as a future;
   *     so a limit on that never runs out, and what only a timer could bring about never comes
   * @return the hub, for {@link #run}
   */
  public static Hub virtualTime(boolean hold) {
    return new Hub(new EventLoop.VirtualTime(hold));
  }

  /**
   * A new hub within an event loop of somebody else's, such as that of a GUI toolkit. It runs in turns, a round of the tasks
   * that are ready in each, and never blocks the thread. Its timers are the JDK's.
   *
   * @param executor runs what it is given later, always in the same thread, that of the event loop
   * @return the hub; it runs on its own as soon as it has tasks
   */
  public static Hub on(Executor executor) {
    return on(executor, null);
  }

  /**
   * A new hub within an event loop of somebody else's; see {@link #on(Executor)}.
   *
   * @param executor runs what it is given later, always in the same thread, that of the event loop
   * @param timers tells the time; null for the JDK's own
   * @return the hub; it runs on its own as soon as it has tasks
   */
  public static Hub on(Executor executor, @Nullable ScheduledExecutorService timers) {
    return new Hub(new GuestLoop(require(executor, "a hub needs an executor to run on"), timers));
  }

  /**
   * The hub of the calling thread: the one whose task, or whose turn, is running here; else the thread's own, of real time,
   * which is made at first use and runs while something outside of its tasks waits.
   *
   * @return the hub
   */
  public static Hub current() {
    Hub here = OF_ROOT.get();
    if (here != null) return here;
    Hub made = realTime();
    Scheduler outer = made.scheduler.enter();
    if (outer != null) Scheduler.register(outer);
    return made;
  }

  /**
   * The hub of the calling thread, as {@link #current}, but none is made.
   *
   * @return the hub; null where the thread has none
   */
  public static @Nullable Hub currentIfAny() {
    return OF_ROOT.get();
  }

  // Running

  /**
   * Runs {@code body} as a task, and this hub in the calling thread, until that task has ended. Then kills the others, and
   * returns when all have ended, so that their {@code finally} blocks have run.
   *
   * @param body what the task runs
   * @param <T> the type of its result
   * @return the result of the body; what it throws comes out of this call
   * @throws IllegalStateException within a task, or if this hub runs already or is one of an event loop of somebody else's
   */
  public <T extends @Nullable Object> T run(Callable<? extends T> body) {
    return scheduler.run(require(body, BODY));
  }

  /**
   * As {@link #run(Callable)}, for a body without a result.
   *
   * @param body what the task runs
   */
  public void run(Task.Action body) {
    run(callable(body));
  }

  /**
   * A new task of this hub: it is ready, and runs when its turn comes. Within a {@link #scope} it belongs to that. May be
   * called from any thread, also before the hub is {@link #run}. What comes while the hub ends is killed.
   *
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   * @throws RejectedExecutionException if the hub has been run, and is not running again: nothing would run the task
   */
  public <T extends @Nullable Object> Task<T> spawn(Callable<? extends T> body) {
    return scheduler.spawn(null, null, require(body, BODY));
  }

  /**
   * As {@link #spawn(Callable)}, for a body without a result.
   *
   * @param body what it runs
   * @return the task
   */
  public Task<?> spawn(Task.Action body) {
    return spawn(callable(body));
  }

  /**
   * A new task of this hub with a name; see {@link #spawn(Callable)}.
   *
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawn(
      @Nullable String name, Callable<? extends T> body) {
    return scheduler.spawn(null, name, require(body, BODY));
  }

  /**
   * As {@link #spawn(String, Callable)}, for a body without a result.
   *
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @return the task
   */
  public Task<?> spawn(@Nullable String name, Task.Action body) {
    return spawn(name, callable(body));
  }

  /**
   * A new task of this hub that becomes ready later. May be called from any thread.
   *
   * @param delay how much later
   * @param name what {@link Task#name} returns; null for one that is made up
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawnLater(
      Duration delay, @Nullable String name, Callable<? extends T> body) {
    require(delay, "a task that is to run later needs a delay");
    return scheduler.spawn(delay, name, require(body, BODY));
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
    return spawnLater(delay, name, callable(body));
  }

  /**
   * Has a new task run something. May be called from any thread, so that this hub can be given to whatever takes an
   * executor.
   *
   * @param body what it runs
   * @throws RejectedExecutionException as {@link #spawn(Callable)}
   */
  @Override
  public void execute(Runnable body) {
    spawn(Executors.callable(require(body, BODY)));
  }

  /** Waits until this hub has no tasks, but for the one that calls. Called from its thread. */
  public void join() {
    scheduler.join();
  }

  /**
   * Its tasks that have not ended, in the order in which they were made. Called from its thread.
   *
   * @return a list of its own
   */
  public List<Task<?>> tasks() {
    scheduler.requireHere("be asked for the tasks of");
    return scheduler.tasks();
  }

  /**
   * Says who hears of exceptions that end a task and that nobody is asking for. Called from its thread, or before it runs.
   *
   * @param handler gets the task and the exception, in the task that is ending, and must not wait
   * @return this hub
   */
  public Hub onFailure(BiConsumer<? super Task<?>, ? super Throwable> handler) {
    scheduler.setHandler(require(handler, "a hub needs a handler for failures"));
    return this;
  }

  /**
   * Has exceptions that nobody is asking for end {@link #run}, and no handler hear of them: for tests. The first one ends the body,
   * in its pending wait or its next one, and the others; it comes out of {@code run} when all tasks have ended, with what other
   * exceptions there were suppressed on it. Called from its thread, or before it runs.
   *
   * @return this hub
   * @throws IllegalStateException if the hub is in somebody else's event loop, and is not run
   */
  public Hub raiseFailures() {
    scheduler.raiseFailures();
    return this;
  }

  /**
   * Limits how long, in real time, a hub of virtual time waits for what is outside of it, such as a future, while no timer is left
   * or the clock is held: for tests, which then end in a {@link LoopExit} rather than never. Called from its thread, or before it
   * runs.
   *
   * @param limit how long at most at a time
   * @return this hub
   * @throws IllegalStateException if the hub's time is real
   */
  public Hub patience(Duration limit) {
    loop.setPatience(require(limit, "a hub's patience has a limit, or need not be set"));
    return this;
  }

  /**
   * Has every blocking call of the JDK in a task be a wait of that task: in locks, monitors (from JDK 24 on), conditions, queues,
   * futures, sockets, channels, {@code Thread.sleep} and {@code Thread.yield}; at any depth, also in a greenlet within the task and
   * in the body of a generator that it pulls from. The other tasks go on meanwhile. One task runs at a time as before, but any call
   * may be a place where others run.
   *
   * <p>On every engine, the greenlets of such a hub are virtual threads that the hub's thread carries: each task has an identity,
   * thread-locals and locks of its own. They are a tree of their own, and out of reach for the thread's other greenlets. A kill, or
   * a limit that runs out, interrupts the task's thread; what the JDK throws then is suppressed on the {@code GreenletExit} or the
   * {@code TimeoutException}. What cannot be interrupted ends when it is granted, and the limit strikes then. Callbacks, such as
   * links, timers and handlers, must not block: the thread waits for them.
   *
   * <p>Called before the hub has tasks.
   *
   * @return this hub
   * @throws IllegalStateException if the JVM was started without {@code --add-opens java.base/java.lang=ALL-UNNAMED} or cannot have
   *     it, if this hub has begun, or if it has virtual time and holds it. {@link #run} throws it in a virtual thread
   */
  public Hub cooperative() {
    scheduler.cooperate();
    if (watchdogLimit != null) scheduler.checkDeadlocks(watchdogLimit);
    return this;
  }

  /**
   * Finds tasks of this hub that are blocked by each other: circles in which each waits, without a limit of time, for a lock of the
   * JDK's that the next one holds. Only what the JVM tells is found, nothing is guessed. The owners of a {@code ReentrantLock}, or of
   * another lock of {@code java.util.concurrent} with an exclusive owner, are known if the JVM was started with {@code --add-opens
   * java.base/java.util.concurrent.locks=ALL-UNNAMED}; those of monitors from JDK 25 on, with {@code --add-opens
   * java.base/jdk.internal.vm=ALL-UNNAMED}, which also serves for the continuation engine. Called from this hub's thread.
   *
   * @return the circles, each with its tasks in the order in which they wait for each other; empty for a hub that is not cooperative
   * @throws IllegalStateException if the JVM tells of neither: names the flags
   */
  public List<List<Task<?>>> deadlocks() {
    return scheduler.deadlocks();
  }

  /**
   * Limits how long, in real time, {@link #run} of a cooperative hub waits at its end for tasks that are blocked in the JDK although
   * they have been killed. They are given up then: they count as killed, never go on, and keep what they hold. Without a limit the
   * run waits for them, and logs who they are every ten seconds, as a warning of the {@link System.Logger} "greenlet.hub". Called
   * before the hub runs, or from its thread.
   *
   * @param limit how long
   * @return this hub
   * @throws IllegalStateException if this hub is not cooperative
   */
  public Hub grace(Duration limit) {
    scheduler.setGrace(require(limit, "a limit for the end is needed, or none at all"));
    return this;
  }

  /**
   * Logs each task that holds this hub's thread for longer than a limit, as a warning of the {@link System.Logger} named after this
   * class, with the task's stack where that is known. See {@link #watchdog(Duration, Consumer)}.
   *
   * @param limit how long a task may hold the thread, above zero
   * @return this hub
   * @throws IllegalArgumentException if the limit is not above zero
   * @throws WrongThreadException if the hub runs in another thread
   */
  public Hub watchdog(Duration limit) {
    return watchdog(limit, Held::log);
  }

  /**
   * Reports each task that holds this hub's thread for longer than a limit: it computes, or blocks in the JDK, and no other task can
   * run. Each such time is reported once. A hub that sleeps or has nothing to do holds nothing; neither does a hub of somebody else's
   * event loop between its turns, nor code outside of tasks.
   *
   * <p>In a cooperative hub, tasks that are blocked for longer than the limit and are in a {@linkplain #deadlocks deadlock} are
   * logged, once, as a warning of the {@link System.Logger} "greenlet.hub", as far as their locks' owners can be known.
   *
   * <p>One daemon thread serves all hubs of the JVM. It looks several times within the limit, which costs the tasks nothing, and ends
   * when no running hub has a watchdog. Time is real, also for a hub of virtual time. A report comes up to a quarter of the limit late.
   * Called from the hub's thread, or before it runs. Replaces a watchdog that was set before.
   *
   * @param limit how long a task may hold the thread, above zero; less than a millisecond counts as one
   * @param handler gets each report, in the watchdog's thread. It should return soon, as no hub is watched meanwhile. What it throws
   *     goes to that thread's handler of uncaught exceptions, and the watchdog goes on
   * @return this hub
   * @throws IllegalArgumentException if the limit is not above zero
   * @throws WrongThreadException if the hub runs in another thread
   */
  public Hub watchdog(Duration limit, Consumer<? super Held> handler) {
    require(limit, "a watchdog needs a limit of time");
    require(handler, "a watchdog needs a handler for what it reports");
    if (!limit.isPositive())
      throw new IllegalArgumentException(
          "the limit of a watchdog is a time above zero; got " + Timers.text(limit));
    if (loop.root() != null) scheduler.requireHere("set the watchdog of");
    if (scheduler.watchdog != null) scheduler.watchdog.end();
    scheduler.watchdog = new Watchdog<>(new Turns(handler), Timers.nanos(limit));
    watchdogLimit = limit;
    scheduler.checkDeadlocks(limit);
    if (loop.root() != null) scheduler.watchdog.begin();
    return this;
  }

  /**
   * Says how this hub's thread sleeps while no task is ready. The hub closes the sleeper when it has run, or gets another one.
   * Called from its thread, or before it runs.
   *
   * @param sleeper the new one
   * @return this hub
   * @throws IllegalStateException if the hub is in somebody else's event loop
   */
  public Hub sleeper(Sleeper sleeper) {
    require(sleeper, "a hub needs a sleeper");
    if (loop.root() != null) scheduler.requireHere("set the sleeper of");
    loop.setSleeper(sleeper);
    return this;
  }

  /**
   * Sets how many calls {@link #offload} runs at a time, each in a thread of its own. Further ones wait in order; a wait can be given
   * up by a limit or a kill. A call that was given up counts until it has ended. The bound is 256 unless set: a call that blocks a
   * virtual thread on a file takes one of the carriers of virtual threads, of which the JDK makes no more than 256. What {@link
   * #awaitFuture} and {@link Waiter#wakeWith} start does not count. If an offloaded call waits for another one of the same hub, the
   * bound must be larger than such a chain is long. Called from the hub's thread, or before it runs.
   *
   * @param bound how many, 1 or more
   * @return this hub
   * @throws IllegalArgumentException if the bound is less than 1
   * @throws WrongThreadException if the hub runs in another thread
   */
  public Hub offloadBound(int bound) {
    if (bound < 1)
      throw new IllegalArgumentException(
          "a hub needs 1 thread or more to offload to: got " + bound);
    if (loop.root() != null) scheduler.requireHere("set the bound of the offloaded calls of");
    places.setBound(bound);
    return this;
  }

  /**
   * The time of this hub. Called from its thread.
   *
   * @return how long ago it was made, by its own clock
   */
  public Duration time() {
    return Duration.ofNanos(loop.now());
  }

  /**
   * Whether the calling thread is the one that this hub runs in. May be asked in any thread.
   *
   * @return false as well if it has not begun to run
   */
  public boolean isHere() {
    return loop.isHere();
  }

  // Looking

  /**
   * Gives it a name, which its text and its {@linkplain #tell snapshots} have. Called before it runs, or from its thread.
   *
   * @param newName the name
   * @return this hub
   */
  public Hub named(String newName) {
    name = require(newName, "a name is needed");
    return this;
  }

  /**
   * Its name.
   *
   * @return the name it was given, or one that is made up
   */
  public String name() {
    return name != null ? name : "hub-" + Integer.toHexString(hashCode());
  }

  /**
   * Has {@link Snapshot#ofKnown} look at it, for as long as somebody else holds it; from now on it notes since when each task waits.
   * Called before it runs, or from its thread.
   *
   * @return this hub
   */
  public Hub known() {
    scheduler.know();
    return this;
  }

  /**
   * Has somebody see what happens to its tasks. Called before it runs, or from its thread.
   *
   * @param listener is told, in this hub's thread, and must neither wait nor switch
   * @return this hub
   */
  public Hub addListener(Task.Listener listener) {
    scheduler.addListener(require(listener, "nobody to tell what happens to tasks"));
    return this;
  }

  /**
   * Takes back {@link #addListener}. Called from its thread, or while it does not run.
   *
   * @param listener who is not to be told any longer
   */
  public void removeListener(Task.Listener listener) {
    scheduler.removeListener(require(listener, "there is no listener to remove"));
  }

  /**
   * Begins to keep accounts of its tasks, or ends that; see {@link Task#account}. Called before it runs, or from its thread.
   *
   * @param keep whether to
   * @param stacks whether to note the stack of whoever spawns a task, which costs some time at each
   * @return this hub
   */
  public Hub accounting(boolean keep, boolean stacks) {
    scheduler.account(keep, stacks);
    return this;
  }

  /**
   * Limits how long a task may hold the thread without giving way, by real time: one that has held it for longer gets a {@link
   * HeldTooLong} out of its next wait, once. What it waits for has not been asked for then. Nothing stops it before; to hear of a
   * task that never waits is what a {@link #watchdog(Duration)} is for. Called before it runs, or from its thread.
   *
   * @param limit how long
   * @return this hub
   */
  public Hub maxHold(Duration limit) {
    require(limit, "a hold needs a limit of time");
    if (!limit.isPositive())
      throw new IllegalArgumentException(
          "how long a task may hold the thread is a time above zero; got " + Timers.text(limit));
    scheduler.setMaxHold(Timers.nanos(limit));
    return this;
  }

  /**
   * Bounds how long a turn of this hub takes, which lives in somebody else's event loop, so that the loop stays smooth: after the task
   * in which that time is used up no other has its turn, and the event loop goes on. What is left of those that are ready, which {@link
   * #stats} tells, comes first in the next turn. Called before it has tasks, or from its thread.
   *
   * @param limit how long
   * @return this hub
   * @throws IllegalStateException if the hub has its thread for itself
   */
  public Hub turnTime(Duration limit) {
    require(limit, "a turn needs a limit of time");
    if (!limit.isPositive())
      throw new IllegalArgumentException(
          "the limit of a turn is a time above zero; got " + Timers.text(limit));
    loop.setTurnTime(limit);
    return this;
  }

  /** A task has held the thread of its hub for longer than its {@link #maxHold}. */
  public static final class HeldTooLong extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    HeldTooLong(String message) {
      super(message);
    }
  }

  /**
   * How many tasks there are, and how they stand. May be called from any thread; elsewhere than in its own the figures may be a little
   * off.
   *
   * @return the figures
   */
  public Stats stats() {
    return scheduler.stats();
  }

  /**
   * Its tasks that have not ended, for whoever looks. May be called from any thread, as {@link #tell}.
   *
   * @return a list of its own
   */
  public List<Task<?>> seenTasks() {
    return scheduler.seenTasks();
  }

  /**
   * The figures of a hub.
   *
   * @param tasks how many have not ended
   * @param ready how many of them wait for their turn alone
   * @param sleeping how many wait for the time, or are to begin later
   * @param waiting how many wait for something else
   * @param blocked how many the JDK has suspended, in a cooperative hub
   * @param timers how many timers are set, those of limits too
   * @param rounds how many rounds there have been
   * @param lag how late the last timer fired that was due
   * @param mostLag how late any has fired at most
   */
  public record Stats(
      int tasks,
      int ready,
      int sleeping,
      int waiting,
      int blocked,
      int timers,
      long rounds,
      Duration lag,
      Duration mostLag) {}

  /**
   * Tells of this hub and its tasks, each below the one whose scope it belongs to, and what there is within them. May be called from
   * any thread. One that is not its own waits for a moment for the answer of the hub's; where a task holds that, it looks by itself,
   * and may miss what changes just now.
   *
   * @param listener gets each
   */
  @Override
  public void tell(Snapshot.Listener listener) {
    scheduler.tell(require(listener, "nobody to tell of the tasks"));
  }

  // Waiting

  /**
   * Has the current task wait, for no time at all or for longer; others that are ready have their turn in any case.
   *
   * @param duration how long, at least
   */
  public static void sleep(Duration duration) {
    require(duration, "a time to sleep is needed; Duration.ZERO lets the others have their turn");
    current().scheduler.sleep(duration);
  }

  /**
   * Runs {@code body} in the current task, for a limited time. When that is over, the pending wait in the body, or its next
   * one, throws an error that is caught here; an inner limit does not catch it.
   *
   * <p>In the body of a generator, a limit counts while that body runs, by the clock of the hub whose task it runs in. While the
   * body is suspended by a yield the limit is put aside: it never strikes the consumer, however that traverses.
   *
   * @param limit how long
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   * @throws TimeoutException if the limit ended the body: says what that was waiting for, and has a cause whose stack trace says
   *     where
   */
  public static <T extends @Nullable Object> T timeout(Duration limit, Callable<? extends T> body)
      throws TimeoutException {
    return new Scope.Limit(here(), require(limit, LIMIT), null).call(require(body, BODY));
  }

  /**
   * As {@link #timeout(Duration, Callable)}, for a body without a result.
   *
   * @param limit how long
   * @param body what to run
   * @throws TimeoutException if the limit ended the body
   */
  public static void timeout(Duration limit, Task.Action body) throws TimeoutException {
    timeout(limit, callable(body));
  }

  /**
   * Runs {@code body} in the current task, for a limited time, and something else where it is over. See
   * {@link #timeout(Duration, Callable)}.
   *
   * @param limit how long
   * @param body what to run
   * @param otherwise what to run then, without a limit: only if this limit ran out, not for one within or outside of it
   * @param <T> the type of the result
   * @return the result of one of the two; what it throws comes out of this call
   */
  public static <T extends @Nullable Object> T timeout(
      Duration limit, Callable<? extends T> body, Callable<? extends T> otherwise) {
    require(otherwise, "a limit needs something to run where it runs out, or none at all");
    return new Scope.Limit(here(), require(limit, LIMIT), otherwise).call(require(body, BODY));
  }

  /**
   * As {@link #timeout(Duration, Callable, Callable)}, for bodies without a result.
   *
   * @param limit how long
   * @param body what to run
   * @param otherwise what to run then
   */
  public static void timeout(Duration limit, Task.Action body, Task.Action otherwise) {
    timeout(limit, callable(body), callable(otherwise));
  }

  /**
   * Runs {@code body} in the current task as a scope: tasks that are spawned within it, by it or by its tasks, end with it.
   * When the body ends, those that are left are killed, and this returns when all have ended. If one of them, or the body,
   * ends with an exception, that ends the others and the body; it comes out of this call when all have ended, with what
   * other exceptions there were suppressed on it.
   *
   * <p>In the body of a generator, the scope owns what that body spawns while it runs, and nothing that the consumer spawns. Its
   * tasks go on while the body is suspended by a yield; if one of them fails then, the body is ended when it is resumed. The body
   * may be resumed by any task of the same hub.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   * @throws WrongThreadException if the body of a generator that this is called in has been resumed by another hub: its tasks are
   *     killed then, and not waited for
   */
  public static <T extends @Nullable Object> T scope(Callable<? extends T> body) {
    return new Scope.Tasks(here()).call(require(body, BODY), false);
  }

  /**
   * As {@link #scope(Callable)}, for a body without a result.
   *
   * @param body what to run
   */
  public static void scope(Task.Action body) {
    scope(callable(body));
  }

  /**
   * As {@link #scope}, but where the body has ended, its tasks are waited for and not killed.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   */
  public static <T extends @Nullable Object> T joiningScope(Callable<? extends T> body) {
    return new Scope.Tasks(here()).call(require(body, BODY), true);
  }

  /**
   * As {@link #joiningScope(Callable)}, for a body without a result.
   *
   * @param body what to run
   */
  public static void joiningScope(Task.Action body) {
    joiningScope(callable(body));
  }

  /**
   * Has the current task wait until a stage is complete. To give up waiting, by a limit or by being killed, does not touch
   * the stage, which keeps some hundred bytes of each wait until it completes.
   *
   * @param stage what to wait for
   * @param <T> the type of its value
   * @return its value; the exception that it was completed with comes out of this call, without the
   *     {@code CompletionException} around it
   * @throws CancellationException if it was cancelled
   */
  public static <T extends @Nullable Object> T await(CompletionStage<? extends T> stage) {
    return new Waiter<T>(current(), require(stage, SOURCE), true).awaitStage(stage);
  }

  /**
   * Has the current task wait until a callback is called.
   *
   * @param start called at once, to arrange that somebody, in whichever thread, calls {@link Waiter#wake} or
   *     {@link Waiter#fail} of what it is given; what comes after the first such call has no effect
   * @param <T> the type of the value
   * @return the value that the waiter was woken with; the exception that it was failed with comes out of this call
   */
  public static <T extends @Nullable Object> T await(Consumer<? super Waiter<T>> start) {
    var waiter = new Waiter<T>(current(), require(start, SOURCE), true);
    start.accept(waiter);
    return waiter.await();
  }

  /**
   * Rethrows {@code thrown} from the current task's next wait. For code that was told to stop waiting after it had already received
   * its value.
   *
   * @param thrown what came out of the wait
   */
  public static void postpone(Throwable thrown) {
    here().interruptHere(require(thrown, "there is nothing to raise in the next wait"));
  }

  /** Whether a wait has come to its end within a limit. */
  static boolean within(Duration limit, Runnable wait) {
    return timeout(
        limit,
        () -> {
          wait.run();
          return true;
        },
        () -> false);
  }

  /**
   * {@code t} has been thrown while {@code thrown} was on its way, which goes on. A kill or a limit comes out of the task's next wait;
   * anything else is suppressed.
   */
  static void setAside(Throwable t, Throwable thrown) {
    if (t == thrown) return;
    if (t instanceof GreenletExit || t instanceof Signal) postpone(t);
    else thrown.addSuppressed(t);
  }

  /**
   * Calls something in the thread that runs the current hub, outside of any task, while the current task waits. In a cooperative hub
   * a task has a thread of its own; so what asks which thread it runs in, as GUI toolkits do, is to be called by this. Outside of
   * tasks it is just called.
   *
   * @param call what to call; must not wait in the hub. If the wait is given up, by a limit or a kill, it is called all the same
   * @param <T> the type of its result
   * @return its result; what it throws comes out of this call
   */
  public static <T extends @Nullable Object> T inHost(Callable<? extends T> call) {
    return current()
        .scheduler
        .inHost(require(call, "there is nothing to call in the hub's thread"));
  }

  /**
   * As {@link #inHost(Callable)}, for a call without a result.
   *
   * @param call what to call
   */
  public static void inHost(Task.Action call) {
    inHost(callable(call));
  }

  /**
   * Runs {@code body} in the current task, which is not to give way meanwhile: for what relies on nobody else's running. In a
   * cooperative hub any blocking call gives way. It is not kept from giving way, but told afterwards.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   * @throws IllegalStateException if the task gave way: the cause says where it first did. Where the body throws, this is suppressed
   *     on what it throws
   */
  public static <T extends @Nullable Object> T noSwitch(Callable<? extends T> body) {
    require(body, BODY);
    Task<?> me = here();
    var part = new NoSwitch(me, me.unbroken);
    me.unbroken = part;
    try {
      return part.call(body);
    } finally {
      me.unbroken = part.outer;
    }
  }

  /**
   * As {@link #noSwitch(Callable)}, for a body without a result.
   *
   * @param body what to run
   */
  public static void noSwitch(Task.Action body) {
    noSwitch(callable(body));
  }

  /**
   * Has the current task wait until a channel is ready: a socket, a server socket, a datagram, Unix domain or pipe channel, in
   * non-blocking mode. One task at a time may wait for reading (or accepting), and one for writing (or connecting).
   *
   * <p>The hub's own thread waits in a selector from the first such wait on, until its run ends; one thread of the JVM's waits for
   * all hubs of somebody else's event loops. In virtual time this is outside of the hub. A limit counts by the hub's clock, in
   * milliseconds that are rounded up. The channel stays registered, and so non-blocking, until the hub's run ends.
   *
   * <p>Outside of any task, a thread's own hub runs meanwhile, as in {@link #sleep}; a thread without a hub, and that of a guest,
   * blocks.
   *
   * @param channel what to wait for, in non-blocking mode
   * @param ops which of its operations, as {@link java.nio.channels.SelectionKey} has them, or several
   * @return those that are ready, at least one; an operation may block all the same, and is to be tried again
   * @throws ClosedChannelException if the channel is closed; {@link java.nio.channels.AsynchronousCloseException} if by
   *     {@link #close(Channel)} meanwhile
   * @throws NoSelectorException if the system gives no selector, so that the wait has not begun
   * @throws IOException none other; what is raised in the task, such as by {@link Task#interrupt}, comes out as it is
   * @throws IllegalBlockingModeException if the channel is in blocking mode
   * @throws IllegalArgumentException if the channel has no such operation
   * @throws IllegalStateException if another task waits for it already: names both
   */
  public static int awaitReady(SelectableChannel channel, int ops) throws IOException {
    TaskScheduler here = ofWait(channel);
    return here == null ? Readiness.block(channel, ops, null) : here.awaitReady(channel, ops, null);
  }

  /**
   * As {@link #awaitReady(SelectableChannel, int)}, for a limited time.
   *
   * @param channel what to wait for, in non-blocking mode
   * @param ops which of its operations
   * @param limit how long at most; zero only looks
   * @return those that are ready; 0 if the time is over
   * @throws IOException as there
   */
  public static int awaitReady(SelectableChannel channel, int ops, Duration limit)
      throws IOException {
    require(limit, LIMIT);
    TaskScheduler here = ofWait(channel);
    return here == null
        ? Readiness.block(channel, ops, limit)
        : here.awaitReady(channel, ops, limit);
  }

  /** Whose task waits; null where the thread is to block. */
  private static @Nullable TaskScheduler ofWait(SelectableChannel channel) {
    require(channel, "there is no channel to wait for");
    Hub here = currentIfAny();
    if (here == null || (here.loop instanceof GuestLoop && !here.scheduler.isInTask())) return null;
    return here.scheduler;
  }

  /**
   * Closes a channel. Who waits for it, in whichever hub, goes on with an {@link java.nio.channels.AsynchronousCloseException}; its
   * own {@code close} would wake nobody. The descriptor is given back when the hubs that have waited for it have looked again,
   * which is at once where they sleep. May be called from any thread, and again.
   *
   * @param channel what to close
   * @throws IOException if closing throws it
   */
  public static void close(Channel channel) throws IOException {
    Readiness.close(require(channel, "there is no channel to close"));
  }

  /**
   * Runs what blocks in a virtual thread of its own, while the current task alone waits. If the wait is given up, by a limit
   * or by a kill, that thread is interrupted, and not waited for. A hub has a {@linkplain #offloadBound bound} of such threads at a
   * time; if they are all in use, the task first waits, in order, until one has ended.
   *
   * @param call what to run
   * @param <T> the type of its result
   * @return its result; what it throws comes out of this call
   */
  public static <T extends @Nullable Object> T offload(Callable<? extends T> call) {
    require(call, "there is nothing to run in another thread");
    return current().places.call(call);
  }

  /**
   * As {@link #offload(Callable)}, for a call without a result.
   *
   * @param call what to run
   */
  public static void offload(Task.Action call) {
    offload(callable(call));
  }

  /**
   * Waits until a future is done, as {@link #offload} of {@code future.get()} would: a virtual thread of its own waits for it.
   * One that is a {@code CompletableFuture} needs none: call {@link #await(CompletionStage)}. To give up does not touch the
   * future.
   *
   * @param future what to wait for
   * @param <T> the type of its value
   * @return its value; the exception that it ended with comes out of this call, without the {@code ExecutionException} around it
   * @throws CancellationException if it was cancelled
   */
  public static <T extends @Nullable Object> T awaitFuture(Future<? extends T> future) {
    require(future, SOURCE);
    return new Waiter<T>(current(), future, true)
        .awaitCall(() -> Waiter.get(future), future::isDone);
  }

  /** Calls what must not be left in the midst: in a cooperative hub, where it blocks, nobody goes on. */
  static int standing(IntSupplier call) {
    Hub here = OF_ROOT.get();
    if (here == null) return call.getAsInt();
    here.scheduler.still++;
    try {
      return call.getAsInt();
    } finally {
      here.scheduler.still--;
    }
  }

  /** The task that runs in the calling thread, or the placeholder for code outside of any. */
  private static Task<?> here() {
    return current().scheduler.current();
  }

  static Callable<@Nullable Void> callable(Task.Action action) {
    require(action, BODY);
    return () -> {
      try {
        action.run();
        return null;
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    };
  }

  /** Refuses null; {@code need} says what is missing. */
  static <X> X require(@Nullable X given, String need) {
    if (given == null) throw new IllegalArgumentException(need + ": got null");
    return given;
  }

  /** A hub cannot go on: all wait, and nothing is left that could wake one, or nothing has within the hub's patience. The message lists the tasks. */
  public static final class LoopExit extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    private final transient List<Task<?>> tasks;

    LoopExit(String message, List<Task<?>> tasks) {
      super(message);
      this.tasks = tasks;
    }

    /**
     * All tasks of the hub at that time.
     *
     * @return the tasks, in the order in which they were made
     */
    public List<Task<?>> tasks() {
      return tasks;
    }
  }

  /**
   * The report of a {@linkplain #watchdog watchdog}: a task has held the thread of its hub for too long.
   *
   * @param task the task
   * @param since when it was first seen to hold the thread; it may have begun a little earlier
   * @param duration for how long it has been seen to hold the thread, in real time
   * @param stack what the task has on the stack of the hub's thread, the innermost frame first. Empty where tasks run in virtual threads
   *     of their own, where the hub's thread is virtual, and where the task has just given way
   * @param missing why the stack is empty, or lacks what the task runs in a virtual thread; null if it is whole
   * @param lastWait what the task waited for last: the last known place of a task without a stack. Null if it has not waited since the
   *     watchdog was set
   */
  public record Held(
      Task<?> task,
      Instant since,
      Duration duration,
      List<StackTraceElement> stack,
      @Nullable String missing,
      @Nullable String lastWait) {
    /**
     * Copies the stack.
     *
     * @param task the task
     * @param since when it was first seen to hold the thread
     * @param duration for how long it has been seen to hold the thread
     * @param stack what the task has on the stack of the hub's thread
     * @param missing why the stack is not whole, or null
     * @param lastWait what the task waited for last, or null
     */
    public Held {
      stack = List.copyOf(stack);
    }

    private void log() {
      Throwable where = null;
      if (!stack.isEmpty()) {
        where = new Throwable("the stack of " + task.name());
        where.setStackTrace(stack.toArray(StackTraceElement[]::new));
      }
      System.getLogger(Hub.class.getName()).log(System.Logger.Level.WARNING, toString(), where);
    }

    /** A line without the stack; for people, and not fixed. */
    @Override
    public String toString() {
      return "%s has held the thread of %s for %s, since %s%s%s"
          .formatted(
              task,
              task.hub(),
              Timers.text(duration.truncatedTo(ChronoUnit.MILLIS)),
              since,
              lastWait == null ? "" : "; it waited last for " + lastWait,
              missing == null ? "" : "; " + missing);
    }
  }

  /** Whose turn it is, for the watchdog. */
  private final class Turns implements Watchdog.Turns<Task<?>> {
    private final Consumer<? super Held> handler;

    Turns(Consumer<? super Held> handler) {
      this.handler = handler;
    }

    @Override
    public @Nullable Thread thread() {
      Greenlet root = loop.root();
      return root != null && root.thread().isAlive() ? root.thread() : null;
    }

    @Override
    public @Nullable Task<?> holder() {
      Task<?> current = scheduler.current;
      return current == null || scheduler.isOutsider(current) ? null : current;
    }

    @Override
    public int count() {
      return loop.ready.turns();
    }

    @Override
    public boolean areOnThread() {
      return !scheduler.isCooperative() && Greenlet.engine().startsWith("continuation");
    }

    @Override
    public void report(
        Task<?> task, Duration time, List<StackTraceElement> stack, @Nullable String missing) {
      handler.accept(
          new Held(task, Instant.now().minus(time), time, stack, missing, lastWait(task)));
    }

    private static @Nullable String lastWait(Task<?> task) {
      Object last = task.lastWait;
      try {
        return last == null ? null : last.toString();
      } catch (RuntimeException e) { // it is another thread's
        return "something whose text cannot be had: " + e;
      }
    }
  }

  @Override
  public String toString() {
    String ofDriver = loop.name();
    if (ofDriver != null) return ofDriver;
    Greenlet root = loop.root();
    return (name == null ? "Hub@" + Integer.toHexString(hashCode()) : "Hub[" + name + "]")
        + (root == null ? "" : " of thread " + EventLoop.describe(root.thread()));
  }
}
