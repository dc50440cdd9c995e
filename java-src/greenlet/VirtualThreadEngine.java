package greenlet;

import java.util.concurrent.Executors;
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
  @Override
  public String toString() {
    return "virtual-thread";
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
      start(strand, greenlet.name() + "@" + greenlet.tree().threadName(), () -> run(greenlet, strand));
    } catch (Throwable t) {
      greenlet.stack = null;
      throw t;
    }
  }

  private static void run(Greenlet greenlet, Strand strand) {
    strand.begin();
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

  private static void start(Strand strand, String name, Runnable task) {
    strand.takeInterrupt();
    try {
      Executors.newThreadPerTaskExecutor(r -> strand.thread = Thread.ofVirtual().name(name).unstarted(r)).execute(task);
    } catch (Throwable t) {
      strand.giveInterrupt();
      throw t;
    }
  }

  @Override
  StackTraceElement[] stackTrace(Greenlet greenlet) {
    return ((Strand) greenlet.stack).stackTrace();
  }

  @Override
  Engine.BodyStack bodyStack(String name, boolean confined, Runnable task) {
    return new BodyStack(name, confined, task);
  }

  /**
   * The virtual thread of a generator's body. What the body does to greenlets, and what it yields to a traversal
   * further out, has to happen on the stack of the puller, of which the body is a part; so it is sent there and the
   * puller, which is waiting in {@link #resume}, does it.
   */
  static final class BodyStack implements Engine.BodyStack {
    private final String name;
    private @Nullable Runnable task;
    private final Strand strand = new Strand(this);
    final boolean confined;
    private @Nullable Strand puller;

    private @Nullable Body request;
    private @Nullable Object answer;
    private @Nullable Throwable failure;

    BodyStack(String name, boolean confined, Runnable task) {
      this.name = name;
      this.confined = confined;
      this.task = task;
    }

    Strand puller() {
      return puller;
    }

    @Override
    public void resume() {
      Strand here = Strand.current();
      Strand before = here.pulledFrom;
      puller = here;
      here.pulledFrom = strand;
      try {
        pass();
        here.await();
        while (request != null) {
          serve();
          strand.wake();
          here.await();
        }
      } finally {
        here.pulledFrom = before;
        puller = null;
      }
    }

    private void pass() {
      if (task == null) {
        strand.wake();
        return;
      }
      Runnable first = task;
      start(strand, name, () -> run(first));
      task = null;
    }

    private void run(Runnable first) {
      strand.begin();
      first.run();
      strand.end();
      puller.wake();
    }

    @Override
    public void suspend() {
      puller.wake();
      strand.await();
    }

    /** Has the puller run {@code toRun} on its stack; to be called on the body's. */
    @Nullable Object onPuller(Body toRun) throws Throwable {
      request = toRun;
      suspend();
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
      try {
        answer = toRun.run();
      } catch (Throwable t) {
        failure = t;
      }
    }

    @Override
    public String toString() {
      return name;
    }
  }
}
