package greenlet;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A coroutine with a stack of its own, to which control is transferred explicitly and from which it is transferred
 * away from any depth of ordinary calls.
 *
 * <p><b>Model.</b> Every thread has a <i>root</i> greenlet, which is what the thread itself runs, and a tree of
 * greenlets below it. One greenlet of a thread is <i>current</i>; {@link #switchTo(Object)} suspends it and lets
 * another run, until somebody switches back. Nothing else ever transfers control: there is no scheduler, and the
 * order of execution is the same every time. When a greenlet's body ends, its result, or the exception that ended it,
 * goes to its {@linkplain #parent() parent}; switching to a greenlet that has ended leads to its nearest living
 * ancestor.
 *
 * <pre>{@code
 * Greenlet main = Greenlet.current();
 * Greenlet echo = Greenlet.of(args -> {
 *   Object got = args[0];
 *   while (true) got = main.switchTo("echo: " + got);
 * });
 * echo.switchTo("a"); // "echo: a"
 * echo.switchTo("b"); // "echo: b"
 * }</pre>
 *
 * <p><b>Threads.</b> A greenlet belongs to the thread in which it is first started, or rather to the thread of its
 * parent, which has to be the same then. Only greenlets of that thread may switch to it or throw into it: others get
 * a {@link WrongThreadException}. Everything that only reads may be called from any thread.
 *
 * <p><b>Resources.</b> A greenlet that nobody can reach is garbage, whatever state it is in, and nothing in it runs
 * then, no {@code finally} either; suspended greenlets never keep the JVM from exiting. To have one unwound,
 * {@link #close()} it. When its thread ends, a greenlet counts as dead and can no longer be switched to.
 *
 * <p>The model is that of Python's <a href="https://greenlet.readthedocs.io">greenlet</a>.
 */
public final class Greenlet implements AutoCloseable {
  /*
   * State null: unstarted. Set, and not finished: active. Finished: its body is over. A root has its state from the start.
   * Whether it is suspended or running only the state of its thread knows.
   */
  private static final AtomicInteger COUNT = new AtomicInteger();
  private static final AtomicReferenceFieldUpdater<Greenlet, @Nullable Greenlet> PARENT =
      AtomicReferenceFieldUpdater.newUpdater(Greenlet.class, Greenlet.class, "parent");

  private final @Nullable String name;
  private final int number;
  private @Nullable Body body;
  private volatile @Nullable Greenlet parent;
  private volatile @Nullable ThreadState state;
  private volatile boolean finished;

  /** While it is active. */
  volatile @Nullable Stack stack;

  /** In force where it was made; until it starts. */
  private @Nullable Object bindings;

  /** A root. */
  Greenlet(ThreadState state, Stack stack) {
    this.name = "root";
    this.number = 0;
    this.state = state;
    this.stack = stack;
  }

  private Greenlet(@Nullable String name, Body body, Greenlet parent) {
    this.name = name;
    this.number = name == null ? COUNT.incrementAndGet() : 0;
    this.body = body;
    this.parent = parent;
    this.bindings = Bindings.current();
  }

  /**
   * A new greenlet whose parent is the current one. Nothing of the body runs before the first switch to it.
   *
   * @param body what it will run
   * @return the greenlet, unstarted
   */
  public static Greenlet of(Body body) {
    return of(body, current());
  }

  /**
   * A new greenlet.
   *
   * @param body what it will run
   * @param parent who gets its result; the greenlet belongs to the thread that this one belongs to when it is started
   * @return the greenlet, unstarted
   */
  public static Greenlet of(Body body, Greenlet parent) {
    return of(body, parent, null);
  }

  /**
   * A new greenlet with a name.
   *
   * @param body what it will run
   * @param parent who gets its result; the greenlet belongs to the thread that this one belongs to when it is started
   * @param name what {@link #name()} returns; null for one that is made up
   * @return the greenlet, unstarted
   */
  public static Greenlet of(Body body, Greenlet parent, @Nullable String name) {
    if (body == null)
      throw new IllegalArgumentException("a greenlet needs a body to run: got null");
    if (parent == null)
      throw new IllegalArgumentException(
          "a new greenlet needs a parent: got null; the usual one is Greenlet.current(), in Clojure (current)");
    Greenlet made = new Greenlet(name, body, parent);
    Probe.see(made);
    return made;
  }

  /**
   * The greenlet that is running in the calling thread. Inside the body of a generator that is the greenlet that is
   * traversing it.
   *
   * @return the current greenlet; the thread's root, if the thread has not used greenlets before
   */
  public static Greenlet current() {
    return ThreadState.here().current();
  }

  /**
   * The root of the calling thread: the greenlet that stands for the thread's own code. Inside the body of a generator, that of
   * the thread that traverses it.
   *
   * @return the greenlet above all others of the thread
   */
  public static Greenlet root() {
    return ThreadState.here().rootGreenlet();
  }

  /**
   * Transfers control to this greenlet and sends no value. See {@link #switchTo(Object)}.
   *
   * @return what is sent to the caller when somebody switches back
   */
  public @Nullable Object switchTo() {
    return send(SwitchArgs.NONE, null);
  }

  /**
   * Suspends the current greenlet and transfers control to this one: starts it with the value as its only argument,
   * or lets its pending switch return the value. If this one has ended, its nearest living ancestor takes its place.
   * Returns when somebody switches to the caller, whoever that is. May be called from greenlets of the same thread
   * only; switching to the current greenlet returns the value at once.
   *
   * @param value what to send
   * @return what is sent to the caller when somebody switches back: null if nothing, the value itself if one, an
   *     unmodifiable {@code List} if two or more. Exceptions that are thrown into the caller, or that end one of its
   *     children, come out of this call as they are, checked ones too
   * @throws WrongThreadException if this greenlet belongs to another thread, or to one that has ended; nothing has
   *     changed then
   */
  public @Nullable Object switchTo(@Nullable Object value) {
    return send(value, null);
  }

  /**
   * Transfers control to this greenlet and sends two or more values, which its body gets as separate arguments and a
   * pending switch as one unmodifiable {@code List}. See {@link #switchTo(Object)}.
   *
   * @param first the first value
   * @param second the second value
   * @param more further values
   * @return what is sent to the caller when somebody switches back
   */
  public @Nullable Object switchTo(
      @Nullable Object first, @Nullable Object second, @Nullable Object... more) {
    return send(SwitchArgs.several(first, second, more), null);
  }

  /**
   * Throws a new {@link GreenletExit} into this greenlet. See {@link #throwInto(Throwable)}.
   *
   * @return what is sent to the caller when somebody switches back: the {@code GreenletExit} itself, if it ended a
   *     child of the caller
   */
  public @Nullable Object throwInto() {
    return throwInto(new GreenletExit());
  }

  /**
   * Transfers control to this greenlet as {@link #switchTo(Object)} does, and raises an exception there: out of its
   * pending switch; right here, if it is the current one. An unstarted one ends without running, and the exception
   * goes on to its parent. If it has ended, a {@code GreenletExit} arrives as a value in its nearest living ancestor,
   * and anything else is raised there.
   *
   * @param exception what to raise
   * @return what is sent to the caller when somebody switches back
   * @throws WrongThreadException if this greenlet belongs to another thread, or to one that has ended; nothing has
   *     changed then
   */
  public @Nullable Object throwInto(Throwable exception) {
    if (exception == null)
      throw new IllegalArgumentException(
          "nothing to throw into " + this + ": got null; leave it out for a GreenletExit");
    return send(null, exception);
  }

  private @Nullable Object send(@Nullable Object value, @Nullable Throwable exception) {
    try {
      ThreadState mine = state;
      return SwitchArgs.received(
          // on that thread's own stack, which is the most usual
          mine != null && mine.thread == Thread.currentThread()
              ? mine.transfer(this, value, exception)
              : transfer(ThreadState.context(), value, exception));
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  private @Nullable Object transfer(
      Context here, @Nullable Object value, @Nullable Throwable exception) throws Throwable {
    // it is the puller that switches, and the body along with it
    if (here instanceof GeneratorThread generatorBody) {
      return generatorBody.onPuller(none -> transfer(ThreadState.context(), value, exception));
    }
    ThreadState state = ThreadState.of(here);
    requireThread(state, "switch to");
    return state.transfer(this, value, exception);
  }

  /**
   * Who gets this greenlet's result.
   *
   * @return the parent; null for the root of a thread, and only there
   */
  public @Nullable Greenlet parent() {
    return parent;
  }

  /**
   * Changes who gets this greenlet's result.
   *
   * @param newParent the new parent, in any state; of the same thread, unless this greenlet is unstarted
   * @throws IllegalArgumentException if it is null, this greenlet itself or one below it
   * @throws IllegalStateException if this greenlet is the root of a thread
   * @throws WrongThreadException if this greenlet has been started and the new parent belongs to another thread
   */
  public void setParent(Greenlet newParent) {
    if (newParent == null)
      throw new IllegalArgumentException(
          "the parent of " + this + " cannot be null: only roots have none");
    if (isRoot())
      throw new IllegalStateException(
          "the parent of " + this + " cannot be set: it is the root of its thread");
    if (state != null) {
      replaceParent(newParent);
      return;
    }
    synchronized (this) { // so that nobody starts it meanwhile, see enter()
      replaceParent(newParent);
    }
  }

  private void replaceParent(Greenlet newParent) {
    requireThreadOf(newParent);
    if (tryParent(newParent)) return;
    synchronized (COUNT) { // perhaps both of two gave way to each other: now one after the other
      if (tryParent(newParent)) return;
    }
    throw new IllegalArgumentException(
        "the parent of %s cannot be %s: that is %s, and the chain of parents would be a cycle"
            .formatted(this, newParent, newParent == this ? "itself" : "below it"));
  }

  /** False if that would be a cycle. */
  private boolean tryParent(Greenlet newParent) {
    Greenlet before = parent;
    // first of all: of two threads that are about to close a circle, one at least sees it then
    parent = newParent;
    for (Greenlet g = newParent; g != null; g = g.parent) {
      if (g != this) continue;
      PARENT.compareAndSet(this, newParent, before);
      return false;
    }
    return true;
  }

  private void requireThreadOf(Greenlet newParent) {
    ThreadState mine = state;
    if (mine == null || newParent.lineage() == mine) return;
    throw new WrongThreadException(
        ("the parent of %s cannot be %s: it has been started in thread %s, and from then on its parent "
                + "has to be of the same thread")
            .formatted(this, newParent, mine.threadName()));
  }

  /**
   * Whether it has been started and has not ended.
   *
   * @return true also for the root of a thread that is alive
   */
  public boolean isActive() {
    return state != null && !isDead();
  }

  /**
   * Whether it has ended, or the thread that it belongs to has.
   *
   * @return false for an unstarted one
   */
  public boolean isDead() {
    if (finished) return true;
    ThreadState mine = state;
    if (mine == null || !mine.hasEnded()) return false;
    stack = null; // nothing in it will ever run: give its memory back
    return true;
  }

  /**
   * Where it is: what its body has called, without the frames of this library. May be called from any thread.
   *
   * @return the frames, the innermost first; empty if it is unstarted or dead, and on the continuation engine if it is
   *     running in a virtual thread other than the caller's, where to look would put the JVM at risk
   */
  public StackTraceElement[] stackTrace() {
    ThreadState mine = state;
    Stack of = stack;
    if (mine == null || of == null || isDead()) return new StackTraceElement[0];
    return mine.engine().stackTrace(mine, of).toArray(StackTraceElement[]::new);
  }

  /** Of {@link #stackTrace} the topmost frame that {@code isWanted}; else the topmost of all, or null if there is none. */
  @Nullable StackTraceElement top(Predicate<StackTraceElement> isWanted) {
    ThreadState mine = state;
    Stack of = stack;
    if (mine == null || of == null || isDead()) return null;
    return mine.engine().top(mine, of, isWanted);
  }

  /**
   * Its name.
   *
   * @return the name it was given, or one that is made up
   */
  public String name() {
    return name != null ? name : "greenlet-" + Integer.toUnsignedString(number);
  }

  /**
   * The thread that it belongs to. On the virtual-thread engine its body runs in another one.
   *
   * @return the thread of its root; of an unstarted one, where it would be started now
   */
  public Thread thread() {
    return lineage().thread;
  }

  /**
   * Unwinds this greenlet: throws a {@link GreenletExit} into it, with the caller in its parent's place for the time,
   * and returns when it is dead. Does nothing if it is dead already. May be called by greenlets of its thread that are
   * neither itself nor below it. What another exception ends it with comes out of this call.
   *
   * @throws IllegalStateException if it refuses to die: somebody switched back and it is still alive; if it is the
   *     current greenlet, above that, or the root of a thread
   * @throws WrongThreadException if it belongs to another thread
   */
  @Override
  public void close() {
    if (isDead()) return;
    Headroom.require();
    Greenlet closer = current();
    Greenlet former = parent;
    if (former == null)
      throw new IllegalStateException(this + " cannot be closed: it is the root of its thread");
    ThreadState.requireNotAbove(this, closer);
    requireThread(ThreadState.here(), "close");
    setParent(closer);
    try {
      throwInto();
    } finally {
      setParent(former);
    }
    if (!isDead()) {
      throw new IllegalStateException(
          this
              + " refused to be closed: it caught the GreenletExit, or switched away while unwinding, and is "
              + "still alive; switch to it until it has ended, then close it");
    }
  }

  /**
   * Sets the listener of the calling thread, which sees every transfer between the thread's greenlets.
   *
   * @param listener the new listener, or null for none
   * @return the one before, or null
   */
  public static @Nullable SwitchListener setListener(@Nullable SwitchListener listener) {
    ThreadState here = ThreadState.here();
    SwitchListener old = here.listener;
    here.listener = listener;
    return old;
  }

  /**
   * Lets go of all that the calling thread keeps for its greenlets: its root, the listener, the values of {@link RootLocal}s. For a
   * thread that lives longer than the code which has used greenlets in it, as those of a server do that loads an application anew:
   * as long as it keeps them, the class loader of that code stays, and that of this library. What is left suspended in the thread is
   * dead from then on, without its {@code finally} blocks having run, as if the thread had ended. When the thread next uses
   * greenlets, it begins anew. Not for the thread of an event loop that a hub runs on, which could not go on.
   *
   * @throws IllegalStateException if the caller runs within a greenlet, the body of a generator, or a scheduler
   */
  public static void forgetThread() {
    ThreadState.forgetThread();
  }

  /**
   * Which engine runs; in a {@link CooperativeTree} always the virtual-thread engine.
   *
   * @return its name, as the system property {@code greenlet.engine} takes it; behind the name, if the faster one is
   *     off, the reason
   * @throws IllegalStateException if the property asks for an engine that cannot be had
   */
  public static String engine() {
    Context here = Context.current();
    return (here == null ? EngineChoice.engine() : ThreadState.of(here).engine()).toString();
  }

  /** Its name, state and thread; for people, and not fixed. */
  @Override
  public String toString() {
    ThreadState mine = state;
    return describe(mine != null ? mine : lineage(), null);
  }

  private String describe(ThreadState of, @Nullable Thread other) {
    return "Greenlet[%s, %s, thread %s%s]"
        .formatted(
            name(),
            how(),
            Context.describe(of.thread, other),
            of.hasEnded() ? ", which " + of.howEnded() : "");
  }

  // What the rest of the library needs of a greenlet

  /** Its state, for people. */
  String how() {
    ThreadState mine = state;
    return finished ? "finished" : mine == null ? "unstarted" : mine.describe(this);
  }

  /** As {@link #switchTo()}, for {@link Scheduler#resume}. */
  void resume() {
    send(SwitchArgs.RESUME, null);
  }

  boolean isRoot() {
    return parent == null;
  }

  boolean isFinished() {
    return finished;
  }

  /** Null until it is started. */
  @Nullable ThreadState state() {
    return state;
  }

  /** Where it belongs, or would belong if it were started now. */
  @SuppressWarnings("NullAway") // a root has its state
  private ThreadState lineage() {
    Greenlet g = this;
    ThreadState found;
    while ((found = g.state) == null) g = g.parent;
    return found;
  }

  void requireThread(ThreadState here, String verb) {
    ThreadState mine = lineage();
    if (mine == here) return;
    throw new WrongThreadException(
        "%s of thread %s cannot %s %s: %s"
            .formatted(
                here.current(),
                Context.describe(here.thread, mine.thread),
                verb,
                describe(mine, here.thread),
                mine.whyOutOfReach(here, state == null)));
  }

  /** Makes sure that it is one of {@code here} and has a stack; true if it was unstarted before, and so is to be started now. */
  boolean enter(ThreadState here) {
    if (state == here) return false;
    synchronized (this) { // another thread may be about to give it another parent, or to start it
      requireThread(here, "start");
      stack = here.engine().newStack(here, new ThreadState.Entry(this));
      state = here;
    }
    return true;
  }

  /** Takes back {@link #enter}. */
  void leave() {
    stack = null;
    state = null;
  }

  /** All that happens on the greenlet's own stack. */
  @SuppressWarnings("NullAway") // it has been started
  void run() {
    Object result = null;
    Throwable thrown = null;
    try {
      Bindings.restore(bindings);
      result = start(SwitchArgs.arguments(state.arrive()));
    } catch (GreenletExit e) {
      result = e;
    } catch (Throwable t) {
      thrown = t;
    }
    die(state, result, thrown);
  }

  @SuppressWarnings("NullAway") // it is started once
  private @Nullable Object start(@Nullable Object[] args) throws Throwable {
    Body toRun = body;
    body = null;
    bindings = null;
    return toRun.run(args);
  }

  /** Whether it has been started, and nothing of it has run yet. */
  boolean isToBegin() {
    return body != null;
  }

  void die(ThreadState mine, @Nullable Object result, @Nullable Throwable thrown) {
    finished = true;
    body = null;
    bindings = null;
    stack = null;
    mine.bequeath(this, result, thrown);
  }
}
