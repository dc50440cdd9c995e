package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * One run of a generator's body, and what its yields lead to. The traversals whose bodies run on one stack are a chain
 * from the innermost outwards.
 */
abstract class Traversal<T extends @Nullable Object> extends GeneratorRun
    implements Generator.Yielder<T> {
  /** Set when the traversal ends early: what is raised at the pending yield, and {@linkplain GreenletExit#again again}. */
  @Nullable GreenletExit exit;

  /** What the body returned, where it has ended as it should. */
  @Nullable Object result;

  /** A body that goes on yielding after so many of them does not want to end. */
  private static final int MOST_EXITS = 10_000;

  private final Generator<T> generator;

  /** Of the thread that the body runs in. */
  private @Nullable Context context;

  /** The innermost extent that the body is in. */
  private @Nullable Nested extents;

  Traversal(Generator<T> generator) {
    this.generator = generator;
  }

  /** The innermost traversal whose body runs on the stack of {@code here}. */
  @SuppressWarnings("unchecked")
  static @Nullable Traversal<@Nullable Object> innermost(Context here) {
    return (Traversal<@Nullable Object>) here.innermost;
  }

  /** Runs the body on the stack of {@code here}; returns what ended it, or null, where it ended as it should. */
  final @Nullable Throwable runBody(Context here) {
    context = here;
    outer = here.innermost;
    here.innermost = this;
    try {
      result = generator.run(this);
      return null;
    } catch (Throwable t) {
      return exit != null && exit.is(t) ? null : t;
    } finally {
      here.innermost = outer;
      outer = null;
    }
  }

  @Override
  public final @Nullable Object yield(T value) {
    Context here = ThreadState.context(context);
    if (here.runs(this)) return deliver(here, value);
    if (!(here instanceof GeneratorThread further)) {
      throw new IllegalStateException(
          "cannot yield to the traversal of "
              + generator
              + " from "
              + here.group()
              + ": its body is not running there; it is over, or belongs to another greenlet or thread");
    }
    GeneratorRun suspended = here.innermost;
    leaveExtents(suspended, null);
    try { // the body of a traversal further in, on a stack of its own
      return further.onPuller(none -> this.yield(value));
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    } finally {
      reenterExtents(suspended, null);
    }
  }

  /** Gives the consumer a value; called on the stack of the body. */
  final @Nullable Object deliver(Context here, T value) {
    Headroom.require();
    if (exit != null) throw Sneaky.unchecked(endAgain(here, exit));
    GeneratorRun suspended = here.innermost;
    if (suspended == this && extents == null) return suspend(here, value);
    leaveExtents(suspended, outer);
    try {
      return suspend(here, value);
    } finally {
      reenterExtents(suspended, outer);
    }
  }

  /** Suspends the body until the consumer wants to go on. */
  abstract @Nullable Object suspend(Context here, T value);

  /**
   * What to raise in a body that yields although it has been told to end. A body that catches too many of these is abandoned, and
   * its consumer gets an error. That takes a stack that can be left: the one of the traversal itself, if it is pulled, else that of
   * the next one further out. On the consumer's own stack there is only the error to raise.
   */
  private Throwable endAgain(Context here, GreenletExit first) {
    if (first.repetitions < MOST_EXITS) return first.again();
    var why =
        new IllegalStateException(
            ("the %s refuses to end: its body has caught the GreenletExit at its yield %d times and yields again; "
                    + "let the GreenletExit through, or return")
                .formatted(this, MOST_EXITS));
    for (GeneratorRun run = this; run != null; run = run.outer) {
      if (!(run instanceof PulledTraversal<?> pulled)) continue;
      leaveExtents(here.innermost, pulled.outer);
      pulled.abandon(here, why);
    }
    return why;
  }

  // Dynamic extents

  private record Nested(DynamicExtent extent, @Nullable Nested outer) {}

  final void enter(DynamicExtent extent) {
    extents = new Nested(extent, extents);
  }

  @SuppressWarnings("NullAway") // as often as enter
  final void exit() {
    extents = extents.outer;
  }

  /** Of the bodies from {@code innermost} outwards, without {@code end}; the innermost extent first. */
  // the end is one of those further out, or null, which comes after the last
  @SuppressWarnings("NullAway")
  private static void leaveExtents(@Nullable GeneratorRun innermost, @Nullable GeneratorRun end) {
    for (GeneratorRun body = innermost; body != end; body = body.outer) {
      for (Nested n = ((Traversal<?>) body).extents; n != null; n = n.outer) n.extent.leave();
    }
  }

  /** Takes back {@link #leaveExtents}: the outermost extent first. */
  @SuppressWarnings("NullAway") // as in leaveExtents
  private static void reenterExtents(@Nullable GeneratorRun innermost, @Nullable GeneratorRun end) {
    if (innermost == end) return;
    reenterExtents(innermost.outer, end);
    reenter(((Traversal<?>) innermost).extents);
  }

  private static void reenter(@Nullable Nested innermost) {
    if (innermost == null) return;
    reenter(innermost.outer);
    innermost.extent.reenter();
  }

  @Override
  public final String toString() {
    return "traversal of " + generator;
  }
}
