package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * The greenlets of one thread: the root, which is what the thread itself runs, and all that were first started
 * from one of them. One greenlet of a tree is current. What a transfer carries lies here for the time of the
 * transfer and no longer.
 */
final class Tree {
  final Thread thread;
  private final Greenlet root;
  private final Strand rootStrand;
  private Greenlet current;
  @Nullable SwitchListener listener;

  /** The one that runs in the thread, where there is one. */
  @Nullable Hub hub;

  /** The thread's tasklets, where it has used any. */
  @Nullable Scheduler scheduler;

  /** Who gets the control from the greenlet that is ending, and no value, where that is not its parent. */
  @Nullable Greenlet heir;

  // On the way from one greenlet to the next; the bindings in force are the former's.
  @Nullable Object bindings;
  private @Nullable Greenlet origin;
  private @Nullable Object value;
  private @Nullable Throwable error;

  Tree(Strand strand) {
    thread = strand.thread;
    rootStrand = strand;
    root = new Greenlet(this, strand);
    current = root;
  }

  Greenlet current() {
    return current;
  }

  Strand root() {
    return rootStrand;
  }

  Greenlet rootGreenlet() {
    return root;
  }

  /** The strand of the current greenlet, as far as another strand can see; that one if its thread has yet to start. */
  Strand currentStrand() {
    return current.stack instanceof Strand s ? s : rootStrand;
  }

  boolean hasEnded() {
    return !thread.isAlive();
  }

  String threadName() {
    return describe(thread);
  }

  static String describe(Thread thread) {
    return '"' + name(thread) + '"';
  }

  static String name(Thread thread) {
    return thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName();
  }

  /**
   * Suspends the current greenlet, on whose stack this is called, and has a value or an exception delivered to
   * {@code target}, or where that is dead to its nearest living ancestor. Returns or throws what is delivered to
   * the caller in the end.
   */
  @Nullable Object transfer(Greenlet target, @Nullable Object sent, @Nullable Throwable thrown) throws Throwable {
    if (target.isFinished() && thrown instanceof GreenletExit) { // rule X5
      sent = thrown;
      thrown = null;
    }
    Greenlet to = living(target);
    Greenlet from = current;
    boolean starts = to.enter(this);
    depart(from, to, sent, thrown);
    if (to != from) {
      try {
        Engine.get().transfer(from, to);
      } catch (Throwable t) { // refused: nothing has happened
        current = from;
        origin = null;
        value = null;
        error = null;
        if (starts) to.leave();
        throw t;
      }
    }
    return arrive();
  }

  /** The end of {@code from}: tells who gets its result, or its exception. */
  Greenlet bequeath(Greenlet from, @Nullable Object result, @Nullable Throwable thrown) {
    Greenlet to = living(heir != null ? heir : from);
    if (heir != null) heir = null;
    try {
      to.enter(this);
    } catch (Throwable t) { // an unstarted parent that was moved to another thread meanwhile
      if (thrown != null) t.addSuppressed(thrown);
      thrown = t;
      to = root;
    }
    depart(from, to, result, thrown);
    return to;
  }

  /** Where {@code next}, which has been made current, cannot be continued: the root hears of it. */
  void refuse(Greenlet next, Throwable t) {
    depart(next, root, null, t);
  }

  private static Greenlet living(Greenlet g) {
    while (g.isFinished()) g = g.parentOrSelf();
    return g;
  }

  /** What is null already is not written: G1 charges for each reference that is stored in an old object. */
  private void depart(@Nullable Greenlet from, Greenlet to, @Nullable Object sent, @Nullable Throwable thrown) {
    if (listener != null) origin = from;
    if (thrown != null) error = thrown;
    value = sent;
    current = to;
  }

  /** Takes what was sent to the current greenlet, which is told to the listener first. */
  @Nullable Object arrive() throws Throwable {
    Object sent = value;
    Throwable thrown = error;
    value = null;
    if (thrown != null) error = null;
    if (listener != null) thrown = tell(listener, thrown);
    if (thrown != null) throw thrown;
    return sent;
  }

  private @Nullable Throwable tell(SwitchListener listener, @Nullable Throwable thrown) {
    Greenlet from = origin;
    origin = null;
    try {
      listener.onSwitch(thrown == null ? SwitchListener.Event.SWITCH : SwitchListener.Event.THROW, from, current);
      return thrown;
    } catch (Throwable t) {
      this.listener = null;
      return t;
    }
  }
}
