package greenlet.hub;

import greenlet.Account;
import java.nio.channels.SelectableChannel;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What happens to the tasks of a hub, for those who have asked: accounts, a limit of holds, recordings, listeners. A hub has none as
 * long as nobody has. Each turn's end is the next one's beginning, unless the loop has paused, so that the clock is read once a switch.
 *
 * @param <T> what is observed: a task
 */
final class Observation<T extends Observed> {
  /** What listeners are told. */
  enum Event {
    SPAWN,
    BEGIN,
    WAIT,
    WAKE,
    RESUME,
    END
  }

  /** Whose tasks these are. */
  interface Tenant<T> {
    /** Tells the listeners. {@code what}: who has spawned it, or what it waits for. */
    void tell(Event event, T task, @Nullable Object what);
  }

  private static final String NEXT_TURN = "its next turn";
  private static final StackTraceElement[] NO_FRAMES = {};

  private final Tenant<? super T> tenant;
  private final EventLoop loop;
  private boolean isHeard;
  private boolean isRecorded;
  private boolean keepsAccounts;
  private boolean keepsStacks;

  /** How long a task may hold the thread, in nanoseconds; 0 for as long as it likes. */
  private long mostHeld;

  private LongSupplier clock = System::nanoTime;

  /** When the last turn ended, if nothing has happened since; else 0. */
  private long stamp;

  /** Who waits, for {@link Event#WAKE}. */
  private final Map<Object, T> waiting = new IdentityHashMap<>();

  Observation(Tenant<? super T> tenant, EventLoop loop) {
    this.tenant = tenant;
    this.loop = loop;
  }

  // For whom

  /** Whether somebody has asked. */
  boolean isNeeded() {
    return times() || isRecorded || isHeard;
  }

  /** Whether there are listeners. */
  void setHeard(boolean isHeard) {
    this.isHeard = isHeard;
    if (!isHeard) waiting.clear();
  }

  void setRecorded(boolean isRecorded) {
    this.isRecorded = isRecorded;
  }

  void setAccounting(boolean keeps, boolean withStacks) {
    keepsAccounts = keeps;
    keepsStacks = keeps && withStacks;
  }

  void setMaxHold(long nanos) {
    mostHeld = nanos;
  }

  long maxHold() {
    return mostHeld;
  }

  /** What tells how long tasks run. */
  void setClock(LongSupplier clock) {
    this.clock = clock;
  }

  // What happens

  void spawned(T task, @Nullable T by) {
    String name = by == null ? null : by.name();
    if (keepsAccounts) {
      StackTraceElement[] at = keepsStacks && by != null ? by.stackTrace() : NO_FRAMES;
      task.account = new Account(name, List.of(at));
    }
    if (isRecorded) task.records = new FlightRecords.OfTask(task.hubName(), task.name(), name);
    if (isHeard) tenant.tell(Event.SPAWN, task, by);
  }

  void begins(T task) {
    enters(task);
    if (isHeard) tenant.tell(Event.BEGIN, task, null);
  }

  /** It gives the thread away: for its next turn, or because it waits. {@code wait}: the wait; null if it is ready. */
  void parks(T task, @Nullable Object wait, @Nullable Object waitsFor) {
    if (wait == null || waitsFor == null) leaves(task, NEXT_TURN, false);
    else leaves(task, waitsFor, waitsFor instanceof SelectableChannel);
    if (!isHeard) return;
    if (wait != null) waiting.put(wait, task);
    tenant.tell(Event.WAIT, task, wait == null ? NEXT_TURN : wait);
    if (wait == null) tenant.tell(Event.WAKE, task, null);
  }

  void blocks(T task, Object wait) {
    leaves(task, "the JDK", false);
    if (isHeard) tenant.tell(Event.WAIT, task, wait);
  }

  void wakes(Object wait) {
    T task = waiting.remove(wait);
    if (task != null) tenant.tell(Event.WAKE, task, null);
  }

  /** The wait is over, whoever has ended it. */
  void forget(Object wait) {
    waiting.remove(wait);
  }

  void resumes(T task) {
    task.isSinceExact = false;
    enters(task);
    if (isHeard) tenant.tell(Event.RESUME, task, null);
  }

  void ends(T task) {
    if (times() && task.account != null) task.account.end(stop());
    if (isRecorded) recordsOf(task).ends(task.ending());
    if (isHeard) tenant.tell(Event.END, task, null);
  }

  /** The loop has nobody to run for a while. */
  void pauses() {
    stamp = 0;
  }

  /** Before {@code task} gives way: for how long it has held the thread, if that is too long, in nanoseconds; else 0. Tells that once. */
  long heldTooLong(T task) {
    Account account = task.account;
    if (mostHeld == 0 || account == null) return 0;
    long held = account.held(clock.getAsLong());
    if (held <= mostHeld) return 0;
    account.begin(clock.getAsLong());
    return held;
  }

  private void enters(T task) {
    if (times()) {
      if (task.account == null) task.account = new Account(null, List.of());
      task.account.begin(stamp != 0 ? stamp : clock.getAsLong());
      stamp = 0;
    }
    if (isRecorded) recordsOf(task).enters();
  }

  private void leaves(T task, Object waitsFor, boolean isForChannel) {
    task.waitsSince = loop.now();
    task.isSinceExact = true;
    if (times() && task.account != null) task.account.end(stop());
    if (isRecorded) recordsOf(task).leaves(waitsFor, isForChannel);
  }

  private boolean times() {
    return keepsAccounts || mostHeld > 0;
  }

  private long stop() {
    return stamp = clock.getAsLong();
  }

  private static FlightRecords.OfTask recordsOf(Observed task) {
    Object records = task.records;
    if (records == null)
      task.records = records = new FlightRecords.OfTask(task.hubName(), task.name(), null);
    return (FlightRecords.OfTask) records;
  }
}
