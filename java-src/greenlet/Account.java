package greenlet;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What something that takes turns has used: a task, a tasklet, or what another scheduler has. Kept where somebody has asked for it.
 * Written by its own thread; others may ask, and see what was true a moment ago.
 */
public final class Account {
  private final @Nullable String spawnedBy;
  private final List<StackTraceElement> spawnedAt;
  private long run;
  private long longest;
  private long turns;
  private long begun;
  private boolean isOpen;

  /**
   * An account of something that has had no turn yet.
   *
   * @param spawnedBy the name of who made it; null if that is not known
   * @param spawnedAt where, the innermost frame first; empty if that was not asked for
   */
  public Account(@Nullable String spawnedBy, List<StackTraceElement> spawnedAt) {
    this.spawnedBy = spawnedBy;
    this.spawnedAt = List.copyOf(spawnedAt);
  }

  /**
   * A turn begins.
   *
   * @param nanos the time, by any clock
   */
  public void begin(long nanos) {
    begun = nanos;
    isOpen = true;
    turns++;
  }

  /**
   * The turn ends. Does nothing if none has begun.
   *
   * @param nanos the time, by the same clock
   */
  public void end(long nanos) {
    if (!isOpen) return;
    isOpen = false;
    long turn = nanos - begun;
    run += turn;
    if (turn > longest) longest = turn;
  }

  /**
   * How long the turn that goes on has taken so far.
   *
   * @param nanos the time
   * @return nanoseconds; 0 if none goes on
   */
  public long held(long nanos) {
    return isOpen ? nanos - begun : 0;
  }

  /**
   * How long it has run, in all turns that have ended.
   *
   * @return the time
   */
  public Duration runTime() {
    return Duration.ofNanos(run);
  }

  /**
   * How often it has been given the thread.
   *
   * @return the number of its turns
   */
  public long switches() {
    return turns;
  }

  /**
   * How long it has held the thread at most, without giving way.
   *
   * @return the longest of the turns that have ended
   */
  public Duration longestHold() {
    return Duration.ofNanos(longest);
  }

  /**
   * Who made it.
   *
   * @return a name; null if that is not known
   */
  public @Nullable String spawnedBy() {
    return spawnedBy;
  }

  /**
   * Where it was made.
   *
   * @return the frames, the innermost first; empty if nobody has asked for them
   */
  public List<StackTraceElement> spawnedAt() {
    return spawnedAt;
  }

  @Override
  public String toString() {
    return "%d turns, %s in all, the longest %s%s"
        .formatted(
            turns, text(run), text(longest), spawnedBy == null ? "" : ", made by " + spawnedBy);
  }

  private static String text(long nanos) {
    return nanos / 1000 + " µs";
  }
}
