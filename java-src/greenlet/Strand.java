package greenlet;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One Java thread in which code of the library's users runs: a thread that somebody else made and that uses
 * greenlets, or a virtual thread of ours that carries the stack of a greenlet or of a generator's body.
 *
 * <p>Control passes from strand to strand like a baton: {@link #pass} hands it over and waits for it. Of all strands
 * that belong together, one has it at any time, and everything that they share is written by the one that has it; the
 * hand-over makes it visible to the next.
 *
 * <p>Where a {@link Carrier} can be had, a platform thread runs the virtual threads of its greenlets, and of the bodies that it
 * pulls from, itself, one after the other, until the baton is back. Else each runs where the JDK has it run, and wakes the next.
 */
final class Strand {
  /*
   * The wait spins, then parks, as SynchronousQueue's does: where both sides have a processor, answering within
   * the spin is some twenty times as fast as a wake-up by the scheduler. The spin adapts. It is as long as a
   * wake-up costs, so at worst it doubles the wait; each time it was in vain, the next waits, twice as many as
   * last time, park at once; and each time it was of use, this is forgotten. So a strand whose other side works
   * long or has no processor spins in one of a thousand waits. On one processor nobody could answer: no spin.
   */
  private static final boolean MAY_SPIN = Runtime.getRuntime().availableProcessors() > 1;
  private static final long PLATFORM_SPIN_NANOS = 20_000;
  private static final long VIRTUAL_SPIN_NANOS = 5_000;
  private static final int MOST_WAITS_WITHOUT_SPIN = 1024;

  private static final int NOT_HERE = 0;
  private static final int NOT_HERE_AND_PARKED = 1;
  private static final int HERE = 2;
  private static final int UNSTARTED = 3;
  private static final VarHandle BATON;

  static {
    try {
      BATON = MethodHandles.lookup().findVarHandle(Strand.class, "baton", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final ThreadLocal<Strand> OF_THREAD = ThreadLocal.withInitial(Strand::new);

  /** Null only until the thread of a greenlet or body is about to start. */
  Thread thread;

  /** The scheduler of the thread, where that is one of ours that a platform thread may carry. */
  private final @Nullable Carrier carrier;

  /** On a platform thread: what it carries, or waits for to carry it on. */
  private @Nullable Strand carried;

  /** What the thread will run, and its name, until it is started. */
  private @Nullable Runnable task;
  private @Nullable String name;

  /** The body whose stack this is, where this is a generator's; {@link #tree()} is then the puller's. */
  private final VirtualThreadEngine.@Nullable BodyStack body;

  private final @Nullable Tree tree;

  /** The innermost traversal whose body runs on this stack. */
  @Nullable Traversal<?> traversal;

  /** The stack of the body that is being pulled from here right now. */
  @Nullable Strand pulledFrom;

  private @Nullable Locks locks;

  private volatile int baton;
  private int waitsWithoutSpin;
  private int waitsWithoutSpinNext;
  private boolean interruptComesWithBaton;
  private boolean tooDeep;
  private boolean over;

  /** The strand of a thread that is not ours: the root of a tree. */
  private Strand() {
    thread = Thread.currentThread();
    body = null;
    tree = new Tree(this);
    carrier = null;
  }

  /** The strand of a greenlet's own thread. */
  Strand(Tree tree) {
    this.body = null;
    this.tree = tree;
    carrier = Carrier.isAvailable() && !tree.thread.isVirtual() ? new Carrier() : null;
    if (carrier != null) carrier.setPuller(tree.root());
  }

  /** The strand of a generator body's own thread. */
  Strand(VirtualThreadEngine.BodyStack body) {
    this.body = body;
    this.tree = null;
    carrier = Carrier.isAvailable() ? new Carrier() : null;
  }

  /** The strand of the calling thread, which becomes the root of a tree if it was unknown. */
  static Strand current() {
    return OF_THREAD.get();
  }

  /** The same, without a look-up where it is {@code likely}. */
  static Strand current(@Nullable Strand likely) {
    return likely != null && likely.thread == Thread.currentThread() ? likely : current();
  }

  /** Has the first hand-over to this start a virtual thread that runs {@code task}. */
  void startWith(String name, Runnable task) {
    this.name = name;
    this.task = task;
    baton = UNSTARTED;
  }

  /** Where what has to happen on the puller's stack can be sent, if this is the stack of a generator's body. */
  VirtualThreadEngine.@Nullable BodyStack body() {
    return body;
  }

  /** The tree whose current greenlet runs here: a generator's body runs as part of whoever pulls it. */
  Tree tree() {
    Strand s = this;
    while (s.body != null) s = s.body.puller();
    return s.tree;
  }

  /**
   * What a cursor belongs to that is first pulled here. The stack of a body that any thread may pull is on its own.
   */
  Strand home() {
    Strand s = this;
    while (s.body != null && s.body.confined()) s = s.body.puller();
    return s.body != null ? s : s.tree.root();
  }

  boolean runs(Traversal<?> t) {
    Traversal<?> of = traversal;
    while (of != null && of != t) of = of.outer;
    return of == t;
  }

  /** Makes every lock that this thread holds one that stays with it when a continuation that it mounts is suspended. */
  void inflateLocks() {
    if (locks == null) locks = new Locks();
    locks.inflate();
  }

  /**
   * A thread has room for eight thin locks; entering one more makes HotSpot inflate the oldest. So entering eight which
   * nobody has entered leaves no other thin one. It has to be eight different objects: one that is entered again is inflated
   * itself where there is no room.
   */
  static final class Locks {
    private final Object a = new Object();
    private final Object b = new Object();
    private final Object c = new Object();
    private final Object d = new Object();
    private final Object e = new Object();
    private final Object f = new Object();
    private final Object g = new Object();
    private final Object h = new Object();

    void inflate() {
      synchronized (a) {
        synchronized (b) {
          synchronized (c) {
            synchronized (d) {
              synchronized (e) {
                synchronized (f) {
                  synchronized (g) {
                    synchronized (h) {
                      return;
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /**
   * Hands the baton to {@code to}, and waits until it comes back. False if this cannot be suspended here; then nothing has
   * happened, except that {@code to} may have a thread now.
   */
  boolean pass(Strand to) {
    if (Carrier.isAvailable() && to.carrier != null && to.carrier.puller() == this) {
      carry(to);
      return true;
    }
    Strand platform = hand(to);
    if (platform != null && !leave(platform, to)) return false;
    await();
    return true;
  }

  /** Hands the baton to {@code to}, as the last thing that happens in this thread. */
  void end(Strand to) {
    synchronized (this) {
      over = true;
    }
    hand(to);
  }

  /** Hands over the baton; returns the platform thread that carries this, if it is to go on with {@code to}. */
  private @Nullable Strand hand(Strand to) {
    Strand platform = carriedBy();
    boolean goesOn = platform != null && platform.canGoOnWith(to);
    if (platform != null && platform.thread.isInterrupted()) { // which is forgotten when this thread leaves that one
      to.interruptComesWithBaton = true;
    }
    if (!goesOn) {
      to.wake();
      return null;
    }
    to.wakeHere();
    if (to != platform) platform.carried = to;
    return platform;
  }

  private boolean canGoOnWith(Strand to) {
    return to == this || to.carrier != null && to.carrier.puller() == this && to.carrier.isHeld();
  }

  /** The platform thread that runs this virtual one right now. */
  private @Nullable Strand carriedBy() {
    return Carrier.isAvailable() && carrier != null ? carrier.carriedBy() : null;
  }

  /** Lets the platform thread of {@code here}, which is about to pull from this body, carry it; null when the pull is over. */
  void pulledBy(@Nullable Strand here) {
    if (carrier == null) return;
    boolean isVirtual = here != null && here.thread.isVirtual();
    carrier.setPuller(!isVirtual ? here : carrier.isHeld() ? here.carriedBy() : null);
  }

  /** Suspends this, which {@code platform} carries, so that it goes on with {@code to}. False if it cannot be. */
  private boolean leave(Strand platform, Strand to) {
    boolean stays = true;
    try {
      carrier.suspend();
      stays = baton != HERE && carriedBy() != null;
    } finally {
      if (stays) {
        platform.carried = this;
        to.takeBack();
      }
    }
    return !stays;
  }

  /** On a platform thread: runs {@code to}, and whoever gets the baton after that, until it is back. */
  private void carry(Strand to) {
    if (Carrier.inflatesLocks()) inflateLocks();
    carried = to;
    try {
      if (to.carrier.isHeld()) to.wakeHere();
      else to.wake();
      while (baton != HERE) {
        Carrier next = carried.carrier;
        if (next.isReady()) {
          next.step();
          continue;
        }
        if (carried.baton == HERE) LockSupport.unpark(carried.thread); // run elsewhere for once: who came late there has parked it
        parkUnless(next::isReady);
      }
    } finally {
      carried = null;
    }
    arrive();
  }

  /** Gives the baton to this; starts its thread, or wakes it, where it does not run. */
  private void wake() {
    boolean waitsForUs = Carrier.isAvailable() && carrier != null && carrier.puller() == null && carrier.isReady();
    takeInterrupt();
    int before = (int) BATON.getAndSet(this, HERE);
    if (before == NOT_HERE_AND_PARKED) LockSupport.unpark(thread);
    else if (before == UNSTARTED) start();
    if (waitsForUs) carrier.release();
  }

  /** The same, where it goes on, or starts, in the platform thread that runs the calling one: nobody is parked. */
  private void wakeHere() {
    takeInterrupt();
    int before = baton;
    BATON.setRelease(this, HERE);
    if (before == UNSTARTED) start();
  }

  private void takeBack() {
    baton = NOT_HERE;
    giveInterrupt();
  }

  /**
   * A virtual thread that was started directly is held by the JDK until it ends. One that was started through an executor is
   * held by that executor alone; so each has an executor of its own, to which nobody refers, and an abandoned stack is collected
   * with everything on it.
   */
  private void start() {
    Runnable toRun = task;
    task = null;
    try {
      Executors.newThreadPerTaskExecutor(r -> thread = newThread(r)).execute(() -> {
        OF_THREAD.set(this);
        arrive();
        toRun.run();
      });
    } catch (Throwable t) {
      startWith(name, toRun);
      giveInterrupt();
      throw t;
    }
  }

  private Thread newThread(Runnable toRun) {
    return carrier != null ? carrier.newThread(name, toRun) : Thread.ofVirtual().name(name).unstarted(toRun);
  }

  /** The interrupt status goes where the baton goes, as if all strands were one thread. */
  private void takeInterrupt() {
    if (Thread.interrupted()) interruptComesWithBaton = true;
  }

  /** Takes back {@link #takeInterrupt}. */
  private void giveInterrupt() {
    if (interruptComesWithBaton) Thread.currentThread().interrupt();
    interruptComesWithBaton = false;
  }

  /** False if an interrupt would be lost: this strand has ended, or has yet to begin. */
  private synchronized boolean interrupt() {
    if (over || thread == null) return false;
    thread.interrupt();
    return true;
  }

  /** Waits for the baton; to be called in this strand's thread. */
  private void await() {
    if (!spin()) parkUnless(() -> false);
    arrive();
  }

  private void arrive() {
    BATON.setRelease(this, NOT_HERE); // seen by whoever gives it back: that has got it from here
    giveInterrupt();
  }

  private boolean spin() {
    if (!MAY_SPIN) return false;
    if (waitsWithoutSpin > 0) {
      waitsWithoutSpin--;
      return baton == HERE;
    }
    long limit = thread.isVirtual() ? VIRTUAL_SPIN_NANOS : PLATFORM_SPIN_NANOS;
    long start = 0;
    for (int i = 1; ; i++) {
      if (baton == HERE) {
        waitsWithoutSpinNext = 0;
        return true;
      }
      Thread.onSpinWait();
      if (i % 32 != 0) continue;
      long now = System.nanoTime();
      if (start == 0) start = now;
      else if (now - start > limit) break;
    }
    waitsWithoutSpinNext = Math.clamp(2L * waitsWithoutSpinNext, 1, MOST_WAITS_WITHOUT_SPIN);
    waitsWithoutSpin = waitsWithoutSpinNext;
    return false;
  }

  /** Parks until this strand has the baton, or {@code otherwise} holds, of which somebody who unparks the thread tells. */
  private void parkUnless(BooleanSupplier otherwise) {
    if (!BATON.compareAndSet(this, NOT_HERE, NOT_HERE_AND_PARKED)) return;
    boolean interrupted = false;
    tooDeep = false;
    while (baton != HERE && !otherwise.getAsBoolean()) {
      if (!tooDeep) park();
      else Thread.onSpinWait();
      if (baton != HERE && Thread.interrupted()) interrupted |= !passOnInterrupt();
    }
    BATON.compareAndSet(this, NOT_HERE_AND_PARKED, NOT_HERE);
    if (interrupted) interruptComesWithBaton = true;
  }

  private void park() {
    try {
      LockSupport.park(this);
    } catch (StackOverflowError e) { // the JDK cannot put aside so deep a stack of a virtual thread: it waits where it is
      tooDeep = true;
    }
  }

  /**
   * Whoever interrupts a thread means the code that it seems to run, which is where the baton is. False if that is
   * here, or on its way here.
   */
  private boolean passOnInterrupt() {
    Strand to;
    do {
      to = carried != null ? carried : body == null ? tree.currentStrand() : this;
      if (to == this) to = pulledFrom;
      if (to == null || baton == HERE) return false;
    } while (!to.interrupt());
    return true;
  }

  /**
   * What the code of the library's users has called here, as part of {@code asked}, top first; the stack of a body that is
   * being pulled from lies above.
   */
  Stream<StackTraceElement> stackTrace(Tree asked) {
    Thread walked = thread; // another thread asks: read once what may change meanwhile
    Strand above = pulledFrom;
    if (walked == null) return Stream.empty();
    boolean waits =
        walked == Thread.currentThread()
            || above != null
            || (body != null ? body.isServed() : tree.currentStrand() != this);
    boolean isRoot = tree != null && tree.root() == this;
    return stackTraceAbove(above, asked, Engine.usersFrames(Engine.framesOf(walked, asked), waits, !isRoot));
  }

  static Stream<StackTraceElement> stackTraceAbove(@Nullable Strand body, Tree asked, Stream<StackTraceElement> puller) {
    return body == null ? puller : Stream.concat(body.stackTrace(asked), puller);
  }

  @Override
  public String toString() {
    return body == null ? tree.current().toString() : body.toString();
  }
}
