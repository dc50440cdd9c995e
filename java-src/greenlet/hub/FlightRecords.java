package greenlet.hub;

import greenlet.Snapshot;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;
import org.jspecify.annotations.Nullable;

/**
 * The events of tasks for the JDK's Flight Recorder. Touched only where the JVM has that, see {@link #ARE_POSSIBLE}. A hub asks {@link
 * #areWanted} when a round begins: while no recording wants them, that is compiled to nothing.
 */
final class FlightRecords {
  static final boolean ARE_POSSIBLE = arePossible();

  private FlightRecords() {}

  private static boolean arePossible() {
    try {
      Class.forName("jdk.jfr.Event", false, FlightRecords.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError e) {
      return false;
    }
  }

  static boolean areWanted() {
    return ARE_POSSIBLE && OfTask.areWanted();
  }

  /** What one task has begun and not ended, so far as recordings want it. */
  static final class OfTask {
    private static final Life LIFE = new Life();
    private static final Wait WAIT = new Wait();
    private static final Hold HOLD = new Hold();
    private static final IoWait IO_WAIT = new IoWait();

    private final String hub;
    private final String task;
    private final Life life = new Life();
    private final @Nullable String spawnedBy;
    private @Nullable Hold hold;
    private @Nullable Waiting wait;
    private @Nullable Object what;

    OfTask(String hub, String task, @Nullable String spawnedBy) {
      this.hub = hub;
      this.task = task;
      this.spawnedBy = spawnedBy;
      life.begin();
    }

    static boolean areWanted() {
      return LIFE.isEnabled() || WAIT.isEnabled() || HOLD.isEnabled() || IO_WAIT.isEnabled();
    }

    /** It has the thread. */
    void enters() {
      endWait();
      if (!HOLD.isEnabled()) return;
      hold = new Hold();
      hold.begin();
    }

    /** It gives the thread away, because it waits for {@code newWhat}. */
    void leaves(Object newWhat, boolean isForChannel) {
      endHold();
      if (!(isForChannel ? IO_WAIT : WAIT).isEnabled()) return;
      what = newWhat;
      wait = isForChannel ? new IoWait() : new Wait();
      wait.begin();
    }

    private void endWait() {
      Waiting over = wait;
      Object forWhat = what;
      wait = null;
      what = null;
      if (over == null) return;
      over.end();
      if (!over.shouldCommit()) return;
      over.hub = hub;
      over.task = task;
      over.what = Snapshot.textOf(forWhat);
      over.commit();
    }

    private void endHold() {
      Hold held = hold;
      hold = null;
      if (held == null) return;
      held.end();
      if (!held.shouldCommit()) return;
      held.hub = hub;
      held.task = task;
      held.commit();
    }

    void ends(String how) {
      endHold();
      life.end();
      if (!life.shouldCommit()) return;
      life.hub = hub;
      life.task = task;
      life.spawnedBy = spawnedBy;
      life.outcome = how;
      life.commit();
    }
  }

  /** A task, from its spawn to its end. */
  @Name("greenlet.Task")
  @Label("Task")
  @Category("greenlet")
  @Threshold("0 ms")
  @StackTrace(false)
  static final class Life extends Event {
    @Label("Hub")
    @Nullable String hub;

    @Label("Task")
    @Nullable String task;

    @Label("Spawned By")
    @Nullable String spawnedBy;

    @Label("Outcome")
    @Nullable String outcome;
  }

  /** What is told of a wait. */
  @Category("greenlet")
  @Threshold("20 ms")
  @StackTrace(false)
  private abstract static class Waiting extends Event {
    @Label("Hub")
    @Nullable String hub;

    @Label("Task")
    @Nullable String task;

    @Label("Waits For")
    @Nullable String what;
  }

  /** A wait of a task that was long. */
  @Name("greenlet.TaskWait")
  @Label("Task Wait")
  static final class Wait extends Waiting {}

  /** A wait of a task for a channel. */
  @Name("greenlet.IoWait")
  @Label("I/O Wait")
  static final class IoWait extends Waiting {}

  /** A turn of a task in which no other could run, and that was long. */
  @Name("greenlet.ThreadHeld")
  @Label("Thread Held")
  @Category("greenlet")
  @Threshold("20 ms")
  @StackTrace(false)
  static final class Hold extends Event {
    @Label("Hub")
    @Nullable String hub;

    @Label("Task")
    @Nullable String task;
  }
}
