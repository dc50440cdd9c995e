package greenlet.hub;

import greenlet.Greenlet;
import greenlet.RootLocal;
import greenlet.Scheduler;
import org.jspecify.annotations.Nullable;

/** Time that stands still but for inputs, in turns that its driver calls. It takes nothing from outside of them. */
final class DrivenLoop extends EventLoop {
  /** How many rounds may follow each other without an input. */
  private static final int MOST_ROUNDS = 1_000_000;

  /** The one that has its turn in the thread. */
  private static final RootLocal<@Nullable DrivenLoop> TURN = new RootLocal<>();

  /** Whether there has been one: what has none pays for none. Whoever must see it has had a turn in the same thread. */
  private static boolean areUsed;

  /** What gives it its inputs; see {@link Driver}. */
  interface Inputs {
    long nanoTime();

    boolean deliver();

    void made(Object task, @Nullable String name, @Nullable Object maker);

    /** Whether there is somebody to tell that all wait for ever. */
    boolean canBeStuck();
  }

  private final String name;
  private final String advice;
  private final Inputs inputs;

  /** Of the thread of all turns. */
  private @Nullable Greenlet home;

  private @Nullable Greenlet host;
  private int rounds;
  private int tasks;
  private boolean isOver;

  /** What has ended it, until the turn is told. */
  private @Nullable Throwable failure;

  DrivenLoop(String name, String advice, Inputs inputs) {
    this.name = name;
    this.advice = advice;
    this.inputs = inputs;
  }

  @Override
  String name() {
    return name;
  }

  @Override
  long now() {
    return inputs.nanoTime();
  }

  @Override
  boolean isReal() {
    return false;
  }

  // Turns

  void requireNoTurn() {
    DrivenLoop other = TURN.get();
    if (other != null)
      throw new IllegalStateException(
          "%s cannot have a turn within one of %s".formatted(name, other.name));
    if (home != null && Greenlet.root() != home)
      throw new WrongThreadException(
          "%s has its turns in thread %s, and cannot have one in %s"
              .formatted(name, describe(home.thread()), describe(Thread.currentThread())));
  }

  /** One turn; begun and ended by whoever calls this. */
  @Override
  void round() {
    if (isOver) return;
    areUsed = true;
    home = root();
    host = Greenlet.current();
    TURN.set(this);
    try {
      Scheduler.resume(greenlet());
    } finally {
      TURN.set(null);
      host = null;
    }
    Throwable thrown = failure;
    failure = null;
    if (thrown != null) throw Sneaky.unchecked(thrown);
  }

  /** Where nobody is ready: the next input, or the end of the turn. */
  @Override
  @SuppressWarnings("NullAway") // there is a host in a turn
  void endRound() {
    try {
      if (!isOver && goesOn()) return;
    } catch (Throwable t) {
      isOver = true;
      failure = t;
    }
    host.switchTo();
  }

  private boolean goesOn() {
    if (rounds >= MOST_ROUNDS)
      throw new IllegalStateException(
          "%s: %s stayed ready for %,d rounds in which nothing came from outside; have them wait for something, or for a time"
              .formatted(name, tenant().listedReady(), MOST_ROUNDS));
    if (hasReady()) return true;
    rounds = 0;
    if (nextTimer() == Timers.NEVER && !hasWaitsForOutside() && inputs.canBeStuck()) {
      tenant().stuck(NOTHING_LEFT);
      return hasReady();
    }
    return inputs.deliver();
  }

  @Override
  boolean roundsFollow() {
    return ++rounds < MOST_ROUNDS;
  }

  // Tasks

  @Override
  int nextTaskNumber() {
    return ++tasks;
  }

  @Override
  void made(Object task, @Nullable String name, @Nullable Object maker) {
    inputs.made(task, name, maker);
  }

  // What is refused

  @Override
  void requireReachable() {
    throw new IllegalStateException(
        "%s takes nothing from outside of its turns, also not from the thread that it runs in: %s"
            .formatted(name, advice));
  }

  /** Refused in a turn of any: another loop is to be given something. */
  static void requireOutside(Object reached) {
    if (!areUsed) return;
    DrivenLoop caller = TURN.get();
    if (caller != null)
      throw new IllegalStateException(
          "a task of %s cannot wake, spawn or end anything of %s, which would do so again whenever it is run again: %s"
              .formatted(caller.name, reached, caller.advice));
  }

  @Override
  void requireMayWaitForOutside(@Nullable Object what) {
    throw new IllegalStateException(
        "a task of %s cannot wait for %s, which is outside of it: %s"
            .formatted(name, what, advice));
  }

  @Override
  Readiness claimReadiness() {
    throw new IllegalStateException(
        "a task of %s cannot wait for a channel, which is outside of it: %s"
            .formatted(name, advice));
  }

  @Override
  void requireOwnThread() {
    throw new IllegalStateException(
        "nothing can be waited for in %s outside of its tasks".formatted(name));
  }

  @Override
  void requireCooperates() {
    throw new IllegalStateException(
        "%s is driven, and cannot be cooperative: what blocks is outside of it".formatted(name));
  }

  @Override
  void setSleeper(Sleeper sleeper) {
    throw new IllegalStateException(name + " never sleeps: it has turns, between which it is left");
  }

  /** In its turn it sees by itself who is ready. */
  @Override
  void wake() {}
}
