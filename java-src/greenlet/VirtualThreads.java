package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.ref.WeakReference;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Virtual threads as stacks: started so that an abandoned one is garbage, and, where the user consents, scheduled by us, so that
 * a platform thread can carry them.
 *
 * <p>Virtual threads with a scheduler of their own are no public API. They need {@link Flags#JAVA_LANG} and are tried out before
 * they are used. This is the one class that touches them.
 */
final class VirtualThreads {
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
      newThread =
          MethodHandles.privateLookupIn(builders, lookup)
              .findStatic(
                  builders,
                  "newVirtualThread",
                  MethodType.methodType(
                      Thread.class, Executor.class, String.class, int.class, Runnable.class));
      currentCarrierThread =
          MethodHandles.privateLookupIn(Thread.class, lookup)
              .findStatic(
                  Thread.class, "currentCarrierThread", MethodType.methodType(Thread.class));
      Class<?> virtualThread = Class.forName("java.lang.VirtualThread");
      for (var field : virtualThread.getDeclaredFields()) {
        if (!field.getName().equals("DEFAULT_SCHEDULER")) continue;
        jdkScheduler =
            (Executor)
                MethodHandles.privateLookupIn(virtualThread, lookup)
                    .unreflectGetter(field)
                    .invoke();
      }
      if (jdkScheduler == null)
        unavailable =
            "on this JVM, " + Runtime.version() + ", virtual threads have no DEFAULT_SCHEDULER";
    } catch (IllegalAccessException e) {
      unavailable = "the JVM was started without " + Flags.JAVA_LANG;
    } catch (Throwable t) {
      unavailable =
          "on this JVM, "
              + Runtime.version()
              + ", virtual threads cannot be given a scheduler: "
              + t;
    }
    NEW_THREAD = newThread;
    CURRENT_CARRIER_THREAD = currentCarrierThread;
    JDK_SCHEDULER = jdkScheduler;
    UNSUPPORTED = unavailable;
  }

  /** The outcome of trying it out, at first use. */
  // without code of its own for the trial's thread, which would wait for it
  private static final class Proof {
    static final boolean INFLATES_LOCKS = UNSUPPORTED == null && !keepsLock(null);
    static final @Nullable String UNAVAILABLE =
        INFLATES_LOCKS && !keepsLock(new ThinLocks())
            ? "on this JVM, "
                + Runtime.version()
                + ", a virtual thread takes along the locks of the thread that carries it"
            : UNSUPPORTED;
  }

  private VirtualThreads() {}

  /** Whether a platform thread can carry virtual threads of ours. */
  static boolean canBeCarried() {
    return Proof.UNAVAILABLE == null;
  }

  /** Why they cannot be carried, or null. */
  static @Nullable String whyNotCarried() {
    return Proof.UNAVAILABLE;
  }

  /** Whether a thread that is about to carry one has to {@linkplain ThinLocks#inflate inflate} its locks. */
  static boolean needInflatedLocks() {
    return Proof.INFLATES_LOCKS;
  }

  /** Whether a thread that carries a virtual thread still has its locks, inflated or not, when that is suspended. */
  static boolean keepsLock(@Nullable ThinLocks toInflate) {
    return Trial.inThread(() -> {
      Scheduler<Thread> scheduler =
          new Scheduler<>() {
            @Override
            Thread threadOf(Thread puller) {
              return puller;
            }
          };
      scheduler.setPuller(Thread.currentThread());
      Thread carried = scheduler.newThread("greenlet engine trial", scheduler::suspend);
      carried.start();
      boolean kept =
          Trial.keepsLock(
              toInflate == null ? () -> {} : toInflate::inflate,
              () -> {
                scheduler.step();
                return scheduler.isHeld();
              });
      return kept && !carried.isAlive();
    });
  }

  /**
   * Starts a thread that {@code factory} makes. The JDK holds a virtual thread that was started directly until it ends. One that
   * was started through an executor is held by that executor alone. So each has an executor of its own, to which nobody refers,
   * and an abandoned stack is collected with everything on it.
   */
  static void start(ThreadFactory factory, Runnable task) {
    Executors.newThreadPerTaskExecutor(factory).execute(task);
  }

  /** Schedules one virtual thread of ours. */
  abstract static class Scheduler<P> extends PullerScheduler<P> {
    /** The platform thread of a puller. */
    abstract Thread threadOf(P puller);

    /** An unstarted virtual thread that this schedules. */
    @SuppressWarnings("NullAway") // supported, or there would be no scheduler
    final Thread newThread(String name, Runnable task) {
      try {
        return (Thread) NEW_THREAD.invokeExact((Executor) new Submissions(this), name, 0, task);
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    }

    /** The puller, if its thread carries the calling virtual thread, which this schedules; else null. */
    @SuppressWarnings("NullAway") // supported, or there would be no scheduler
    final @Nullable P carriedBy() {
      P mayCarry = puller();
      try {
        return mayCarry != null
                && (Thread) CURRENT_CARRIER_THREAD.invokeExact() == threadOf(mayCarry)
            ? mayCarry
            : null;
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    }

    @Override
    @SuppressWarnings("NullAway") // supported, or there would be no scheduler
    final void runElsewhere(Runnable step) {
      JDK_SCHEDULER.execute(step);
    }

    @Override
    final void unpark(P puller) {
      Thread thread = threadOf(puller);
      if (thread != Thread.currentThread()) LockSupport.unpark(thread);
    }

    @Override
    final void yieldStack() {
      Thread.yield();
    }
  }

  /**
   * What the JDK knows of a scheduler. The virtual threads that code in the thread starts inherit it, and may live longer than the
   * stack, so it does not hold that.
   */
  private static final class Submissions extends WeakReference<Scheduler<?>> implements Executor {
    Submissions(Scheduler<?> scheduler) {
      super(scheduler);
    }

    /** Called by the JDK when the virtual thread, or one that inherited this, can go on. */
    @Override
    @SuppressWarnings("NullAway") // supported, or there would be no scheduler
    public void execute(Runnable runnable) {
      Scheduler<?> scheduler = get();
      if (scheduler == null || !scheduler.takes(runnable)) JDK_SCHEDULER.execute(runnable);
    }
  }
}
