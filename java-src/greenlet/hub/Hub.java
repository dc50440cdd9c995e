package greenlet.hub;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.RootLocal;
import greenlet.Scheduler;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Collectors;
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
 * <p><b>Threads.</b> {@link #spawn}, {@link #execute}, {@link Waiter#wake}, {@link Task#interrupt} and
 * {@link Task#toCompletableFuture} may be called from any thread; everything that waits, from the hub's alone, others get a
 * {@link WrongThreadException}.
 */
public final class Hub implements Executor {
  /*
   * A greenlet that waits or ends gives the control to the next one that is ready, directly. The loop is a greenlet of its
   * own, the parent of all tasks, and runs where nobody is ready. Between one's leaving and the next one's going on,
   * current is null; so where the loop finds that it is not, it has got the control by a switch that was none of the hub's.
   */
  private static final int MOST_TASKS_LISTED = 100;

  /** The one that runs in the thread, if there is one. */
  private static final RootLocal<@Nullable Hub> OF_ROOT = new RootLocal<>();

  private final EventLoop eventLoop;
  private final Queue<Runnable> inbox = new ConcurrentLinkedQueue<>();
  private final TreeSet<Timer> timers = new TreeSet<>();
  private final ArrayDeque<Greenlet> ready = new ArrayDeque<>();

  /** How many of those that are ready have a turn before inbox and timers are looked at. */
  private int left;

  private long timersMade;
  private int waitsForOutside;

  /** In virtual time: waits for what is complete before anybody says so, and what ends them if it is. */
  private final Map<Waiter<?>, BooleanSupplier> polled = new LinkedHashMap<>();

  /** Of the thread that it runs in, while it does. */
  private volatile @Nullable Greenlet root;

  private @Nullable Greenlet loop;
  private BiConsumer<? super Task<?>, ? super Throwable> handler = Hub::handUncaught;

  /** Stands for whatever runs in the thread outside of the tasks; the ring of all tasks begins and ends with it. */
  private final Task<?> outsider = new Task<>(this, "outside of the tasks", () -> null, null);

  /** Who runs; the task whose body {@link #run} was called with. */
  @Nullable Task<?> current = outsider;

  private @Nullable Task<?> main;
  private @Nullable Waiter<@Nullable Object> joiner;
  private boolean ending;
  private int tasks;

  /** For other schedulers that run within this hub's tasks. */
  private final Scheduler scheduler =
      new Scheduler() {
        @Override
        public void await(Object what, boolean fromOutside, Consumer<Runnable> start) {
          var waiter = new Waiter<@Nullable Object>(Hub.this, what, fromOutside);
          waiter.isOfScheduler = true;
          start.accept(() -> waiter.wake(null));
          waiter.await();
        }

        @Override
        public void postpone(Throwable raised) {
          Hub.postpone(raised);
        }

        @Override
        public @Nullable Map<Object, Object> taskLocals() {
          return current == null || current == outsider ? null : current.locals();
        }
      };

  private Hub(EventLoop eventLoop) {
    this.eventLoop = eventLoop;
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
    if (executor == null)
      throw new IllegalArgumentException("a hub needs an executor to run on: got null");
    return new Hub(new EventLoop.Guest(executor, timers));
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
    Scheduler outer = made.enter();
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
    if (eventLoop instanceof EventLoop.Guest)
      throw new IllegalStateException(this + " cannot be run: its executor does that");
    if (root != null) throw new IllegalStateException(this + " cannot be run: it runs already");
    Hub outer = OF_ROOT.get();
    if (outer != null && outer.current != outer.outsider) {
      throw new IllegalStateException(
          this
              + " cannot be run within "
              + outer.current
              + ", which would block "
              + outer
              + "; spawn a task, or use a scope");
    }
    Scheduler outerScheduler = enter();
    try {
      Task<T> task = spawn(body);
      task.isAsked();
      main = task;
      try {
        task.join();
      } finally {
        end();
      }
      return task.result();
    } finally {
      main = null;
      root = null;
      loop = null;
      ending = false;
      OF_ROOT.set(outer);
      Scheduler.register(outerScheduler);
      eventLoop.close();
    }
  }

  /** Becomes the hub and the scheduler of the calling thread; returns the scheduler before. */
  private @Nullable Scheduler enter() {
    loop = Greenlet.of(args -> loop(), Greenlet.current(), "hub");
    root = Greenlet.root();
    OF_ROOT.set(this);
    return Scheduler.register(scheduler);
  }

  /** Kills what is left of the tasks. */
  private void end() {
    boolean interrupted = false;
    ending = true;
    for (Task<?> task : tasks()) task.interruptHere(new GreenletExit());
    while (tasks > 0) {
      try {
        join();
      } catch (Throwable t) {
        if (!(t instanceof InterruptedException)) throw t;
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }

  /**
   * A new task of this hub: it is ready, and runs when its turn comes. Within a {@link #scope} it belongs to that. May be
   * called from any thread.
   *
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> spawn(Callable<? extends T> body) {
    return spawn(null, body);
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
    boolean isHere = isHere();
    Task<T> task = newTask(name, body, isHere);
    inThread(
        isHere,
        () -> {
          if (add(task)) enqueue(task);
        });
    return task;
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
    boolean isHere = isHere();
    Task<T> task = newTask(name, body, isHere);
    inThread(
        isHere,
        () -> {
          if (add(task)) task.start = at(delay, () -> enqueue(task));
        });
    return task;
  }

  private <T extends @Nullable Object> Task<T> newTask(
      @Nullable String name, Callable<? extends T> body, boolean isHere) {
    if (body == null) throw new IllegalArgumentException("a task needs a body to run: got null");
    Task<T> task = new Task<>(this, name, body, isHere && current != null ? current.scope : null);
    Greenlet parent = loop; // read once: another thread may end the run
    // here, for its dynamic bindings
    task.greenlet = Greenlet.of(task::run, parent != null ? parent : Greenlet.current(), name);
    return task;
  }

  /** Whether the new task is to run; not, if what it belongs to is ending. */
  private boolean add(Task<?> task) {
    task.insertBefore(outsider);
    tasks++;
    if (ending || !task.joinScope()) task.interruptHere(new GreenletExit());
    return !task.isDone();
  }

  /**
   * Has a new task run something. May be called from any thread, so that this hub can be given to whatever takes an
   * executor.
   *
   * @param body what it runs
   */
  @Override
  public void execute(Runnable body) {
    spawn(Executors.callable(body));
  }

  /** Waits until this hub has no tasks, but for the one that calls. Called from its thread. */
  public void join() {
    Task<?> me = requireCurrent();
    while (tasks > (me == outsider ? 0 : 1)) {
      var all = new Waiter<@Nullable Object>(this, "the end of all other tasks", false);
      joiner = all;
      try {
        all.await();
      } finally {
        joiner = null;
      }
    }
  }

  /**
   * Its tasks that have not ended, in the order in which they were made. Called from its thread.
   *
   * @return a list of its own
   */
  public List<Task<?>> tasks() {
    requireCurrent();
    List<Task<?>> all = new ArrayList<>(tasks);
    outsider.forEachInRing(all::add);
    return all;
  }

  /**
   * Says who hears of exceptions that end a task and that nobody is asking for. Called from its thread, or before it runs.
   *
   * @param handler gets the task and the exception, in the task that is ending, and must not wait
   * @return this hub
   */
  public Hub onFailure(BiConsumer<? super Task<?>, ? super Throwable> handler) {
    if (handler == null)
      throw new IllegalArgumentException("a hub needs a handler for failures: got null");
    this.handler = handler;
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
    if (sleeper == null) throw new IllegalArgumentException("a hub needs a sleeper: got null");
    if (root != null) requireCurrent();
    eventLoop.setSleeper(this, sleeper);
    return this;
  }

  /**
   * The time of this hub. Called from its thread.
   *
   * @return how long ago it was made, by its own clock
   */
  public Duration time() {
    return Duration.ofNanos(eventLoop.now());
  }

  /**
   * Whether the calling thread is the one that this hub runs in. May be asked in any thread.
   *
   * @return false as well if it has not begun to run
   */
  public boolean isHere() {
    Greenlet mine = root;
    return mine != null && Greenlet.root() == mine;
  }

  // Waiting

  /**
   * Has the current task wait, for no time at all or for longer; others that are ready have their turn in any case.
   *
   * @param duration how long, at least
   */
  public static void sleep(Duration duration) {
    Hub hub = current();
    if (duration.isZero() || duration.isNegative()) {
      hub.yield();
      return;
    }
    var over = new Waiter<@Nullable Object>(hub, null, false);
    Timer timer = hub.at(duration, () -> over.wake(null));
    over.waitsFor = timer;
    try {
      over.await();
    } finally {
      hub.timers.remove(timer);
    }
  }

  /** The current task goes to the end of those that are ready. Of the hub of the calling thread. */
  @SuppressWarnings("NullAway") // it is running
  private void yield() {
    Task<?> me = current;
    me.raiseInterrupt();
    if (me == outsider) eventLoop.requireOwnThread(this);
    ready.add(Greenlet.current());
    park(me);
  }

  /**
   * Runs {@code body} in the current task, for a limited time. When that is over, the pending wait in the body, or its next
   * one, throws an error that is caught here; an inner limit does not catch it.
   *
   * @param limit how long
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   * @throws TimeoutException if the limit ended the body
   */
  public static <T extends @Nullable Object> T timeout(Duration limit, Callable<? extends T> body)
      throws TimeoutException {
    return timeout(
        limit,
        body,
        () -> {
          throw new TimeoutException("a limit of " + text(limit) + " ran out");
        });
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
    Hub hub = current();
    Task<?> me = hub.requireCurrent();
    var signal = new Signal("a limit of " + text(limit) + " ran out");
    Timer timer = hub.at(limit, () -> me.interruptHere(signal));
    try {
      return body.call();
    } catch (Signal s) {
      if (s != signal) throw s;
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    } finally {
      hub.timers.remove(timer);
      me.forget(signal);
    }
    try {
      return otherwise.call();
    } catch (Throwable t) {
      for (Throwable s : signal.getSuppressed()) t.addSuppressed(s);
      throw Sneaky.unchecked(t);
    }
  }

  /**
   * Runs {@code body} in the current task as a scope: tasks that are spawned within it, by it or by its tasks, end with it.
   * When the body ends, those that are left are killed, and this returns when all have ended. If one of them, or the body,
   * ends with an exception, that ends the others and the body; it comes out of this call when all have ended, with what
   * other exceptions there were suppressed on it.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   */
  public static <T extends @Nullable Object> T scope(Callable<? extends T> body) {
    return new Scope(current().requireCurrent()).call(body, false);
  }

  /**
   * As {@link #scope}, but where the body has ended, its tasks are waited for and not killed.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result of the body
   */
  public static <T extends @Nullable Object> T joiningScope(Callable<? extends T> body) {
    return new Scope(current().requireCurrent()).call(body, true);
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
    if (stage == null) throw new IllegalArgumentException("nothing to wait for: got null");
    var waiter = new Waiter<T>(current(), stage, true);
    stage.whenComplete((value, e) -> {
      if (e == null) waiter.wake(value);
      else waiter.fail(unwrapped(e));
    });
    return waiter.await();
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
    if (start == null) throw new IllegalArgumentException("nothing to wait for: got null");
    var waiter = new Waiter<T>(current(), start, true);
    start.accept(waiter);
    return waiter.await();
  }

  /**
   * Has what came out of a wait of the current task come out of its next one instead: for who was to give up waiting, and found
   * that what it waited for has been handed over already.
   *
   * @param thrown what came out of the wait
   */
  public static void postpone(Throwable thrown) {
    if (thrown == null)
      throw new IllegalArgumentException("nothing to raise in the next wait: got null");
    current().requireCurrent().interruptHere(thrown);
  }

  /**
   * Runs what blocks in a virtual thread of its own, while the current task alone waits. If the wait is given up, by a limit
   * or by a kill, that thread is interrupted, and not waited for.
   *
   * @param call what to run
   * @param <T> the type of its result
   * @return its result; what it throws comes out of this call
   */
  public static <T extends @Nullable Object> T offload(Callable<? extends T> call) {
    var waiter = new Waiter<T>(current(), call, true);
    return waiter.awaitOrInterrupt(waiter.wakeWith(call));
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
    if (future == null) throw new IllegalArgumentException("nothing to wait for: got null");
    var waiter = new Waiter<T>(current(), future, true);
    Thread thread =
        waiter.wakeWith(
            () -> {
              try {
                return future.get();
              } catch (ExecutionException e) {
                throw Sneaky.unchecked(unwrapped(e));
              }
            },
            future::isDone);
    return waiter.awaitOrInterrupt(thread);
  }

  private static Throwable unwrapped(Throwable t) {
    return (t instanceof CompletionException || t instanceof ExecutionException)
            && t.getCause() != null
        ? t.getCause()
        : t;
  }

  /**
   * One wait of one task, which is over at the first call of {@link #wake} or {@link #fail}; all that waits is built on it.
   * Made in the hub's thread, for the task that is current there.
   *
   * @param <T> the type of the value that is waited for
   */
  public static final class Waiter<T extends @Nullable Object> {
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
      this.hub = hub;
      this.waitsFor = what;
      this.outside = outside;
    }

    /**
     * Has the current task wait until somebody has called {@link #wake} or {@link #fail}; not at all, where that was before.
     *
     * @return the value; the exception comes out of this call
     * @throws IllegalStateException if another greenlet is waiting for it already
     */
    public T await() {
      if (outcome == null) hub.await(this, hub.requireCurrent());
      return open();
    }

    /** In {@code me}, which is current. */
    T await(Task<?> me) {
      if (outcome == null) hub.await(this, me);
      return open();
    }

    @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
    private T open() {
      try {
        return (T) Outcome.open(outcome);
      } catch (Throwable t) {
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
      if (!hub.eventLoop.isReal()) hub.polled.put(this, () -> endIfComplete(call, isComplete));
      Thread[] thread = new Thread[1];
      // The JDK holds a virtual thread until it ends, unless only an executor does: so what waits
      // for ever can be collected.
      Executors.newThreadPerTaskExecutor(
              r -> thread[0] = Thread.ofVirtual().name("offloaded").unstarted(r))
          .execute(() -> endWith(call));
      return thread[0];
    }

    /** True also where the other thread is about to end it: the task is as good as ready. */
    private boolean endIfComplete(Callable<? extends T> call, BooleanSupplier isComplete) {
      if (!isComplete.getAsBoolean()) return false;
      endWith(call);
      return true;
    }

    private T awaitOrInterrupt(Thread thread) {
      try {
        return await();
      } catch (Throwable t) {
        thread.interrupt();
        throw t;
      }
    }

    private void endWith(Callable<? extends T> call) {
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

    /** Whether what is raised here reaches a task whose greenlet is {@code own}. */
    boolean reaches(@Nullable Greenlet own) {
      return isOfScheduler || greenlet == own;
    }

    private boolean end(Object how) {
      if (!OUTCOME.compareAndSet(this, null, how)) return false;
      hub.inThread(() -> {
        if (greenlet == null) return; // it has seen the outcome before it waited
        hub.ready.add(greenlet);
        greenlet = null;
      });
      return true;
    }

    @Override
    public String toString() {
      return String.valueOf(waitsFor);
    }
  }

  /** Of the current task, {@code me}. */
  private void await(Waiter<?> waiter, Task<?> me) {
    me.raiseInterrupt();
    if (waiter.greenlet != null) {
      throw new IllegalStateException(
          me
              + " cannot wait for "
              + waiter
              + ": "
              + waiter.greenlet
              + " is waiting for it already");
    }
    if (me == outsider) eventLoop.requireOwnThread(this);
    Waiter<?> before = me.waiter;
    me.waiter = waiter;
    waiter.greenlet = Greenlet.current();
    if (waiter.outside) waitsForOutside++;
    try {
      park(me);
      if (!waiter.isOver()) {
        throw new IllegalStateException(
            me
                + " waits for "
                + waiter
                + ", and somebody has switched to it; only its hub may do that");
      }
    } finally {
      waiter.greenlet = null;
      me.waiter = before;
      if (waiter.outside) {
        waitsForOutside--;
        if (!polled.isEmpty()) polled.remove(waiter);
      }
    }
  }

  /** Suspends the greenlet that runs as {@code me}, until it has its turn again. */
  private void park(Task<?> me) {
    current = null;
    Greenlet next = null;
    try {
      next = next();
      next.switchTo();
    } catch (Throwable t) {
      if (current == null) takeBack(next);
      throw t;
    } finally {
      current = me;
    }
  }

  /** The current greenlet could not be suspended, and nothing has happened. */
  private void takeBack(@Nullable Greenlet next) {
    // there is one where it gave way, or has been woken meanwhile
    ready.removeLastOccurrence(Greenlet.current());
    if (next == null || next == loop) return;
    ready.addFirst(next);
    left++;
  }

  /** The end of the current task, whose greenlet gives the control to the next one and not to its parent. */
  void leave() {
    current = null;
    Greenlet next = next();
    if (next != loop) Scheduler.setSuccessor(next);
  }

  /** Takes the next one of those that are ready; the loop, if there is none in this round and nobody may begin another. */
  @SuppressWarnings("NullAway") // called while it runs
  private Greenlet next() {
    if (left == 0 && eventLoop.roundsFollow()) collect();
    return left > 0 ? take() : loop;
  }

  private Greenlet take() {
    left--;
    return ready.remove();
  }

  // The loop

  private @Nullable Object loop() {
    Throwable thrown = null;
    while (true) {
      try {
        if (current != null || thrown != null) expel(thrown);
        else if (left > 0) take().switchTo();
        else endRound();
        thrown = null;
      } catch (Throwable t) {
        thrown = t;
      }
    }
  }

  private void endRound() {
    eventLoop.endRound(this);
    collect();
  }

  /** Somebody has switched to the loop, or thrown into it, on its own. */
  private void expel(@Nullable Throwable thrown) {
    Task<?> intruder = current;
    current = null;
    var refusal =
        new IllegalStateException(
            (intruder == null ? "something" : intruder.toString())
                + " has switched to its hub: tasks "
                + "give way by waiting alone; yield needs a generator around it",
            thrown);
    if (intruder != null && intruder.greenlet != null) intruder.greenlet.throwInto(refusal);
    else failMain(refusal);
  }

  /** Begins a round. */
  private void collect() {
    eventLoop.poll();
    for (Runnable r = inbox.poll(); r != null; r = inbox.poll()) r.run();
    if (!timers.isEmpty()) {
      long now = eventLoop.now();
      while (!timers.isEmpty() && timers.first().time <= now) timers.pollFirst().action.run();
    }
    left = ready.size();
  }

  /** Of a hub that has a host: one round, in that one's thread. The control comes back when the event loop ends the round. */
  void turn() {
    Hub outer = OF_ROOT.get();
    Scheduler outerScheduler = Scheduler.registered();
    if (root == null) enter();
    if (root != Greenlet.root()) {
      var e =
          new WrongThreadException(
              "the executor of "
                  + this
                  + " has called it in thread "
                  + describe(Thread.currentThread())
                  + ": all its turns have to be in one and the same thread; use an executor that has a single thread");
      report(outsider, e);
      throw e;
    }
    Task<?> me = current;
    OF_ROOT.set(this);
    Scheduler.register(scheduler);
    current = null;
    try {
      collect();
      if (left > 0) take().switchTo();
    } finally {
      current = me;
      if (outer != null) OF_ROOT.set(outer); // else this one stays the thread's hub
      Scheduler.register(outerScheduler);
    }
  }

  // For the event loop

  boolean isReady() {
    return !ready.isEmpty() || !inbox.isEmpty();
  }

  boolean inboxIsEmpty() {
    return inbox.isEmpty();
  }

  long nextTimer() {
    return timers.isEmpty() ? EventLoop.NEVER : timers.first().time;
  }

  boolean hasWaitsForOutside() {
    return waitsForOutside > 0;
  }

  /** Whether something that is waited for has been complete already. */
  boolean poll() {
    boolean any = false;
    for (BooleanSupplier source : List.copyOf(polled.values())) any |= source.getAsBoolean();
    return any;
  }

  /** Nothing will ever happen in this hub: whoever it runs for hears of it. */
  void stuck() {
    List<Task<?>> all = new ArrayList<>(tasks);
    outsider.forEachInRing(all::add);
    failMain(
        new LoopExit(
            this
                + " would wait for ever: no task is ready, no timer is set, and nobody waits for anything outside of "
                + "it. Its tasks: "
                + (all.isEmpty()
                    ? "none"
                    : all.stream()
                        .limit(MOST_TASKS_LISTED)
                        .map(Task::description)
                        .collect(Collectors.joining("; ")))
                + (all.size() > MOST_TASKS_LISTED ? "; and more, " + all.size() + " in all" : ""),
            all));
  }

  void interrupted() {
    failMain(new InterruptedException("the thread of " + this + " was interrupted"));
  }

  private void failMain(Throwable t) {
    if (main != null && main.waiter != null && main.waiter.fail(t)) return;
    outsider.interruptHere(t);
  }

  // For tasks

  /** Does something in the thread of this hub: now, if that is the calling one. */
  void inThread(Runnable action) {
    inThread(isHere(), action);
  }

  private void inThread(boolean isHere, Runnable action) {
    if (isHere) {
      action.run();
      if (current == outsider) eventLoop.wake(this);
    } else {
      inbox.add(action);
      eventLoop.wake(this);
    }
  }

  /** The task that runs, or what stands for what is outside of them; to be called in the thread of this hub. */
  @SuppressWarnings("NullAway") // between one task and the next nobody asks
  Task<?> requireCurrent() {
    if (isHere()) return current;
    throw new WrongThreadException(
        "thread "
            + describe(Thread.currentThread())
            + " cannot wait in "
            + this
            + ", which "
            + (root == null ? "is not running" : "runs in thread " + describe(root.thread()))
            + "; spawn a task there, or ask for a future");
  }

  boolean isOutsider(Task<?> task) {
    return task == outsider;
  }

  @SuppressWarnings("NullAway") // called while it runs
  void enqueue(Task<?> task) {
    if (task.greenlet.parent() != loop) task.greenlet.setParent(loop);
    ready.add(task.greenlet);
  }

  /** Whether its greenlet has been suspended by a switch that was none of the hub's. */
  boolean isDetached(Task<?> task) {
    return task != current && task != outsider && !ready.contains(task.greenlet);
  }

  /** Raises an exception in the greenlet of a task, out of whatever has suspended that, when its turn comes. */
  // called while it runs; a task that is not done and has begun has a greenlet
  @SuppressWarnings("NullAway")
  void throwInto(Task<?> task, Throwable exception) {
    ready.add(
        Greenlet.of(
            args -> {
              if (!task.isDone()) {
                current = task;
                task.greenlet.throwInto(exception);
              }
              leave();
              return null;
            },
            loop));
  }

  void remove(Task<?> task) {
    task.unlink();
    tasks--;
    if (joiner != null && tasks <= 1) joiner.wake(null);
  }

  void report(Task<?> task, Throwable t) {
    try {
      handler.accept(task, t);
    } catch (Throwable failure) {
      if (failure != t) failure.addSuppressed(t);
      handUncaught(task, failure);
    }
  }

  private static void handUncaught(Task<?> task, Throwable t) {
    var uncaught =
        new RuntimeException(task + " has failed, and nobody was asking for its result", t);
    uncaught.setStackTrace(new StackTraceElement[0]); // that of the cause tells more
    Thread thread = Thread.currentThread();
    thread.getUncaughtExceptionHandler().uncaughtException(thread, uncaught);
  }

  /** Has {@code action} run in the thread of this hub when {@code delay} is over. */
  Timer at(Duration delay, Runnable action) {
    long now = eventLoop.now();
    long nanos = Math.max(0, EventLoop.nanos(delay));
    Timer timer =
        new Timer(
            nanos < EventLoop.NEVER - now ? now + nanos : EventLoop.NEVER, timersMade++, action);
    if (timer.time != EventLoop.NEVER) timers.add(timer);
    return timer;
  }

  void cancel(Timer timer) {
    timers.remove(timer);
  }

  /** What is to be done at some time. */
  record Timer(long time, long number, Runnable action) implements Comparable<Timer> {
    @Override
    public int compareTo(Timer other) {
      return time != other.time
          ? Long.compare(time, other.time)
          : Long.compare(number, other.number);
    }

    @Override
    public String toString() {
      return "the time " + text(Duration.ofNanos(time));
    }
  }

  private static String text(Duration d) {
    return BigDecimal.valueOf(EventLoop.nanos(d), 9).stripTrailingZeros().toPlainString() + " s";
  }

  /** How a task or a wait has ended, as one object that is not null. */
  static final class Outcome {
    private static final Object NULL = new Object();

    private record Failure(Throwable thrown) {}

    private Outcome() {}

    static Object of(@Nullable Object value) {
      return value == null ? NULL : value;
    }

    static Object failure(Throwable thrown) {
      return new Failure(thrown);
    }

    static @Nullable Object open(@Nullable Object outcome) throws Throwable {
      if (outcome instanceof Failure f) throw f.thrown;
      return outcome == NULL ? null : outcome;
    }

    static @Nullable Throwable thrown(@Nullable Object outcome) {
      return outcome instanceof Failure f ? f.thrown : null;
    }
  }

  /** Unwinds a task as far as a limit or a scope, which knows its own by identity. */
  static final class Signal extends Error {
    private static final long serialVersionUID = 1L;

    Signal(String message) {
      super(message, null, true, false);
    }
  }

  /** A hub cannot go on: all wait, and nothing is left that could wake one. The message lists the tasks and what each waits for. */
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

  @Override
  public String toString() {
    Greenlet mine = root;
    return "Hub@"
        + Integer.toHexString(hashCode())
        + (mine == null ? "" : " of thread " + describe(mine.thread()));
  }

  private static String describe(Thread thread) {
    return '"'
        + (thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName())
        + '"';
  }
}
