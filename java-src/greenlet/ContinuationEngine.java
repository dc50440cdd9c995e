package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Every stack is a {@code jdk.internal.vm.Continuation} that is mounted on the thread which switches to it: no other
 * thread is involved. This is the one class that touches {@code jdk.internal.vm}, with the user's consent: {@link Flags#CONTINUATIONS}.
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
   * continuation. So whoever mounts on top of user code has to see to it that there are none: see ThinLocks. The
   * engine tries it out before it is used.
   *
   * The scoped values in force are kept with the thread, so after a suspension the wrong ones would be seen. Hence both
   * mounts and suspensions are run by ScopedValues.keep.
   */
  private static final @Nullable MethodHandle NEW_SCOPE;
  private static final @Nullable MethodHandle NEW;
  private static final @Nullable MethodHandle RUN;
  private static final @Nullable MethodHandle YIELD;
  private static final @Nullable MethodHandle STACK_TRACE;
  private static final @Nullable MethodHandle STACK_WALKER;

  private static final @Nullable Throwable UNAVAILABLE;

  static {
    MethodHandle newScope = null, make = null, run = null, yield = null, stackTrace = null;
    MethodHandle stackWalker = null;
    Throwable unavailable = null;
    try {
      var lookup = MethodHandles.lookup();
      Class<?> scope = Class.forName("jdk.internal.vm.ContinuationScope");
      Class<?> continuation = Class.forName("jdk.internal.vm.Continuation");
      newScope =
          lookup
              .findConstructor(scope, MethodType.methodType(void.class, String.class))
              .asType(MethodType.methodType(Object.class, String.class));
      make =
          lookup
              .findConstructor(
                  continuation, MethodType.methodType(void.class, scope, Runnable.class))
              .asType(MethodType.methodType(Object.class, Object.class, Runnable.class));
      run =
          lookup
              .findVirtual(continuation, "run", MethodType.methodType(void.class))
              .asType(MethodType.methodType(void.class, Object.class));
      yield =
          lookup
              .findStatic(continuation, "yield", MethodType.methodType(boolean.class, scope))
              .asType(MethodType.methodType(boolean.class, Object.class));
      stackTrace =
          lookup
              .findVirtual(
                  continuation, "getStackTrace", MethodType.methodType(StackTraceElement[].class))
              .asType(MethodType.methodType(StackTraceElement[].class, Object.class));
      stackWalker =
          lookup
              .findVirtual(continuation, "stackWalker", MethodType.methodType(StackWalker.class))
              .asType(MethodType.methodType(StackWalker.class, Object.class));
    } catch (Throwable t) {
      unavailable = t;
    }
    NEW_SCOPE = newScope;
    NEW = make;
    RUN = run;
    YIELD = yield;
    STACK_TRACE = stackTrace;
    STACK_WALKER = stackWalker;
    UNAVAILABLE = unavailable;
  }

  private static final Object GREENLETS =
      UNAVAILABLE == null ? newScope("greenlets") : "unavailable";
  private static final Runnable SUSPEND_GREENLET = () -> suspendTo(GREENLETS);

  private final boolean inflatesLocks;

  private ContinuationEngine(boolean inflatesLocks) {
    this.inflatesLocks = inflatesLocks;
  }

  /** The engine, if this JVM lets us have it and it proves itself. */
  static ContinuationEngine proven() throws Unavailable {
    if (UNAVAILABLE instanceof IllegalAccessException)
      throw new Unavailable("the JVM was started without " + Flags.CONTINUATIONS);
    if (UNAVAILABLE != null)
      throw new Unavailable(
          "this JVM, " + Runtime.version() + ", has other continuations: " + UNAVAILABLE);
    if (keepsLock(() -> {})) return new ContinuationEngine(false);
    if (keepsLock(new ThinLocks()::inflate)) return new ContinuationEngine(true);
    throw new Unavailable(
        "on this JVM, "
            + Runtime.version()
            + ", a continuation takes along the locks of the thread that mounts it");
  }

  /** Why the engine cannot be had. */
  static final class Unavailable extends Exception {
    private static final long serialVersionUID = 1L;

    Unavailable(String why) {
      super(why);
    }
  }

  /** Whether a thread that mounts a continuation, after {@code before}, still has its locks when that is suspended. */
  static boolean keepsLock(Runnable before) {
    return Trial.inThread(() -> {
      Object continuation = newContinuation(GREENLETS, SUSPEND_GREENLET);
      return Trial.keepsLock(
          before,
          () -> {
            mount(continuation);
            return true;
          });
    });
  }

  @Override
  public String toString() {
    return describe(Flags.CONTINUATION_ENGINE, null);
  }

  // Greenlets

  @Override
  Stack rootStack(Context root) {
    return new SwitchedStack();
  }

  @Override
  Stack newStack(Context.Group group, EntryPoint body) {
    return new GreenletStack(group, body);
  }

  @Override
  void transfer(Context.Group group, Stack from, Stack to, Object who) {
    Context here = group.root;
    GeneratorRun innermost = here.innermost;
    Object bindings = Bindings.current();
    Context pulledFrom = here.pulledFrom;
    SwitchedStack left = (SwitchedStack) from;
    if (pulledFrom != null) {
      left.pulledFrom = pulledFrom;
      here.pulledFrom = null;
    }
    group.bindings = bindings;
    try {
      if (left instanceof GreenletStack) ScopedValues.keep(SUSPEND_GREENLET);
      else mountInTurn(group, left);
    } catch (IllegalStateException e) {
      throw Pinned.refusal(who, e);
    } finally {
      if (left instanceof GreenletStack suspended) suspended.entered = true;
      if (here.innermost != innermost) here.innermost = innermost;
      if (pulledFrom != null) {
        here.pulledFrom = pulledFrom;
        left.pulledFrom = null;
      }
      Object others = group.bindings;
      group.bindings = null;
      Bindings.exchange(others, bindings);
    }
  }

  /** Mounts whichever stack is current, one after the other, until it is the root's turn again. */
  private void mountInTurn(Context.Group group, Stack root) {
    if (inflatesLocks) group.root.inflateLocks();
    ScopedValues.keep(() -> {
      boolean isFirst = true;
      for (Stack next = group.currentStack(); next != root; next = group.currentStack()) {
        GreenletStack stack = (GreenletStack) next;
        try {
          stack.mount();
        } catch (Throwable t) { // no room for it, or the JDK lost it while it ran
          if (isFirst && !stack.entered) throw t;
          group.refuse(t, stack.entered);
        }
        isFirst = false;
      }
    });
  }

  /** A stack that takes turns on its thread with others; the thread's own, if it is nothing more. */
  private static class SwitchedStack implements Stack {
    /** While it is suspended: the thread of the body that it pulls from. */
    @Nullable Context pulledFrom;
  }

  private static final class GreenletStack extends SwitchedStack implements Runnable {
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

    private final Context.Group group;
    private final EntryPoint body;
    private final Object continuation;
    private volatile int use;
    private volatile boolean over;

    /** Whether it has run since it was last mounted. */
    boolean entered;

    GreenletStack(Context.Group group, EntryPoint body) {
      this.group = group;
      this.body = body;
      continuation = newContinuation(GREENLETS, this);
    }

    @Override
    public void run() {
      entered = true;
      group.root.innermost = null;
      body.run();
      over = true;
      group.bindings = Bindings.current();
    }

    void mount() {
      entered = false;
      if (use == UNSTARTED)
        USE.setOpaque(this, MOUNTED); // nobody else writes then, and a reader only asks which it is
      else while (!USE.compareAndSet(this, SUSPENDED, MOUNTED)) Thread.onSpinWait();
      try {
        ContinuationEngine.mount(continuation);
      } finally {
        try {
          USE.setRelease(this, SUSPENDED);
        } catch (Throwable t) { // the call was struck: the store needs none, but a fence
          use = SUSPENDED;
        }
      }
    }

    /** What {@code reader} finds in the continuation; null if that is not suspended. */
    <R> @Nullable R read(Function<Object, @Nullable R> reader) {
      Headroom.require(); // as in StackTraces
      while (!USE.compareAndSet(this, SUSPENDED, READ)) {
        if (use != READ) return null;
        Thread.onSpinWait();
      }
      try {
        return over ? null : reader.apply(continuation);
      } finally {
        use = SUSPENDED;
      }
    }
  }

  // The bodies of generators

  @Override
  <B extends GeneratorRun & EntryPoint> GeneratorStack generatorStack(B body, boolean confined) {
    return confined ? new MountedBody(body, body) : new GeneratorThread(body, false);
  }

  private final class MountedBody implements GeneratorStack, Runnable {
    private final GeneratorRun outermost;
    private final EntryPoint body;
    private final Object continuation;
    private final Runnable suspend;
    private @Nullable GeneratorRun innermost;

    /** In force where control came from that is here now. */
    private @Nullable Object bindings;

    MountedBody(GeneratorRun outermost, EntryPoint body) {
      this.outermost = outermost;
      this.body = body;
      // one scope for each body, so that a yield can suspend nested bodies too
      Object scope = newScope("generator");
      continuation = newContinuation(scope, this::begin);
      suspend = () -> suspendTo(scope);
    }

    @Override
    public void resume(Context here) {
      GeneratorRun pullers = here.innermost;
      Object pullersBindings = Bindings.current();
      if (inflatesLocks) here.inflateLocks();
      bindings = pullersBindings;
      if (innermost != null) {
        if (outermost.outer != pullers) outermost.outer = pullers;
        here.innermost = innermost;
      }
      try {
        ScopedValues.keep(this);
      } finally {
        here.innermost = pullers;
        Object bodys = bindings;
        bindings = null;
        Bindings.exchange(bodys, pullersBindings);
      }
    }

    @Override
    public void run() {
      mount(continuation);
    }

    private void begin() {
      body.run();
      bindings = Bindings.current();
    }

    @Override
    public void suspend(Context here) {
      Object mine = Bindings.current();
      Object pullers = bindings;
      if (mine != pullers) bindings = mine;
      if (innermost != here.innermost) innermost = here.innermost;
      try {
        ScopedValues.keep(suspend);
      } catch (IllegalStateException e) {
        bindings = pullers;
        throw Pinned.refusal(body + " in " + here.group(), e);
      }
      Bindings.exchange(bindings, mine);
    }
  }

  // Stack traces

  private static final boolean RUNNING_MAY_BE_WALKED = Runtime.version().feature() == 21;

  @Override
  Stream<StackTraceElement> stackTrace(Context.Group group, Stack stack) {
    Context body =
        group.currentStack() == stack ? group.root.pulledFrom : ((SwitchedStack) stack).pulledFrom;
    boolean waits = body != null || group.thread == Thread.currentThread();
    return Context.stackTraceAbove(
        body, group, !RUNNING_MAY_BE_WALKED, onItsStack(group, stack, waits));
  }

  @Override
  @Nullable StackTraceElement top(
      Context.Group group, Stack stack, Predicate<StackTraceElement> isWanted) {
    StackTraceElement top =
        stack instanceof GreenletStack greenlet && greenlet.pulledFrom == null
            ? greenlet.read(continuation -> top(continuation, isWanted))
            : null;
    return top != null ? top : super.top(group, stack, isWanted);
  }

  private static Stream<StackTraceElement> onItsStack(
      Context.Group group, Stack stack, boolean waits) {
    boolean isRoot = true;
    if (stack instanceof GreenletStack greenlet) {
      if (greenlet.use == GreenletStack.UNSTARTED) return Stream.empty();
      StackTraceElement[] suspended = greenlet.read(ContinuationEngine::stackTrace);
      if (suspended != null) return StackTraces.ofUsers(suspended, true, true);
      isRoot = false;
    }
    StackTraceElement[] all =
        StackTraces.of(group.thread, !RUNNING_MAY_BE_WALKED, Context.isOf(group));
    int root = all.length; // where its frames begin
    for (int i = 0; i < all.length; i++) {
      if (all[i].getMethodName().equals("mountInTurn")) root = i;
    }
    if (!isRoot) return StackTraces.ofUsers(Arrays.copyOf(all, root), waits, true);
    return root < all.length
        ? StackTraces.ofUsers(Arrays.copyOfRange(all, root, all.length), true, false)
        : StackTraces.ofUsers(all, waits, false);
  }

  // jdk.internal.vm

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static Object newScope(String name) {
    try {
      return (Object) NEW_SCOPE.invokeExact(name);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static Object newContinuation(Object scope, Runnable task) {
    try {
      return (Object) NEW.invokeExact(scope, task);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static void mount(Object continuation) {
    try {
      RUN.invokeExact(continuation);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static void suspendTo(Object scope) {
    try {
      boolean done = (boolean) YIELD.invokeExact(scope);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static @Nullable StackTraceElement top(
      Object continuation, Predicate<StackTraceElement> isWanted) {
    try {
      return ((StackWalker) STACK_WALKER.invokeExact(continuation))
          .walk(frames -> StackTraces.top(frames, isWanted));
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  @SuppressWarnings("NullAway") // UNAVAILABLE is null
  private static StackTraceElement[] stackTrace(Object continuation) {
    try {
      return (StackTraceElement[]) STACK_TRACE.invokeExact(continuation);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }
}
