package greenlet;

import java.lang.ref.WeakReference;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * For tests: finds what has been left suspended, and would be forgotten without its {@code finally} blocks having run. What
 * is made between the constructor and {@link #close()} has to be over by then: each greenlet that was started has to have
 * ended, each cursor, seq or stream that was pulled from has to have come to its end or been closed.
 *
 * <pre>{@code
 * private final LeakDetector leaks = new LeakDetector(); // JUnit makes a new test object for each test
 *
 * @AfterEach
 * void nothingIsLeft() {
 *   leaks.close(); // AssertionError: 1 left suspended … traversal of generator-1, first pulled from at …
 * }
 *
 * @Test
 * void leaves() {
 *   lines.stream().findFirst(); // the stream is not closed, so the body of lines stays half way
 * }
 * }</pre>
 *
 * <p>It sees what the calling thread makes, in any of its greenlets and in the bodies that it pulls from, and what threads make
 * that are started meanwhile; not what other threads make, so tests can run side by side. Where detectors are nested, the
 * innermost alone sees a thing. What those threads leave behind when they end counts as left suspended; threads that go on
 * are to be waited for first.
 *
 * <p>What it sees it holds until it is closed: the outcome does not depend on the garbage collector. Where no detector is open,
 * nothing is held, and nothing costs time.
 */
public final class LeakDetector implements AutoCloseable {
  /*
   * Who makes a greenlet, or runs a body, belongs to a thread's state, and the detector of that one is asked first: on the
   * virtual-thread engine a greenlet that was started before the detector has a thread which knows nothing of it. New threads,
   * which have states of their own, inherit it. Both lead to the same detector on either engine.
   */
  // the innermost last
  private static final List<WeakReference<LeakDetector>> OPEN = new CopyOnWriteArrayList<>();
  private static final InheritableThreadLocal<@Nullable LeakDetector> OF_THREAD =
      new InheritableThreadLocal<>();

  private static final Consumer<Object> SEE = LeakDetector::see;

  private static final int MOST_FRAMES = 20;

  /** Until it is closed: threads that have inherited it may live long. */
  private @Nullable ThreadState thread = ThreadState.here();

  private final @Nullable LeakDetector outer = OF_THREAD.get();
  private boolean closed;

  /** What may yet be left suspended, and where it began. */
  private final Map<Object, StackTraceElement[]> seen = new LinkedHashMap<>();

  private int manySeen = 1000;

  /** Begins to watch. */
  public LeakDetector() {
    OF_THREAD.set(this);
    synchronized (OPEN) {
      OPEN.add(new WeakReference<>(this));
      Probe.add(SEE);
    }
  }

  private static void see(Object made) {
    LeakDetector detector = innermost(ThreadState.here());
    if (detector != null) detector.add(made, whereUserIs());
  }

  /** Without the frames of the JDK and of Clojure that wait, or lie between the user's code and ours. */
  private static StackTraceElement[] whereUserIs() {
    return Arrays.stream(Greenlet.current().stackTrace())
        .dropWhile(frame ->
            "java.base".equals(frame.getModuleName())
                || frame.getClassName().startsWith("clojure."))
        .toArray(StackTraceElement[]::new);
  }

  private static @Nullable LeakDetector innermost(ThreadState thread) {
    for (var reference : OPEN.reversed()) {
      LeakDetector open = reference.get();
      if (open != null && open.thread == thread) return open;
    }
    LeakDetector inherited = OF_THREAD.get();
    while (inherited != null && inherited.isClosed()) inherited = inherited.outer;
    return inherited;
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  private synchronized void add(Object made, StackTraceElement[] where) {
    if (closed) return;
    seen.putIfAbsent(made, where);
    if (seen.size() < manySeen) return;
    seen.keySet().removeIf(LeakDetector::isOver);
    manySeen = Math.max(manySeen, 2 * seen.size());
  }

  private static boolean isOver(Object made) {
    return made instanceof Greenlet g ? g.isFinished() : ((PulledTraversal<?>) made).hasEnded();
  }

  /** A greenlet that is running does so in another thread. */
  private static boolean isLeft(Object made) {
    if (isOver(made)) return false;
    return !(made instanceof Greenlet g)
        || (g.state() != null && (g.state().hasEnded() || g.state().current() != g));
  }

  /**
   * Ends the watch. Does nothing a second time. To be called by the thread that called the constructor.
   *
   * @throws AssertionError if something is left suspended: names each, and where it stands, or where it began
   */
  @Override
  public void close() {
    Map<Object, StackTraceElement[]> left;
    synchronized (this) {
      if (closed) return;
      closed = true;
      thread = null;
      left = new LinkedHashMap<>(seen);
      seen.clear();
    }
    synchronized (OPEN) {
      OPEN.removeIf(reference -> reference.get() == null || reference.get() == this);
      if (OPEN.isEmpty()) Probe.remove(SEE);
    }
    if (OF_THREAD.get() == this) OF_THREAD.set(outer);
    left.keySet().removeIf(made -> !isLeft(made));
    if (!left.isEmpty()) throw new AssertionError(describe(left));
  }

  private static String describe(Map<Object, StackTraceElement[]> left) {
    var text =
        new StringBuilder()
            .append(left.size())
            .append(" left suspended; each has to come to its end or be closed:");
    left.forEach((made, where) -> {
      StackTraceElement[] stands =
          made instanceof Greenlet g ? g.stackTrace() : new StackTraceElement[0];
      String how =
          stands.length > 0
              ? "which stands"
              : made instanceof Greenlet ? "which was made" : "first pulled from";
      text.append("\n").append(made).append(", ").append(how);
      StackTraceElement[] frames = stands.length > 0 ? stands : where;
      for (int i = 0; i < frames.length && i < MOST_FRAMES; i++)
        text.append("\n    at ").append(frames[i]);
      if (frames.length > MOST_FRAMES) text.append("\n    …");
    });
    return text.toString();
  }
}
