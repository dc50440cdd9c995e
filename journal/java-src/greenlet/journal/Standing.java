package greenlet.journal;

import org.jspecify.annotations.Nullable;

/**
 * How a program stands in a store.
 *
 * @param id the program
 * @param begin its first entry, of kind {@code BEGIN} or {@code RESTART}
 * @param next the number that its next entry is to have
 * @param end its last entry, if it has ended; else null
 * @param park what it waits for, if it has been forgotten; null if it has ended, or is run, or was when its process ended
 */
public record Standing(
    String id, Entry begin, long next, @Nullable Entry end, @Nullable Park park) {}
