package greenlet.tasklet;

import greenlet.Account;
import greenlet.Body;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.Snapshot;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A greenlet that is scheduled: the tasklets of a thread take turns, in a fixed order, and talk through {@linkplain Channel
 * channels}.
 *
 * <pre>{@code
 * Channel<Integer> numbers = Channel.confined();
 * Tasklet.of(args -> {
 *   for (int i = 1; i <= 3; i++) numbers.send(i);
 *   numbers.close();
 *   return null;
 * }).insert();
 * for (int n : numbers) System.out.println(n); // 1 2 3
 * }</pre>
 *
 * <p><b>Model.</b> Each thread has a ring of those tasklets that can run. The thread's own code is one of them, the
 * {@linkplain #main() main} tasklet. One is {@linkplain #current() current}; it runs until it calls for another one, by
 * {@link #schedule}, a channel and the like, or ends. Then the next in the ring runs. Nothing else ever makes it stop, so the
 * order of execution is the same every time. What the body of a tasklet returns is not kept.
 *
 * <p>A tasklet may use greenlets and generators: where it is suspended, they are suspended along with it. But nobody may
 * switch by hand to a greenlet in which a tasklet is suspended: the tasklet then gets an {@code IllegalStateException}, and the
 * one that was running is paused.
 *
 * <p><b>Exceptions.</b> What a body throws comes out of the innermost {@link #runAll} of the thread, or if there is none out of
 * whatever the main tasklet waits in, the same object, and at once; the others stay as they are. A {@link GreenletExit} ends a
 * tasklet quietly. Calls that may switch are {@code schedule}, {@code scheduleRemove}, {@code runAll}, {@code run}, {@code
 * switchTo}, {@code throwInto}, {@code kill}, and those of channels; what is thrown into their caller comes out of them as it
 * is, checked exceptions too. They are an {@code IllegalStateException} while the {@linkplain #switchTrap switch trap} is set,
 * while a callback runs, and where the stack cannot be suspended; nothing has changed then.
 *
 * <p><b>Threads.</b> A tasklet belongs to the thread that made it. Others may ask for its state, {@code insert} it, {@code run}
 * it, throw into it and {@code kill} it, all of which then happens in its own thread, when that next schedules; what only
 * makes sense at once is a {@link WrongThreadException}.
 *
 * <p><b>Resources.</b> The ring holds who can run. A tasklet that is paused, or waits on a channel, and that nobody can reach is
 * garbage, and nothing in it runs; {@link #kill()} unwinds. With a thread end its tasklets.
 *
 * <p>The model is that of <a href="https://stackless.readthedocs.io">Stackless Python</a>.
 */
public final class Tasklet extends RingNode {
  /** The body of a tasklet that takes no arguments. */
  // no @FunctionalInterface: Clojure would take any function for one, and drop what that returns
  public interface Action {
    /**
     * Runs once.
     *
     * @throws Throwable anything: it comes out of {@link #runAll}, or of what the main tasklet waits in
     */
    void run() throws Throwable;
  }

  private static final AtomicInteger COUNT = new AtomicInteger();

  private final String name;
  private final boolean hasOwnName;
  final Ring ring;
  final Greenlet greenlet;
  private @Nullable Body body;
  private @Nullable Object @Nullable [] args;
  private volatile boolean blockTrap;
  private @Nullable Consumer<? super Throwable> errorHandler;

  /** The main tasklet. */
  Tasklet(Ring ring, Greenlet root) {
    this.name = "main";
    this.hasOwnName = true;
    this.ring = ring;
    this.greenlet = root;
    this.at = Greenlet.current();
  }

  private Tasklet(Body body, @Nullable String name) {
    this.hasOwnName = name != null;
    this.name =
        name != null ? name : "tasklet-" + Integer.toUnsignedString(COUNT.incrementAndGet());
    this.body = body;
    this.ring = Ring.here();
    this.greenlet = Greenlet.of(this::live, ring.root, this.name);
    this.at = greenlet;
    this.account = ring.newAccount();
  }

  /**
   * A new tasklet of the calling thread, which is not in the ring yet: {@link #insert()} and {@link #setup} put it there.
   *
   * @param body what it will run; what that returns is not kept
   * @return the tasklet, paused
   */
  public static Tasklet of(Body body) {
    return of(body, null);
  }

  /**
   * A new tasklet with a name.
   *
   * @param body what it will run; what that returns is not kept
   * @param name what {@link #name()} returns; null for one that is made up
   * @return the tasklet, paused
   */
  public static Tasklet of(Body body, @Nullable String name) {
    if (body == null) throw new IllegalArgumentException("a tasklet needs a body to run: got null");
    return new Tasklet(body, name);
  }

  /**
   * As {@link #of(Body)}, for a body that takes no arguments: what {@link #setup} gives it is not looked at.
   *
   * @param body what it will run
   * @return the tasklet, paused
   */
  public static Tasklet of(Action body) {
    return of(body, null);
  }

  /**
   * As {@link #of(Body, String)}, for a body that takes no arguments.
   *
   * @param body what it will run
   * @param name what {@link #name()} returns; null for one that is made up
   * @return the tasklet, paused
   */
  public static Tasklet of(Action body, @Nullable String name) {
    if (body == null) throw new IllegalArgumentException("a tasklet needs a body to run: got null");
    return new Tasklet(
        args -> {
          body.run();
          return null;
        },
        name);
  }

  // The thread

  /**
   * The tasklet that is running in the calling thread.
   *
   * @return the current one; the main one if no other has been switched to
   */
  public static Tasklet current() {
    return Ring.here().current();
  }

  /**
   * The tasklet that stands for the calling thread's own code.
   *
   * @return the main tasklet
   */
  public static Tasklet main() {
    return Ring.here().main();
  }

  /**
   * How many tasklets of the calling thread can run.
   *
   * @return the number of those in the ring; the caller is one of them
   */
  public static int runCount() {
    return Ring.here().runCount();
  }

  /** Lets all others in the ring run before the current tasklet goes on. */
  public static void schedule() {
    Ring.here().schedule();
  }

  /**
   * Has the current tasklet leave the ring, and the next one run. If nobody else can run and this is the main tasklet, it
   * comes back at once.
   *
   * @return what it is {@linkplain #insert(Object) inserted} with, when somebody does; null if with nothing
   * @throws IllegalStateException if nobody could run then: a deadlock, as with a {@link Channel}
   */
  public static @Nullable Object scheduleRemove() {
    return Ring.here().pause("be removed");
  }

  /** Runs the others until none of them can: those that are left are paused, or wait on channels. */
  public static void runAll() {
    runAll(false);
  }

  /**
   * Runs the others until none of them can: those that are left are paused, or wait on channels. Calls nest, and the innermost
   * returns first.
   *
   * @param threadblock as long as one of them waits on a shared channel, to wait for other threads and go on; an interrupt
   *     then comes out as an {@link InterruptedException}
   */
  public static void runAll(boolean threadblock) {
    Ring.here().runAll(threadblock);
  }

  /**
   * Runs the others as {@link #runAll()} does, but for so long at most: when the time is over, the tasklet that runs then is the last,
   * and comes to where it next gives way. The others keep their places, so that the next call goes on where this one has ended. For
   * a frame of a game. Calls nest, and the innermost returns first.
   *
   * @param limit how long
   * @return how many of the others can run, and have been left
   */
  public static int runFor(Duration limit) {
    return runFor(limit, System::nanoTime);
  }

  /**
   * As {@link #runFor(Duration)}, by a clock of the caller's.
   *
   * @param limit how long
   * @param clock tells the time in nanoseconds; it is also that of the accounts from now on
   * @return how many of the others can run, and have been left
   */
  public static int runFor(Duration limit, LongSupplier clock) {
    if (limit == null || !limit.isPositive())
      throw new IllegalArgumentException(
          "tasklets run for a time above zero; got " + limit + ". runAll sets no limit");
    if (clock == null)
      throw new IllegalArgumentException("there is no clock to run tasklets by: got null");
    Ring here = Ring.here();
    here.clock = clock;
    return here.run(new Ring.Budget(limit.toNanos(), Long.MAX_VALUE));
  }

  /**
   * Runs the others as {@link #runAll()} does, but for so many turns at most: each is from where a tasklet goes on to where it gives
   * way or ends. See {@link #runFor(Duration)}.
   *
   * @param turns how many turns
   * @return how many of the others can run, and have been left
   */
  public static int runN(long turns) {
    if (turns < 1)
      throw new IllegalArgumentException(
          "tasklets run for 1 turn or more; got " + turns + ". runAll sets no limit");
    return Ring.here().run(new Ring.Budget(Long.MAX_VALUE, turns));
  }

  /**
   * Begins to keep accounts of the calling thread's tasklets, or ends that; see {@link #account}.
   *
   * @param keep whether to
   * @param stacks whether to note the stack of whoever makes a tasklet, which costs some time at each
   */
  public static void accounting(boolean keep, boolean stacks) {
    Ring.here().account(keep, stacks);
  }

  /**
   * Sets a trap for switches, in the calling thread: while its level is above 0, whatever would switch is an {@code
   * IllegalStateException}.
   *
   * @param change what to add to the level
   * @return the level before
   * @throws IllegalArgumentException if the level would be below 0
   */
  public static int switchTrap(int change) {
    Ring here = Ring.here();
    int level = here.switchTrap;
    if (level + change < 0)
      throw new IllegalArgumentException(
          "the level of the switch trap cannot be " + (level + change) + ": it is " + level);
    here.switchTrap = level + change;
    return level;
  }

  /**
   * Sets the callback of the calling thread, which is told of every switch, in the tasklet that is about to be left: that one,
   * which may have ended, and the next. It must not switch itself, nor use channels: that is an {@code
   * IllegalStateException}. What it throws comes out of the operation, which has then not happened; at the end of a tasklet,
   * out of where that one's exception would.
   *
   * @param callback the new one, or null for none
   * @return the one before, or null
   */
  public static @Nullable BiConsumer<? super Tasklet, ? super Tasklet> setScheduleCallback(
      @Nullable BiConsumer<? super Tasklet, ? super Tasklet> callback) {
    Ring here = Ring.here();
    var old = here.scheduleCallback;
    here.scheduleCallback = callback;
    return old;
  }

  // One tasklet

  /**
   * Gives a new tasklet its arguments, and appends it to the ring.
   *
   * @param args what its body gets
   * @return this
   * @throws IllegalStateException if it has been set up, inserted or killed before
   * @throws WrongThreadException in another thread
   */
  public Tasklet setup(@Nullable Object... args) {
    requireHere("set up");
    if (body == null || this.args != null || state != State.PAUSED) {
      throw new IllegalStateException(
          this + " cannot be set up: it has been before; make a new one");
    }
    this.args = args;
    ring.insert(this, null);
    return this;
  }

  /**
   * Appends it to the ring. Does nothing if it is there already.
   *
   * @return this
   * @throws IllegalStateException if it is blocked on a channel, or dead
   */
  public Tasklet insert() {
    return insert(null);
  }

  /**
   * Appends it to the ring, and has its pending {@link #scheduleRemove} or {@link #switchTo} return a value. Does nothing if
   * it is in the ring already.
   *
   * @param value what to return
   * @return this
   * @throws IllegalStateException if it is blocked on a channel, or dead; or if it is new, and so has no such call pending
   */
  public Tasklet insert(@Nullable Object value) {
    requireRunnable("insert");
    if (value != null && body != null)
      throw new IllegalStateException(
          this
              + " has nothing to return "
              + value
              + " from: it has not begun; use setup(), or insert! without a value");
    if (isHere()) ring.insert(this, value);
    else ring.post(() -> ring.insert(this, value));
    return this;
  }

  /**
   * Takes it off the ring, so that it is paused. Does nothing if it is paused already.
   *
   * @throws IllegalStateException if it is current, blocked on a channel, or dead
   * @throws WrongThreadException in another thread
   */
  public void remove() {
    requireHere("remove");
    requireRunnable("remove");
    if (isCurrent())
      throw new IllegalStateException(
          this
              + " cannot remove itself: use scheduleRemove() or schedule-remove!, which switch to the next");
    ring.remove(this);
  }

  /**
   * Switches to it now; a paused one is inserted first. The caller stays at its place in the ring, and those after this one
   * come next. From another thread: has it run next there, and returns.
   *
   * @throws IllegalStateException if it is blocked on a channel, or dead
   */
  public void run() {
    requireRunnable("run");
    if (isHere()) ring.run(this, false);
    else ring.post(() -> ring.insertNext(this));
  }

  /**
   * Switches to it now; a paused one is inserted first. The caller leaves the ring.
   *
   * @return what the caller is {@linkplain #insert(Object) inserted} with, when somebody does; null if with nothing
   * @throws IllegalStateException if it is blocked on a channel, or dead
   * @throws WrongThreadException in another thread
   */
  public @Nullable Object switchTo() {
    requireHere("switch to");
    requireRunnable("switch to");
    return ring.run(this, true);
  }

  /**
   * Switches to it now and raises an exception there. See {@link #throwInto(Throwable, boolean)}.
   *
   * @param exception what to raise
   */
  public void throwInto(Throwable exception) {
    throwInto(exception, false);
  }

  /**
   * Raises an exception in it: out of whatever it is suspended in, and what it waited for on a channel has not happened; right
   * here, if it is current. A new one ends without running.
   *
   * @param exception what to raise
   * @param pending true: it is appended to the ring if it is not there, raises when it is its turn, and the caller goes on.
   *     False: it runs at once, the caller stays at its place in the ring, and those after this one come next. From another
   *     thread it is pending in any case
   * @throws IllegalStateException if it is dead, unless it is a {@link GreenletExit} that would be raised
   */
  public void throwInto(Throwable exception, boolean pending) {
    if (exception == null)
      throw new IllegalArgumentException("nothing to throw into " + this + ": got null");
    if (!isAlive()) {
      if (exception instanceof GreenletExit) return;
      throw new IllegalStateException("nobody to throw into: " + this + " has ended");
    }
    if (!isHere()) {
      ring.post(() -> ring.throwLater(this, exception));
      return;
    }
    ring.drain();
    if (pending && !isCurrent()) ring.throwLater(this, exception);
    else ring.throwInto(this, exception);
  }

  /** Raises a {@link GreenletExit} in it now. See {@link #throwInto(Throwable, boolean)}; does nothing if it is dead. */
  public void kill() {
    kill(false);
  }

  /**
   * Raises a {@link GreenletExit} in it. See {@link #throwInto(Throwable, boolean)}; does nothing if it is dead.
   *
   * @param pending whether to wait for its turn
   */
  public void kill(boolean pending) {
    throwInto(new GreenletExit(), pending);
  }

  /**
   * Whether it has not ended, nor its thread.
   *
   * @return true also for one that has not begun
   */
  public boolean isAlive() {
    return state != State.DEAD && !ring.hasEnded();
  }

  /**
   * Whether it is alive, not in the ring and not blocked.
   *
   * @return true for one that is new, too
   */
  public boolean isPaused() {
    return state == State.PAUSED && isAlive();
  }

  /**
   * Whether it waits on a channel.
   *
   * @return true from when it begins to wait until its own thread has heard that it has been served
   */
  public boolean isBlocked() {
    return state == State.BLOCKED && isAlive();
  }

  /**
   * Whether it is in the ring, or blocked.
   *
   * @return true if it will run when those before it and its partners have done their part
   */
  public boolean isScheduled() {
    State now = state;
    return (now == State.SCHEDULED || now == State.BLOCKED) && isAlive();
  }

  /**
   * Whether it is the one that runs in its thread.
   *
   * @return true also while the thread is busy with something else
   */
  public boolean isCurrent() {
    return ring.current() == this && isAlive();
  }

  /**
   * Whether it stands for its thread's own code.
   *
   * @return true for one tasklet of each thread
   */
  public boolean isMain() {
    return ring.main() == this;
  }

  /**
   * The thread that it belongs to.
   *
   * @return the thread; null if it has ended
   */
  public @Nullable Thread thread() {
    return ring.hasEnded() ? null : ring.root.thread();
  }

  /**
   * Its name.
   *
   * @return the name it was given, or one that is made up; "main" for the main tasklets
   */
  public String name() {
    return name;
  }

  /**
   * Where it is: what it has called, without the frames of this library. May be called from any thread.
   *
   * @return the frames, the innermost first; empty if it has not begun, or has ended
   */
  public StackTraceElement[] stackTrace() {
    // its own thread may be ending it
    Greenlet where = isCurrent() && isHere() ? Greenlet.current() : at;
    return where == null || !isAlive() ? new StackTraceElement[0] : where.stackTrace();
  }

  /**
   * What it has used, where its thread {@linkplain #accounting keeps accounts}. May be called from any thread.
   *
   * @return the account; null if none is kept, or it has had no turn since
   */
  public @Nullable Account account() {
    return account;
  }

  /**
   * How it stands: looked at, without switching to it. May be called from any thread.
   *
   * @return its snapshot, by itself
   */
  public Snapshot snapshot() {
    Account known = account;
    Greenlet where = at;
    return new Snapshot(
        "tasklet",
        name,
        how(),
        null,
        0,
        waiting(),
        !isAlive() || where == null ? null : Snapshot.placeOf(where),
        known == null ? null : known.spawnedBy());
  }

  private Snapshot.@Nullable Waiting waiting() {
    Channel<?> on = channel;
    if (state != State.BLOCKED || on == null || !isAlive()) return null;
    boolean isTimed = ring.keepsAccounts() && account != null;
    return new Snapshot.Waiting(
        (sends ? "a receiver on " : "a sender on ") + on.name(),
        isTimed ? Duration.ofNanos(ring.clock.getAsLong() - waitsSince) : null,
        false);
  }

  private String how() {
    return switch (ring.hasEnded() ? State.DEAD : state) {
      case DEAD -> "dead";
      case PAUSED -> "paused";
      case BLOCKED -> "blocked";
      case SCHEDULED -> isCurrent() ? "current" : "scheduled";
    };
  }

  /**
   * Has an exception that would end this tasklet go to a handler, and nobody else hear of it; what the handler throws takes its place.
   *
   * @param handler called in this tasklet, as the last that it does; null for none: then the exception comes out of {@link #runAll}
   */
  public void setErrorHandler(@Nullable Consumer<? super Throwable> handler) {
    errorHandler = handler;
  }

  /**
   * Whether it must not block.
   *
   * @return see {@link #setBlockTrap}
   */
  public boolean blockTrap() {
    return blockTrap;
  }

  /**
   * Sets a trap for this tasklet: while it is set, a call on a channel that would have to wait is an {@code
   * IllegalStateException}.
   *
   * @param set whether to
   */
  public void setBlockTrap(boolean set) {
    blockTrap = set;
  }

  /** Its name, state and thread; for people, and not fixed. */
  @Override
  public String toString() {
    boolean ended = ring.hasEnded();
    String what =
        switch (ended ? State.DEAD : state) {
          case BLOCKED -> waitsFor();
          default -> how();
        };
    return "Tasklet[%s, %s, thread %s%s]"
        .formatted(name, what, ring.threadName(), ended ? ", which has ended" : "");
  }

  /** Whether somebody has given it its name. */
  boolean hasOwnName() {
    return hasOwnName;
  }

  private boolean isHere() {
    return Ring.ofCaller() == ring;
  }

  private void requireHere(String verb) {
    Ring here = Ring.here();
    if (here == ring) return;
    String same = here.root == ring.root ? "task" : "thread";
    throw new WrongThreadException(
        ("%s of thread %s cannot %s %s: that is for tasklets of the same %s; insert, run, throwInto and kill are not, "
                + "in Clojure insert!, run-now!, throw! and kill!")
            .formatted(here.current(), here.threadName(), verb, this, same));
  }

  private void requireRunnable(String verb) {
    if (isHere()) ring.drain();
    if (isAlive() && state != State.BLOCKED) return;
    String why =
        isAlive()
            ? "what it waits for has to come first; throwInto() or throw!, and kill() or kill!, end its waiting"
            : "it has ended; make a new one";
    throw new IllegalStateException("cannot %s %s: %s".formatted(verb, this, why));
  }

  // What the ring does with it

  /** What is left of {@code t} for others to hear of. */
  private @Nullable Throwable handled(Throwable t) {
    Consumer<? super Throwable> handler = errorHandler;
    if (handler == null) return t;
    try {
      handler.accept(t);
      return null;
    } catch (GreenletExit e) {
      return null;
    } catch (Throwable e) {
      return e;
    }
  }

  /** All that happens on its greenlet's stack. */
  @SuppressWarnings("NullAway") // it runs once
  private @Nullable Object live(@Nullable Object... none) {
    Throwable thrown = null;
    ring.begin();
    try {
      resume();
      @Nullable Object[] given = args == null ? new Object[0] : args;
      Body toRun = body;
      body = null;
      args = null;
      toRun.run(given);
    } catch (GreenletExit e) {
      // ends it quietly
    } catch (Throwable t) {
      thrown = handled(t);
    }
    body = null;
    args = null;
    at = null;
    ring.end(this, thrown);
    return null;
  }
}
