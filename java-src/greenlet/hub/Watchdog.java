package greenlet.hub;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reports the task that holds a hub's thread for too long. One daemon thread serves all watchdogs of the JVM: it samples whose turn it
 * is. It runs while there is something to watch, and has weak references to that.
 *
 * @param <H> what can have a turn: a task
 */
final class Watchdog<H> {
  /** The turns of one thread. May be asked for in any thread; the answers may be a little old. */
  interface Turns<H> {
    /** The thread; null if there is none now, and nobody has a turn. */
    @Nullable Thread thread();

    /** Whose turn it is; null if it is nobody's. */
    @Nullable H holder();

    /** The number of the turn; the numbers repeat only after very many. */
    int count();

    /** Whether the holder runs on the thread itself, rather than on a virtual thread of its own. */
    boolean areOnThread();

    /** Called in the watchdog's thread: {@code holder} has had the same turn for {@code time} at least. */
    void report(H holder, Duration time, List<StackTraceElement> stack, @Nullable String missing);
  }

  private static final int LOOKS = 8;
  private static final long SHORTEST_PERIOD = 1_000_000;

  /** Bounds how late the daemon notices that a hub has ended. */
  private static final long LONGEST_PERIOD = 1_000_000_000;

  /** Those to look at. Also the lock for all that is static. */
  private static final List<WeakReference<Watchdog<?>>> ALL = new ArrayList<>();

  private static @Nullable Thread daemon;

  /** Whether there are new ones, so that the daemon must not wait before it has looked at them. */
  private static boolean areMore;

  private final Turns<H> turns;
  private final long period;

  /** How many samples have to see the same turn again. A pause of the whole JVM, however long, is one sample. */
  private final long enough;

  /** Whether it is one of {@link #ALL}, and guarded by that. */
  private boolean isListed;

  // For the watchdog's thread
  private @Nullable H holder;
  private int count;
  private long since;
  private long seenAgain;
  private long nextLook = System.nanoTime();

  /** {@code limit}: how long a turn may be, in nanoseconds above 0. */
  Watchdog(Turns<H> turns, long limit) {
    this.turns = turns;
    period = Math.clamp(limit / LOOKS, SHORTEST_PERIOD, LONGEST_PERIOD);
    enough = Math.ceilDiv(limit, period);
  }

  /** Watches the thread, as long as there is one. */
  void begin() {
    synchronized (ALL) {
      if (isListed) return;
      if (daemon == null) {
        daemon =
            Thread.ofPlatform()
                .daemon()
                .name("greenlet-watchdog")
                .inheritInheritableThreadLocals(false)
                .start(Watchdog::lookForEver);
      }
      ALL.add(new WeakReference<>(this));
      isListed = true;
      areMore = true;
      ALL.notifyAll();
    }
  }

  /** Watches no longer. */
  void end() {
    synchronized (ALL) {
      ALL.removeIf(reference -> reference.get() == this);
      isListed = false;
    }
  }

  private static void lookForEver() {
    try {
      while (waitForNext(lookAtAll()))
        ;
    } finally {
      synchronized (ALL) {
        if (daemon == Thread.currentThread()) daemon = null; // an error, such as no memory
      }
    }
  }

  /** False, and the thread's end, if there is nothing to look at. */
  private static boolean waitForNext(long nanos) {
    synchronized (ALL) {
      ALL.removeIf(Watchdog::isOver);
      if (ALL.isEmpty()) {
        daemon = null;
        return false;
      }
      try {
        if (nanos > 0 && !areMore) ALL.wait(nanos / 1_000_000, (int) (nanos % 1_000_000));
      } catch (InterruptedException e) {
        // it ends when there is nothing to look at
      }
      areMore = false;
      return true;
    }
  }

  private static boolean isOver(WeakReference<Watchdog<?>> reference) {
    Watchdog<?> each = reference.get();
    if (each == null) return true;
    if (each.turns.thread() != null) return false;
    each.holder = null;
    each.isListed = false;
    return true;
  }

  /** Looks at those whose time has come; in how many nanoseconds that of the next one comes. */
  private static long lookAtAll() {
    List<WeakReference<Watchdog<?>>> all;
    synchronized (ALL) {
      all = List.copyOf(ALL);
    }
    long nanos = LONGEST_PERIOD;
    for (WeakReference<Watchdog<?>> reference : all) {
      Watchdog<?> each = reference.get();
      if (each != null) nanos = Math.min(nanos, each.lookInTime());
    }
    return nanos;
  }

  /** Looks, if its time has come; in how many nanoseconds its next time comes. */
  private long lookInTime() {
    long now = System.nanoTime();
    if (nextLook - now > 0) return nextLook - now;
    try {
      look(now);
    } catch (Throwable t) {
      Failures.handUncaught(Thread.currentThread(), "what a watchdog reports to has failed", t);
    }
    nextLook = System.nanoTime() + period;
    return period;
  }

  private void look(long now) {
    H holderNow = turns.holder();
    int countNow = turns.count();
    if (holderNow == null || holderNow != holder || countNow != count) {
      holder = holderNow;
      count = countNow;
      since = now;
      seenAgain = 0;
    } else if (seenAgain < enough && ++seenAgain == enough) {
      report(holderNow, Duration.ofNanos(now - since));
    }
  }

  private void report(H held, Duration time) {
    Thread thread = turns.thread();
    String missing = thread == null ? "it has just ended" : whyNotAsked(thread);
    List<StackTraceElement> stack = List.of();
    if (thread != null && missing == null) {
      stack = List.of(thread.getStackTrace());
      if (turns.holder() != held || turns.count() != count) {
        stack = List.of();
        missing = "it has just given way";
      } else if (carries(stack)) {
        missing =
            "what it runs in a virtual thread, such as the body of a seq, is not on the stack";
      }
    }
    turns.report(held, time, ofBody(stack), missing);
  }

  /** HotSpot can crash where a running virtual thread with continuations of ours in it is asked for its stack. */
  private @Nullable String whyNotAsked(Thread thread) {
    String where =
        thread.isVirtual()
            ? "the thread of the hub is virtual"
            : turns.areOnThread() ? null : "it runs in a virtual thread of its own";
    return where == null
        ? null
        : "its stack is not known: "
            + where
            + ", and to ask one that runs for its stack can crash the JVM";
  }

  /** Also where what is carried is blocked just now, and the thread waits for it. */
  private static boolean carries(List<StackTraceElement> stack) {
    return stack.stream()
        .anyMatch(frame ->
            frame.getClassName().equals("greenlet.Context")
                && frame.getMethodName().equals("carry"));
  }

  /** Without the frames below a task's body. */
  private static List<StackTraceElement> ofBody(List<StackTraceElement> stack) {
    int end = stack.size();
    for (int i = 0; i < stack.size(); i++) {
      StackTraceElement frame = stack.get(i);
      if (frame.getClassName().equals("greenlet.hub.Task") && frame.getMethodName().equals("run"))
        end = i;
    }
    return stack.subList(0, end);
  }
}
