package greenlet.hub;

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
    private @Nullable Wait wait;
    private @Nullable IoWait ioWait;
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
      if (wait != null) {
        wait.end();
        if (wait.shouldCommit()) wait.commitFor(hub, task, what);
        wait = null;
      }
      if (ioWait != null) {
        ioWait.end();
        if (ioWait.shouldCommit()) ioWait.commitFor(hub, task, what);
        ioWait = null;
      }
      what = null;
      if (!HOLD.isEnabled()) return;
      hold = new Hold();
      hold.begin();
    }

    /** It gives the thread away, because it waits for {@code newWhat}. */
    void leaves(Object newWhat, boolean isForChannel) {
      endHold();
      what = newWhat;
      if (isForChannel && IO_WAIT.isEnabled()) {
        ioWait = new IoWait();
        ioWait.begin();
      } else if (!isForChannel && WAIT.isEnabled()) {
        wait = new Wait();
        wait.begin();
      }
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

  /** A wait of a task that was long. */
  @Name("greenlet.TaskWait")
  @Label("Task Wait")
  @Category("greenlet")
  @Threshold("20 ms")
  @StackTrace(false)
  static final class Wait extends Event {
    @Label("Hub")
    @Nullable String hub;

    @Label("Task")
    @Nullable String task;

    @Label("Waits For")
    @Nullable String what;

    void commitFor(String ofHub, String ofTask, @Nullable Object forWhat) {
      hub = ofHub;
      task = ofTask;
      what = greenlet.Snapshot.textOf(forWhat);
      commit();
    }
  }

  /** A wait of a task for a channel. */
  @Name("greenlet.IoWait")
  @Label("I/O Wait")
  @Category("greenlet")
  @Threshold("20 ms")
  @StackTrace(false)
  static final class IoWait extends Event {
    @Label("Hub")
    @Nullable String hub;

    @Label("Task")
    @Nullable String task;

    @Label("Channel")
    @Nullable String channel;

    void commitFor(String ofHub, String ofTask, @Nullable Object forWhat) {
      hub = ofHub;
      task = ofTask;
      channel = greenlet.Snapshot.textOf(forWhat);
      commit();
    }
  }

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
