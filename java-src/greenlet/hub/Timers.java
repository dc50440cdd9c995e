package greenlet.hub;

import greenlet.Headroom;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.TreeSet;

/** What is to be done later, in the order of its time, and of its making where times are equal. For the thread of a hub alone. */
final class Timers {
  /** The time that never comes. */
  static final long NEVER = Long.MAX_VALUE;

  private final TreeSet<Timer> timers = new TreeSet<>();
  private long made;

  /** By how much the last timer that was due came too late, and at most so far. */
  private long lag;

  private long mostLag;

  /** What is to be done at some time, in nanoseconds by the clock of a hub. */
  record Timer(long time, long number, Runnable action) implements Comparable<Timer> {
    @Override
    public int compareTo(Timer other) {
      return time != other.time
          ? Long.compare(time, other.time)
          : Long.compare(number, other.number);
    }

    @Override
    public String toString() {
      return time == NEVER ? "a time that never comes" : "the time " + text(Duration.ofNanos(time));
    }
  }

  Timer add(long time, Runnable action) {
    Headroom.require();
    var timer = new Timer(time, made++, action);
    if (time != NEVER) timers.add(timer);
    return timer;
  }

  void cancel(Timer timer) {
    Headroom.require();
    timers.remove(timer);
  }

  /** When the first one is due. */
  long next() {
    return timers.isEmpty() ? NEVER : timers.first().time;
  }

  boolean isEmpty() {
    return timers.isEmpty();
  }

  int size() {
    return timers.size();
  }

  long lag() {
    return lag;
  }

  long mostLag() {
    return mostLag;
  }

  /** Does what is due at {@code now}. */
  void fire(long now) {
    Headroom.require();
    while (!timers.isEmpty() && next() <= now) {
      Timer timer = timers.first();
      lag = now - timer.time;
      if (lag > mostLag) mostLag = lag;
      try {
        timer.action.run();
      } catch (VirtualMachineError e) { // it stays, and fires again
        throw e;
      } catch (Throwable t) {
        timers.remove(timer);
        throw t;
      }
      timers.remove(timer);
    }
  }

  /** As nanoseconds; what is more than 292 years is endless. */
  static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) {
      return duration.isNegative() ? Long.MIN_VALUE : NEVER;
    }
  }

  static String text(Duration d) {
    return BigDecimal.valueOf(nanos(d), 9).stripTrailingZeros().toPlainString() + " s";
  }
}
