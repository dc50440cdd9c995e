package greenlet;

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

  /** Decides what runs while the JDK has suspended the current greenlet; null if the thread waits. */
  private final @Nullable Parking parking;

  /** Who gets the control when {@code predecessor}, which has said so, ends. */
  private @Nullable Greenlet successor;

  private @Nullable Greenlet predecessor;

  // On the way from one greenlet to the next

  /** In a cooperative tree: whether a scheduler goes on with something else, and not a greenlet with another part of itself. */
  private boolean isApart;

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

  /** Of the calling thread. */
  ThreadState(@Nullable Parking parking) {
    this.parking = parking;
    rootGreenlet = new Greenlet(this, engine().rootStack(root));
    current = rootGreenlet;
  }

  /** What its stacks are made of. */
  Engine engine() {
    return parking == null ? EngineChoice.engine() : EngineChoice.CARRYING;
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
    return new ThreadState(null).root.makeCurrent();
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
  boolean keepsInterrupt() {
    return isApart;
  }

  @Override
  boolean keepsInterruptForRoot() {
    return parking != null;
  }

  @Override
  Stack currentStack() {
    return stackOf(current);
  }

  // Suspended by the JDK

  private final class Displaced extends Context.Displacement {
    private final Parking parking;
    private final Greenlet greenlet;

    Displaced(Parking parking, Greenlet greenlet, Context parked) {
      super((Context) stackOf(greenlet), parked);
      this.parking = parking;
      this.greenlet = greenlet;
    }

    @Override
    void unparked() {
      parking.unparked(greenlet);
    }

    @Override
    void resumed() {
      parking.resumed(greenlet);
      value = null;
      error = null;
      if (listener == null) return;
      Throwable failure = tell(listener, null, null);
      if (failure != null) // there is no switch that it could come out of
      thread.getUncaughtExceptionHandler().uncaughtException(thread, failure);
    }
  }

  @Override
  Context.@Nullable Displacement displace(Context parked) {
    if (parking == null) return null;
    Greenlet from = current;
    Displaced displaced = new Displaced(parking, from, parked);
    Greenlet next = parking.parked(from, parked.thread);
    if (next == null) return null;
    Context.Displacement nexts = displacementOf(next);
    if (nexts != null && !nexts.isOver()) next = rootGreenlet; // which says so, if it is not to run
    depart(from, next, SwitchArgs.NONE, null);
    try {
      next.enter(this);
    } catch (Throwable t) {
      refuse(t, false);
    }
    return displaced;
  }

  /** Of one that the JDK has suspended while others run. */
  private Context.@Nullable Displacement displacementOf(Greenlet g) {
    return parking != null && g.stack instanceof Context of ? of.displacement() : null;
  }

  /** On a stack of its own; to one that is blocked only by a scheduler, which sends it nothing, and when the JDK lets it go on. */
  private void requireMayPass(Greenlet to, @Nullable Object sent) {
    if (current != rootGreenlet && Thread.currentThread() == thread)
      throw new IllegalStateException(
          "nothing can switch to %s here, where a listener or a scheduler hears that %s, which was blocked in the JDK, goes on"
              .formatted(to, current));
    Context.Displacement displaced = displacementOf(to);
    if (displaced == null || (sent == SwitchArgs.RESUME && displaced.isOver())) return;
    throw new IllegalStateException(
        "%s cannot switch to %s, which is blocked in the JDK: only its scheduler can go on with it, when the JDK lets it"
            .formatted(current, to));
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
    if (parking != null) {
      requireMayPass(to, thrown == null ? sent : thrown);
      isApart = sent == SwitchArgs.RESUME;
    }
    boolean starts = to.enter(this);
    depart(from, to, sent, thrown);
    if (FlightRecorder.ARE_POSSIBLE && FlightRecorder.Switch.isWanted())
      FlightRecorder.Switch.happened(from.name(), to.name(), thrown != null);
    if (to != from) {
      try {
        engine().transfer(this, stackOf(from), stackOf(to), from);
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

  /**
   * The end of {@code from}: gives its result, or its exception, and the control to its nearest living ancestor, passing by those
   * that are blocked, or to its successor.
   */
  @SuppressWarnings("NullAway") // a root is never displaced
  void bequeath(Greenlet from, @Nullable Object result, @Nullable Throwable thrown) {
    Greenlet heir = from;
    if (predecessor == from && successor != null) {
      heir = successor;
      successor = null;
      predecessor = null;
    }
    isApart = parking != null && heir != from;
    Greenlet to = living(heir);
    while (heir == from && displacementOf(to) != null) to = living(to.parent());
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
    if (parking != null) requireMayPass(next, SwitchArgs.RESUME);
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
    if (listener != null) thrown = tell(listener, sent, thrown);
    if (thrown != null) throw thrown;
    return sent;
  }

  @SuppressWarnings("NullAway") // whoever departed saw the listener
  private @Nullable Throwable tell(
      SwitchListener listener, @Nullable Object sent, @Nullable Throwable thrown) {
    Greenlet from = origin;
    origin = null;
    try {
      listener.onSwitch(
          thrown == null ? SwitchListener.Event.SWITCH : SwitchListener.Event.THROW,
          from,
          current,
          thrown == null ? SwitchArgs.received(sent) : thrown);
      return thrown;
    } catch (Throwable t) {
      this.listener = null;
      return t;
    }
  }

  /** How a greenlet stands that has been started and is not finished. */
  String describe(Greenlet g) {
    if (hasEnded()) return "dead";
    return current == g ? "running" : displacementOf(g) != null ? "blocked" : "suspended";
  }

  /** Why a greenlet of this thread is of no use to {@code here}. */
  String whyOutOfReach(ThreadState here, boolean isUnstarted) {
    if (here.thread == thread)
      return "a cooperative hub, or whatever else has a CooperativeTree, runs in the thread with greenlets of its own, and "
          + "neither side reaches those of the other";
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
