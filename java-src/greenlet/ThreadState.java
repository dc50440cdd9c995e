package greenlet;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The greenlets of one thread: the root, which is what the thread itself runs, and all that were first started from one of
 * them. One of them is current. What a transfer carries lies here for the time of the transfer and no longer.
 */
final class ThreadState extends Context.Group {
  private final Greenlet rootGreenlet;
  private Greenlet current;
  @Nullable SwitchListener listener;
  @Nullable Scheduler scheduler;

  /** By the index of a {@link RootLocal}. */
  @Nullable Object[] locals = {};

  /** Hears that the current greenlet has been parked by the JDK, by {@code Thread.sleep} for one, and not by a switch. */
  @Nullable Consumer<Greenlet> parkListener;

  /** Who gets the control when {@code predecessor}, which has said so, ends. */
  private @Nullable Greenlet successor;

  private @Nullable Greenlet predecessor;

  // On the way from one greenlet to the next
  private @Nullable Greenlet origin;
  private @Nullable Object value;
  private @Nullable Throwable error;

  /** What runs on a greenlet's own stack. */
  record Entry(Greenlet greenlet) implements EntryPoint {
    @Override
    public void run() {
      greenlet.run();
    }

    @Override
    public String name() {
      return greenlet.name();
    }
  }

  private ThreadState() {
    rootGreenlet = new Greenlet(this, EngineChoice.engine().rootStack(root));
    current = rootGreenlet;
  }

  /** The state of the calling thread's greenlets; of the puller's, in the body of a generator. */
  static ThreadState here() {
    return of(context());
  }

  static ThreadState of(Context here) {
    return (ThreadState) here.group();
  }

  /** The context of the calling thread, which becomes the root of a group if it is none yet. */
  static Context context() {
    Context known = Context.current();
    if (known != null) return known;
    Headroom.require();
    return new ThreadState().root.makeCurrent();
  }

  /** The same, without a look-up where it is {@code likely}. */
  static Context context(@Nullable Context likely) {
    return likely != null && likely.thread == Thread.currentThread() ? likely : context();
  }

  Greenlet current() {
    return current;
  }

  Greenlet rootGreenlet() {
    return rootGreenlet;
  }

  @Override
  Stack currentStack() {
    return stackOf(current);
  }

  @Override
  void parked() {
    if (parkListener != null) parkListener.accept(current);
  }

  /**
   * Suspends the current greenlet, on whose stack this is called, and has a value or an exception delivered to
   * {@code target}, or where that is dead to its nearest living ancestor. Returns or throws what is delivered to
   * the caller in the end.
   */
  @Nullable Object transfer(Greenlet target, @Nullable Object sent, @Nullable Throwable thrown)
      throws Throwable {
    Headroom.require();
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
        EngineChoice.engine().transfer(this, stackOf(from), stackOf(to), from);
      } catch (Throwable t) {
        boolean cameBack = current == from; // else it was refused, and nothing has happened
        if (starts && !cameBack) to.leave();
        current = from;
        origin = null;
        value = null;
        error = null;
        throw t;
      }
    }
    return arrive();
  }

  /** The end of {@code from}: gives its result, or its exception, and the control to its nearest living ancestor or its successor. */
  void bequeath(Greenlet from, @Nullable Object result, @Nullable Throwable thrown) {
    Greenlet heir = from;
    if (predecessor == from && successor != null) {
      heir = successor;
      successor = null;
      predecessor = null;
    }
    Greenlet to = living(heir);
    try {
      to.enter(this);
    } catch (Throwable t) { // an unstarted parent that was moved to another thread meanwhile
      if (thrown != null) t.addSuppressed(thrown);
      thrown = t;
      to = rootGreenlet;
    }
    depart(from, to, result, thrown);
  }

  void setSuccessor(Greenlet next) {
    next.requireThread(this, "go on with");
    successor = next;
    predecessor = current;
  }

  /** An unstarted greenlet dies of it, as rule E3 has it; if another one cannot be resumed, the root hears of it. */
  @Override
  void refuse(Throwable why, boolean isLost) {
    Greenlet next = current;
    if (isLost || next.isToBegin()) next.die(this, null, why);
    else depart(next, rootGreenlet, null, why);
  }

  /** Has the calling thread let go of its state, if it has one. */
  static void forgetThread() {
    Context known = Context.current();
    if (known == null) return;
    ThreadState mine = of(known);
    boolean isRoot =
        known == mine.root && mine.current == mine.rootGreenlet && known.innermost == null;
    Scheduler runs = isRoot ? mine.scheduler : null;
    if (!isRoot || (runs != null && !runs.retire()))
      throw new IllegalStateException(
          "thread %s cannot forget its greenlets from within %s: call this where nothing of theirs runs"
              .formatted(mine.threadName(), runs != null ? runs : mine));
    mine.forget();
  }

  @SuppressWarnings("NullAway") // it has been started, and has not ended
  private static Stack stackOf(Greenlet g) {
    return g.stack;
  }

  @SuppressWarnings("NullAway") // a root never is finished
  private static Greenlet living(Greenlet g) {
    while (g.isFinished()) g = g.parent();
    return g;
  }

  /** What is null already is not written: G1 charges for each reference that is stored in an old object. */
  private void depart(
      @Nullable Greenlet from, Greenlet to, @Nullable Object sent, @Nullable Throwable thrown) {
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

  @SuppressWarnings("NullAway") // whoever departed saw the listener
  private @Nullable Throwable tell(SwitchListener listener, @Nullable Throwable thrown) {
    Greenlet from = origin;
    origin = null;
    try {
      listener.onSwitch(
          thrown == null ? SwitchListener.Event.SWITCH : SwitchListener.Event.THROW, from, current);
      return thrown;
    } catch (Throwable t) {
      this.listener = null;
      return t;
    }
  }

  /** How a greenlet stands that has been started and is not finished. */
  String describe(Greenlet g) {
    return hasEnded() ? "dead" : current == g ? "running" : "suspended";
  }

  /** Why a greenlet of this thread is of no use to another thread. */
  String whyOutOfReach(boolean isUnstarted) {
    if (!hasEnded())
      return "greenlets of one thread are out of reach for others; hand the work to its thread instead";
    return "its thread "
        + howEnded()
        + "; "
        + (isUnstarted
            ? "give it a parent in a thread that is alive"
            : "make it again in this one");
  }

  /** Whoever closes {@code closed} is neither that greenlet nor below it. */
  static void requireNotAbove(Greenlet closed, Greenlet closer) {
    for (Greenlet g = closer; g != null; g = g.parent()) {
      if (g != closed) continue;
      String why =
          g == closer
              ? "itself: let its body end, or throw a GreenletExit"
              : g
                  + ", which is above it: throw into that one and it gets the caller's place as well";
      throw new IllegalStateException(closer + " cannot close " + why);
    }
  }

  @Override
  public String toString() {
    return current.toString();
  }
}
