package greenlet.hub;

import greenlet.Greenlet;
import greenlet.Snapshot;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** A wait that the JDK alone knows of: it has suspended the thread of a greenlet, for a lock, a socket, or whatever. */
final class Blocked {
  /** Who waits. */
  interface Owner {
    /** The task. */
    Object who();

    /** It has begun to wait; called in the hub's thread. */
    void block(Blocked wait);

    /** It goes on. */
    void goOn(Blocked wait);

    /** It will never go on. */
    void giveUp();
  }

  final Owner owner;
  final Greenlet greenlet;

  /** The greenlet's, or that of a generator's body which it pulls from. */
  final Thread thread;

  /** Whether it is over, and its greenlet has not had its turn yet. */
  boolean isReady;

  /** What is to be done when it goes on. */
  @Nullable Runnable atEnd;

  private final long since = System.nanoTime();

  /** Whether it may be a monitor that it waits for. Asked for in virtual time alone. */
  final boolean mayBeAtMonitor;

  Blocked(Owner owner, Greenlet greenlet, Thread thread, boolean asks) {
    mayBeAtMonitor = asks && LockSupport.getBlocker(thread) == null;
    this.owner = owner;
    this.greenlet = greenlet;
    this.thread = thread;
  }

  /** What it has called. */
  StackTraceElement[] stackTrace() {
    return greenlet.stackTrace();
  }

  /** For people. */
  Snapshot.Waiting waiting() {
    return new Snapshot.Waiting(
        "the JDK" + inJdk(stackTrace()), Duration.ofNanos(System.nanoTime() - since), false);
  }

  /** Where, and since when; for people. */
  @Override
  public String toString() {
    StackTraceElement[] stack = stackTrace();
    String where =
        Arrays.stream(stack)
            .filter(frame -> !isOfJdk(frame))
            .findFirst()
            .map(frame -> ", at " + frame)
            .orElse("");
    long millis = (System.nanoTime() - since) / 1_000_000;
    return "blocked in the JDK for %s%s%s"
        .formatted(Timers.text(Duration.ofMillis(millis)), inJdk(stack), where);
  }

  /** The outermost of the JDK's methods at the top: what was called. */
  private static String inJdk(StackTraceElement[] stack) {
    if (stack.length == 0) return "";
    int i = 0;
    while (i + 1 < stack.length && isOfJdk(stack[i]) && isOfJdk(stack[i + 1])) i++;
    String method = stack[i].getClassName() + "." + stack[i].getMethodName();
    return isOfJdk(stack[i]) ? ", in " + method : ", by a monitor";
  }

  private static boolean isOfJdk(StackTraceElement frame) {
    String module = frame.getModuleName();
    return module != null && (module.startsWith("java.") || module.startsWith("jdk."));
  }
}
