package greenlet.hub;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.Headroom;
import greenlet.Scheduler;
import greenlet.Snapshot;
import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The tasks of a hub: which one runs, which there are, who waits for their end, and who hears of their failures. */
final class TaskScheduler
    implements Scheduler, EventLoop.Tenant, Cooperation.Tenant, Observation.Tenant<Task<?>> {
  private static final int MOST_LISTED = 100;

  final Hub hub;
  final EventLoop loop;

  /** Stands for whatever runs in the thread outside of the tasks; the ring of all tasks begins and ends with it. */
  private final Task<?> outsider;

  /** Who runs; null between the leaving of one and the going on of the next. */
  @Nullable Task<?> current;

  /** Reports a task that does not give way. */
  @Nullable Watchdog<?> watchdog;

  /** Sees what happens to the tasks, while somebody has asked for that. */
  @Nullable Observation<Task<?>> observation;

  private Task.Listener[] listeners = {};

  /** Whether it is looked at with all hubs that are known. */
  private boolean isKnown;

  /** The task whose body {@link #run} was called with. */
  private @Nullable Task<?> main;

  private BiConsumer<? super Task<?>, ? super Throwable> handler = this::handUncaught;

  /** Unwinds main where failures are raised. */
  private @Nullable Signal raising;

  /** What it was unwound for. */
  private @Nullable Throwable raised;

  /** In a cooperative hub. */
  private @Nullable Cooperation cooperation;

  /** How many callbacks are running that nobody may go on meanwhile. */
  int still;

  /** What is to be done outside of the tasks, in the thread's own stack. */
  private final ArrayDeque<Runnable> hostCalls = new ArrayDeque<>(1);

  /** The greenlet that waits outside of the tasks. */
  private @Nullable Greenlet outside;

  private final List<Waiter<@Nullable Object>> joiners = new ArrayList<>(1);
  private boolean ending;
  private int tasks;

  TaskScheduler(Hub hub, EventLoop loop) {
    this.hub = hub;
    this.loop = loop;
    outsider = new Task<>(this, "outside of the tasks", () -> null, null);
    current = outsider;
    loop.setTenant(this);
  }

  // Running

  <T extends @Nullable Object> T run(Callable<? extends T> body) {
    if (loop instanceof GuestLoop)
      throw new IllegalStateException(hub + " cannot be run: its executor does that");
    if (loop instanceof DrivenLoop)
      throw new IllegalStateException(hub + " cannot be run: its driver does that, in turns");
    if (loop.root() != null)
      throw new IllegalStateException(hub + " cannot be run: it runs already");
    Hub outer = Hub.OF_ROOT.get();
    if (outer != null && outer.scheduler.isInTask()) {
      throw new IllegalStateException(
          "%s cannot be run within %s, which would block %s; spawn a task, or use a scope"
              .formatted(hub, outer.scheduler.current, outer));
    }
    return cooperation == null ? runHere(body) : cooperation.inTree(() -> runHere(body));
  }

  private <T extends @Nullable Object> T runHere(Callable<? extends T> body) {
    Hub outer = Hub.OF_ROOT.get();
    Scheduler outerScheduler = enter();
    try {
      Task<T> task = spawn(null, null, body);
      task.isAsked();
      main = task;
      try {
        task.join();
      } finally {
        end();
      }
      throwRaised(task);
      return task.result();
    } finally {
      main = null;
      raised = null;
      Hub.OF_ROOT.set(outer);
      Scheduler.register(outerScheduler);
      loop.end();
      ending = false;
      if (cooperation != null) cooperation.end();
    }
  }

  /** Makes the hub that of the calling thread, and this the scheduler there; returns the scheduler before. */
  @Nullable Scheduler enter() {
    loop.begin();
    if (watchdog != null) watchdog.begin();
    Hub.OF_ROOT.set(hub);
    return Scheduler.register(this);
  }

  /** Kills what is left of the tasks. */
  private void end() {
    boolean interrupted = false;
    ending = true;
    for (Task<?> task : tasks()) task.interruptHere(new GreenletExit());
    if (cooperation != null) cooperation.superviseEnd();
    while (tasks > 0) {
      try {
        join();
      } catch (Throwable t) {
        if (!(t instanceof InterruptedException)) throw t;
        interrupted = true;
      }
    }
    loop.close();
    if (interrupted) Thread.currentThread().interrupt();
  }

  /** Where the thread is somebody else's. */
  @Override
  public void turn() {
    if (cooperation == null) {
      turnHere();
      return;
    }
    // for those who ask outside of the turns
    if (Hub.OF_ROOT.get() == null) Hub.OF_ROOT.set(hub);
    try {
      cooperation.inTree(Executors.callable(this::turnHere));
    } catch (Throwable t) { // the thread is another one, or none that can have a tree
      if (!loop.isHere()) report(outsider, t);
      throw t;
    }
  }

  private void turnHere() {
    Hub outer = Hub.OF_ROOT.get();
    Scheduler outerScheduler = Scheduler.registered();
    if (loop.root() == null) enter();
    requireSameThread();
    Task<?> me = current;
    Hub.OF_ROOT.set(hub);
    Scheduler.register(this);
    current = null;
    try {
      loop.round();
    } finally {
      current = me;
      if (outer != null) Hub.OF_ROOT.set(outer); // else this one stays the thread's hub
      Scheduler.register(outerScheduler);
      restIfIdle();
    }
  }

  /** Driven by whoever calls this: one turn, in which the hub that is current here stands still. */
  void turnWithin() {
    Hub outer = Hub.OF_ROOT.get();
    if (outer != null && outer.scheduler.isCooperative())
      throw new IllegalStateException(
          "%s cannot have a turn in %s, which is cooperative, and whose other tasks would run in the midst of it"
              .formatted(hub, outer));
    Scheduler outerScheduler = Scheduler.registered();
    if (outer != null) outer.scheduler.loop.leaveThread();
    loop.begin();
    Hub.OF_ROOT.set(hub);
    Scheduler.register(this);
    current = null;
    try {
      loop.round();
    } finally {
      current = outsider;
      restIfIdle();
      loop.leaveThread();
      Hub.OF_ROOT.set(outer);
      Scheduler.register(outerScheduler);
      if (outer != null) outer.scheduler.loop.returnToThread();
    }
  }

  /** The main task of a driven hub, whose result somebody is going to ask for. */
  <T extends @Nullable Object> Task<T> begin(String name, Callable<? extends T> body) {
    Task<T> task = spawn(null, name, body);
    task.isAsked();
    main = task;
    return task;
  }

  private void requireSameThread() {
    if (loop.isHere()) return;
    var e =
        new WrongThreadException(
            ("the executor of %s has called it in thread %s: all its turns have to be in one and the same thread; "
                    + "use an executor that has a single thread")
                .formatted(hub, EventLoop.describe(Thread.currentThread())));
    report(outsider, e);
    throw e;
  }

  @Override
  public boolean retire() {
    if (main != null || current != outsider || loop instanceof GuestLoop) return false;
    loop.close();
    loop.end();
    return true;
  }

  // Which one runs

  @Override
  public boolean isRunning() {
    return current != null;
  }

  /** Whether one of the tasks runs. */
  boolean isInTask() {
    return current != null && current != outsider;
  }

  boolean isOutsider(Task<?> task) {
    return task == outsider;
  }

  @Override
  public Blocked.@Nullable Owner mayBlock() {
    Task<?> task = current;
    return still > 0 || task == null || task == outsider || task.isDone() ? null : task.inJdk();
  }

  /** The JDK has suspended the current task. Within it may be another hub, as far as which others go on. */
  void leaveBlocked(Blocked wait) {
    current = null;
    Hub inner = Hub.OF_ROOT.get();
    if (inner == hub) return;
    Scheduler inners = Scheduler.register(this);
    Hub.OF_ROOT.set(hub);
    wait.atEnd =
        () -> {
          Hub.OF_ROOT.set(inner);
          Scheduler.register(inners);
        };
  }

  void cooperate() {
    if (loop.root() != null || tasks > 0 || !loop.inboxIsEmpty())
      throw new IllegalStateException(
          hub + " has begun already: make it cooperative before it has tasks");
    loop.requireCooperates();
    if (cooperation == null) cooperation = new Cooperation(this, loop);
  }

  boolean isCooperative() {
    return cooperation != null;
  }

  /** Circles of tasks that are blocked by each other. */
  List<List<Task<?>>> deadlocks() {
    requireHere("be asked for the deadlocks of");
    List<List<Task<?>>> circles = new ArrayList<>();
    if (cooperation == null) return circles;
    for (List<Blocked> circle : cooperation.deadlocks()) {
      List<Task<?>> tasks = new ArrayList<>();
      for (Blocked wait : circle) tasks.add((Task<?>) wait.owner.who());
      circles.add(tasks);
    }
    return circles;
  }

  void checkDeadlocks(Duration period) {
    if (cooperation != null) cooperation.checkDeadlocks(period);
  }

  /** Between two reports of who holds up the end; for tests. */
  void setReports(Duration period) {
    if (cooperation != null) cooperation.setReports(period);
  }

  void setGrace(Duration grace) {
    if (cooperation == null)
      throw new IllegalStateException(
          hub + " is not cooperative, and never ends while a task is blocked: it needs no grace");
    cooperation.setGrace(grace);
  }

  /** The task that runs, or the placeholder for code outside of any; to be called in the thread of the hub. */
  @SuppressWarnings("NullAway") // between one task and the next nobody asks
  Task<?> requireCurrent() {
    requireHere("wait in");
    return current;
  }

  /** As {@link #requireCurrent}, of a hub that {@link Hub#current} has just returned, and which is here. */
  @SuppressWarnings("NullAway")
  Task<?> current() {
    return current;
  }

  void requireHere(String verb) {
    if (loop.isHere()) return;
    Greenlet root = loop.root();
    // in the thread of a cooperative hub, between its turns
    if (root != null && root.thread() == Thread.currentThread()) loop.requireOwnThread();
    throw new WrongThreadException(
        "thread %s cannot %s %s, which %s; spawn a task there, and wait for that"
            .formatted(
                EventLoop.describe(Thread.currentThread()),
                verb,
                hub,
                root == null
                    ? "is not running"
                    : "runs in thread " + EventLoop.describe(root.thread())));
  }

  /** Something is about to wait as {@code me}: refused outside of tasks in a thread that is not ours. */
  void requireMayWait(Task<?> me) {
    if (me == outsider) loop.requireOwnThread();
  }

  /** Suspends the current task for so long; for no time, until the others that are ready have had their turn. */
  void sleep(Duration duration) {
    if (duration.isZero() || duration.isNegative()) {
      this.yield();
      return;
    }
    var over = new Waiter<@Nullable Object>(hub, null, false);
    Timers.Timer timer = loop.at(duration, () -> over.wake(null));
    over.waitsFor = timer;
    try {
      over.await();
    } finally {
      loop.cancel(timer);
    }
  }

  /** Suspends the current task until the channel is ready for one of {@code ops}, or {@code limit}, if there is one, is over. */
  int awaitReady(SelectableChannel channel, int ops, @Nullable Duration limit) throws IOException {
    Readiness.requireUsable(channel, ops);
    Task<?> me = requireCurrent();
    var wait = new ReadyWait(me, new Waiter<>(hub, channel, true));
    Readiness all = loop.claimReadiness();
    Readiness.Interest interest = null;
    Timers.Timer timer = null;
    try {
      interest = all.begin(channel, ops, wait);
      if (limit != null) timer = loop.at(limit, () -> wait.wake(0));
      return wait.waiter.awaitIn(me) & ops;
    } finally {
      if (timer != null) loop.cancel(timer);
      if (interest != null) interest.end(wait);
      all.release();
      giveBackIfOutside(me);
    }
  }

  private record ReadyWait(Task<?> who, Waiter<Integer> waiter) implements Readiness.Wait {
    @Override
    public boolean wake(int ready) {
      return waiter.wake(ready);
    }

    @Override
    public boolean fail(Exception e) {
      return waiter.fail(e);
    }
  }

  /** The current task goes to the end of those that are ready. */
  @SuppressWarnings("NullAway") // it is running
  private void yield() {
    Headroom.require();
    Task<?> me = current;
    me.raiseInterrupt(false);
    requireMayWait(me);
    if (observation != null) requireHeldBriefly(observation, me);
    Greenlet here = Greenlet.current();
    loop.addReady(here);
    me.gaveWay = here;
    try {
      park(me, here);
    } finally {
      me.gaveWay = null;
    }
  }

  /** Suspends {@code here}, the greenlet that runs as {@code me}, until it has its turn again. */
  void park(Task<?> me, Greenlet here) {
    if (me.unbroken != null) me.unbroken.isBroken();
    if (me == outsider) {
      parkOutside(here);
      return;
    }
    if (observation != null) {
      parkObserved(observation, me, here);
      return;
    }
    current = null;
    try {
      loop.giveWay(here);
    } finally {
      current = me;
    }
  }

  private void parkObserved(Observation<Task<?>> seen, Task<?> me, Greenlet here) {
    Waiter<?> waiter = me.waiter;
    boolean isReady = me.gaveWay != null;
    if (!isReady) requireHeldBriefly(seen, me);
    seen.parks(me, isReady ? null : waiter, waiter == null ? null : waiter.waitsFor);
    current = null;
    try {
      loop.giveWay(here);
    } finally {
      current = me;
      if (waiter != null) seen.forget(waiter);
      seen.resumes(me);
    }
  }

  private void requireHeldBriefly(Observation<Task<?>> seen, Task<?> me) {
    long held = me == outsider ? 0 : seen.heldTooLong(me);
    if (held > 0)
      throw new Hub.HeldTooLong(
          "%s has held the thread of %s for %s, and may for %s; have it give way in between, by a sleep of no time"
              .formatted(
                  me,
                  hub,
                  Timers.text(Duration.ofNanos(held)),
                  Timers.text(Duration.ofNanos(seen.maxHold()))));
  }

  /** As {@link #park}, of what waits outside of the tasks. It is made ready once for each call that it is to serve, too. */
  private void parkOutside(Greenlet here) {
    Greenlet before = outside;
    outside = here;
    current = null;
    try {
      loop.giveWay(here);
      for (Runnable call = hostCalls.poll(); call != null; call = hostCalls.poll()) {
        current = outsider;
        call.run();
        current = null;
        loop.giveWay(here);
      }
    } finally {
      current = outsider;
      outside = before;
      restIfIdle();
      giveBackIfOutside(outsider);
    }
  }

  /** A thread's own hub does not end, and holds nothing while it is not waited in. */
  void giveBackIfOutside(Task<?> me) {
    if (me == outsider && main == null) loop.giveBack();
  }

  // In the thread's own stack

  /** Has the thread call {@code f} outside of any task, while {@code me} waits. */
  <T extends @Nullable Object> T inHost(Callable<? extends T> f) {
    Task<?> me = requireCurrent();
    if (me == outsider) {
      try {
        return f.call();
      } catch (Exception e) {
        throw Sneaky.unchecked(e);
      }
    }
    var called = new Waiter<T>(hub, "the thread of its hub", true);
    hostCalls.add(() -> called.endWith(f));
    if (outside != null) loop.addReady(outside);
    return called.awaitIn(me);
  }

  @Override
  public void serveHost() {
    for (Runnable call = hostCalls.poll(); call != null; call = hostCalls.poll()) call.run();
  }

  private void restIfIdle() {
    if (tasks == 0) loop.rest();
  }

  /** The end of the current task, whose greenlet gives the control to the next one and not to its parent. */
  void leave() {
    current = null;
    loop.leave();
  }

  @SuppressWarnings("NullAway") // called while it runs
  private void enqueue(Task<?> task) {
    Greenlet parent = loop.greenlet();
    if (task.greenlet.parent() != parent) task.greenlet.setParent(parent);
    loop.addReady(task.greenlet);
  }

  /** Raises an exception in the greenlet of a task, out of whatever has suspended that, when its turn comes. */
  // called while it runs; a task that is not done and has begun has a greenlet
  @SuppressWarnings("NullAway")
  void throwInto(Task<?> task, Throwable exception) {
    loop.addReady(
        Greenlet.of(
            args -> {
              if (!task.isDone()) {
                current = task;
                task.greenlet.throwInto(exception);
              }
              leave();
              return null;
            },
            loop.greenlet()));
  }

  /** Does something in the thread of the hub: now, if that is the calling one, or if the hub has run and has no thread. */
  void inThread(Runnable action) {
    if (!inThread(loop.isHere(), action)) action.run();
  }

  /** As {@link #inThread(Runnable)}, where it is known whether this is the thread; false if the hub has run, and nothing is done. */
  private boolean inThread(boolean isHere, Runnable action) {
    if (!isHere) return loop.post(action);
    action.run();
    wakeIfOutside();
    return true;
  }

  /** In the thread of the hub: somebody may be ready, and where no task runs, a loop that is a guest does not know. */
  void wakeIfOutside() {
    if (current == outsider) loop.wake();
  }

  /** As {@link EventLoop#requireReachable}, in whichever thread. */
  void requireReachable() {
    if (!loop.isHere()) loop.requireReachable();
  }

  private void requireTaken(boolean isTaken) {
    if (isTaken) return;
    throw new RejectedExecutionException(
        "%s has ended its run, and nothing would run a new task; spawn while it runs, or before it is run"
            .formatted(hub));
  }

  // Which there are

  /** A new task, of the scope that the current one is in; it is ready, or will be when {@code delay} is over. */
  <T extends @Nullable Object> Task<T> spawn(
      @Nullable Duration delay, @Nullable String name, Callable<? extends T> body) {
    boolean isHere = loop.isHere();
    if (!isHere) loop.requireReachable();
    Task<T> task = newTask(name, body, isHere && current != null ? current.scope : null);
    requireTaken(inThread(isHere, () -> add(task, delay)));
    return task;
  }

  /** A new task of the hub alone, whatever scope the current one is in. Called in the hub's thread. */
  void spawnFree(Callable<?> body) {
    requireTaken(loop.isHere());
    add(newTask(null, body, null), null);
  }

  private <T extends @Nullable Object> Task<T> newTask(
      @Nullable String name, Callable<? extends T> body, Scope.@Nullable Tasks home) {
    Task<T> task = new Task<>(this, name, body, home);
    Greenlet parent = loop.greenletIfAny(); // read once: another thread may end the run
    // here, for its dynamic bindings
    task.greenlet = Greenlet.of(task::run, parent != null ? parent : Greenlet.current(), name);
    loop.made(task, name, current);
    return task;
  }

  /** Takes a new task up, to run when its time comes; not at all, if what it belongs to is ending. */
  private void add(Task<?> task, @Nullable Duration delay) {
    boolean runs = task.joinScope() && !ending;
    try {
      if (runs) schedule(task, delay);
    } catch (VirtualMachineError e) {
      task.leaveScope();
      throw e;
    }
    task.insertBefore(outsider); // the last that can fail, and least likely to
    tasks++;
    if (observation != null) observation.spawned(task, isInTask() ? current : null);
    if (!runs) task.interruptHere(new GreenletExit());
  }

  private void schedule(Task<?> task, @Nullable Duration delay) {
    if (delay == null) enqueue(task);
    else task.start = loop.at(delay, () -> enqueue(task));
  }

  void remove(Task<?> task) {
    task.unlink();
    tasks--;
    if (tasks <= 1 && !joiners.isEmpty()) for (var all : joiners) all.wake(null);
  }

  /** Waits until there is none but the current one. */
  void join() {
    Task<?> me = requireCurrent();
    while (tasks > (me == outsider ? 0 : 1)) {
      var all = new Waiter<@Nullable Object>(hub, "the end of all other tasks", false);
      joiners.add(all);
      try {
        all.await();
      } finally {
        joiners.remove(all);
      }
    }
  }

  /** All, in the order in which they were made. */
  List<Task<?>> tasks() {
    List<Task<?>> all = new ArrayList<>(tasks);
    outsider.forEachOther(node -> all.add((Task<?>) node));
    return all;
  }

  // Looking

  @Override
  public void tell(Observation.Event event, Task<?> task, @Nullable Object what) {
    still++;
    try {
      for (Task.Listener listener : listeners) {
        try {
          tell(listener, event, task, what);
        } catch (Throwable t) {
          removeListener(listener);
          report(task, t);
        }
      }
    } finally {
      still--;
    }
  }

  @SuppressWarnings("NullAway") // there is something that is waited for
  private static void tell(
      Task.Listener listener, Observation.Event event, Task<?> task, @Nullable Object what) {
    switch (event) {
      case SPAWN -> listener.onSpawn(task, (Task<?>) what);
      case BEGIN -> listener.onBegin(task);
      case WAIT -> listener.onWait(task, what);
      case WAKE -> listener.onWake(task);
      case RESUME -> listener.onResume(task);
      case END -> listener.onEnd(task);
    }
  }

  private Observation<Task<?>> observed() {
    if (loop.root() != null) requireHere("look at");
    if (observation == null) observation = new Observation<>(this, loop);
    return observation;
  }

  private void restObservation() {
    if (observation == null || observation.isNeeded() || isKnown) return;
    observation = null;
    for (Task<?> task : tasks()) task.isSinceExact = false;
  }

  void know() {
    observed();
    isKnown = true;
    Snapshot.know(hub);
  }

  @Override
  public boolean setRecorded(boolean isRecorded) {
    observed().setRecorded(isRecorded);
    restObservation();
    return isRecorded;
  }

  void addListener(Task.Listener listener) {
    observed().setHeard(true);
    listeners = Arrays.copyOf(listeners, listeners.length + 1);
    listeners[listeners.length - 1] = listener;
  }

  void removeListener(Task.Listener listener) {
    listeners =
        Arrays.stream(listeners).filter(other -> other != listener).toArray(Task.Listener[]::new);
    if (observation == null || listeners.length > 0) return;
    observation.setHeard(false);
    restObservation();
  }

  void account(boolean keeps, boolean withStacks) {
    observed().setAccounting(keeps, withStacks);
    restObservation();
  }

  void setMaxHold(long mostHeld) {
    observed().setMaxHold(mostHeld);
  }

  /** What tells how long tasks run; for tests. */
  void setClock(LongSupplier clock) {
    observed().setClock(clock);
  }

  @Override
  public void pauses() {
    if (observation != null) observation.pauses();
  }

  /** The hub, and its tasks, each below the one whose scope it belongs to. */
  void tell(Snapshot.Listener listener) {
    Greenlet root = loop.root();
    listener.add(
        new Snapshot("hub", hub.name(), how(root), null, 0, null, null, null),
        loop.greenletIfAny());
    Map<Task<?>, List<Task<?>>> below = new IdentityHashMap<>();
    List<Task<?>> top = new ArrayList<>();
    List<Task<?>> all = seenTasks();
    for (Task<?> task : all) {
      Task<?> parent = task.parent();
      if (parent == null || parent.isDone() || parent == outsider) top.add(task);
      else below.computeIfAbsent(parent, p -> new ArrayList<>()).add(task);
    }
    record Next(Task<?> task, String parent, int depth) {}
    ArrayDeque<Next> open = new ArrayDeque<>();
    for (Task<?> task : top.reversed()) open.push(new Next(task, hub.name(), 1));
    while (!open.isEmpty()) {
      Next next = open.pop();
      Task<?> task = next.task;
      listener.add(task.snapshot().at(next.parent, next.depth), task.greenlet);
      String name = task.name();
      task.tellWithin((within, greenlet) ->
          listener.add(
              within.at(
                  within.depth() == 0 ? name : within.parent(), within.depth() + next.depth + 1),
              greenlet));
      for (Task<?> child : below.getOrDefault(task, List.of()).reversed())
        open.push(new Next(child, name, next.depth + 1));
    }
  }

  private String how(@Nullable Greenlet root) {
    if (root == null) return "not running";
    return "%s thread %s, %d task%s"
        .formatted(
            loop instanceof GuestLoop ? "a guest in" : "in",
            EventLoop.describe(root.thread()),
            tasks,
            tasks == 1 ? "" : "s");
  }

  /**
   * As {@link #tasks}. Elsewhere than in its thread that is asked for, in vain if a task holds it; then the ring is read as it stands,
   * which may miss what changes just now.
   */
  List<Task<?>> seenTasks() {
    Greenlet root = loop.root();
    // in the thread of a cooperative hub also between its turns
    if (root == null || loop.isHere() || root.thread() == Thread.currentThread()) return tasks();
    var told = new CompletableFuture<List<Task<?>>>();
    try {
      if (loop.post(() -> told.complete(tasks()))) return told.get(PATIENCE, MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Exception e) {
      // not in time, or by an executor that takes nothing
    }
    List<Task<?>> all = new ArrayList<>();
    outsider.forEachOther(2 * tasks + FEW, node -> all.add((Task<?>) node));
    return all;
  }

  /** How long another thread waits for the hub's, in milliseconds. */
  private static final long PATIENCE = 100;

  private static final int FEW = 64;

  Hub.Stats stats() {
    int ready = 0;
    int sleeping = 0;
    int waits = 0;
    int blocked = 0;
    for (Task<?> task : seenTasks()) {
      Waiter<?> waiter = task.waiter;
      if (task.blocked != null) blocked++;
      else if (waiter == null) {
        if (task.start != null && !task.hasBegun()) sleeping++;
        else if (task != current) ready++;
      } else if (waiter.isOver()) ready++;
      else if (waiter.waitsFor instanceof Timers.Timer) sleeping++;
      else waits++;
    }
    Timers timers = loop.timers();
    return new Hub.Stats(
        tasks,
        ready,
        sleeping,
        waits,
        blocked,
        timers.size(),
        loop.rounds(),
        Duration.ofNanos(timers.lag()),
        Duration.ofNanos(timers.mostLag()));
  }

  // Failures

  void setHandler(BiConsumer<? super Task<?>, ? super Throwable> newHandler) {
    handler = newHandler;
  }

  /** From now on failures end {@link #run}. */
  void raiseFailures() {
    if (loop instanceof GuestLoop)
      throw new IllegalStateException(
          hub + " is not run, so that no failure can end that; give it a handler by onFailure");
    raising = new Signal("a task has failed, and nobody was asking for its result", false);
  }

  /** Ends {@link #run}, or tells the handler, or where that throws the thread's. Throws nothing itself. */
  void report(Task<?> task, Throwable t) {
    if (raising != null && main != null) {
      raise(t, main);
      return;
    }
    try {
      handler.accept(task, t);
    } catch (Throwable failure) {
      handUncaught(task, Failures.join(failure, t));
    }
  }

  @SuppressWarnings("NullAway") // failures are raised
  private void raise(Throwable t, Task<?> main) {
    if (raised == null) raised = mainsOwn(main); // which was the first
    if (raised == null) main.interruptHere(raising);
    raised = Failures.join(raised, t);
  }

  /** What has ended {@code main}, but for a kill or what was raised here. */
  private @Nullable Throwable mainsOwn(Task<?> main) {
    Throwable own = main.exception();
    return own instanceof GreenletExit || own == raising ? null : own;
  }

  /** What {@link #run} is to throw in place of what comes of {@code main}. */
  private void throwRaised(Task<?> main) {
    if (raised == null) return;
    Throwable own = mainsOwn(main);
    throw Sneaky.unchecked(own == null ? raised : Failures.join(raised, own));
  }

  /** On the virtual-thread engine the calling thread is not the one whose handler it is. */
  private void handUncaught(Task<?> task, Throwable t) {
    Greenlet root = loop.root();
    Thread thread = root == null ? Thread.currentThread() : root.thread();
    Runnable hand =
        () ->
            Failures.handUncaught(
                thread, task + " has failed, and nobody was asking for its result", t);
    if (cooperation == null) hand.run();
    else Cooperation.aside(hand);
  }

  @Override
  public void intruded(@Nullable Throwable thrown) {
    Task<?> intruder = current;
    current = null;
    var refusal =
        new IllegalStateException(
            "%s has switched to its hub: tasks give way by waiting alone; yield needs a generator around it"
                .formatted(intruder == null ? "something" : intruder),
            thrown);
    if (intruder != null && intruder.greenlet != null) intruder.greenlet.throwInto(refusal);
    else failMain(refusal);
  }

  @Override
  public void stuck(String why) {
    failMain(new Hub.LoopExit("%s %s. Its tasks: %s".formatted(hub, why, listed()), tasks()));
  }

  @Override
  public String listed() {
    List<Task<?>> all = tasks();
    if (all.isEmpty()) return "none";
    String listed =
        all.stream().limit(MOST_LISTED).map(Task::description).collect(Collectors.joining("; "));
    return listed + (all.size() > MOST_LISTED ? "; and more, " + all.size() + " in all" : "");
  }

  @Override
  public String listedReady() {
    return tasks().stream()
        .filter(task -> task.waiter == null || task.waiter.isOver())
        .limit(MOST_LISTED)
        .map(Task::toString)
        .collect(Collectors.joining(", "));
  }

  @Override
  public void settle() {
    if (cooperation != null) cooperation.settle();
  }

  @Override
  public void interrupted() {
    failMain(new InterruptedException("the thread of " + hub + " was interrupted"));
  }

  private void failMain(Throwable t) {
    if (main != null && main.blocked != null) {
      if (!main.hasInterrupts()) main.interruptHere(t);
      return;
    }
    if (main != null && main.waiter != null && main.waiter.fail(t)) return;
    outsider.interruptHere(t);
  }

  // For other schedulers that run within the tasks

  @Override
  public void await(Object what, boolean fromOutside, Consumer<Runnable> start) {
    var waiter = Waiter.ofScheduler(hub, what, fromOutside);
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

  @Override
  public String toString() {
    return hub.toString();
  }
}
