package greenlet;

import org.jspecify.annotations.Nullable;

/** How a stack is suspended and continued: the one seam between what the library promises and how the JVM does it. */
abstract class Engine {
  private static final String PROPERTY = "greenlet.engine";
  private static final String VIRTUAL_THREAD = "virtual-thread";
  private static final String CONTINUATION = "continuation";

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
      String asked = System.getProperty(PROPERTY, VIRTUAL_THREAD);
      ENGINE = asked.equals(VIRTUAL_THREAD) ? new VirtualThreadEngine() : null;
      REFUSAL =
          switch (asked) {
            case VIRTUAL_THREAD -> null;
            case CONTINUATION ->
                "-D" + PROPERTY + "=" + CONTINUATION + ": this version does not have that engine, whatever the flags "
                    + "of the JVM; leave the property out or set it to " + VIRTUAL_THREAD;
            default -> "-D" + PROPERTY + "=" + asked + ": there is no such engine; use " + VIRTUAL_THREAD;
          };
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
  abstract StackTraceElement[] stackTrace(Greenlet greenlet);

  /** A stack for the body of a generator, which will run {@code task}. */
  abstract BodyStack bodyStack(String name, boolean confined, Runnable task);

  /** The stack of a generator's body. */
  interface BodyStack {
    /** Runs the body, from its start or from where it suspended itself, until it suspends itself or ends. */
    void resume();

    /** Suspends the body, on whose stack this is called, and lets the call of resume return. */
    void suspend();
  }
}
