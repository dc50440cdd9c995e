package greenlet.journal;

import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How a {@link Worker} works. Each method returns other options.
 *
 * @param name what it is called in the store and in messages, with a number after it; null for the process and the machine
 * @param version the version of its deployment, which the programs are recorded with that begin through it
 * @param versions it takes the programs that have begun with one of these
 * @param threads how many threads run its programs
 * @param most how many programs each thread has at a time, at most
 * @param lease how long it has its programs, if it does not come to renew that: so long they wait when it has died
 * @param poll how often it looks for programs, where nothing tells it of them
 */
public record WorkerOptions(
    @Nullable String name,
    String version,
    Set<String> versions,
    int threads,
    int most,
    Duration lease,
    Duration poll) {
  private static final Duration SHORTEST = Duration.ofMillis(100);

  /** No version, an empty text; one thread with 10,000 programs; a lease of half a minute, a look each second. */
  public static final WorkerOptions DEFAULT =
      new WorkerOptions(
          null, "", Set.of(""), 1, 10_000, Duration.ofSeconds(30), Duration.ofSeconds(1));

  /**
   * Refuses what makes no sense.
   *
   * @param name a name, or null
   * @param version any text
   * @param versions one or more
   * @param threads 1 or more
   * @param most 1 or more
   * @param lease a tenth of a second or more
   * @param poll above zero
   */
  public WorkerOptions {
    versions = Set.copyOf(versions);
    if (threads < 1)
      throw new IllegalArgumentException("a worker has 1 thread or more; got " + threads);
    if (most < 1) throw new IllegalArgumentException("a worker has 1 program or more; got " + most);
    if (versions.isEmpty())
      throw new IllegalArgumentException(
          "a worker takes programs of one version or more; got none");
    if (lease.compareTo(SHORTEST) < 0)
      throw new IllegalArgumentException("a lease lasts 0.1 seconds or more; got " + lease);
    if (!poll.isPositive())
      throw new IllegalArgumentException("a worker polls after a time above zero; got " + poll);
  }

  /**
   * Sets its name.
   *
   * @param its letters and what else tells it from others
   * @return other options
   */
  public WorkerOptions name(String its) {
    return new WorkerOptions(its, version, versions, threads, most, lease, poll);
  }

  /**
   * Sets the version of its deployment.
   *
   * @param deployed any text
   * @param older it also takes programs that have begun with one of these
   * @return other options
   */
  public WorkerOptions version(String deployed, String... older) {
    Set<String> all = new HashSet<>(Set.of(older));
    all.add(deployed);
    return new WorkerOptions(name, deployed, all, threads, most, lease, poll);
  }

  /**
   * Sets how many threads run its programs.
   *
   * @param many how many
   * @return other options
   */
  public WorkerOptions threads(int many) {
    return new WorkerOptions(name, version, versions, many, most, lease, poll);
  }

  /**
   * Sets how many programs each thread has at a time.
   *
   * @param programs how many, at most
   * @return other options
   */
  public WorkerOptions most(int programs) {
    return new WorkerOptions(name, version, versions, threads, programs, lease, poll);
  }

  /**
   * Sets how long it has its programs.
   *
   * @param time the lease, which it renews each third of that
   * @return other options
   */
  public WorkerOptions lease(Duration time) {
    return new WorkerOptions(name, version, versions, threads, most, time, poll);
  }

  /**
   * Sets how often it looks for programs.
   *
   * @param time how long after the last time
   * @return other options
   */
  public WorkerOptions poll(Duration time) {
    return new WorkerOptions(name, version, versions, threads, most, lease, time);
  }
}
