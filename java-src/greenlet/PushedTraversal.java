package greenlet;

import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A traversal on the consumer's own stack: a yield calls the consumer, and nothing is ever suspended. Where the
 * consumer has had enough, or throws, the body is unwound with a GreenletExit at that yield, as it would be if it were
 * pulled from and closed: it never sees the consumer's exception.
 */
final class PushedTraversal<T extends @Nullable Object> extends Traversal<T> {
  private final Predicate<? super T> consumer;
  private final @Nullable Object consumersBindings = Bindings.current();
  private @Nullable Throwable failure;

  PushedTraversal(Generator<T> generator, Predicate<? super T> consumer) {
    super(generator);
    this.consumer = consumer;
  }

  /** False if the consumer had enough before the body ended. */
  boolean run() throws Throwable {
    Throwable thrown = runBody(ThreadState.context());
    if (failure != null) {
      if (thrown != null && thrown != failure) failure.addSuppressed(thrown);
      throw failure;
    }
    if (thrown != null) throw thrown;
    return exit == null;
  }

  @Override
  @Nullable Object suspend(Context here, T value) {
    GeneratorRun innermost = here.innermost;
    Object bindings = Bindings.current();
    boolean othersBindings = bindings != consumersBindings;
    boolean more = false;
    try {
      here.innermost = outer; // what the consumer yields goes further out
      if (othersBindings) Bindings.restore(consumersBindings);
      more = consumer.test(value);
    } catch (Throwable t) {
      failure = t;
    } finally {
      here.innermost = innermost;
      if (othersBindings) Bindings.restore(bindings);
    }
    if (!more) throw exit = new GreenletExit();
    return null;
  }
}
