package greenlet.journal;

import greenlet.GreenletExit;
import greenlet.RootLocal;
import greenlet.hub.DrivenHub;
import greenlet.hub.Driver;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.hub.Waiter;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One run of a program: its hub, the entries that it is given, what it waits for, and which entries are to come next. For one thread.
 */
final class Run implements Driver {
  private static final String ADVICE =
      "what comes from outside of a program comes by a step (in Clojure step!), as a message (receive!), or with the time; "
          + "and what it does to the outside, it does in a step";

  private static final RootLocal<@Nullable Run> CURRENT = new RootLocal<>();
  private static final long MILLI = 1_000_000;

  /** Where a run is live: runs steps, and appends entries. */
  interface Outside {
    long time();

    int valueLimit();

    void start(Run run, Wait step);

    void giveUp(Wait step);

    void append(Run run, Append append);

    /** When it is to be {@linkplain #settle() settled}, in milliseconds since 1970; never for {@link Park#NEVER}. */
    void setAlarm(Run run, long time);
  }

  private static final AtomicLong COUNT = new AtomicLong();

  /** Tells it from others in orders. */
  final long serial = COUNT.incrementAndGet();

  final String id;
  final Entry begin;
  private final Codec codec;
  private final @Nullable Outside outside;
  private final DrivenHub hub;
  private @Nullable Program<?, ?> program;
  private @Nullable Task<?> main;

  private final Queue<Entry> incoming;
  private final long until;

  /** How many of those that are left were there before this run. */
  private int recovered;

  /** The keys of versions among them. */
  private final Set<String> versionsAhead = new HashSet<>();

  /** In the order in which they were made. */
  private final Map<Task<?>, TaskPath> paths = new LinkedHashMap<>(4);

  private @Nullable Task<?> lastEnded;
  private @Nullable TaskPath lastEndedPath;

  private final Map<String, Wait> waits = new LinkedHashMap<>(4);

  /** How many among them ask for the branch of a version. */
  private int versions;

  private final Queue<Wait> toStart = new ArrayDeque<>(1);
  private final Queue<Wait> toInterrupt = new ArrayDeque<>(1);
  private final Queue<Outcome> outcomes = new ArrayDeque<>(1);
  private List<Message> messages = List.of();
  private final Set<Long> taken = new HashSet<>(1);

  /** Those that ask for a version that the journal knows nothing of: they go on where an entry would come, whatever becomes of them. */
  private final Queue<Wait> old = new ArrayDeque<>(0);

  /** Those that have asked for a version, and were given up without an entry: they get one, or a replay would take them for old code. */
  private final Queue<Wait> unwritten = new ArrayDeque<>(0);

  /** Waits that were given up, and whose entries may be among those that are left; with the marks. */
  private final Map<String, Long> givenUp = new HashMap<>(1);

  private long now;
  private long next;

  /** Whether steps begin, because all entries have been delivered. */
  private boolean isLive;

  private boolean isAppending;
  private boolean isOver;
  private @Nullable Entry end;

  private record Outcome(Wait step, Entry.Kind kind, String text) {}

  /** {@code outside}: null for a replay, which is never live. */
  Run(
      String id,
      Program<?, ?> program,
      Codec codec,
      List<Entry> entries,
      long until,
      @Nullable Outside outside) {
    this.id = id;
    this.program = program;
    this.codec = codec;
    this.until = until;
    this.outside = outside;
    begin = entries.get(0);
    if (!begin.kind().begins())
      throw new IllegalArgumentException(
          "the journal of %s begins with %s, and not with its arguments".formatted(id, begin));
    incoming = new ArrayDeque<>(entries);
    recovered = entries.size();
    for (Entry entry : entries)
      if (entry.kind() == Entry.Kind.VERSION) versionsAhead.add(entry.key());
    next = begin.number() + entries.size();
    hub = new DrivenHub("program " + id, ADVICE, this);
  }

  // Of the task that calls

