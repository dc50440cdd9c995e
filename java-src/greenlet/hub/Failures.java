package greenlet.hub;

import java.io.InterruptedIOException;
import java.net.SocketException;
import java.nio.channels.ClosedByInterruptException;
import org.jspecify.annotations.Nullable;

/** Which of several exceptions counts, and where one goes that nobody takes. */
final class Failures {
  private Failures() {}

  /** The first one counts; a later one is suppressed on it. */
  static Throwable join(@Nullable Throwable first, Throwable later) {
    if (first == null) return later;
    if (!isPartOf(later, first)) first.addSuppressed(later);
    return first;
  }

  /** Whether {@code t} tells that a thread has been interrupted in the JDK. */
  static boolean isOfInterrupt(Throwable t) {
    for (Throwable part = t; part != null; part = part.getCause()) {
      if (part instanceof InterruptedException
          || part instanceof InterruptedIOException
          || part instanceof ClosedByInterruptException
          || part instanceof SocketException && "Closed by interrupt".equals(part.getMessage()))
        return true;
    }
    return false;
  }

  /** Whether a printed stack trace of {@code whole} has that of {@code t} as a cause. */
  private static boolean isPartOf(Throwable t, Throwable whole) {
    for (Throwable part = whole; part != null; part = part.getCause()) if (part == t) return true;
    return false;
  }

  /** Tells the handler of uncaught exceptions of {@code thread}. Throws nothing itself. */
  static void handUncaught(Thread thread, String message, Throwable t) {
    var uncaught = new RuntimeException(message, t);
    uncaught.setStackTrace(new StackTraceElement[0]); // that of the cause tells more
    try {
      thread.getUncaughtExceptionHandler().uncaughtException(thread, uncaught);
    } catch (Throwable failure) { // the JVM would ignore it
      join(uncaught, failure).printStackTrace();
    }
  }
}
