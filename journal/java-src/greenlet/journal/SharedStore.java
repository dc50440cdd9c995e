package greenlet.journal;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * A store whose programs several workers share, in any number of processes. A program that runs belongs to one worker, which has it for
 * as long as its lease lasts; the store's own clock says how long that is. A parked program belongs to nobody.
 */
public interface SharedStore extends Store {
  /**
   * Which programs a worker takes.
   *
   * @param functions the names of the functions that it knows
   * @param version the version of the deployment: programs that begin here are recorded with it
   * @param versions the programs that it takes were begun with one of these
   * @param most how many programs it has at a time, at most
   */
  record Share(Set<String> functions, String version, Set<String> versions, int most) {
    /**
     * Copies the sets.
     *
     * @param functions names
     * @param version of the deployment
     * @param versions of programs
     * @param most how many programs
     */
    public Share {
      functions = Set.copyOf(functions);
      versions = Set.copyOf(versions);
      if (most < 1)
        throw new IllegalArgumentException("a worker has 1 program or more; got " + most);
    }
  }

  /**
   * Begins the lease of a worker.
   *
   * @param worker a name that nobody else has, nor has had
   * @param lease how long it lasts, if it is not renewed
   * @throws IllegalStateException if there is a worker of that name
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  void enter(String worker, Duration lease) throws IOException;

  /**
   * Has the lease last for so long from now on.
   *
   * @param worker the worker
   * @param lease how long
   * @return false if it has ended, and its programs were given to others
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  boolean renew(String worker, Duration lease) throws IOException;

  /**
   * Ends the lease: all programs of the worker are nobody's.
   *
   * @param worker the worker
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  void leave(String worker) throws IOException;

  /**
   * Gives a worker programs that belong to nobody: those of its share that are due by {@code time}, have a message that they wait for, or
   * are not parked. Those of workers whose lease has ended are nobody's from then on.
   *
   * @param worker the worker, which has entered
   * @param share which programs it takes
   * @param time the time that has come, in milliseconds since 1970
   * @param most how many at most
   * @return their ids, the earliest first; none if its own lease has ended, and its programs were given to others
   * @throws IOException if nobody knows whether that is durable: the store is over
   */
  List<String> take(String worker, Share share, long time, int most) throws IOException;

  /**
   * When the next program of a share is due that belongs to nobody.
   *
   * @param share which programs
   * @return in milliseconds since 1970; 0 if it is due already; {@link Park#NEVER} if there is none
   * @throws IOException if it cannot be read
   */
  long nextDue(Share share) throws IOException;

  /**
   * As {@link #append(List)}, for a worker: also refused is what is for a program that it does not have. One that begins is its own. What
   * is parked, or has ended, is nobody's from then on, and so is what is refused because of its number.
   *
   * @param worker the worker
   * @param version the version of the deployment, for programs that begin
   * @param group the appends, each of another program
   * @return the ids of those whose append was refused
   * @throws IOException if nobody knows whether they are durable: the store is over
   */
  Set<String> append(String worker, String version, List<Append> group) throws IOException;
}
