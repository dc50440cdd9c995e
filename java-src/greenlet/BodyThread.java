package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * A virtual thread as the stack of a generator's body. What the body does to greenlets, and what it yields to a traversal
 * further out, has to happen on the stack of the puller, of which the body is a part. So it is sent there, and the puller, which
 * is waiting in {@link #resume}, does it.
 */
final class BodyThread implements BodyStack {
  private final StackBody body;
  private final boolean confined;
  private final Context context;
  private @Nullable Context puller;

  private @Nullable Body request;
  private boolean served;
  private @Nullable Object answer;
  private @Nullable Throwable failure;

  BodyThread(StackBody body, boolean confined) {
    this.body = body;
    this.confined = confined;
    this.context = new Context(this, body.name(), this::run);
  }

  boolean isConfined() {
    return confined;
  }

  /** Whether it waits for what it has asked its puller to do. */
  boolean isServed() {
    return served;
  }

  Context puller() {
    return puller;
  }

  @Override
  public void resume(Context here) {
    Context before = here.pulledFrom;
    puller = here;
    here.pulledFrom = context;
    try {
      pass(here);
      while (request != null) {
        serve();
        pass(here);
      }
    } finally {
      context.pulledBy(null);
      here.pulledFrom = before;
      puller = null;
    }
  }

  /** Hands the baton to the body and waits until it comes back. */
  private void pass(Context here) {
    context.pulledBy(here);
    if (!here.pass(context)) throw Engine.refusal(here.group(), null);
  }

  private void run() {
    body.run();
    context.end(puller);
  }

  @Override
  public void suspend(Context here) {
    if (!here.pass(puller)) throw Engine.refusal(body + " in " + here.group(), null);
  }

  /** Has the puller run {@code toRun} on its stack; to be called on the body's. */
  @Nullable Object onPuller(Body toRun) throws Throwable {
    request = toRun;
    try {
      suspend(context);
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

  private void serve() {
    Body toRun = request;
    request = null;
    served = true;
    context.pulledBy(null);
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
