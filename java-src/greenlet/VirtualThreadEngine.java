package greenlet;

import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Every stack is that of a virtual thread, and a transfer is a hand-over from thread to thread: public JDK API alone, no flag. */
final class VirtualThreadEngine extends Engine {
  private final @Nullable String whyNotContinuation;

  VirtualThreadEngine(@Nullable String whyNotContinuation) {
    this.whyNotContinuation = whyNotContinuation;
  }

  @Override
  public String toString() {
    return describe(VIRTUAL_THREAD, whyNotContinuation);
  }

  @Override
  void transfer(Greenlet from, Greenlet to) {
    boolean begins = to.stack == null;
    boolean passed = false;
    try {
      passed = ((Strand) from.stack).pass(strandOf(to));
    } finally {
      if (begins && !passed) to.stack = null;
    }
    if (!passed) throw refusal(from.toString(), null);
  }

  /** A new one, where the greenlet has none yet. */
  private static Strand strandOf(Greenlet greenlet) {
    if (greenlet.stack instanceof Strand strand) return strand;
    Strand strand = new Strand(greenlet.tree());
    strand.startWith(greenlet.name() + "@" + Tree.name(greenlet.tree().thread), () -> run(greenlet, strand));
    greenlet.stack = strand;
    return strand;
  }

  private static void run(Greenlet greenlet, Strand strand) {
    Bindings.restore(greenlet.bindings);
    Greenlet heir = greenlet.run();
    while (true) {
      try {
        strand.end(strandOf(heir));
        return;
      } catch (Throwable t) { // an unstarted parent that no thread could be had for
        heir = heir.die(null, t);
      }
    }
  }

  @Override
  Stream<StackTraceElement> stackTrace(Greenlet greenlet) {
    return greenlet.stack instanceof Strand strand ? strand.stackTrace(greenlet.tree()) : Stream.empty();
  }

  @Override
  Engine.BodyStack bodyStack(Pull<?> pull) {
    return new BodyStack(pull);
  }

  /**
   * The virtual thread of a generator's body. What the body does to greenlets, and what it yields to a traversal
   * further out, has to happen on the stack of the puller, of which the body is a part; so it is sent there and the
   * puller, which is waiting in {@link #resume}, does it.
   */
  static final class BodyStack implements Engine.BodyStack {
    private final Pull<?> pull;
    private final Strand strand = new Strand(this);
    private @Nullable Strand puller;

    private @Nullable Body request;
    private boolean served;
    private @Nullable Object answer;
    private @Nullable Throwable failure;

    BodyStack(Pull<?> pull) {
      this.pull = pull;
      strand.startWith(pull.toString(), this::run);
    }

    boolean confined() {
      return pull.confined;
    }

    /** Whether it waits for what it has asked its puller to do. */
    boolean isServed() {
      return served;
    }

    Strand puller() {
      return puller;
    }

    @Override
    public void resume(Strand here) {
      Strand before = here.pulledFrom;
      puller = here;
      here.pulledFrom = strand;
      try {
        pass(here);
        while (request != null) {
          serve();
          pass(here);
        }
      } finally {
        strand.pulledBy(null);
        here.pulledFrom = before;
        puller = null;
      }
    }

    /** Hands the baton to the body and waits until it comes back. */
    private void pass(Strand here) {
      strand.pulledBy(here);
      if (!here.pass(strand)) throw refusal(here.tree().current().toString(), null);
    }

    private void run() {
      pull.runBody();
      strand.end(puller);
    }

    @Override
    public void suspend(Strand here) {
      if (!here.pass(puller)) throw refusal(pull + " in " + here.tree().current(), null);
    }

    /** Has the puller run {@code toRun} on its stack; to be called on the body's. */
    @Nullable Object onPuller(Body toRun) throws Throwable {
      request = toRun;
      try {
        suspend(strand);
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
      strand.pulledBy(null);
      try {
        answer = toRun.run();
      } catch (Throwable t) {
        failure = t;
      }
      served = false;
    }

    @Override
    public String toString() {
      return pull.toString();
    }
  }
}
