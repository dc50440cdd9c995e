package greenlet;

import org.jspecify.annotations.Nullable;

/**
 * One run of a generator's body, and what its yields lead to. The traversals whose bodies run on one stack are a chain
 * from the innermost outwards.
 */
abstract class Traversal<T extends @Nullable Object> implements Generator.Yielder<T> {
  /** The next one outwards on the same stack, while the body runs. */
  @Nullable Traversal<?> outer;

  /** Set when the traversal ends early: what is raised at the pending yield, and {@linkplain GreenletExit#again again}. */
  @Nullable GreenletExit exit;

  /** What the body returned, where it has ended as it should. */
  @Nullable Object result;

  private final Generator<T> generator;

  /** Of the thread that the body runs in. */
  private @Nullable Strand strand;

  Traversal(Generator<T> generator) {
    this.generator = generator;
  }

  /** Runs the body on the stack of {@code here}; returns what ended it, or null, where it ended as it should. */
  final @Nullable Throwable runBody(Strand here) {
    strand = here;
    outer = here.traversal;
    here.traversal = this;
    try {
      result = generator.run(this);
      return null;
    } catch (Throwable t) {
      return exit != null && exit.is(t) ? null : t;
    } finally {
      here.traversal = outer;
      outer = null;
    }
  }

  @Override
  public final @Nullable Object yield(T value) {
    Strand here = Strand.current(strand);
    if (here.runs(this)) return deliver(here, value);
    if (here.body() == null) {
      throw new IllegalStateException("cannot yield to the traversal of " + generator + " from " + here.tree().current()
          + ": its body is not running there; it is over, or belongs to another greenlet or thread");
    }
    try { // the body of a traversal further in, on a stack of its own
      return here.body().onPuller(none -> this.yield(value));
    } catch (Throwable t) {
      throw Greenlet.<RuntimeException>unchecked(t);
    }
  }

  /** Gives the consumer a value; called on the stack of the body. */
  abstract @Nullable Object deliver(Strand here, T value);

  @Override
  public final String toString() {
    return "traversal of " + generator;
  }
}
