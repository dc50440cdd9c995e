package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * One input of a program, or its end. The entries of a program are its journal: run again with the same ones, it does the same.
 *
 * @param number its place in the journal. The first one is 0; each has one more than the one before, also across a restart
 * @param time when it was made, in milliseconds since 1970. The program's clock shows it from then on
 * @param kind what it is
 * @param key what it is for: of an outcome, a message or a version the wait that it ends; of a beginning the name of the function. Empty
 *     for what needs none
 * @param mark a number that goes with the kind: the hash of a step's arguments, the seed of a beginning, the time of a tick, the branch
 *     of a version. 0 for what needs none
 * @param value the encoded value; null for what has none
 */
public record Entry(
    long number, long time, Kind kind, String key, long mark, @Nullable String value) {

  /** What an entry is. A store keeps these by their names. */
  public enum Kind {
    /** The program begins: the name of its function, its arguments, and the seed of its chance. */
    BEGIN,
    /** A step has returned a value. */
    OUTCOME,
    /** A step has failed: see {@link StepFailed}. */
    FAILURE,
    /** A message is received. */
    MESSAGE,
    /** Time goes on, where nothing else moves it: to that of the next timer, whose time is the mark, in nanoseconds since the beginning. */
    TICK,
    /** A branch is taken where the code has changed: the mark says which. */
    VERSION,
    /** The program is cancelled: its main task is killed. */
    CANCEL,
    /** The program ends here and begins once more, as by {@link #BEGIN}. Its entries so far are no part of the journal any longer. */
    RESTART,
    /** The program has returned a value: the last entry. */
    RESULT,
    /** The program has failed, or was cancelled: the last entry. */
    ERROR;

    /** Whether a journal begins with it. */
    boolean begins() {
      return this == BEGIN || this == RESTART;
    }

    /** Whether a journal ends with it. */
    boolean ends() {
      return this == RESULT || this == ERROR;
    }
  }
}