  /** The run whose task calls. */
  static Run current(String word) {
    Run run = CURRENT.get();
    if (run == null || Task.current() == null)
      throw new IllegalStateException(
          "%s is for the tasks of a program, as execute and start begin one; here is none"
              .formatted(word));
    return run;
  }

  /** Refuses what is for those outside of programs. */
  static void requireOutside(String word) {
    Run run = CURRENT.get();
    if (run != null)
      throw new IllegalStateException(
          "%s cannot be called in program %s: %s".formatted(word, run.id, ADVICE));
  }

  private TaskPath here() {
    Task<?> task = Task.current();
    TaskPath path = task == null ? null : paths.get(task);
    if (path == null)
      throw new IllegalStateException("there is no task of program " + id + " here");
    return path;
  }

  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T has it
  <T extends @Nullable Object> T step(
      Step step, Callable<? extends T> body, @Nullable Object... arguments) {
    long mark = Hash.NONE;
    for (Object argument : arguments) mark = Hash.add(mark, encoded(argument, codec));
    String key = here().key(TaskPath.STEP, step.name());
    var wait = new Wait(this, TaskPath.STEP, step.name(), key, mark, step, body);
    Entry entry = await(wait);
    String text = entry.value() == null ? "" : entry.value();
    if (entry.kind() == Entry.Kind.FAILURE)
      throw new StepFailed(wait.key, Failure.parse(text), codec);
    return (T) codecOf(step).decode(text);
  }

  @Nullable Object receive(String name) {
    var wait =
        new Wait(this, TaskPath.RECEIVE, name, here().key(TaskPath.RECEIVE, name), 0, null, null);
    String text = await(wait).value();
    return codec.decode(text == null ? "" : text);
  }

  int version(String name, int version) {
    String key = here().key(TaskPath.VERSION, name);
    var wait = new Wait(this, TaskPath.VERSION, name, key, version, null, null);
    wait.isWritten = recovered > 0;
    if (wait.isWritten && !versionsAhead.contains(key)) old.add(wait);
    return (int) await(wait).mark();
  }

  private Entry await(Wait wait) {
    waits.put(wait.key, wait);
    if (wait.kind == TaskPath.VERSION) versions++;
    if (isLive && wait.isStep()) toStart.add(wait);
    boolean isServed = false;
    try {
      Entry entry = wait.waiter.await();
      isServed = true;
      return entry;
    } finally {
      waits.remove(wait.key);
      if (wait.kind == TaskPath.VERSION) versions--;
      if (!isServed) giveUp(wait);
    }
  }

  private void giveUp(Wait wait) {
    wait.isGivenUp = true;
    if (!incoming.isEmpty()) givenUp.put(wait.key, wait.mark);
    if (wait.task != null) toInterrupt.add(wait);
    if (wait.kind == TaskPath.VERSION && !wait.isWritten) unwritten.add(wait);
  }

  Chance chance() {
    return here().chance(begin.mark());
  }

  Instant now() {
    return Instant.ofEpochMilli(wall());
  }

  /** What a step calls {@code Journal.stepKey} by. */
  String stepKey(Wait step) {
    return id + "/" + begin.number() + "/" + step.key;
  }

  Waiter<Entry> waiter(Wait wait) {
    return hub.waiter(wait);
  }

  // Values

  Codec codecOf(Step step) {
    Codec own = step.codec();
    return own == null ? codec : own;
  }

  String encoded(@Nullable Object value, Codec by) {
    return encoded(value, by, valueLimit());
  }

  static String encoded(@Nullable Object value, Codec by, int limit) {
    String text = by.encode(value);
    if (text.length() > limit)
      throw new IllegalArgumentException(
          "a value has %,d characters, and its store takes %,d; keep it elsewhere, and its name in the journal"
              .formatted(text.length(), limit));
    return text;
  }

  private int valueLimit() {
    return outside == null ? Integer.MAX_VALUE : outside.valueLimit();
  }

  String failureText(Throwable thrown) {
    return Failure.of(thrown, codec).text(valueLimit());
  }

