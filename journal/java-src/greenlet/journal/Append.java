package greenlet.journal;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is to be written for one program, all of it or nothing.
 *
 * @param id the program
 * @param incarnation which of the programs that have had this id, one after the other: the mark of the first entry of its journal. The
 *     store refuses the append if that is another one, since the program was deleted, and has begun anew. Of one that begins it is not
 *     looked at
 * @param number the number that the program's next entry has to have. The store refuses the append if that number is taken, and
 *     also if there is nothing at the number before
 * @param entries the entries, in the order of their numbers, the first of which is {@code number}; may be empty where there is a park
 *     record
 * @param taken the numbers of the messages that these entries take out of the store
 * @param park what the program waits for from here on, if it is going to be forgotten; null if it is run. It takes the place of the
 *     park record that there was
 */
public record Append(
    String id,
    long incarnation,
    long number,
    List<Entry> entries,
    List<Long> taken,
    @Nullable Park park) {
  /**
   * Copies the lists.
   *
   * @param id the program
   * @param incarnation which one of that id
   * @param number the number of the next entry
   * @param entries the entries
   * @param taken the numbers of messages
   * @param park what the program waits for, or null
   */
  public Append {
    entries = List.copyOf(entries);
    taken = List.copyOf(taken);
  }
}
