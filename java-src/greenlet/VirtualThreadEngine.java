package greenlet;

import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Every stack is that of a virtual thread, and a transfer is a hand-over from thread to thread: public JDK API
 * alone, no flag.
 *
 * <p>A virtual thread that was started directly is held by the JDK until it ends. One that was started through an
 * executor is held by that executor alone; so each has an executor of its own, to which nobody refers, and an
 * abandoned stack is collected with everything on it.
 */
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
    Strand strand = (Strand) from.stack;
    resume(to);
    strand.await();
  }

  private static void resume(Greenlet to) {
    if (to.stack instanceof Strand strand) strand.wake();
    else begin(to);
  }

  private static void begin(Greenlet greenlet) {
    Strand strand = new Strand(greenlet.tree());
    greenlet.stack = strand;
    try {
      String name = greenlet.name() + "@" + Tree.name(greenlet.tree().thread);
      start(strand, r -> Thread.ofVirtual().name(name).unstarted(r), () -> run(greenlet, strand));
    } catch (Throwable t) {
      greenlet.stack = null;
      throw t;
    }
  }

  private static void run(Greenlet greenlet, Strand strand) {
    strand.begin();
    Bindings.restore(greenlet.bindings);
    Greenlet heir = greenlet.run();
    strand.end();
    while (true) {
      try {
        resume(heir);
        return;
      } catch (Throwable t) { // an unstarted parent that no thread could be had for
        heir = heir.die(null, t);
      }
    }
  }

  private static void start(Strand strand, ThreadFactory factory, Runnable task) {
    strand.takeInterrupt();
    try {
      Executors.newThreadPerTaskExecutor(r -> strand.thread = factory.newThread(r)).execute(task);
    } catch (Throwable t) {
      strand.giveInterrupt();
      throw t;
    }
  }

  @Override
  Stream<StackTraceElement> stackTrace(Greenlet greenlet) {
    return ((Strand) greenlet.stack).stackTrace();
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
    private final @Nullable Carrier carrier = Carrier.unavailable() == null ? new Carrier() : null;
    private boolean started;
    private @Nullable Strand puller;

    private @Nullable Body request;
    private boolean served;
    private @Nullable Object answer;
    private @Nullable Throwable failure;

    BodyStack(Pull<?> pull) {
      this.pull = pull;
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
      boolean carries = carrier != null && carrier.begin(here);
      try {
        pass(here, carries);
        while (request != null) {
          serve();
          pass(here, carries);
        }
      } finally {
        if (carries) carrier.end();
        here.pulledFrom = before;
        puller = null;
      }
    }

    /** Hands the baton to the body and waits until it comes back. */
    private void pass(Strand here, boolean carries) {
      if (!started) {
        start(strand, this::newThread, this::run);
        started = true;
      } else if (carrier != null && carrier.holds()) {
        strand.give();
        if (!carries) carrier.release();
      } else {
        strand.wake();
      }
      if (carries) carrier.carry(here);
      here.await();
    }

    private Thread newThread(Runnable task) {
      String name = pull.toString();
      return carrier != null ? carrier.newThread(name, task) : Thread.ofVirtual().name(name).unstarted(task);
    }

    private void run() {
      strand.begin();
      pull.runBody();
      strand.end();
      puller.wake();
    }

    @Override
    public void suspend(Strand here) {
      Strand to = puller;
      if (carrier == null || !carrier.isCarrying()) {
        to.wake();
        strand.await();
        return;
      }
      boolean interrupted = to.thread.isInterrupted(); // else forgotten when this thread leaves that one
      to.give();
      if (interrupted) to.interruptArrives();
      Carrier.suspend();
      if (!strand.hasBaton()) {
        to.takeBack();
        throw Engine.refusal(pull + " in " + to.tree().current(), null);
      }
      strand.await();
    }

    /** Has the puller run {@code toRun} on its stack; to be called on the body's. */
    @Nullable Object onPuller(Body toRun) throws Throwable {
      request = toRun;
      try {
        suspend(strand);
      } catch (IllegalStateException e) { // refused
        request = null;
        throw e;
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
