package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Every stack is a {@code jdk.internal.vm.Continuation} that is mounted on the thread which switches to it: no other
 * thread is involved. This is the one class that touches {@code jdk.internal.vm}, with the user's consent: {@link #FLAG}.
 *
 * <p>A switch from the root mounts the other greenlet on top of the root's stack; a switch between two others suspends the
 * one, which leads back to the loop that mounted it, and that mounts the other. So no greenlet lies on top of another,
 * however many switch in turn. The body of a generator is mounted on top of whoever pulls.
 */
final class ContinuationEngine extends Engine {
  /*
   * Three things the JVM has never promised about continuations that are not virtual threads.
   *
   * A continuation must not change threads: compiled code keeps the current thread in a register across a suspension.
   * Greenlets, and traversals that are confined to a thread, are refused to other threads anyway; a body that any thread
   * may pull has a virtual thread to run on instead.
   *
   * Since JDK 24 a suspension takes along all thin locks of the thread, also those that were entered below the
   * continuation. So whoever mounts on top of user code has to see to it that there are none: see Strand.inflateLocks. The
   * engine tries it out before it is used.
   *
   * The scoped values in force are kept with the thread, so after a suspension the wrong ones would be seen. Hence both
   * mounts and suspensions are run by ScopedValues.keep.
   */
  static final String FLAG = "--add-exports java.base/jdk.internal.vm=" + OUR_MODULE;

  private static final @Nullable MethodHandle NEW_SCOPE;
  private static final @Nullable MethodHandle NEW;
  private static final @Nullable MethodHandle RUN;
  private static final @Nullable MethodHandle YIELD;
  private static final @Nullable MethodHandle STACK_TRACE;

  private static final @Nullable Throwable UNAVAILABLE;

  static {
    MethodHandle newScope = null, make = null, run = null, yield = null, stackTrace = null;
    Throwable unavailable = null;
    try {
      var lookup = MethodHandles.lookup();
      Class<?> scope = Class.forName("jdk.internal.vm.ContinuationScope");
      Class<?> continuation = Class.forName("jdk.internal.vm.Continuation");
      newScope = lookup.findConstructor(scope, MethodType.methodType(void.class, String.class))
          .asType(MethodType.methodType(Object.class, String.class));
      make = lookup.findConstructor(continuation, MethodType.methodType(void.class, scope, Runnable.class))
          .asType(MethodType.methodType(Object.class, Object.class, Runnable.class));
      run = lookup.findVirtual(continuation, "run", MethodType.methodType(void.class))
          .asType(MethodType.methodType(void.class, Object.class));
      yield = lookup.findStatic(continuation, "yield", MethodType.methodType(boolean.class, scope))
          .asType(MethodType.methodType(boolean.class, Object.class));
      stackTrace = lookup.findVirtual(continuation, "getStackTrace", MethodType.methodType(StackTraceElement[].class))
          .asType(MethodType.methodType(StackTraceElement[].class, Object.class));
    } catch (Throwable t) {
      unavailable = t;
    }
    NEW_SCOPE = newScope;
    NEW = make;
    RUN = run;
    YIELD = yield;
    STACK_TRACE = stackTrace;
    UNAVAILABLE = unavailable;
  }

  private static final Object GREENLETS = UNAVAILABLE == null ? newScope("greenlets") : "unavailable";
  private static final Runnable SUSPEND_GREENLET = () -> suspendTo(GREENLETS);

  private final boolean inflatesLocks;

  private ContinuationEngine(boolean inflatesLocks) {
    this.inflatesLocks = inflatesLocks;
  }

  /** The engine, if this JVM lets us have it and it proves itself. */
  static ContinuationEngine proven() throws Unavailable {
    if (UNAVAILABLE instanceof IllegalAccessException) throw new Unavailable("the JVM was started without " + FLAG);
    if (UNAVAILABLE != null) throw new Unavailable("this JVM, " + Runtime.version() + ", has other continuations: " + UNAVAILABLE);
    if (keepsLocks(() -> {})) return new ContinuationEngine(false);
    Strand.Locks locks = new Strand.Locks();
    if (keepsLocks(locks::inflate)) return new ContinuationEngine(true);
    throw new Unavailable("on this JVM, " + Runtime.version() + ", a continuation takes along the locks of the thread that mounts it");
  }

