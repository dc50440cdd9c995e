package greenlet;

import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What the code of the library's users has called: stack traces without the frames of the library. */
final class StackTraces {
  // all that is in the packages on top of this one, but for their tests
  private static final Pattern OURS =
      Pattern.compile(
          "greenlet\\.((Greenlet|Generator|Cursor|\\w*Traversal|ThreadState|Scheduler|CooperativeTree|Context|Baton|GeneratorThread"
              + "|\\w*Engine|PullerScheduler|VirtualThreads|ScopedValues|ThinLocks|LeakDetector|Probe|RootLocal|core|generator|event|async)([.$].*)?"
              + "|(hub|tasklet|bridge|trace|repl)(\\$.*|\\.(?!\\w+Test\\b).*)?)");
  private static final Pattern MECHANISM = // of the JDK's, that lies between frames of ours
      Pattern.compile(
          "jdk\\.internal\\.vm\\.(Continuation|ScopedValueContainer).*|java\\.lang\\.(ScopedValue|VirtualThread).*");

  /** Those names that have been asked for, as long stacks of many have the same few. */
  private static final Map<String, Boolean> ARE_OURS = new ConcurrentHashMap<>();

  private static final long MOST_NANOS_TO_PARK = 100_000_000;
  private static final StackTraceElement[] NONE = {};

  private StackTraces() {}

  /**
   * What {@code thread} has on its stack, top first. {@code mayCrash}: newer HotSpots crash if they come upon one of our
   * continuations just as it is being suspended in a virtual thread that runs. Then there is nothing of a virtual thread that
   * runs; one that is {@code aboutToWait} is waited for.
   */
  static StackTraceElement[] of(Thread thread, boolean mayCrash, boolean aboutToWait) {
    Headroom.require(); // the JDK's walk of a stack makes an InternalError of an overflow within it
    if (mayCrash && thread.isVirtual() && thread != Thread.currentThread()) {
      long most = aboutToWait ? MOST_NANOS_TO_PARK : 0;
      long start = System.nanoTime();
      while (thread.getState() == Thread.State.RUNNABLE) {
        if (System.nanoTime() - start >= most) return NONE;
        Thread.onSpinWait();
      }
    }
    return thread.getStackTrace();
  }

  /**
   * The frames of {@code all}, top first, that are the users'. Where the stack {@code waits}, or the caller asks for its own,
   * without what lies above the topmost frame of ours; where its thread {@code isOurs}, without what lies below the lowest.
   */
  static Stream<StackTraceElement> ofUsers(StackTraceElement[] all, boolean waits, boolean isOurs) {
    int from = 0;
    int to = all.length;
    if (waits) while (from < to && !isOurs(all[from].getClassName())) from++;
    if (isOurs) while (to > from && !isOurs(all[to - 1].getClassName())) to--;
    return Arrays.stream(all, from, to)
        .filter(frame -> !isOurs(frame.getClassName()) && !isMechanism(frame.getClassName()));
  }

  /**
   * Of the users' frames in {@code all}, the stack of something of ours that waits, the topmost that {@code isWanted}; else the topmost of
   * all, or null if there is none. Reads no further, and makes an element of no frame above.
   */
  static @Nullable StackTraceElement top(
      Stream<StackWalker.StackFrame> all, Predicate<StackTraceElement> isWanted) {
    StackTraceElement topmost = null;
    boolean isBelowOurs = false;
    for (var frames = all.iterator(); frames.hasNext(); ) {
      StackWalker.StackFrame frame = frames.next();
      String name = frame.getClassName();
      if (isOurs(name)) {
        isBelowOurs = true;
      } else if (isBelowOurs && !isMechanism(name)) {
        StackTraceElement element = frame.toStackTraceElement();
        if (isWanted.test(element)) return element;
        if (topmost == null) topmost = element;
      }
    }
    return topmost;
  }

  private static boolean isMechanism(String name) {
    return name.startsWith("j") && MECHANISM.matcher(name).matches();
  }

  private static boolean isOurs(String name) {
    return name.startsWith("greenlet.")
        && ARE_OURS.computeIfAbsent(name, each -> OURS.matcher(each).matches());
  }
}
