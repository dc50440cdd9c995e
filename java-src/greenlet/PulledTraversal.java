package greenlet;

import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * A traversal on a stack of its own: the body runs when a value is pulled, up to its next yield. A confined one belongs
 * to the thread that first pulls it. Any thread may pull another, one at a time.
 *
 * <p>The body of a chunked one runs on, from yield to yield, until a chunk is full. Whatever ends it is told to the consumer after
 * the elements before it.
 */
final class PulledTraversal<T extends @Nullable Object> extends Traversal<T> implements EntryPoint {
  private final boolean confined;

  /** Made by the engine of whoever pulls first. */
  private @Nullable GeneratorStack stack;

  /** What the body yields ahead, if the traversal is chunked. */
  private final @Nullable Ahead<T> ahead;

  private @Nullable Context owner;
  private boolean started;
  private @Nullable Greenlet puller;
  private boolean over;
  private boolean closed;

  /** Whether a value has been yielded that nobody has taken yet. */
  private boolean ready;

  private @Nullable T value;

  // What the pending yield returns, or throws.
  private @Nullable Object sent;
  private @Nullable Throwable thrown;

  /** What ended the body, until it is thrown. */
  private @Nullable Throwable failure;

  /** What ended the body, if that was an exception. */
  private @Nullable Throwable cause;

  /** Whether the body has run since it was last resumed. */
  private boolean entered;

  PulledTraversal(Generator<T> generator, boolean confined, @Nullable Ahead<T> ahead) {
    super(generator);
    this.confined = confined;
    this.ahead = ahead;
  }

  /** All that happens on the stack of the body. */
  @Override
  public void run() {
    entered = true;
    if (FlightRecorder.ARE_POSSIBLE && FlightRecorder.Run.isWanted()) {
      runRecorded();
      return;
    }
    try {
      failure = runBody(ThreadState.context());
    } catch (Throwable t) {
      failure = t;
    }
    over = true;
  }

  private void runRecorded() {
    Object begun = FlightRecorder.Run.begun();
    try {
      failure = runBody(ThreadState.context());
    } catch (Throwable t) {
      failure = t;
    }
    over = true;
    FlightRecorder.Run.ended(begun, name(), failure);
  }

  @Override
  public String name() {
    return toString();
  }

  /** Runs the body as far as its next yield, unless it has yielded already. False at its end. */
  boolean advance() {
    if (ready && !confined && puller == null && !closed) return true;
    Context here = ThreadState.context(owner);
    require(here, "pulled from");
    if (ready) return true;
    if (!over) {
      Headroom.require();
      resume(here);
      if (fetch()) return true;
    }
    raise();
    return ready;
  }

  /** Has the next element of the chunk ready, if there is one. */
  private boolean fetch() {
    if (ahead == null || ahead.left() == 0) return false;
    value = ahead.take();
    return ready = true;
  }

  /** How many elements can be taken before the body runs. */
  int available() {
    require(ThreadState.context(owner), "asked for what it has");
    if (!ready) return 0;
    return ahead == null ? 1 : 1 + ahead.left();
  }

  /** The value that {@link #advance} found. */
  @Nullable T take() {
    T taken = value;
    if (!fetch()) drop();
    return taken;
  }

  private void drop() {
    value = null;
    ready = false;
  }

  @Nullable T peek() {
    return value;
  }

  /** Has the pending yield return a value or throw an exception, and runs the body as far as its next yield. */
  boolean answer(@Nullable Object value, @Nullable Throwable exception) {
    Context here = ThreadState.context(owner);
    require(here, exception == null ? "sent to" : "thrown into");
    if (ahead != null)
      throw new IllegalStateException(
          "nothing can be %s the %s: it is pulled in %s, and its body does not wait at each yield; use a cursor without chunks"
              .formatted(exception == null ? "sent to" : "thrown into", this, ahead));
    if (over)
      throw new IllegalStateException(
          "nothing can be sent to the " + this + ": its body has ended");
    if (ready)
      throw new IllegalStateException(
          "the "
              + this
              + " has yielded a value that nobody has taken; take it first, with next() or next!");
    if (!started) { // as for a greenlet that has not been started
      if (exception == null) {
        throw new IllegalStateException(
            "nothing can be sent to the "
                + this
                + " yet: its body has not come to a yield; call next() or next! first");
      }
      over = true;
      throw Sneaky.unchecked(exception);
    }
    Headroom.require();
    sent = value;
    thrown = exception;
    resume(here);
    raise();
    return ready;
  }