  // The driver of the hub

  @Override
  public long nanoTime() {
    return now;
  }

  @Override
  public void made(Task<?> task, @Nullable String name, @Nullable Task<?> maker) {
    TaskPath of = maker == null ? null : paths.get(maker);
    if (of == null && maker == lastEnded) of = lastEndedPath;
    paths.put(task, new TaskPath(of, name == null ? "" : name));
    task.rawLink(this::ended);
  }

  private void ended(Task<?> task) {
    lastEnded = task;
    lastEndedPath = paths.remove(task);
  }

  @Override
  public boolean deliver() {
    if (isOver) return false;
    for (Wait wait = old.poll(); wait != null; wait = old.poll()) {
      if (wait.waiter.wake(new Entry(0, 0, Entry.Kind.VERSION, wait.key, 0, null))) return true;
    }
    Entry entry = incoming.peek();
    if (entry == null || entry.number() > until) return false;
    if (end != null) throw diverged(entry, "it has ended by " + end);
    incoming.poll();
    if (recovered > 0) recovered--;
    if (entry == begin) begin();
    else deliver(entry);
    return true;
  }

  private void begin() {
    Program<?, ?> toRun = program;
    program = null;
    if (toRun != null) main = hub.begin("main", () -> Hub.scope(() -> call(toRun)));
  }

  @SuppressWarnings("unchecked")
  private @Nullable Object call(Program<?, ?> toRun) throws Exception {
    String text = begin.value();
    return ((Program<@Nullable Object, @Nullable Object>) toRun)
        .run(codec.decode(text == null ? "" : text));
  }

  private void deliver(Entry entry) {
    if (entry.kind() == Entry.Kind.TICK && hub.nextTimer() != entry.mark())
      throw diverged(entry, "its next timer is due at %s".formatted(timeText(hub.nextTimer())));
    now = Math.max(now, (entry.time() - begin.time()) * MILLI);
    switch (entry.kind()) {
      case TICK -> {}
      case CANCEL -> cancel(entry);
      case OUTCOME, FAILURE, MESSAGE, VERSION -> deliverTo(waits.get(entry.key()), entry);
      case RESULT, ERROR -> {
        requireSame(entry);
        end = entry;
      }
      case BEGIN, RESTART -> throw diverged(entry, "it has begun before");
    }
  }

  private void cancel(Entry entry) {
    if (main == null || main.isDone()) throw diverged(entry, "it has ended");
    main.interrupt(new GreenletExit("program " + id + " was cancelled"));
  }

  private void deliverTo(@Nullable Wait wait, Entry entry) {
    boolean isMarked = entry.kind() == Entry.Kind.OUTCOME || entry.kind() == Entry.Kind.FAILURE;
    Long mark = wait == null ? givenUp.remove(entry.key()) : (Long) wait.mark;
    if (mark == null) throw diverged(entry, "nothing asks for " + entry.key());
    if (isMarked && mark != entry.mark())
      throw diverged(entry, entry.key() + " has other arguments");
    if (wait != null) wait.waiter.wake(entry);
  }

  private void requireSame(Entry entry) {
    if (main == null || !main.isDone()) throw diverged(entry, "it has not ended");
    Ending ending = ending();
    boolean isSame = ending.kind == entry.kind() && ending.isSame(entry);
    if (!isSame)
      throw diverged(entry, "it has ended with %s %s".formatted(ending.kind, ending.text));
  }

  private Diverged diverged(Entry entry, String what) {
    return new Diverged(
        "program %s of %s does not fit its journal at %s: %s. It waits for %s, its next timer is due at %s"
            .formatted(id, begin.key(), entry, what, waits.keySet(), timeText(hub.nextTimer())),
        entry);
  }

  private static String timeText(long nanos) {
    return nanos == Long.MAX_VALUE ? "no time" : nanos + " ns";
  }

  // How it ends

