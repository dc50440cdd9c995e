package greenlet;

import java.util.Arrays;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** How a stack is suspended and continued: the one seam between what the library promises and how the JVM does it. */
abstract class Engine {
  private static final String PROPERTY = "greenlet.engine";
  static final String VIRTUAL_THREAD = "virtual-thread";
  static final String CONTINUATION = "continuation";

  /** As the flags of the JVM name it. */
  static final String OUR_MODULE = Engine.class.getModule().isNamed() ? Engine.class.getModule().getName() : "ALL-UNNAMED";

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

  /** Its name, as the property has it, and in brackets what it could do better on a JVM with other flags. */
  @Override
  public abstract String toString();

  static String describe(String name, @Nullable String whyNotContinuation) {
    String slower = Stream.of(
            whyNotContinuation == null ? null : "not " + CONTINUATION + ": " + whyNotContinuation,
            Carrier.unavailable() == null ? null : "virtual threads not carried by the thread that waits for them: " + Carrier.unavailable())
        .filter(Objects::nonNull)
        .collect(Collectors.joining("; "));
    return slower.isEmpty() ? name : name + " (" + slower + ")";
  }

  /**
   * Suspends {@code from}, on whose stack this is called, and lets {@code to} run: from where it called transfer
   * itself, or from the start of {@link Greenlet#run}. Returns when somebody transfers to {@code from}. The tree says
   * already that {@code to} is current. Throws only if {@code to} has no stack yet and none can be had, or if {@code from}
   * cannot be suspended where it is; then nothing has happened.
   */
  abstract void transfer(Greenlet from, Greenlet to);

  /** The stack of {@code greenlet}, which has been started and is not finished, top first, library's frames left out. */
  abstract Stream<StackTraceElement> stackTrace(Greenlet greenlet);

  /** A stack for the body of a generator. */
  abstract BodyStack bodyStack(Pull<?> pull);

  /** The stack of a generator's body. */
  interface BodyStack {
    /**
     * On the puller's stack, {@code here}: runs {@link Pull#runBody}, from its start or from where it suspended itself, until
     * it suspends itself or ends.
     */
    void resume(Strand here);

    /** On the body's stack, {@code here}: suspends it and lets the call of resume return. */
    void suspend(Strand here);
  }

  /** What to throw where {@code who} would have to be suspended on top of a frame that cannot be. */
  static IllegalStateException refusal(String who, @Nullable Throwable cause) {
    return new IllegalStateException(who + " cannot be suspended here: a native frame lies on its stack, such as that of a class "
        + "initialiser" + (Runtime.version().feature() < 24 ? ", or it is inside of synchronized" : "") + "; switch outside of it, "
        + "or use -D" + PROPERTY + "=" + VIRTUAL_THREAD + " without " + Carrier.FLAG, cause);
  }

  /**
   * The outcome of {@code trial}, which tries out what a JVM has never promised: in a thread of its own, so that no lock of
   * anybody else's is put at risk.
   */
  static boolean inTrialThread(BooleanSupplier trial) {
    boolean[] outcome = new boolean[1];
    Thread thread = new Thread(() -> outcome[0] = trial.getAsBoolean(), "greenlet engine trial");
    thread.setDaemon(true);
    thread.start();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
    return outcome[0];
  }

  private static final Pattern OURS =
      Pattern.compile("greenlet\\.(Greenlet|Generator|Traversal|Push|Pull|Cursor|Carrier|Tree|Strand|ScopedValues|\\w*Engine"
          + "|LeakDetector|Hub|Task|Scope|Clock|Tasklet|Channel|Scheduler|Bridge|Pipe|Subscriber|Subscription"
          + "|core|generator|hub|event|tasklet|bridge|async)([.$].*)?");
  private static final Pattern MECHANISM = // of the JDK's, that lies between frames of ours
      Pattern.compile("jdk\\.internal\\.vm\\.(Continuation|ScopedValueContainer).*|java\\.lang\\.(ScopedValue|VirtualThread).*");

  private static final boolean RUNNING_MAY_BE_WALKED = Runtime.version().feature() == 21;
  private static final long MOST_NANOS_TO_PARK = 100_000_000;

  /**
   * What {@code thread}, of {@code tree}, has on its stack, top first. Nothing of a virtual one that is running, where our
   * continuations may be mounted on it: newer HotSpots crash if they come upon one that is just being suspended. Where the
   * caller runs on behalf of the same tree, the thread is about to wait.
   */
  static StackTraceElement[] framesOf(Thread thread, Tree tree) {
    boolean mayCrash = thread.isVirtual()
        && thread != Thread.currentThread()
        && !RUNNING_MAY_BE_WALKED
        && get() instanceof ContinuationEngine;
    if (mayCrash) {
      long most = Strand.current().tree() == tree ? MOST_NANOS_TO_PARK : 0;
      long start = System.nanoTime();
      while (thread.getState() == Thread.State.RUNNABLE) {
        if (System.nanoTime() - start >= most) return new StackTraceElement[0];
        Thread.onSpinWait();
      }
    }
    return thread.getStackTrace();
  }

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
