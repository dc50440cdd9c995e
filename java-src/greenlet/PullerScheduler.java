package greenlet;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * The scheduler of one stack, which lets the thread that waits for the stack, its <i>puller</i>, run it: nobody else is woken.
 * While there is no puller, somebody else runs the stack whenever it can go on.
 *
 * <p>How a stack is suspended, who else runs it, and how a puller is unparked, a subclass says. So nothing here knows which
 * kind of thread it serves.
 *
 * @param <P> what stands for a puller
 */
abstract class PullerScheduler<P> {
  /** Suspended by {@link #suspend}, or not started yet: whoever passes control to the stack must step or release it. */
  private static final int HELD = 0;

  /** Was blocked and can go on, as soon as its puller, or else somebody else, comes to it. */
  private static final int READY = 1;

  /** Running, blocked, or over; or it goes on of itself with somebody else. */
  private static final int BUSY = 2;

  /** Blocked, while its puller runs others: whoever lets it go on ends {@link #wait}. */
  private static final int LEFT = 3;

  private static final VarHandle STATE;
  private static final VarHandle PULLER;

  static {
    try {
      var lookup = MethodHandles.lookup();
      STATE = lookup.findVarHandle(PullerScheduler.class, "state", int.class);
      PULLER = lookup.findVarHandle(PullerScheduler.class, "puller", Object.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** Of the stack. Whoever runs it makes it busy first. */
  private volatile int state;

  private volatile @Nullable Object puller;

  /** What the puller has left the stack for. */
  private @Nullable Wait wait;

  /** Runs the stack as far as it goes: always the same object. */
  private @Nullable Runnable step;

  /** A wait of the stack, during which its puller runs others. */
  abstract static class Wait {
    private volatile boolean over;

    /** Whether the stack can go on. */
    final boolean isOver() {
      return over;
    }

    /** The stack can go on. Called once, in whichever thread has brought it about. */
    abstract void unparked();

    private void end() {
      over = true;
      unparked();
    }
  }

  // What the kind of thread decides

  /** Has somebody else run {@code step}, later. */
  abstract void runElsewhere(Runnable step);

  /** Unparks the puller, if that is not the calling thread; called from any thread. */
  abstract void unpark(P puller);

  /** Suspends the calling stack, which leads to {@link #takes}; returns when it is stepped again, or at once if it cannot be. */
  abstract void yieldStack();

  // The puller

  /** Who runs the stack whenever it can go on; null while there is none. */
  @SuppressWarnings("unchecked")
  final @Nullable P puller() {
    return (P) puller;
  }

  /** Release is enough: the next hand-over has a full fence before it reads the state, or finds HELD, which stays. */
  final void setPuller(@Nullable P newPuller) {
    PULLER.setRelease(this, newPuller);
  }

  /** Runs the stack, if it can go on, as far as it goes: for its puller, which has given it the baton. */
  @SuppressWarnings("NullAway") // what can go on has been submitted
  final void step() {
    if ((int) STATE.getAndSet(this, BUSY) != BUSY) step.run();
  }

  /** The stack is blocked. Its puller runs others until {@code newWait} is over. */
  final void leaveFor(Wait newWait) {
    wait = newWait; // before LEFT, for whoever finds that
    if (STATE.compareAndSet(this, BUSY, LEFT)) return;
    wait = null;
    newWait.end(); // the stack can go on already
  }

  /** Whether the stack can go on. */
  final boolean isReady() {
    int now = state;
    return now == HELD || now == READY;
  }

  /** Whether the stack goes on as soon as its puller steps it, and not before. */
  final boolean isHeld() {
    return state == HELD;
  }

  // The stack

  /** Suspends the calling stack until its puller steps it; returns at once where it cannot be suspended. */
  final void suspend() {
    STATE.setRelease(this, HELD); // for this very thread, which goes on as the puller
    try {
      yieldStack();
    } finally {
      if (state == HELD) state = BUSY; // it could not be
    }
  }

  // Somebody else

  /** Has somebody else run the stack, which can go on. */
  final void release() {
    STATE.compareAndSet(this, HELD, READY);
    runElsewhere(this::stepIfReady);
  }

  /**
   * The stack can go on by {@code runnable}. False if that is the step of another stack. One that is held stays so: it has just
   * suspended itself or been started, or somebody has asked for its stack trace, after which the JDK submits it once more.
   */
  @SuppressWarnings("NullAway") // it has been left for something
  final boolean takes(Runnable runnable) {
    if (step == null) step = runnable;
    if (runnable != step) return false;
    int before;
    do {
      before = state;
      if (before == HELD) return true;
    } while (before != READY && !STATE.compareAndSet(this, before, READY));
    if (before == LEFT) { // and nobody leaves it again before this wait has ended
      Wait over = wait;
      wait = null;
      try {
        over.end();
      } catch (Throwable t) { // no memory: the JDK tries once more
        over.over = false;
        wait = over;
        state = LEFT;
        throw t;
      }
      return true;
    }
    // read after state is written, as the puller reads state after it has written itself
    P waiting = puller();
    if (waiting == null) runElsewhere(this::stepIfReady);
    else unpark(waiting);
    return true;
  }

  /** May come late: to a stack that has a puller again, or has been run. */
  @SuppressWarnings("NullAway") // what can go on has been submitted
  private void stepIfReady() {
    if (puller == null && STATE.compareAndSet(this, READY, BUSY)) step.run();
  }
}
