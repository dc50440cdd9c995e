package greenlet;

import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** How a stack is suspended and continued: the one seam between what the library promises and how the JVM does it. */
abstract class Engine {
  private static final String PROPERTY = "greenlet.engine";
  static final String VIRTUAL_THREAD = "virtual-thread";
  static final String CONTINUATION = "continuation";

  /** The engine of this JVM, chosen at first use. */
  static Engine get() {
    Engine engine = Choice.ENGINE;
    if (engine == null) throw new IllegalStateException(Choice.REFUSAL);
    return engine;
  }

  private static final class Choice {
    static final @Nullable Engine ENGINE;
    static final @Nullable String REFUSAL;

    static {
      Engine engine = null;
      String refusal = null;
      String asked = System.getProperty(PROPERTY);
      if (asked == null || asked.equals(CONTINUATION)) {
        try {
          engine = ContinuationEngine.proven();
        } catch (ContinuationEngine.Unavailable e) {
          if (asked == null) engine = new VirtualThreadEngine(e.getMessage());
          else refusal = "-D" + PROPERTY + "=" + asked + ": this engine cannot be had: " + e.getMessage();
        }
      } else if (asked.equals(VIRTUAL_THREAD)) {
        engine = new VirtualThreadEngine(null);
      } else {
        refusal = "-D" + PROPERTY + "=" + asked + ": there is no such engine; use " + CONTINUATION + " or " + VIRTUAL_THREAD
            + ", or leave the property out for the faster one that can be had";
      }
      ENGINE = engine;
      REFUSAL = refusal;
    }
  }

  /** Its name, as the property has it, and what there is to say of the choice. */
  @Override
  public abstract String toString();

  /**
   * Suspends {@code from}, on whose stack this is called, and lets {@code to} run: from where it called transfer
   * itself, or from the start of {@link Greenlet#run}. Returns when somebody transfers to {@code from}. The tree says
   * already that {@code to} is current. Throws only if {@code to} has no stack yet and none can be had.
   */
  abstract void transfer(Greenlet from, Greenlet to);

  /** The stack of {@code greenlet}, which has been started and is not finished, top first, library's frames left out. */
  abstract Stream<StackTraceElement> stackTrace(Greenlet greenlet);

  /** A stack for the body of a generator. */
  abstract BodyStack bodyStack(Pull<?> pull);

  /** The stack of a generator's body. */
  interface BodyStack {
    /** Runs {@link Pull#runBody}, from its start or from where it suspended itself, until it suspends itself or ends. */
    void resume();

    /** Suspends the body, on whose stack this is called, and lets the call of resume return. */
    void suspend();
  }

  private static final Pattern OURS =
      Pattern.compile("greenlet\\.(Greenlet|Generator|Traversal|Push|Pull|Cursor|Tree|Strand|\\w*Engine|core|generator)([.$].*)?");
  private static final Pattern MECHANISM = // of the JDK's, that lies between frames of ours
      Pattern.compile("jdk\\.internal\\.vm\\.(Continuation|ScopedValueContainer).*|java\\.lang\\.ScopedValue.*");

  /**
   * The frames of {@code all}, top first, that are the users': without those of ours; where the stack {@code waits}, or the
   * caller asks for its own, without what lies above the topmost of ours; where its thread {@code isOurs}, without what lies
   * below the lowest.
   */
  static Stream<StackTraceElement> usersFrames(StackTraceElement[] all, boolean waits, boolean isOurs) {
    int from = 0;
    int to = all.length;
    if (waits) while (from < to && !isOurs(all[from])) from++;
    if (isOurs) while (to > from && !isOurs(all[to - 1])) to--;
    return Arrays.stream(all, from, to)
        .filter(frame -> !isOurs(frame) && !MECHANISM.matcher(frame.getClassName()).matches());
  }

  private static boolean isOurs(StackTraceElement frame) {
    return OURS.matcher(frame.getClassName()).matches();
  }
}
