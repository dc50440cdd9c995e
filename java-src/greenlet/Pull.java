package greenlet;

import java.util.Iterator;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * A traversal on a stack of its own: the body runs when a value is pulled, up to its next yield. A confined one belongs
 * to the thread that first pulls it. Any thread may pull another, one at a time.
 */
final class Pull<T extends @Nullable Object> extends Traversal<T> implements Iterator<T>, AutoCloseable {
  final boolean confined;
  private final Engine.BodyStack stack;
  private @Nullable Strand owner;
  private boolean started;
  private @Nullable Greenlet puller;
  private boolean over;

  private boolean ready;
  private @Nullable T value;
  private @Nullable Throwable failure;

  Pull(Generator<T> generator, boolean confined) {
    super(generator);
    this.confined = confined;
    stack = Engine.get().bodyStack(this);
  }

  /** All that happens on the stack of the body. */
  void runBody() {
    failure = runBody(Strand.current());
    over = true;
  }

  @Override
  public boolean hasNext() {
    Strand here = Strand.current();
    require(here, "pulled from");
    if (!ready && !over) resume(here);
    return ready;
  }

  @Override
  public T next() {
    if (!hasNext()) throw new NoSuchElementException("the " + this + " is over");
    T next = value;
    value = null;
    ready = false;
    return next;
  }

  /** Unwinds the body, if it is suspended. */
  @Override
  public void close() {
    Strand here = Strand.current();
    require(here, "closed");
    value = null;
    ready = false;
    if (over) return;
    exit = new GreenletExit();
    if (started) resume(here);
    over = true;
  }

  private void require(Strand here, String verb) {
    if (puller != null) {
      throw new IllegalStateException("the " + this + " cannot be " + verb + " by " + here.tree().current() + ": " + puller
          + " is pulling from it, and its body is running or has switched away; let it come to its next yield first");
    }
    if (!confined) return;
    Strand home = here.home();
    if (owner == null) owner = home;
    if (owner != home) {
      throw new WrongThreadException("the " + this + " cannot be " + verb + " in thread " + Tree.describe(home.thread)
          + ": it belongs to thread " + Tree.describe(owner.thread) + ", which first pulled from it; "
          + "use a seq or a stream, which any thread may continue");
    }
  }

  private void resume(Strand here) {
    puller = here.tree().current();
    try {
      stack.resume();
      started = true;
    } finally {
      puller = null;
    }
    Throwable thrown = failure;
    failure = null;
    if (thrown != null) throw Greenlet.<RuntimeException>unchecked(thrown);
  }

  @Override
  @Nullable Object deliver(Strand here, T yielded) {
    if (exit != null) throw exit;
    value = yielded;
    ready = true;
    try {
      stack.suspend();
    } catch (Throwable t) { // refused
      value = null;
      ready = false;
      throw t;
    }
    if (exit != null) throw exit;
    return null;
  }
}
