package greenlet;

import jdk.jfr.Category;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;
import org.jspecify.annotations.Nullable;

/**
 * The events of this package for the JDK's Flight Recorder. Touched only where the JVM has that, see {@link #ARE_POSSIBLE}: the module
 * jdk.jfr need not be there. While no recording wants an event, what asks for it is compiled to nothing.
 */
final class FlightRecorder {
  /** Whether the JVM has a Flight Recorder. */
  static final boolean ARE_POSSIBLE = arePossible();

  private FlightRecorder() {}

  private static boolean arePossible() {
    try {
      Class.forName("jdk.jfr.Event", false, FlightRecorder.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError e) {
      return false;
    }
  }

  /** Control has gone from one greenlet to another. */
  @Name("greenlet.Switch")
  @Label("Greenlet Switch")
  @Category("greenlet")
  @Enabled(false)
  @StackTrace(false)
  static final class Switch extends Event {
    private static final Switch ASKED = new Switch();

    @Label("From")
    @Nullable String origin;

    @Label("To")
    @Nullable String target;

    @Label("Throws")
    boolean isThrown;

    static boolean isWanted() {
      return ASKED.isEnabled();
    }

    static void happened(String from, String to, boolean isThrown) {
      var e = new Switch();
      if (!e.shouldCommit()) return;
      e.origin = from;
      e.target = to;
      e.isThrown = isThrown;
      e.commit();
    }
  }

  /** The body of a generator, from its first pull to its end. */
  @Name("greenlet.GeneratorRun")
  @Label("Generator Run")
  @Category("greenlet")
  @Threshold("0 ms")
  @StackTrace(false)
  static final class Run extends Event {
    private static final Run ASKED = new Run();

    @Label("Generator")
    @Nullable String generator;

    @Label("Ended By")
    @Nullable String exception;

    static boolean isWanted() {
      return ASKED.isEnabled();
    }

    /** One that has begun. */
    static Object begun() {
      var e = new Run();
      e.begin();
      return e;
    }

    static void ended(Object begun, String generator, @Nullable Throwable thrown) {
      Run e = (Run) begun;
      if (!e.shouldCommit()) return;
      e.generator = generator;
      e.exception = thrown == null ? null : thrown.toString();
      e.commit();
    }
  }
}