  /** Why the engine cannot be had. */
  static final class Unavailable extends Exception {
    private static final long serialVersionUID = 1L;

    Unavailable(String why) {
      super(why);
    }
  }

  /** Whether a thread that mounts a continuation, after {@code before}, still has its locks when that is suspended. */
  static boolean keepsLocks(Runnable before) {
    return inTrialThread(() -> {
      Object lock = new Object();
      Object continuation = newContinuation(GREENLETS, SUSPEND_GREENLET);
      synchronized (lock) {
        before.run();
        mount(continuation);
        boolean kept = Thread.holdsLock(lock);
        mount(continuation); // to its end, which gives the lock back if it was taken
        return kept;
      }
    });
  }

  @Override
  public String toString() {
    return describe(CONTINUATION, null);
  }

  @Override
  void transfer(Greenlet from, Greenlet to) {
    Tree tree = from.tree();
    Strand here = tree.root();
    Traversal<?> traversal = here.traversal;
    Object bindings = Bindings.current();
    Strand pulledFrom = here.pulledFrom;
    if (pulledFrom != null) {
      from.pulledFrom = pulledFrom;
      here.pulledFrom = null;
    }
    tree.bindings = bindings;
    try {
      if (from.isRoot()) mountInTurn(here, from);
      else ScopedValues.keep(SUSPEND_GREENLET);
    } catch (IllegalStateException e) {
      throw refusal(from.toString(), e);
    } finally {
      if (here.traversal != traversal) here.traversal = traversal;
      if (pulledFrom != null) {
        here.pulledFrom = pulledFrom;
        from.pulledFrom = null;
      }
      Bindings.exchange(tree.bindings, bindings);
      tree.bindings = null;
    }
  }

  /** Mounts whichever greenlet is current, one after the other, until it is the root's turn again. */
  private void mountInTurn(Strand here, Greenlet root) {
    Tree tree = root.tree();
    if (inflatesLocks) here.inflateLocks();
    ScopedValues.keep(() -> {
      boolean isFirst = true;
      for (Greenlet next = tree.current(); next != root; next = tree.current()) {
        try {
          if (next.stack == null) next.stack = new GreenletStack(next);
          ((GreenletStack) next.stack).mount();
        } catch (Throwable t) { // no room for it
          if (isFirst) throw t;
          tree.refuse(next, t);
        }
        isFirst = false;
      }
    });
  }

  private static final class GreenletStack implements Runnable {
    /*
     * Another thread may ask for the stack trace at any time. To walk a continuation while it runs would crash the JVM, so
     * each keeps the other out.
     */
    private static final int UNSTARTED = 0;
    private static final int MOUNTED = 1;
    private static final int SUSPENDED = 2;
    private static final int READ = 3;
    private static final VarHandle USE;

    static {
      try {
        USE = MethodHandles.lookup().findVarHandle(GreenletStack.class, "use", int.class);
      } catch (ReflectiveOperationException e) {
        throw new ExceptionInInitializerError(e);
      }
    }

    private final Greenlet greenlet;
    private final Object continuation;
    private volatile int use;

    GreenletStack(Greenlet greenlet) {
      this.greenlet = greenlet;
      continuation = newContinuation(GREENLETS, this);
    }

    @Override
    public void run() {
      Tree tree = greenlet.tree();
      tree.root().traversal = null;
      Bindings.exchange(tree.bindings, greenlet.bindings);
      greenlet.run();
      tree.bindings = Bindings.current();
    }

    void mount() {
      if (use == UNSTARTED) use = MOUNTED; // nobody else writes then
      else while (!USE.compareAndSet(this, SUSPENDED, MOUNTED)) Thread.onSpinWait();
      try {
        ContinuationEngine.mount(continuation);
      } finally {
        USE.setRelease(this, SUSPENDED);
      }
    }

