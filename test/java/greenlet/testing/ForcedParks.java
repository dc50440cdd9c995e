package greenlet.testing;

import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;

/** Parks in the midst of the library: forced ones, which test/forced-parks has the classes call, and others, which are a fault. */
public final class ForcedParks {
  private static final int EVERY = Integer.getInteger("greenlet.test.park.every", 0);
  private static final AtomicLong CALLS = new AtomicLong();
  private static final Queue<StackTraceElement[]> UNEXPECTED = new ConcurrentLinkedQueue<>();

  private ForcedParks() {}

  /** {@code -Dgreenlet.test.park.every=N}: each N-th call parks. */
  public static boolean areForced() {
    return EVERY > 0;
  }

  /** Called before each call of the library's that may block: now and then a virtual thread really parks there. */
  public static void here() {
    if (!Thread.currentThread().isVirtual() || !areForced()) return;
    if (CALLS.incrementAndGet() % EVERY != 0) return;
    boolean interrupted = Thread.interrupted(); // or it would not park
    try {
      LockSupport.parkNanos(1_000);
    } catch (IllegalStateException e) { // called by the JDK where it must not park
      if (!"Pinned: CRITICAL_SECTION".equals(e.getMessage())) throw e;
    }
    // the permit that it may have taken was for the library's next park
    LockSupport.unpark(Thread.currentThread());
    if (interrupted) Thread.currentThread().interrupt();
  }

  /** The library has parked by itself, in the midst of something. */
  public static void tellUnexpected(StackTraceElement[] where) {
    UNEXPECTED.add(where);
  }

  static void requireNoneUnexpected() {
    if (UNEXPECTED.isEmpty()) return;
    String told =
        UNEXPECTED.stream()
            .map(where ->
                Arrays.stream(where).map(Object::toString).collect(Collectors.joining("\n    ")))
            .collect(Collectors.joining("\n\n    "));
    UNEXPECTED.clear();
    throw new AssertionError("the library has parked in the midst of itself:\n    " + told);
  }
}
