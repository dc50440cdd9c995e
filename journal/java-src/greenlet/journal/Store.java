package greenlet.journal;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the journals of programs, and the messages that wait for them. A store of your own has to pass {@link StoreSuite}.
 *
 * <p><b>Threads.</b> All methods may be called from any thread, several at a time, and also from one that is interrupted: the
 * interrupt stays, and neither harms the store nor the call. They may block.
 *
 * <p><b>Durable.</b> What {@link #append}, {@link #send}, {@link #delete} and {@link #prune} have changed is durable when the call
 * returns, and is not seen by any other call before. Nothing is written for a program but by these calls.
 *
 * <p><b>One writer.</b> An append names the number of its first entry. Several hosts may run the same program: the first one to
 * append an entry has that number, and the others are refused. It names the incarnation, too, so that a host that still runs a program
 * that was deleted does not append to another one, which has begun with the same id since.
 *
 * <p><b>Errors.</b> An {@code IOException} out of a call that writes, or a {@code RuntimeException} that is not named there, says that
 * nobody knows what is durable: the store is over then, and refuses every further call with an {@code IOException} that says why.
 * Opened again, it has all that was durable, and of what was being written all of an append or nothing.
 */
public interface Store extends AutoCloseable {
  /**
   * The journal of a program: from its last {@code BEGIN} or {@code RESTART} on.
   *
   * @param id the program
   * @return its entries, whose numbers have no gap; empty if there is no such program
   * @throws Corrupt if what was written is not what is there
   * @throws IOException if it cannot be read
   */
  List<Entry> read(String id) throws IOException;

  /**
   * How a program stands.
   *
   * @param id the program
   * @return null if there is no such program
   * @throws IOException if it cannot be read
   */
  @Nullable Standing standing(String id) throws IOException;

  /**
   * Hands over how each program stands. In no order; what changes meanwhile may be seen or not.
   *
   * @param each called in the calling thread; may call this store
   * @throws IOException if it cannot be read
   */
  void forEach(Consumer<? super Standing> each) throws IOException;

  /**
   * The programs that are to be run by whoever opens the store: they have not ended, and have no park record.
   *
   * @return their ids
   * @throws IOException if it cannot be read
   */
  List<String> unparked() throws IOException;

  /**
   * The parked programs that are to be run: their time has come, or a message that their park record names waits for them, or a
   * cancellation.
   *
   * @param time the time that has come, in milliseconds since 1970
   * @param most how many at most
   * @return their ids, the earliest first; a message counts as time 0
   * @throws IOException if it cannot be read
   */
  List<String> due(long time, int most) throws IOException;

  /**
   * When the next parked program is due.
   *
   * @return in milliseconds since 1970; 0 if one has a message; {@link Park#NEVER} if none is due ever
   * @throws IOException if it cannot be read
   */
  long nextDue() throws IOException;

  /**
   * Writes for several programs at once: each append is written whole or not at all, on its own. An append is refused, and changes
   * nothing, if its number is not the next one of its program, or its incarnation another one; the others are written all the same. The first entry of a program has
   * number 0. An entry of kind {@code RESTART} is the first one of its append, and all entries before it are no part of the journal
   * any longer. An entry that ends the program is the last one, and takes the messages that wait out of the store.
   *
   * @param group the appends, each of another program
   * @return the ids of those whose append was refused
   * @throws IOException if nobody knows whether they are durable: the store is over
   */
  Set<String> append(List<Append> group) throws IOException;

  /**
   * Keeps a message until the program takes it, by an {@link Append}.
   *
   * @param id the program
   * @param message the message; its number is ignored, and given here
   * @return false if one with the same key was sent to the program before, whether it was taken or not: nothing is kept then. The
   *     keys are known as long as the program is
   * @throws IllegalStateException if there is no such program, or if it has ended and the key is not known
   * @throws IOException if nobody knows whether it is durable: the store is over
   */
  boolean send(String id, Message message) throws IOException;

  /**
   * The messages that wait for a program.
   *
   * @param id the program
   * @return in the order of their numbers
   * @throws IOException if it cannot be read
   */
  List<Message> messages(String id) throws IOException;

  /**
   * Removes a program that has ended, with all that was kept for it.
   *
   * @param id the program
   * @return false if there is none
   * @throws IllegalStateException if it has not ended
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  boolean delete(String id) throws IOException;

  /**
   * Removes the programs whose last entry is older than {@code time}, and has ended them. Gives the room of all that was removed back,
   * as far as the store can.
   *
   * @param time in milliseconds since 1970
   * @return how many were removed
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  long prune(long time) throws IOException;

  /**
   * How many characters the value of an entry or a message may have. Who makes one that is larger is told so; a store may rely on it.
   *
   * @return the limit
   */
  int valueLimit();

  /**
   * From now on, calls {@code listener} with the id of each program that a message is sent to, when that is durable. A store that
   * others write to, too, may call it later, and for programs that have got none.
   *
   * @param listener called in any thread; returns soon, and does not call the store
   * @return what ends that
   */
  Runnable listen(Consumer<? super String> listener);

  /**
   * Gives back what the store holds: its files, and the lock that made it their only owner. All calls are refused from then on, with
   * an {@code IOException}; one that is under way ends before. May be called again.
   *
   * @throws IOException if that fails
   */
  @Override
  void close() throws IOException;
}
