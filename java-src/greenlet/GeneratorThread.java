package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * A virtual thread as the stack of a generator's body. What the body does to greenlets, and what it yields to a traversal
 * further out, has to happen on the stack of the puller, of which the body is a part. So it is sent there, and the puller, which
 * is waiting in {@link #resume}, does it.
 */
final class GeneratorThread extends Context implements GeneratorStack {
  private final EntryPoint body;
  private final boolean confined;
  private @Nullable Context puller;

  private @Nullable Body request;
  private boolean served;
  private @Nullable Object answer;
  private @Nullable Throwable failure;

  GeneratorThread(EntryPoint body, boolean confined) {
    super(body.name());
    this.body = body;
    this.confined = confined;
  }

  @Override
  @SuppressWarnings("NullAway") // the body runs only while it is pulled from
  void run() {
    body.run();
    end(puller);
  }

  @Override
  @Nullable Context puller() {
    return puller;
  }

  @Override
  boolean isConfined() {
    return confined;
  }

  /** Also while the puller does what this has asked it to do. */
  @Override
  boolean isSuspended() {
    return served;
  }

  @Override
  public void resume(Context here) {
    Context before = here.pulledFrom;
    puller = here;
    here.pulledFrom = this;
    try {
      advance(here);
      while (request != null) {
        serve(request);
        advance(here);
      }
    } finally {
      pulledBy(null);
      here.pulledFrom = before;
      puller = null;
    }
  }

  /** Hands the baton to the body and waits until it comes back. */
  private void advance(Context here) {
    pulledBy(here);
    if (!here.pass(this)) throw Pinned.refusal(here.group(), null);
  }

  @Override
  @SuppressWarnings("NullAway") // the body runs only while it is pulled from
  public void suspend(Context here) {
    if (!here.pass(puller)) throw Pinned.refusal(body + " in " + here.group(), null);
  }

  /** Has the puller run {@code toRun} on its stack; to be called on the body's. */
  @Nullable Object onPuller(Body toRun) throws Throwable {
    Headroom.require();
    request = toRun;
    try {
      suspend(this);
    } catch (Throwable t) { // refused
      request = null;
      throw t;
    }
    Object value = answer;
    Throwable thrown = failure;
    answer = null;
    failure = null;
    if (thrown != null) throw thrown;
    return value;
  }

  private void serve(Body toRun) {
    request = null;
    served = true;
    pulledBy(null);
    try {
      answer = toRun.run();
    } catch (Throwable t) {
      failure = t;
    }
    served = false;
  }

  @Override
  public String toString() {
    return body.toString();
  }
}