  private record Ending(Entry.Kind kind, String text) {
    /** What people have written in messages may have what is another one at every run. */
    boolean isSame(Entry entry) {
      String recorded = entry.value() == null ? "" : entry.value();
      return kind == Entry.Kind.ERROR
          ? Failure.parse(text).type().equals(Failure.parse(recorded).type())
          : text.equals(recorded);
    }
  }

  @SuppressWarnings("NullAway") // it has ended
  private Ending ending() {
    Throwable thrown = main.exception();
    try {
      if (thrown instanceof Restart r)
        return new Ending(Entry.Kind.RESTART, encoded(r.argument, codec));
      if (thrown == null) return new Ending(Entry.Kind.RESULT, encoded(main.result(), codec));
    } catch (RuntimeException e) { // the value cannot be kept
      thrown = e;
    }
    return new Ending(Entry.Kind.ERROR, failureText(thrown));
  }

  // Turns

  /**
   * Goes on as far as it can.
   *
   * @throws RuntimeException if it cannot: it is stopped then
   */
  void turn() {
    if (isOver) return;
    CURRENT.set(this);
    try {
      hub.turn();
    } finally {
      CURRENT.set(null);
      interruptGivenUp();
    }
    settle();
  }

  /** Out of its turn, in which it reaches nobody outside. */
  private void interruptGivenUp() {
    for (Wait step = toInterrupt.poll(); step != null; step = toInterrupt.poll())
      if (outside != null) outside.giveUp(step);
  }

  /** Nobody is ready, and all is delivered: what is next? */
  void settle() {
    if (isOver || isAppending || outside == null || main == null || end != null) return;
    List<Entry> batch = new ArrayList<>(1);
    List<Long> taking = new ArrayList<>(0);
    long time = Math.max(outside.time(), wall());
    addVersions(batch, time);
    // versions alone: without them a replay goes another way, which may not ask for what comes
    // after
    if (batch.isEmpty()) addNext(batch, taking, time);
    if (batch.isEmpty()) goLive(outside);
    else append(outside, batch, taking);
  }

  private long wall() {
    return begin.time() + now / MILLI;
  }

  private void addNext(List<Entry> batch, List<Long> taking, long time) {
    if (main != null && main.isDone()) addEnd(batch, time);
    else if (!addCancellation(batch, taking, time)) addInputs(batch, taking, time);
  }

  private void addVersions(List<Entry> batch, long time) {
    for (Wait wait = unwritten.poll(); wait != null; wait = unwritten.poll()) {
      addVersion(batch, wait, time);
      givenUp.put(wait.key, wait.mark);
    }
    if (versions == 0) return;
    for (Wait wait : waits.values())
      if (wait.kind == TaskPath.VERSION) addVersion(batch, wait, time);
  }

  private void addVersion(List<Entry> batch, Wait wait, long time) {
    wait.isWritten = true;
    batch.add(new Entry(next + batch.size(), time, Entry.Kind.VERSION, wait.key, wait.mark, null));
  }

  private void addEnd(List<Entry> batch, long time) {
    Ending ending = ending();
    boolean restarts = ending.kind == Entry.Kind.RESTART;
    batch.add(
        new Entry(
            next,
            time,
            ending.kind,
            restarts ? begin.key() : "",
            restarts ? Hash.mixed(begin.mark() + 1) : 0,
            ending.text));
  }

  private boolean addCancellation(List<Entry> batch, List<Long> taking, long time) {
    for (Message message : messages) {
      if (!message.isCancellation() || !taken.add(message.number())) continue;
      taking.add(message.number());
      batch.add(new Entry(next, time, Entry.Kind.CANCEL, "", 0, null));
      return true;
    }
    return false;
  }

  /** A message comes first and alone: what comes before it could give the wait for it up, and it would be lost. */
  private void addInputs(List<Entry> batch, List<Long> taking, long time) {
    addMessage(batch, taking, time);
    for (Outcome o = outcomes.poll(); o != null; o = outcomes.poll()) {
      if (o.step.isGivenUp) continue;
      batch.add(new Entry(next + batch.size(), time, o.kind, o.step.key, o.step.mark, o.text));
    }
    if (batch.isEmpty() && isDue(time))
      batch.add(new Entry(next, time, Entry.Kind.TICK, "", hub.nextTimer(), null));
  }

