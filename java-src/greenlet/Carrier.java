package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.lang.ref.WeakReference;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The scheduler of one virtual thread of ours, that lets the platform thread which waits for it run it itself: no other
 * thread is woken. While nobody who can do that waits, the JDK's scheduler runs it, as it would any virtual thread; a virtual
 * thread cannot run another. {@link Strand} says who runs which.
 *
 * <p>Virtual threads with a scheduler of their own are no public API, so this needs the user's consent, {@link #FLAG}, and is
 * tried out before it is used. This is the one class that touches them.
 */
final class Carrier {
  static final String FLAG = "--add-opens java.base/java.lang=" + Engine.OUR_MODULE;

  private static final @Nullable MethodHandle NEW_THREAD;
  private static final @Nullable MethodHandle CURRENT_CARRIER_THREAD;
  private static final @Nullable Executor JDK_SCHEDULER;

  private static final @Nullable String UNSUPPORTED;

  static {
    MethodHandle newThread = null;
    MethodHandle currentCarrierThread = null;
    Executor jdkScheduler = null;
    String unavailable = null;
    try {
      var lookup = MethodHandles.lookup();
      Class<?> builders = Class.forName("java.lang.ThreadBuilders");
      newThread = MethodHandles.privateLookupIn(builders, lookup).findStatic(builders, "newVirtualThread",
          MethodType.methodType(Thread.class, Executor.class, String.class, int.class, Runnable.class));
      currentCarrierThread = MethodHandles.privateLookupIn(Thread.class, lookup)
          .findStatic(Thread.class, "currentCarrierThread", MethodType.methodType(Thread.class));
      Class<?> virtualThread = Class.forName("java.lang.VirtualThread");
      for (var field : virtualThread.getDeclaredFields()) {
        if (!field.getName().equals("DEFAULT_SCHEDULER")) continue;
        jdkScheduler = (Executor) MethodHandles.privateLookupIn(virtualThread, lookup).unreflectGetter(field).invoke();
      }
      if (jdkScheduler == null) unavailable = "on this JVM, " + Runtime.version() + ", virtual threads have no DEFAULT_SCHEDULER";
    } catch (IllegalAccessException e) {
      unavailable = "the JVM was started without " + FLAG;
    } catch (Throwable t) {
      unavailable = "on this JVM, " + Runtime.version() + ", virtual threads cannot be given a scheduler: " + t;
    }
    NEW_THREAD = newThread;
    CURRENT_CARRIER_THREAD = currentCarrierThread;
    JDK_SCHEDULER = jdkScheduler;
    UNSUPPORTED = unavailable;
  }

  /** The outcome of trying it out, at first use. */
  private static final class Proof { // without code of its own for the trial's thread, which would wait for it
    static final boolean INFLATES_LOCKS = UNSUPPORTED == null && !keepsLocks(null);
    static final @Nullable String UNAVAILABLE =
        INFLATES_LOCKS && !keepsLocks(new Strand.Locks())
            ? "on this JVM, " + Runtime.version() + ", a virtual thread takes along the locks of the thread that carries it"
            : UNSUPPORTED;
  }

  /** Whether who is about to carry a virtual thread has to {@linkplain Strand.Locks#inflate inflate} its locks. */
  static boolean inflatesLocks() {
    return Proof.INFLATES_LOCKS;
  }

  static boolean isAvailable() {
    return Proof.UNAVAILABLE == null;
  }

  /** Why there are no carriers, or null. */
  static @Nullable String unavailable() {
    return Proof.UNAVAILABLE;
  }

  /**
   * What the JDK knows of a carrier. The virtual threads that code in the thread starts inherit it, and may live longer than the
   * stack, so it does not hold that.
   */
  private static final class Scheduler extends WeakReference<Carrier> implements Executor {
    Scheduler(Carrier carrier) {
      super(carrier);
    }

    /** Called by the JDK when the virtual thread, or one that inherited this, can go on. */
    @Override
    public void execute(Runnable runnable) {
      Carrier carrier = get();
      if (carrier == null || !carrier.takes(runnable)) JDK_SCHEDULER.execute(runnable);
    }
  }

