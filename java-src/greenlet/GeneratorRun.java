package greenlet;

import org.jspecify.annotations.Nullable;

/** A generator's body that is running. Those that run on one stack are a chain, from the innermost outwards. */
abstract class GeneratorRun {
  /** The next one outwards on the same stack. */
  @Nullable GeneratorRun outer;
}
