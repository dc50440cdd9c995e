package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * What a program runs: a function of its argument, whose every other input comes by {@link Journal}. It is run again, from its first
 * line on, whenever it goes on in another process, or after it has been forgotten; it has to do the same then. So it asks no clock, no
 * chance, no file and no variable that changes; effects belong in steps.
 *
 * @param <A> the type of the argument
 * @param <R> the type of the result
 */
@FunctionalInterface
public interface Program<A extends @Nullable Object, R extends @Nullable Object> {
  /**
   * Runs as the main task of a hub of its own, in a scope: the tasks that it spawns end with it.
   *
   * @param argument what it was executed with, as the codec has decoded it
   * @return the result
   * @throws Exception what ends the program, too
   */
  R run(A argument) throws Exception;
}