  private void addMessage(List<Entry> batch, List<Long> taking, long time) {
    if (messages.isEmpty()) return;
    for (Wait wait : waits.values()) {
      if (!wait.isReceive()) continue;
      for (Message message : messages) {
        if (!wait.name.equals(message.name()) || !taken.add(message.number())) continue;
        taking.add(message.number());
        batch.add(new Entry(next, time, Entry.Kind.MESSAGE, wait.key, 0, message.value()));
        return;
      }
    }
  }

  private boolean isDue(long time) {
    return hub.nextTimer() <= (time - begin.time()) * MILLI;
  }

  private void append(Outside to, List<Entry> batch, List<Long> taking) {
    isAppending = true;
    inFlight = batch;
    to.append(this, new Append(id, begin.mark(), next, batch, taking, null));
  }

  private List<Entry> inFlight = List.of();

  /** What was appended is durable. */
  void appended() {
    isAppending = false;
    next += inFlight.size();
    incoming.addAll(inFlight);
    inFlight = List.of();
    turn();
  }

  private void goLive(Outside to) {
    givenUp.clear();
    if (!isLive) for (Wait wait : waits.values()) if (wait.isStep()) toStart.add(wait);
    isLive = true;
    for (Wait step = toStart.poll(); step != null; step = toStart.poll())
      if (!step.isGivenUp) to.start(this, step);
    to.setAlarm(this, due());
  }

  /** When its next timer is due. */
  long due() {
    long timer = hub.nextTimer();
    if (timer == Long.MAX_VALUE) return Park.NEVER;
    return begin.time() + Math.ceilDiv(timer, MILLI);
  }

  // What comes from outside

  /** A step has come to its end. */
  void complete(Wait step, Entry.Kind kind, String text) {
    if (isOver || step.isGivenUp) return;
    outcomes.add(new Outcome(step, kind, text));
    settle();
  }

  /** The messages that wait in the store. */
  void setMessages(List<Message> waiting) {
    messages = waiting;
    Set<Long> numbers = new HashSet<>();
    for (Message message : waiting) numbers.add(message.number());
    taken.retainAll(numbers);
    settle();
  }

  /** Does nothing any longer; its stacks are forgotten. */
  void stop() {
    isOver = true;
    if (outside == null) return;
    for (Wait wait : waits.values()) {
      wait.isGivenUp = true;
      if (wait.task != null) outside.giveUp(wait);
    }
  }

  // Looking

  boolean isOver() {
    return isOver;
  }

  boolean isAppending() {
    return isAppending;
  }

  @Nullable Entry end() {
    return end;
  }

  long entries() {
    return next - begin.number();
  }

  Collection<Wait> waits() {
    return waits.values();
  }

  @Nullable Task<?> main() {
    return main;
  }

  Map<Task<?>, TaskPath> paths() {
    return paths;
  }

  List<Message> messages() {
    return messages.stream().filter(message -> !taken.contains(message.number())).toList();
  }

  /** What it waits for, if it does nothing but wait for messages and for its time; else null. */
  @Nullable Park park() {
    if (!isLive || isOver || isAppending || main == null || main.isDone() || !outcomes.isEmpty())
      return null;
    Set<String> names = new HashSet<>();
    for (Wait wait : waits.values()) {
      if (!wait.isReceive()) return null;
      names.add(wait.name);
    }
    return new Park(due(), names);
  }

  /** Appends that it waits. */
  void park(Park park) {
    if (outside == null) return;
    isAppending = true;
    outside.append(this, new Append(id, begin.mark(), next, List.of(), List.of(), park));
  }

  /** What a step is called, and which entry it is to have; for messages. */
  @Override
  public String toString() {
    return "program " + id;
  }
}
