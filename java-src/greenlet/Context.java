package greenlet;

import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One Java thread in which code of the library's users runs: a thread that somebody else made and that uses greenlets, or a
 * virtual thread of ours that is the stack of a greenlet or of a generator's body. Control passes from context to context like
 * a {@linkplain Baton baton}: {@link #pass} hands it over and waits for it.
 *
 * <p>Where virtual threads can be carried, a platform thread runs those of its greenlets, and of the bodies that it pulls from,
 * itself, one after the other, until control returns. Otherwise the JDK schedules them, and each wakes the next.
 */
class Context extends Baton implements Stack {
  private static final long PLATFORM_SPIN_NANOS = 20_000;
  private static final long VIRTUAL_SPIN_NANOS = 5_000;
  private static final int HAND_OVERS_IN_A_ROW = 32_768;

  private static final ThreadLocal<@Nullable Context> OF_THREAD = new ThreadLocal<>();

  /** Null only until the thread of a greenlet or body is about to start. */
  @SuppressWarnings("NullAway.Init")
  Thread thread;

  /** Of the thread, if that is one of ours that a platform thread may carry. */
  private final VirtualThreads.@Nullable Scheduler<Context> scheduler;

  /** On a platform thread: the context that it carries, or waits for to carry on. */
  private @Nullable Context carried;

  /** Of a thread of ours. */
  private @Nullable String name;

  /** Null in the thread of a generator's body: that is part of the puller's. */
  private final @Nullable Group group;

  /** The innermost generator's body that runs on this stack. */
  @Nullable GeneratorRun innermost;

  /** The thread of the body that is being pulled from here right now. */
  @Nullable Context pulledFrom;

  /** While the JDK has suspended this, or the body that is pulled from here, and others run. */
  private volatile @Nullable Displacement displacement;

  private @Nullable ThinLocks locks;
  private int handOvers;

  /** On a platform thread: it was interrupted while it carried another one. */
  private boolean interruptIsOwed;

  private boolean over;

  /** Of the calling thread, which is not ours: the root of a group. */
  Context(Group group) {
    super(false);
    this.thread = Thread.currentThread();
    this.group = group;
    this.scheduler = null;
  }

  /** Of a greenlet's own thread, which the first hand-over starts. */
  Context(Group group, String name) {
    super(true);
    this.group = group;
    this.name = name;
    this.scheduler =
        VirtualThreads.canBeCarried() && !group.thread.isVirtual() ? new Scheduler() : null;
    if (scheduler != null) scheduler.setPuller(group.root);
  }

  /** Of a generator body's own thread, which the first hand-over starts. */
  Context(String name) {
    super(true);
    this.group = null;
    this.name = name;
    this.scheduler = VirtualThreads.canBeCarried() ? new Scheduler() : null;
  }

  /** What a thread of ours runs, from its start to its end. */
  void run() {
    throw new AssertionError("the thread of " + this + " is not ours");
  }

  /** The stacks of one thread, which take turns: the thread's own, and those of its greenlets. One of them is current. */
  abstract static class Group {
    Thread thread;

    /** The thread's own. */
    final Context root;

    /** Between two stacks: the dynamic bindings of the one that was left. */
    @Nullable Object bindings;

    /** The group of the calling thread. */
    Group() {
      thread = Thread.currentThread();
      root = new Context(this);
    }

    /** Whether the interrupt status of a stack stays with it in the hand-over that is under way; else it goes along. */
    abstract boolean keepsInterrupt();

    /** Whether that of the thread itself is for the root alone. */
    abstract boolean keepsInterruptForRoot();

    /** The stack that has the control, or is about to get it. */
    abstract Stack currentStack();

    /**
     * The stack that is current could not be started or resumed: makes another one current, which hears of it. One that
     * {@code isLost} was struck while it ran, and cannot go on.
     */
    abstract void refuse(Throwable why, boolean isLost);

    /**
     * The JDK has suspended the current stack, in {@code parked}, which is its thread or that of a body that it pulls from. Makes
     * another stack current, if there is one to run meanwhile; null if the thread has to wait.
     */
    abstract @Nullable Displacement displace(Context parked);

    /** The context of the current stack, as far as another one can see; the root's if it has none of its own. */
    final Context currentContext() {
      return currentStack() instanceof Context own ? own : root;
    }

    /** Whether nothing of it can run any more. */
    final boolean hasEnded() {
      return !thread.isAlive();
    }

    /** How it has, as part of a sentence about it. */
    final String howEnded() {
      return thread.getState() == Thread.State.NEW ? "has forgotten it" : "has ended";
    }

    /** Called in its thread, which begins a new one when it needs one. This one is left with a thread that never runs. */
    final void forget() {
      OF_THREAD.remove();
      thread = Thread.ofPlatform().name(thread.getName()).unstarted(() -> {});
      root.thread = thread;
    }

    final String threadName() {
      return describe(thread);
    }
  }

  static String describe(Thread thread) {
    return '"' + name(thread) + '"';
  }

  /** With its number, where {@code other} has the same name. */
  static String describe(Thread thread, @Nullable Thread other) {
    boolean isAlike = other != null && other != thread && name(other).equals(name(thread));
    return describe(thread) + (isAlike ? " #" + thread.threadId() : "");
  }

  static String name(Thread thread) {
    return thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName();
  }

  private static final class Scheduler extends VirtualThreads.Scheduler<Context> {
    @Override
    Thread threadOf(Context puller) {
      return puller.thread;
    }
  }

  /**
   * What others run instead of a stack that the JDK has suspended while it had the baton. The stack keeps the baton as far as it
   * knows, and goes on when it is stepped: nothing is handed over to it.
   */
  abstract static class Displacement extends PullerScheduler.Wait {
    private final Context stack;
    private final Context parked;

    /** Of {@code stack}, one of a group's; {@code parked} is that, or the thread of a body that it pulls from. */
    Displacement(Context stack, Context parked) {
      this.stack = stack;
      this.parked = parked;
    }

    @SuppressWarnings("NullAway") // who is carried has a scheduler
    private void begin() {
      stack.displacement = this;
      parked.displacement = this;
      parked.scheduler.leaveFor(this);
    }

    private void end() {
      stack.displacement = null;
      parked.displacement = null;
      resumed();
    }

    /** It is about to go on. Called in the thread of the group. */
    abstract void resumed();
  }

  /** While it is displaced. */
  final @Nullable Displacement displacement() {
    return displacement;
  }

  /** The context of the calling thread; null if that is not ours and has used no greenlets yet. */
  static @Nullable Context current() {
    return OF_THREAD.get();
  }

  /** Makes this the context of the calling thread. */
  final Context makeCurrent() {
    OF_THREAD.set(this);
    return this;
  }

  /** Who pulls from the generator's body whose thread this is; null while nobody does, and if this is no body's thread. */
  @Nullable Context puller() {
    return null;
  }

  /** Whether this is the thread of a generator's body that a single thread pulls from. */
  boolean isConfined() {
    return false;
  }

  /** Whether this waits while another stack of its group runs. */
  boolean isSuspended() {
    return group().currentContext() != this;
  }

  /** The group whose current stack runs here: a generator's body runs as part of whoever pulls from it. */
  @SuppressWarnings("NullAway") // the thread of a body runs only while it is pulled from
  final Group group() {
    Context c = this;
    while (c.group == null) c = c.puller();
    return c.group;
  }

  /** The owner of a traversal that is first pulled from here and confined to one thread; a shared body is its own owner. */
  @SuppressWarnings("NullAway") // as in group
  final Context owner() {
    Context c = this;
    while (c.isConfined()) c = c.puller();
    return c.group != null ? c.group.root : c;
  }

  final boolean runs(GeneratorRun body) {
    GeneratorRun of = innermost;
    while (of != null && of != body) of = of.outer;
    return of == body;
  }

  /** Makes every lock that this thread holds one that stays with it when a continuation that it mounts is suspended. */
  final void inflateLocks() {
    if (locks == null) locks = new ThinLocks();
    locks.inflate();
  }

  // Passing control

  /**
   * Hands the baton to {@code to}, and waits until it comes back. False if this cannot be suspended here; then nothing has
   * happened, except that {@code to} may have a thread now.
   */
  final boolean pass(Context to) {
    if (VirtualThreads.canBeCarried() && to.scheduler != null && to.scheduler.puller() == this) {
      carry(to);
      return true;
    }
    if (scheduler == null && ++handOvers % HAND_OVERS_IN_A_ROW == 0) letOthersRun();
    Context platform = hand(to);
    if (platform != null && !leave(platform, to)) return false;
    await();
    return true;
  }

  /**
   * Virtual threads that hand over to each other wake each other on the carrier that they are on. It looks elsewhere only when none of
   * its own is ready, which would be never. A Thread.yield helps on JDK 21, and no longer on 25.
   */
  private void letOthersRun() {
    if (!thread.isVirtual()) return;
    boolean interrupted = Thread.interrupted(); // or it would not park
    try {
      LockSupport.parkNanos(this, 1);
    } catch (VirtualMachineError e) {
      // so deep a stack cannot be put aside, or there is no memory to: it goes on
    } finally {
      if (interrupted) thread.interrupt();
    }
  }

  /** Hands the baton to {@code to}, as the last thing that happens in this thread. */
  final void end(Context to) {
    synchronized (this) {
      over = true;
    }
    hand(to);
  }

  /** Hands over the baton; returns the platform thread that carries this, if it is to go on with {@code to}. */
  private @Nullable Context hand(Context to) {
    Context platform = carriedBy();
    Displacement of = to.displacement;
    if (platform != null) bringInterrupt(platform, to);
    if (platform != null && of != null) {
      platform.carried = of.parked;
      return platform;
    }
    if (platform == null || !platform.canGoOnWith(to)) {
      to.wake();
      return null;
    }
    boolean mine = keepsInterrupt(to) && Thread.interrupted();
    to.giveHere();
    if (mine && !over) thread.interrupt();
    if (to != platform) platform.carried = to;
    return platform;
  }

  /**
   * An interrupt of {@code platform}, which is forgotten when this leaves it. Among stacks that keep their own it is for the root, if it
   * is not this one's, which shows there, too.
   */
  @SuppressWarnings("NullAway") // who carries is the root of a group
  private void bringInterrupt(Context platform, Context to) {
    if (!platform.thread.isInterrupted()) return;
    if (!platform.group.keepsInterruptForRoot()) to.bringInterrupt();
    else if (!thread.isInterrupted()) platform.interruptIsOwed = true;
  }

  /** Whether an interrupt of this stays here, and does not go along to {@code to}. */
  private boolean keepsInterrupt(Context to) {
    return group != null && to.group != null && group.keepsInterrupt();
  }

  /** This thread, which carries, is about to wait for {@code standing} or has been given the control: it is not to miss an interrupt. */
  private void payInterrupt(@Nullable Context standing) {
    if (!interruptIsOwed) return;
    interruptIsOwed = false;
    if (standing == null) thread.interrupt();
    else standing.interrupt();
  }

  private boolean canGoOnWith(Context to) {
    return to == this
        || to.scheduler != null && to.scheduler.puller() == this && to.scheduler.isHeld();
  }

  /** Gives the baton to this; has the JDK run its thread if nobody pulls from it. */
  @SuppressWarnings("NullAway") // waitsForUs says that there is a scheduler
  private void wake() {
    boolean waitsForUs =
        VirtualThreads.canBeCarried()
            && scheduler != null
            && scheduler.puller() == null
            && scheduler.isReady();
    give();
    if (waitsForUs) scheduler.release();
  }

  // Carrying

  /** The platform thread that runs this virtual one right now. */
  private @Nullable Context carriedBy() {
    return VirtualThreads.canBeCarried() && scheduler != null ? scheduler.carriedBy() : null;
  }

  /** Lets the platform thread of {@code here}, which is about to pull from this body, carry it; null when the pull is over. */
  final void pulledBy(@Nullable Context here) {
    if (scheduler == null) return;
    scheduler.setPuller(
        here == null || !here.thread.isVirtual()
            ? here
            : scheduler.isHeld() ? here.carriedBy() : null);
  }

  /** Suspends this, which {@code platform} carries, so that it goes on with {@code to}. False if it cannot be. */
  @SuppressWarnings("NullAway") // who is carried has a scheduler
  private boolean leave(Context platform, Context to) {
    boolean stays = true;
    try {
      scheduler.suspend();
      stays = !isHere() && carriedBy() != null;
    } finally {
      if (stays) {
        platform.carried = this;
        if (to.displacement == null) to.takeBack();
      }
    }
    return !stays;
  }

  /** On a platform thread: runs {@code to}, and whoever gets the baton after that, until it is back. */
  @SuppressWarnings("NullAway") // who is carried has a scheduler
  private void carry(Context to) {
    if (VirtualThreads.needInflatedLocks()) inflateLocks();
    try {
      goOnWith(to);
      while (!isHere()) {
        Context next = carried;
        if (next.scheduler.isReady()) {
          if (next.displacement != null) next.displacement.end();
          next.scheduler.step();
          if (carried == next && next.isHeld() && !isHere()) displace(next);
          continue;
        }
        if (next.isHere()) next.unpark(); // a late JDK thread ran it once and parked it
        payInterrupt(next);
        parkUnless(next.scheduler::isReady);
      }
    } finally {
      carried = null;
    }
    arrive();
    payInterrupt(null);
  }

  @SuppressWarnings("NullAway") // who is carried has a scheduler
  private void goOnWith(Context to) {
    Displacement of = to.displacement;
    carried = of == null ? to : of.parked;
    if (of != null) return;
    if (to == this || to.scheduler.isHeld()) to.giveHere();
    else to.wake();
  }

  /**
   * {@code running}, which this carries, has been suspended by the JDK and keeps the baton. Others run meanwhile only if it is the
   * innermost stack of the current one: within a hand-over of ours, such as where the JDK registers a thread that we start, this
   * thread waits.
   */
  @SuppressWarnings("NullAway") // who carries is the root of a group
  private void displace(Context running) {
    Context innermost = group.currentContext();
    while (innermost.pulledFrom != null) innermost = innermost.pulledFrom;
    Displacement of = innermost == running ? group.displace(running) : null;
    if (of == null) return;
    of.begin();
    while (true) {
      try {
        goOnWith(group.currentContext());
        return;
      } catch (Throwable t) { // it is unstarted, and no thread could be had for it
        group.refuse(t, false);
      }
    }
  }

  // As a baton

  @Override
  void start() {
    VirtualThreads.start(
        r -> thread = newThread(r),
        () -> {
          makeCurrent();
          arrive();
          run();
        });
  }

  @SuppressWarnings("NullAway") // a thread of ours has a name
  private Thread newThread(Runnable toRun) {
    return scheduler != null
        ? scheduler.newThread(name, toRun)
        : Thread.ofVirtual().name(name).unstarted(toRun);
  }

  @Override
  void park() {
    LockSupport.park(this);
  }

  @Override
  void unpark() {
    LockSupport.unpark(thread);
  }

  @Override
  long spinNanos() {
    return thread.isVirtual() ? VIRTUAL_SPIN_NANOS : PLATFORM_SPIN_NANOS;
  }

  @Override
  boolean passOnInterrupt() {
    Context to;
    do {
      to = carried != null ? carried : group != null ? group.currentContext() : this;
      if (to == this) to = pulledFrom;
      if (to == null || isHere()) return false;
    } while (!to.interrupt());
    return true;
  }

  /** False if an interrupt would be lost: this thread has ended, or has yet to begin. */
  private synchronized boolean interrupt() {
    if (over || thread == null) return false;
    thread.interrupt();
    return true;
  }

  // Stack traces

  /**
   * What the code of the library's users has called here, as part of {@code asked}, top first; the stack of a body that is
   * being pulled from lies above.
   *
   * @param mayCrash as for {@link StackTraces#of}
   */
  final Stream<StackTraceElement> stackTrace(Group asked, boolean mayCrash) {
    Thread walked = thread; // another thread asks: read once what may change meanwhile
    Context above = pulledFrom;
    if (walked == null) return Stream.empty();
    boolean waits =
        walked == Thread.currentThread()
            || above != null
            || (displacement == null && isSuspended());
    boolean isRoot = group != null && group.root == this;
    StackTraceElement[] frames = StackTraces.of(walked, mayCrash, isOf(asked));
    return stackTraceAbove(above, asked, mayCrash, StackTraces.ofUsers(frames, waits, !isRoot));
  }

  static Stream<StackTraceElement> stackTraceAbove(
      @Nullable Context body, Group asked, boolean mayCrash, Stream<StackTraceElement> puller) {
    return body == null ? puller : Stream.concat(body.stackTrace(asked, mayCrash), puller);
  }

  /** Whether the calling thread runs on behalf of {@code asked}, so that what else runs for that is about to wait. */
  static boolean isOf(Group asked) {
    Context here = current();
    return here != null && here.group() == asked;
  }

  @Override
  public String toString() {
    return group().toString();
  }
}
