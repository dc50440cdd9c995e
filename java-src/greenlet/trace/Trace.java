package greenlet.trace;

import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.Snapshot;
import greenlet.SwitchListener;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Locale;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Records what happens between two points: the switches of a thread's greenlets and the pulls of its generators, or what the tasks of a
 * hub do. It keeps the latest events, so many at most, as texts and times: a trace keeps nothing else alive.
 *
 * <pre>{@code
 * Trace trace = Trace.ofThread(1000, true);
 * program();
 * trace.close();
 * Files.writeString(Path.of("trace.json"), trace.json()); // for Perfetto, or chrome://tracing
 * }</pre>
 *
 * <p>For the thread that makes it; after {@link #close} for any. In a hub's trace the time is that of the hub's clock.
 */
public final class Trace implements AutoCloseable {
  /** What has happened. */
  public enum Kind {
    /** A greenlet has switched to another one. */
    SWITCH,
    /** A greenlet has thrown into another one, or ended by an exception that goes there. */
    THROW,
    /** A consumer has asked a generator's body for its next element. */
    PULL,
    /** A generator's body has given its consumer an element. */
    YIELD,
    /** A task has made another one. */
    SPAWN,
    /** A task has its first turn. */
    BEGIN,
    /** A task gives way, and waits. */
    WAIT,
    /** What a task waits for has come. */
    WAKE,
    /** A task has its turn again. */
    RESUME,
    /** It has ended. */
    END
  }

  /**
   * One event.
   *
   * @param nanos when, in nanoseconds since the trace began
   * @param kind what has happened
   * @param who the name of who has done it
   * @param whom the name of whom it was done to; null if nobody
   * @param what more about it, such as the value that was sent, or what is waited for; null if there is nothing to say
   */
  public record Event(
      long nanos, Kind kind, String who, @Nullable String whom, @Nullable String what) {
    /** A line; for people, and not fixed. */
    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%.6f %s", nanos / 1e9, Drawing.sentence(this));
    }
  }

  /** The name of what is in no task. */
  static final String OUTSIDE = "outside";

  private final int most;
  private final boolean withValues;
  private final LongSupplier clock;
  private final long begun;
  private final ArrayDeque<Event> events = new ArrayDeque<>();
  private long dropped;
  private @Nullable Runnable end;

  private Trace(int most, boolean withValues, LongSupplier clock) {
    if (most < 1) throw new IllegalArgumentException("a trace keeps 1 event or more: got " + most);
    this.most = most;
    this.withValues = withValues;
    this.clock = clock;
    begun = clock.getAsLong();
  }

  /**
   * Begins to record what the greenlets and generators of the calling thread do. The thread's {@link SwitchListener} goes on hearing of
   * all.
   *
   * @param most how many events to keep, the latest
   * @param withValues whether to note the texts of what is sent; those of lazy sequences and of users' classes are never asked for
   * @return the trace, to be closed in the same thread
   */
  public static Trace ofThread(int most, boolean withValues) {
    return ofThread(most, withValues, System::nanoTime);
  }

  /**
   * As {@link #ofThread(int, boolean)}, by a clock of the caller's.
   *
   * @param most how many events to keep, the latest
   * @param withValues whether to note the texts of what is sent
   * @param clock tells the time in nanoseconds
   * @return the trace, to be closed in the same thread
   */
  public static Trace ofThread(int most, boolean withValues, LongSupplier clock) {
    Trace trace = new Trace(most, withValues, clock);
    Switches switches = trace.new Switches();
    switches.before = Greenlet.setListener(switches);
    trace.end =
        () -> {
          SwitchListener now = Greenlet.setListener(switches.before);
          if (now != switches) Greenlet.setListener(now); // somebody has set another one meanwhile
          switches.isOver = true;
        };
    return trace;
  }

  /**
   * Begins to record what the tasks of a hub do. Called in the hub's thread, or before it runs.
   *
   * @param hub which one
   * @param most how many events to keep, the latest
   * @return the trace, to be closed in the hub's thread, or when it does not run
   */
  public static Trace ofHub(Hub hub, int most) {
    if (hub == null)
      throw new IllegalArgumentException("a hub is needed: got null; ofThread is for greenlets");
    Trace trace = new Trace(most, true, () -> hub.time().toNanos());
    Tasks tasks = trace.new Tasks();
    hub.addListener(tasks);
    trace.end = () -> hub.removeListener(tasks);
    return trace;
  }

  /** Ends the recording. Does nothing a second time. */
  @Override
  public void close() {
    Runnable toDo = end;
    end = null;
    if (toDo != null) toDo.run();
  }

  /**
   * What has been recorded.
   *
   * @return the latest events, in their order
   */
  public List<Event> events() {
    return List.copyOf(events);
  }

  /**
   * How many events before those have been forgotten.
   *
   * @return their number
   */
  public long dropped() {
    return dropped;
  }

  /**
   * The events as text.
   *
   * @return a line for each, with the time in seconds
   */
  public String text() {
    return Drawing.text(events);
  }

  /**
   * The events as a sequence diagram of Mermaid's, which GitHub draws in Markdown.
   *
   * @return its source
   */
  public String mermaid() {
    return Drawing.mermaid(events);
  }

  /**
   * The events as a sequence diagram of PlantUML's.
   *
   * @return its source
   */
  public String plantUml() {
    return Drawing.plantUml(events);
  }

  /**
   * The events as a timeline with a track for each greenlet or task, for Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing).
   *
   * @return trace-event JSON
   */
  public String json() {
    return Timeline.json(events);
  }

  private void add(Kind kind, String who, @Nullable String whom, @Nullable String what) {
    if (events.size() == most) {
      events.removeFirst();
      dropped++;
    }
    events.addLast(new Event(clock.getAsLong() - begun, kind, who, whom, what));
  }

  private @Nullable String text(@Nullable Object value) {
    return withValues && value != null ? Snapshot.textOf(value) : null;
  }

  private static String describe(Throwable t) {
    return t instanceof GreenletExit ? "GreenletExit" : t.toString();
  }

  private final class Switches implements SwitchListener {
    @Nullable SwitchListener before;
    boolean isOver;

    @Override
    public void onSwitch(SwitchListener.Event event, Greenlet origin, Greenlet target)
        throws Throwable {
      onSwitch(event, origin, target, null);
    }

    @Override
    public void onSwitch(
        SwitchListener.Event event, Greenlet origin, Greenlet target, @Nullable Object sent)
        throws Throwable {
      if (!isOver) {
        if (origin.isDead()) add(Kind.END, origin.name(), null, null);
        boolean isThrown = event == SwitchListener.Event.THROW && sent instanceof Throwable;
        String what = isThrown && sent instanceof Throwable t ? describe(t) : text(sent);
        add(isThrown ? Kind.THROW : Kind.SWITCH, origin.name(), target.name(), what);
      }
      if (before != null) before.onSwitch(event, origin, target, sent);
    }

    @Override
    public void onPull(String traversal, Greenlet puller) {
      if (!isOver) add(Kind.PULL, puller.name(), traversal, null);
      if (before != null) before.onPull(traversal, puller);
    }

    @Override
    public void onYield(
        String traversal, Greenlet puller, @Nullable Object value, boolean isAtEnd) {
      if (!isOver) {
        if (isAtEnd) add(Kind.END, traversal, puller.name(), null);
        else add(Kind.YIELD, traversal, puller.name(), text(value));
      }
      if (before != null) before.onYield(traversal, puller, value, isAtEnd);
    }
  }

  private final class Tasks implements Task.Listener {
    @Override
    public void onSpawn(Task<?> task, @Nullable Task<?> by) {
      add(Kind.SPAWN, by == null ? OUTSIDE : by.name(), task.name(), null);
    }

    @Override
    public void onBegin(Task<?> task) {
      add(Kind.BEGIN, task.name(), null, null);
    }

    @Override
    public void onWait(Task<?> task, Object what) {
      add(Kind.WAIT, task.name(), null, Snapshot.textOf(what));
    }

    @Override
    public void onWake(Task<?> task) {
      Task<?> by = Task.current();
      add(Kind.WAKE, by == null ? OUTSIDE : by.name(), task.name(), null);
    }

    @Override
    public void onResume(Task<?> task) {
      add(Kind.RESUME, task.name(), null, null);
    }

    @Override
    public void onEnd(Task<?> task) {
      Throwable thrown = task.exception();
      add(Kind.END, task.name(), null, thrown == null ? null : describe(thrown));
    }
  }
}
