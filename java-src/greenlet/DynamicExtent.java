package greenlet;

/**
 * Something that is in force while a part of a program runs, such as a limit of time: to be put aside while the generator's body
 * that it is part of is suspended, and put back when that is resumed. What Scheme's {@code dynamic-wind} is to continuations.
 *
 * <pre>{@code
 * Generator<String> lines = Generator.of(out -> Generator.during(limit, () -> {
 *   out.yield(read());   // limit.leave() before the consumer goes on, limit.reenter() before the body does
 *   return null;
 * }));
 * }</pre>
 *
 * @see Generator#during
 */
public interface DynamicExtent {
  /** The body is about to be suspended. Called on its stack; must not yield, switch or throw. */
  void leave();

  /** The body has been resumed. Called on its stack, before what it yielded to returns or throws; must not yield, switch or throw. */
  void reenter();
}
