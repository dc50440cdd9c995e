package greenlet.journal;

import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a worker does.
 *
 * @param name its name
 * @param version the version of its deployment
 * @param functions the names of the functions that it knows
 * @param programs how many programs it has
 * @param stuck those of them that it has stopped running, or of which a step has failed and is tried again
 * @param lost how many times a lease has ended before it was renewed
 * @param problem why it works no longer; null if it works, or was closed
 */
public record WorkerStatus(
    String name,
    String version,
    Set<String> functions,
    int programs,
    List<Status> stuck,
    long lost,
    @Nullable Throwable problem) {
  /**
   * Copies the functions and those that are stuck.
   *
   * @param name its name
   * @param version its version
   * @param functions names
   * @param programs how many
   * @param stuck programs
   * @param lost leases
   * @param problem or null
   */
  public WorkerStatus {
    functions = Set.copyOf(functions);
    stuck = List.copyOf(stuck);
  }
}
