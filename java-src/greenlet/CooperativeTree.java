package greenlet;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * A tree of greenlets of its own in a platform thread, beside the one that the thread has anyway: each of its stacks is a virtual
 * thread that the platform thread carries, whichever engine the JVM has. Where the JDK suspends such a virtual thread, in a lock, a
 * socket or {@code Thread.sleep}, others of the tree go on. For schedulers: to their greenlets every blocking call is a wait.
 *
 * <pre>{@code
 * // Greenlets that take turns where they block.
 * final class Turns implements Parking {
 *   final BlockingQueue<Greenlet> ready = new LinkedBlockingQueue<>();
 *   Greenlet loop;
 *
 *   void run(Body... bodies) throws Exception {
 *     new CooperativeTree(this).call(() -> {
 *       loop = Greenlet.current();
 *       for (Body body : bodies) ready.add(Greenlet.of(body));
 *       for (int left = bodies.length; left > 0; ) {
 *         Greenlet next = ready.take();
 *         Scheduler.resume(next);
 *         if (next.isDead()) left--;
 *       }
 *       return null;
 *     });
 *   }
 *
 *   public Greenlet parked(Greenlet greenlet, Thread thread) { return loop; }
 *   public void unparked(Greenlet greenlet) { ready.add(greenlet); }
 *   public void resumed(Greenlet greenlet) {}
 * }
 * }</pre>
 *
 * <p><b>The invariant.</b> Control is taken from a greenlet only where the stack that the JDK has suspended is the innermost one
 * of the current greenlet, so in code that the greenlet has called. Within a switch, or where a stack is started, the thread waits
 * as it does elsewhere. So it does where a native frame lies below, and on JDK 21 to 23 in {@code synchronized}.
 */
public final class CooperativeTree {
  private final ThreadState state;

  /**
   * A new tree of the calling thread.
   *
   * @param parking decides what runs while a greenlet is suspended by the JDK
   * @throws IllegalArgumentException if that is null
   * @throws IllegalStateException if the JVM was started without the flag that carrying takes, or does not allow it, or if the
   *     calling thread is a virtual one
   */
  public CooperativeTree(Parking parking) {
    if (parking == null)
      throw new IllegalArgumentException(
          "a tree needs to be told what runs while it parks: got null");
    requirePossible();
    Thread here = Thread.currentThread();
    if (here.isVirtual())
      throw new IllegalStateException(
          "%s is a virtual thread, and cannot carry others: run this in a platform thread, outside of greenlets that have threads of their own"
              .formatted(Context.describe(here)));
    Headroom.require();
    state = new ThreadState(parking);
  }

  /**
   * Returns if this JVM can have such trees.
   *
   * @throws IllegalStateException if it cannot: says why
   */
  public static void requirePossible() {
    if (!VirtualThreads.canBeCarried())
      throw new IllegalStateException(
          "blocking calls cannot give way here: %s; start the JVM with %s"
              .formatted(VirtualThreads.whyNotCarried(), Flags.JAVA_LANG));
  }

  /**
   * Runs something at the root of this tree. Meanwhile the thread's greenlets are those of this tree, and its others are out of
   * reach. May be called again, also within itself.
   *
   * @param body what to run
   * @param <T> the type of its result
   * @return the result; what it throws comes out of this call
   * @throws WrongThreadException if the calling thread is not the one of this tree
   */
  public <T extends @Nullable Object> T call(Callable<? extends T> body) {
    if (state.thread != Thread.currentThread())
      throw new WrongThreadException(
          "%s cannot run a tree of greenlets that belongs to thread %s"
              .formatted(Context.describe(Thread.currentThread()), state.threadName()));
    Context before = ThreadState.context();
    state.root.makeCurrent();
    try {
      return body.call();
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    } finally {
      before.makeCurrent();
    }
  }

  /**
   * The virtual threads that a greenlet of such a tree runs in: its own, and those of the bodies of generators that it pulls from
   * now. Called in the thread of the tree.
   *
   * @param greenlet a greenlet of such a tree
   * @return the threads, the outermost first; empty for a root, and for one that is not active
   */
  public static List<Thread> threadsOf(Greenlet greenlet) {
    List<Thread> threads = new ArrayList<>(1);
    Context stack = !greenlet.isRoot() && greenlet.stack instanceof Context own ? own : null;
    for (; stack != null && stack.thread != null; stack = stack.pulledFrom)
      threads.add(stack.thread);
    return threads;
  }

  /**
   * Whether the calling code runs in one of its greenlets. May be asked in any thread.
   *
   * @return false in its thread, too, while nothing of this tree runs there
   */
  public boolean isHere() {
    Context here = Context.current();
    return here != null && here.group() == state;
  }
}
