package greenlet.journal;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;

/** When runs are to be settled, in milliseconds since 1970. */
final class Alarms {
  private final TreeSet<Alarm> all = new TreeSet<>();
  private final Map<Run, Alarm> alarmOf = new HashMap<>();

  private record Alarm(long time, Run run) implements Comparable<Alarm> {
    @Override
    public int compareTo(Alarm other) {
      return time != other.time
          ? Long.compare(time, other.time)
          : Long.compare(run.serial, other.run.serial);
    }
  }

  /** In place of the one that was set before; {@link Park#NEVER} for none. */
  void set(Run run, long time) {
    Alarm before = alarmOf.get(run);
    if (before != null && before.time == time) return;
    if (before != null) all.remove(before);
    alarmOf.remove(run);
    if (time == Park.NEVER) return;
    var alarm = new Alarm(time, run);
    alarmOf.put(run, alarm);
    all.add(alarm);
  }

  long next() {
    return all.isEmpty() ? Park.NEVER : all.first().time;
  }

  /** The run whose alarm is the first. */
  Run takeFirst() {
    Run run = all.first().run;
    set(run, Park.NEVER);
    return run;
  }
}
