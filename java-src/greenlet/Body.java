package greenlet;

import org.jspecify.annotations.Nullable;

/** What a greenlet runs. */
@FunctionalInterface
public interface Body {
  /**
   * Runs, once, on the greenlet's own stack.
   *
   * @param args the values of the first switch: none, one or more; the array is the body's to keep
   * @return the value that the greenlet's parent gets when the body ends
   * @throws Throwable anything: it ends the greenlet and is raised in the parent, the same object, out of the
   *     parent's pending switch; a {@link GreenletExit} arrives there as a value instead
   */
  @Nullable Object run(@Nullable Object... args) throws Throwable;
}