    /** The frames, or null if it is not suspended. */
    StackTraceElement @Nullable [] read() {
      while (!USE.compareAndSet(this, SUSPENDED, READ)) {
        if (use != READ) return null;
        Thread.onSpinWait();
      }
      try {
        return greenlet.isFinished() ? null : stackTrace(continuation);
      } finally {
        USE.setRelease(this, SUSPENDED);
      }
    }
  }

  @Override
  Engine.BodyStack bodyStack(Pull<?> pull) {
    return pull.confined ? new BodyStack(pull) : new VirtualThreadEngine.BodyStack(pull);
  }

  private final class BodyStack implements Engine.BodyStack, Runnable {
    private final Pull<?> pull;
    private final Object continuation;
    private final Runnable suspend;
    private @Nullable Traversal<?> innermost;

    // Those in force where the one that has the control now came from.
    private @Nullable Object bindings;

    BodyStack(Pull<?> pull) {
      this.pull = pull;
      Object scope = newScope("generator"); // of its own: a yield may lead over the bodies of others
      continuation = newContinuation(scope, this::begin);
      suspend = () -> suspendTo(scope);
    }

    @Override
    public void resume(Strand here) {
      Traversal<?> pullers = here.traversal;
      Object pullersBindings = Bindings.current();
      bindings = pullersBindings;
      if (innermost != null) {
        if (pull.outer != pullers) pull.outer = pullers;
        here.traversal = innermost;
      }
      if (inflatesLocks) here.inflateLocks();
      try {
        ScopedValues.keep(this);
      } finally {
        here.traversal = pullers;
        Bindings.exchange(bindings, pullersBindings);
        bindings = null;
      }
    }

    @Override
    public void run() {
      mount(continuation);
    }

    private void begin() {
      pull.runBody();
      bindings = Bindings.current();
    }

    @Override
    public void suspend(Strand here) {
      Object mine = Bindings.current();
      Object pullers = bindings;
      if (mine != pullers) bindings = mine;
      if (innermost != here.traversal) innermost = here.traversal;
      try {
        ScopedValues.keep(suspend);
      } catch (IllegalStateException e) {
        bindings = pullers;
        throw refusal(pull + " in " + Greenlet.current(), e);
      }
      Bindings.exchange(bindings, mine);
    }
  }

  @Override
  Stream<StackTraceElement> stackTrace(Greenlet greenlet) {
    Tree tree = greenlet.tree();
    Strand body = tree.current() == greenlet ? tree.root().pulledFrom : greenlet.pulledFrom;
    return Strand.stackTraceAbove(body, tree, onItsStack(greenlet, body != null || tree.thread == Thread.currentThread()));
  }

  private static Stream<StackTraceElement> onItsStack(Greenlet greenlet, boolean waits) {
    if (greenlet.stack instanceof GreenletStack stack) {
      StackTraceElement[] suspended = stack.read();
      if (suspended != null) return usersFrames(suspended, true, true);
    }
    StackTraceElement[] all = framesOf(greenlet.tree().thread, greenlet.tree());
    int root = all.length; // where its frames begin
    for (int i = 0; i < all.length; i++) {
      if (all[i].getMethodName().equals("mountInTurn")) root = i;
    }
    if (!greenlet.isRoot()) return usersFrames(Arrays.copyOf(all, root), waits, true);
    return root < all.length
        ? usersFrames(Arrays.copyOfRange(all, root, all.length), true, false)
        : usersFrames(all, waits, false);
  }

  private static Object newScope(String name) {
    try {
      return (Object) NEW_SCOPE.invokeExact(name);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  private static Object newContinuation(Object scope, Runnable task) {
    try {
      return (Object) NEW.invokeExact(scope, task);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  private static void mount(Object continuation) {
    try {
      RUN.invokeExact(continuation);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  private static void suspendTo(Object scope) {
    try {
      boolean done = (boolean) YIELD.invokeExact(scope);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  private static StackTraceElement[] stackTrace(Object continuation) {
    try {
      return (StackTraceElement[]) STACK_TRACE.invokeExact(continuation);
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }
}
