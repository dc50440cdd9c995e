package greenlet;

import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How a stack is suspended and resumed: the one seam between what the library promises and how the JVM does it. An engine knows
 * stacks, those that switch and those that are pulled from, and not what runs on them.
 */
abstract class Engine {
  /** The property's name for it, then in brackets which faster paths are off, and why. */
  @Override
  public abstract String toString();

  static String describe(String name, @Nullable String whyNotContinuation) {
    String slower =
        Stream.of(
                whyNotContinuation == null
                    ? null
                    : "not " + Flags.CONTINUATION_ENGINE + ": " + whyNotContinuation,
                VirtualThreads.canBeCarried()
                    ? null
                    : "virtual threads not carried by the thread that waits for them: "
                        + VirtualThreads.whyNotCarried())
            .filter(Objects::nonNull)
            .collect(Collectors.joining("; "));
    return slower.isEmpty() ? name : name + " (" + slower + ")";
  }

  /** The stack that a thread has anyway, as one of its group. */
  abstract Stack rootStack(Context root);

  /** A new stack of {@code group}, for {@code entry}. Once that has run, the stack that is current then is resumed. */
  abstract Stack newStack(Context.Group group, EntryPoint entry);

  /**
   * Suspends {@code from}, on which this is called, and lets {@code to} run, from its start or from where it called transfer
   * itself. Returns when somebody transfers to {@code from}. In the group {@code to} is current already. Throws only if {@code to}
   * cannot be started, or if {@code from}, which runs {@code who}, cannot be suspended where it is; then nothing has happened.
   */
  abstract void transfer(Context.Group group, Stack from, Stack to, Object who);

  /** A stack for a generator's body. A {@code confined} one is resumed by a single thread, another by any thread. */
  abstract <B extends GeneratorRun & EntryPoint> GeneratorStack generatorStack(
      B body, boolean confined);

  /** What is on {@code stack}, which is not over, top first, without the library's frames. */
  abstract Stream<StackTraceElement> stackTrace(Context.Group group, Stack stack);

  /** Of {@link #stackTrace} the topmost frame that {@code isWanted}; else the topmost of all, or null if there is none. */
  @Nullable StackTraceElement top(
      Context.Group group, Stack stack, Predicate<StackTraceElement> isWanted) {
    List<StackTraceElement> all = stackTrace(group, stack).toList();
    for (StackTraceElement frame : all) if (isWanted.test(frame)) return frame;
    return all.isEmpty() ? null : all.getFirst();
  }
}
