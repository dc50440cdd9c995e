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
        depart(null, from, null, null);
        if (starts) to.leave();
        throw t;
      }
    }
    return arrive();
  }

  /** The end of {@code from}: tells who gets its result, or its exception. */
  Greenlet bequeath(Greenlet from, @Nullable Object result, @Nullable Throwable thrown) {
    Greenlet to = living(from);
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

  private void depart(@Nullable Greenlet from, Greenlet to, @Nullable Object sent, @Nullable Throwable thrown) {
    origin = from;
    value = sent;
    error = thrown;
    current = to;
  }

  /** Takes what was sent to the current greenlet, which is told to the listener first. */
  @Nullable Object arrive() throws Throwable {
    Greenlet from = origin;
    Object sent = value;
    Throwable thrown = error;
    depart(null, current, null, null);
    if (listener != null) {
      try {
        var event = thrown == null ? SwitchListener.Event.SWITCH : SwitchListener.Event.THROW;
        listener.onSwitch(event, from, current);
      } catch (Throwable t) {
        listener = null;
        thrown = t;
      }
    }
    if (thrown != null) throw thrown;
    return sent;
  }
}