  /** It has suspended itself, or has yet to begin: who gives it the baton runs it, or has it run. */
  private static final int HELD = 0;
  /** It was blocked and can go on, as soon as its puller or else the JDK comes to it. */
  private static final int READY = 1;
  /** It is running, blocked, or over; or the JDK, which runs it, goes on with it of itself. */
  private static final int BUSY = 2;

  private static final VarHandle STATE;
  private static final VarHandle PULLER;

  static {
    try {
      var lookup = MethodHandles.lookup();
      STATE = lookup.findVarHandle(Carrier.class, "state", int.class);
      PULLER = lookup.findVarHandle(Carrier.class, "puller", Strand.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** Of the virtual thread. To run it, we make it busy first. */
  private volatile int state;

  private volatile @Nullable Strand puller;

  /** Runs the virtual thread as far as it goes: always the same object. */
  private @Nullable Runnable step;

  /** Of the platform thread that runs the virtual thread whenever it can go on; null while there is none. */
  @Nullable Strand puller() {
    return puller;
  }

  /** Without a fence: who gives the baton next has one before it reads the state, unless that is held, which it stays. */
  void setPuller(@Nullable Strand strand) {
    PULLER.setRelease(this, strand);
  }

  /** An unstarted virtual thread that this schedules. */
  Thread newThread(String name, Runnable task) {
    try {
      return (Thread) NEW_THREAD.invokeExact((Executor) new Scheduler(this), name, 0, task);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  /**
   * False for the step of another thread. One that is held stays so: it has just suspended itself or been started, or somebody
   * has asked for its stack trace, after which the JDK submits it once more.
   */
  private boolean takes(Runnable runnable) {
    if (step == null) step = runnable;
    if (runnable != step) return false;
    if (state == HELD) return true;
    STATE.compareAndSet(this, BUSY, READY);
    if (state != READY) return true;
    Strand waiting = puller; // read after state is written, as its strand reads state after it has written puller
    if (waiting == null) JDK_SCHEDULER.execute(this::stepIfReady);
    else if (waiting.thread != Thread.currentThread()) LockSupport.unpark(waiting.thread);
    return true;
  }

  /** In a thread of the JDK's, which may come late: to one that has a puller again, or has been run. */
  private void stepIfReady() {
    if (puller == null && STATE.compareAndSet(this, READY, BUSY)) step.run();
  }

  /** Runs the virtual thread, if it can go on, as far as it goes: for its puller, which has given it the baton. */
  void step() {
    if ((int) STATE.getAndSet(this, BUSY) != BUSY) step.run();
  }

  /** The platform thread, our puller, that runs the calling virtual thread, which this schedules; else null. */
  @Nullable Strand carriedBy() {
    Strand mayCarry = puller;
    try {
      return mayCarry != null && (Thread) CURRENT_CARRIER_THREAD.invokeExact() == mayCarry.thread ? mayCarry : null;
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  /** Whether the virtual thread can go on, if it has the baton. */
  boolean isReady() {
    return state != BUSY;
  }

  /** Whether the virtual thread waits for the baton where it goes on as soon as, and not before, its puller runs it. */
  boolean isHeld() {
    return state == HELD;
  }

  /** Has the JDK run the virtual thread, which can go on. */
  void release() {
    STATE.compareAndSet(this, HELD, READY);
    JDK_SCHEDULER.execute(this::stepIfReady);
  }

  /** Suspends the calling virtual thread, which is carried; returns at once where it cannot be. */
  void suspend() {
    STATE.setRelease(this, HELD); // for this very thread, which goes on as its puller
    try {
      Thread.yield(); // which leads to takes() there
    } finally {
      if (state == HELD) state = BUSY; // it could not be
    }
  }

  /** Whether a thread that carries a virtual thread still has its locks, inflated or not, when that is suspended. */
  static boolean keepsLocks(Strand.@Nullable Locks toInflate) {
    return Engine.inTrialThread(() -> {
      Carrier carrier = new Carrier();
      carrier.setPuller(Strand.current());
      Object lock = new Object();
      Thread carried = carrier.newThread("greenlet engine trial", carrier::suspend);
      carried.start();
      synchronized (lock) {
        if (toInflate != null) toInflate.inflate();
        carrier.step();
        boolean kept = Thread.holdsLock(lock) && carrier.isHeld();
        carrier.step();
        return kept && !carried.isAlive();
      }
    });
  }
}
