package greenlet;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.BooleanSupplier;

/**
 * One party of a hand-over: a thread that runs only while it has the baton. Of all parties that belong together one has the
 * baton at any time. The holder writes what they share, and the hand-over makes that visible to the next holder.
 *
 * <p>What a party is parked, unparked and started with, a subclass says. So nothing here knows which kind of thread it serves.
 */
abstract class Baton {
  /*
   * The wait spins, then parks, as SynchronousQueue's does: where both sides have a processor, an answer within the spin is some
   * twenty times as fast as a wake-up by the scheduler. The spin adapts. It is as long as a wake-up costs, so at worst it doubles
   * the wait. Each time it was in vain, the next waits park at once, twice as many as last time; each time it was of use, this is
   * forgotten. So a party whose other side works long or has no processor spins in one of a thousand waits. On one processor
   * nobody could answer: no spin.
   */
  private static final boolean MAY_SPIN = Runtime.getRuntime().availableProcessors() > 1;
  private static final int MOST_WAITS_WITHOUT_SPIN = 1024;

  private static final int NOT_HERE = 0;
  private static final int NOT_HERE_AND_PARKED = 1;
  private static final int HERE = 2;
  private static final int UNSTARTED = 3;
  private static final VarHandle STATE;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Baton.class, "state", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile int state;
  private int waitsWithoutSpin;
  private int waitsWithoutSpinNext;
  private boolean interruptComesAlong;
  private boolean tooDeep;

  /** A party whose thread exists, or, if {@code starts}, one whose thread the first hand-over starts. */
  Baton(boolean starts) {
    if (starts) state = UNSTARTED;
  }

  // What the kind of thread decides

  /** Starts the thread, which calls {@link #arrive} first. If it throws, nothing has happened. */
  abstract void start();

  /** Parks the calling thread, which is this party's, until {@link #unpark}; may return before. */
  abstract void park();

  /** Unparks this party's thread; called from any thread. */
  abstract void unpark();

  /** For how long it pays to spin, in nanoseconds: as long as it takes to unpark the thread. */
  abstract long spinNanos();

  /**
   * This party's thread was interrupted while it waited. Whoever interrupts it means the code that it seems to run, which is
   * where the baton is: interrupts that one.
   *
   * @return false if the baton is here, or on its way here
   */
  abstract boolean passOnInterrupt();

  // Giving

  /** Gives the baton to this party; starts its thread, or unparks it, where it does not run. */
  final void give() {
    takeInterrupt();
    int before = (int) STATE.getAndSet(this, HERE);
    if (before == NOT_HERE_AND_PARKED) wake();
    else if (before == UNSTARTED) begin();
  }

  private void wake() {
    try {
      unpark();
    } catch (Throwable t) { // such as an OutOfMemoryError; unless it has woken up nevertheless
      if (!STATE.compareAndSet(this, HERE, NOT_HERE_AND_PARKED)) return;
      giveInterrupt();
      throw t;
    }
  }

  /** As {@link #give}, for a party that goes on, or starts, in the very thread that calls: nobody is parked. */
  final void giveHere() {
    takeInterrupt();
    int before = state;
    STATE.setRelease(this, HERE);
    if (before == UNSTARTED) begin();
  }

  private void begin() {
    try {
      start();
    } catch (Throwable t) {
      state = UNSTARTED;
      giveInterrupt();
      throw t;
    }
  }

  /** Takes back {@link #giveHere}, where the caller could not leave its thread to this party. */
  final void takeBack() {
    state = NOT_HERE;
    giveInterrupt();
  }

  // Waiting, in this party's thread

  /** Whether this party has the baton, or is about to get it. */
  final boolean isHere() {
    return state == HERE;
  }

  /** Whether this party has received the baton and not given it away since. */
  final boolean isHeld() {
    return state == NOT_HERE;
  }

  /** Waits for the baton, whatever fails meanwhile, and receives it. */
  final void await() {
    while (state != HERE) {
      try {
        if (!spin()) parkUnless(() -> false);
      } catch (Throwable t) {
        // somebody else runs: to go on would be worse than to spin
      }
    }
    arrive();
  }

  /** Receives the baton, which is here. */
  final void arrive() {
    // seen by whoever gives it back: that one has got it from here
    STATE.setRelease(this, NOT_HERE);
    giveInterrupt();
  }

  /** Parks until the baton is here, or the condition holds; whoever makes the condition true must call {@link #unpark}. */
  final void parkUnless(BooleanSupplier condition) {
    if (!STATE.compareAndSet(this, NOT_HERE, NOT_HERE_AND_PARKED)) return;
    boolean interrupted = false;
    tooDeep = false;
    while (state != HERE && !condition.getAsBoolean()) {
      parkOrSpin();
      if (state != HERE && Thread.interrupted()) interrupted |= !passOnInterrupt();
    }
    STATE.compareAndSet(this, NOT_HERE_AND_PARKED, NOT_HERE);
    if (interrupted) interruptComesAlong = true;
  }

  private void parkOrSpin() {
    if (tooDeep) {
      Thread.onSpinWait();
      return;
    }
    try {
      park();
    } catch (VirtualMachineError e) {
      // the JDK cannot put aside so deep a stack of a virtual thread, or has no memory to: it waits
      // where it is
      tooDeep = true;
    }
  }

  private boolean spin() {
    if (!MAY_SPIN) return false;
    if (waitsWithoutSpin > 0) {
      waitsWithoutSpin--;
      return state == HERE;
    }
    long limit = spinNanos();
    long start = 0;
    for (int i = 1; ; i++) {
      if (state == HERE) {
        waitsWithoutSpinNext = 0;
        return true;
      }
      Thread.onSpinWait();
      if (i % 32 != 0) continue;
      long now = System.nanoTime();
      if (start == 0) start = now;
      else if (now - start > limit) break;
    }
    waitsWithoutSpinNext = Math.clamp(2L * waitsWithoutSpinNext, 1, MOST_WAITS_WITHOUT_SPIN);
    waitsWithoutSpin = waitsWithoutSpinNext;
    return false;
  }

  // The interrupt status goes where the baton goes, as if all parties were one thread

  private void takeInterrupt() {
    if (Thread.interrupted()) interruptComesAlong = true;
  }

  /** The next hand-over to this party brings an interrupt along. */
  final void bringInterrupt() {
    interruptComesAlong = true;
  }

  private void giveInterrupt() {
    if (interruptComesAlong) Thread.currentThread().interrupt();
    interruptComesAlong = false;
  }
}