  /** Unwinds the body, if it is suspended. */
  void close() {
    if (closed) return;
    Context here = ThreadState.context(owner);
    require(here, "closed");
    try {
      if (started && !over) {
        Headroom.require();
        exit = new GreenletExit();
        resume(here);
        raise();
      }
      over = true;
    } finally {
      closed = over;
      if (closed) {
        drop();
        failure = null; // that of a body which ran ahead, and which nobody has come to
        if (ahead != null) ahead.clear();
      }
    }
  }

  /** Whether the body has ended and its consumer knows all of it. */
  boolean isOver() {
    return over && !ready && failure == null;
  }

  /** Whether the body has ended: in a chunked traversal perhaps some elements ahead of its consumer. */
  boolean hasEnded() {
    return over;
  }

  NoSuchElementException noElement() {
    return new NoSuchElementException(
        "the %s is over%s".formatted(this, cause == null ? "" : ": " + cause + " ended its body"),
        cause);
  }

  @Nullable Object result() {
    require(ThreadState.context(owner), "asked for its result");
    if (!isOver())
      throw new IllegalStateException(
          "the %s has no result yet: %s"
              .formatted(
                  this,
                  over
                      ? "what comes before its end has not been taken"
                      : "its body has not ended"));
    return result;
  }

  private void require(Context here, String verb) {
    if (confined && owner != here) requireOwner(here, verb);
    if (puller != null) {
      throw new IllegalStateException(
          "the "
              + this
              + " cannot be "
              + verb
              + " by "
              + here.group()
              + ": "
              + puller
              + " is pulling from it, and its body is running or has switched away; let it come to its next yield first");
    }
    if (closed)
      throw new IllegalStateException(
          "the " + this + " cannot be " + verb + ": it has been closed; begin another traversal");
  }

  private void requireOwner(Context here, String verb) {
    Context home = here.owner();
    if (owner != null && owner != home) {
      throw new WrongThreadException(
          "the "
              + this
              + " cannot be "
              + verb
              + " in thread "
              + Context.describe(home.thread, owner.thread)
              + ": it belongs to thread "
              + Context.describe(owner.thread, home.thread)
              + ", which first pulled from it; what any thread may continue is a stream or a sharedCursor(), in Clojure a seq");
    }
  }

  private void resume(Context here) {
    try {
      if (confined && owner == null) owner = here.owner();
      ThreadState state = ThreadState.of(here);
      puller = state.current();
      entered = false;
      if (stack == null) stack = state.engine().generatorStack(this, confined);
      if (state.listener == null) stack.resume(here);
      else resumeTold(here, state.listener, stack);
      started = true;
    } catch (Throwable t) {
      refuse(t);
    } finally {
      puller = null;
    }
  }

  private void resumeTold(Context here, SwitchListener listener, GeneratorStack stack) {
    Greenlet me = ThreadState.of(here).current();
    listener.onPull(name(), me);
    stack.resume(here);
    listener.onYield(name(), me, ready ? value : null, over);
  }

  /** Throws what ended the body, once. */
  private void raise() {
    Throwable uncaught = failure;
    if (uncaught == null) return;
    failure = null;
    if (over) cause = uncaught;
    throw Sneaky.unchecked(uncaught);
  }

  /** The stack could not be resumed: then nothing has happened. Or it could, and was lost while the body ran. */
  private void refuse(Throwable why) {
    sent = null;
    thrown = null;
    if (entered) over = true;
    else exit = null;
    failure = why;
  }

  @Override
  @SuppressWarnings("NullAway") // the body runs on it
  @Nullable Object suspend(Context here, T yielded) {
    if (ahead == null) {
      value = yielded;
      ready = true;
    } else if (!ahead.fill(yielded)) {
      return null;
    }
    try {
      stack.suspend(here);
    } catch (Throwable t) { // refused, or struck on the way back
      if (ahead == null) drop();
      else ahead.withdraw();
      sent = null;
      thrown = null;
      throw t;
    } finally {
      entered = true;
    }
    if (exit != null) throw exit;
    Object answer = sent;
    if (answer != null) sent = null;
    Throwable exception = thrown;
    if (exception != null) thrown = null;
    if (exception != null) throw Sneaky.unchecked(exception);
    return answer;
  }

  /** Leaves the body as it stands, for ever, and has the pull fail; called on the stack of the body. */
  @SuppressWarnings("NullAway") // as in suspend
  void abandon(Context here, Throwable why) {
    failure = why;
    over = true;
    try {
      stack.suspend(here); // nobody resumes it
    } catch (Throwable t) { // refused
      failure = null;
      over = false;
      throw t;
    }
  }
}
