package greenlet.journal;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** The programs that a {@link Host} runs, in its thread: which there are, and how each begins, goes on, is forgotten, wakes and ends. */
final class Programs implements Run.Outside {
  static final String CLOSED = "the host is closed";

  private static final int MOST_DUE = 1000;
  private static final int MOST_AT_ONCE = 1000;
  private static final int MOST_LOOKED_AT = 100;
  private static final long DUE_AGAIN_MILLIS = 100;
  private static final long LOOK_AGAIN_MILLIS = 200;

  /** Of a program that somebody else is to run, at once. */
  private static final Park NOW = new Park(0, Set.of());

  private final Store store;
  private final Codec codec;
  private final LongSupplier clock;
  private final Mailbox mailbox;
  private final Memory memory;
  private final StoreThreads threads;
  private final Map<String, Program<?, ?>> functions = new ConcurrentHashMap<>();
  volatile Function<String, @Nullable Program<?, ?>> resolver = name -> null;
  volatile int keep = Integer.MAX_VALUE;

  /** Whether programs are left to others. */
  volatile boolean submits;

  /** Completed when nothing is done here any longer. */
  final CompletableFuture<@Nullable Void> closed = new CompletableFuture<>();

  /** Whether it is to end: nothing new begins. */
  volatile boolean isClosing;

  // In its thread alone

  private boolean isStopping;

  @SuppressWarnings("NullAway.Init") // the first thing that its thread sets
  private StepRunner steps;

  /** Those that are run, the longest unused first. */
  private final LinkedHashMap<String, Run> runs = new LinkedHashMap<>(16, 0.75f, true);

  /** How many of them are being forgotten. */
  private int parking;

  /** Those that are being read, or begun. */
  private final Map<String, Loading> loading = new HashMap<>();

  /** Those that were executed here, and have not ended. */
  private final Set<String> claimed = new HashSet<>();

  private final Map<String, Throwable> problems = new HashMap<>();
  private final Map<String, List<CompletableFuture<@Nullable Object>>> awaited = new HashMap<>();
  private final Alarms alarms = new Alarms();
  private final Runnable endListening;

  /** When the store is to be asked which parked programs are due. */
  private long askAt = Park.NEVER;

  private boolean isAsking;

  /** When the store is to be asked whether programs have ended that others run. */
  private long lookAt = Park.NEVER;

  Programs(Store store, Codec codec, LongSupplier clock, Mailbox mailbox, Memory memory) {
    this.store = store;
    this.codec = codec;
    this.clock = clock;
    this.mailbox = mailbox;
    this.memory = memory;
    threads = new StoreThreads(store, mailbox);
    endListening = store.listen(id -> mailbox.post(() -> sent(id))); // also before its thread runs
  }

  /** The task that all this is done in, until it is told to stop. */
  @Nullable Object run() {
    steps = new StepRunner(Hub.current(), this::completed);
    Runnable endMemory = memory.listen(() -> mailbox.post(this::forgetHalf));
    try {
      while (!isStopping) serve();
      settleDown();
    } finally {
      isClosing = true;
      endListening.run();
      endMemory.run();
      for (Run run : List.copyOf(runs.values())) remove(run);
      threads.end();
      closed.complete(null);
      mailbox.serve(Integer.MAX_VALUE);
      failAll(new IllegalStateException(CLOSED));
    }
    return null;
  }

  void stop() {
    isStopping = true;
  }

  private void serve() {
    mailbox.serve(MOST_AT_ONCE);
    ring();
    ask();
    look();
    threads.flush();
    if (isStopping) return;
    if (mailbox.isEmpty()) mailbox.sleep(untilNext());
    else Hub.sleep(Duration.ZERO);
  }

  private long untilNext() {
    long next = Math.min(alarms.next(), lookAt);
    if (!isAsking) next = Math.min(next, askAt);
    return next == Park.NEVER ? next : next - clock.getAsLong();
  }

  /** In order: no steps, nothing that is being written, park records. */
  private void settleDown() {
    for (Run run : List.copyOf(runs.values()))
      for (Wait wait : run.waits()) StepRunner.interrupt(wait);
    awaitWrites();
    for (Run run : List.copyOf(runs.values())) forget(run);
    awaitWrites();
  }

  private void awaitWrites() {
    threads.flush();
    while (threads.isWriting()) {
      mailbox.sleep(Park.NEVER);
      mailbox.serve(Integer.MAX_VALUE);
    }
  }

  // Programs

  private record Loaded(List<Entry> entries, List<Message> messages) {}

  /** What is to be begun if there is no such program, and has to be the same if there is. */
  private record Beginning(
      String function, String argument, CompletableFuture<@Nullable Void> begun) {}

  private static final class Loading {
    @Nullable Beginning beginning;

    /** Whether it has got a message meanwhile. */
    boolean isChanged;
  }

  /** Has a program begin, or go on; {@code begun} is told when that is durable, or why not. */
  void execute(
      String id,
      String function,
      Program<?, ?> program,
      String argument,
      CompletableFuture<@Nullable Void> begun) {
    Loading now = loading.get(id);
    if (isClosing) {
      begun.completeExceptionally(new IllegalStateException(CLOSED));
    } else if (claimed.contains(id) || (now != null && now.beginning != null)) {
      begun.completeExceptionally(
          new IllegalStateException(
              "program %s runs here already: ask for its result".formatted(id)));
    } else {
      functions.put(function, program);
      claim(id, new Beginning(function, argument, begun));
    }
  }

  private void claim(String id, Beginning beginning) {
    Run run = runs.get(id);
    Loading now = loading.get(id);
    if (now != null) now.beginning = beginning; // it is being read because it is due
    if (now != null) return;
    if (run == null) {
      load(id, beginning);
      return;
    }
    try {
      requireSame(id, run.begin, beginning);
      claimed.add(id);
      beginning.begun.complete(null);
    } catch (IllegalArgumentException e) {
      beginning.begun.completeExceptionally(e);
    }
  }

  /** Those that go on by themselves. */
  void resume(List<String> ids) {
    for (String id : ids) if (!runs.containsKey(id)) load(id, null);
    askAt = 0;
  }

  private void load(String id, @Nullable Beginning beginning) {
    if (loading.containsKey(id)) return; // executed while it was found to be due
    var now = new Loading();
    now.beginning = beginning;
    loading.put(id, now);
    problems.remove(id);
    threads.read(
        () -> new Loaded(store.read(id), store.messages(id)),
        (loaded, failure) -> {
          loading.remove(id);
          try {
            if (failure != null) throw failure;
            if (isClosing) throw new IllegalStateException(CLOSED);
            loaded(id, loaded, now.beginning);
          } catch (Throwable t) {
            if (now.beginning != null) now.beginning.begun.completeExceptionally(t);
            if (!(t instanceof IllegalArgumentException)) fail(id, t);
          }
          if (now.isChanged) sent(id);
        });
  }

  private void loaded(String id, @Nullable Loaded loaded, @Nullable Beginning beginning) {
    boolean isNew = loaded == null || loaded.entries.isEmpty();
    if (isNew && beginning != null) {
      begin(id, beginning);
      return;
    }
    if (isNew || loaded == null) throw noProgram(id);
    Entry begin = loaded.entries.get(0);
    if (beginning != null) requireSame(id, begin, beginning);
    if (submits) {
      if (beginning != null) beginning.begun.complete(null);
      return;
    }
    Entry last = loaded.entries.get(loaded.entries.size() - 1);
    if (beginning != null) beginning.begun.complete(null);
    if (last.kind().ends()) {
      ended(id, last);
      return;
    }
    if (beginning != null) claimed.add(id);
    start(id, loaded.entries, loaded.messages);
  }

  private void begin(String id, Beginning beginning) {
    var entry =
        new Entry(
            0,
            clock.getAsLong(),
            Entry.Kind.BEGIN,
            beginning.function,
            ThreadLocalRandom.current().nextLong(),
            beginning.argument);
    var now = new Loading();
    now.beginning = beginning;
    loading.put(id, now);
    threads.append(
        new Append(id, entry.mark(), 0, List.of(entry), List.of(), submits ? NOW : null),
        (isRefused, failure) -> {
          loading.remove(id);
          if (failure != null) beginning.begun.completeExceptionally(storeIsOver(failure));
          else if (isRefused) load(id, beginning); // another host was before
          else if (isClosing || submits) beginning.begun.complete(null);
          else {
            claimed.add(id);
            beginning.begun.complete(null);
            start(id, List.of(entry), List.of());
            if (now.isChanged) sent(id);
          }
        });
  }

  private void requireSame(String id, Entry begin, Beginning beginning) {
    if (!begin.key().equals(beginning.function))
      throw new IllegalArgumentException(
          "program %s has begun with function %s, and not with %s; give another id"
              .formatted(id, begin.key(), beginning.function));
    boolean isSame =
        begin.kind() == Entry.Kind.RESTART
            || beginning.argument.equals(begin.value())
            || (begin.value() != null
                && Objects.equals(codec.decode(begin.value()), codec.decode(beginning.argument)));
    if (!isSame)
      throw new IllegalArgumentException(
          "program %s has begun with %s, and not with %s; give another id"
              .formatted(id, begin.value(), beginning.argument));
  }

  private void start(String id, List<Entry> entries, List<Message> messages) {
    Program<?, ?> function = function(entries.get(0).key());
    var run = new Run(id, function, codec, entries, Long.MAX_VALUE, this);
    runs.put(id, run);
    run.setMessages(messages);
    turn(run);
  }

  Program<?, ?> function(String name) {
    Program<?, ?> known = functions.get(name);
    if (known == null) known = resolver.apply(name);
    if (known == null)
      throw new IllegalStateException(
          "no function %s is known here: execute a program with it, or have functions find it"
              .formatted(name));
    return known;
  }

  private void turn(Run run) {
    try {
      run.turn();
    } catch (Throwable t) {
      remove(run);
      fail(run.id, t);
      return;
    }
    Entry end = run.end();
    if (end != null) {
      remove(run);
      ended(run.id, end);
    } else {
      runs.get(run.id); // the last one that was used
      forget();
    }
  }

  private void appended(Run run, List<Entry> entries) {
    if (run.isOver()) return;
    Entry first = entries.get(0);
    if (first.kind() == Entry.Kind.RESTART) {
      remove(run);
      start(run.id, entries, run.messages());
      return;
    }
    try {
      run.appended();
    } catch (Throwable t) {
      remove(run);
      fail(run.id, t);
      return;
    }
    turn(run);
  }

  private void remove(Run run) {
    run.stop();
    alarms.set(run, Park.NEVER);
    runs.remove(run.id, run);
    claimed.remove(run.id);
  }

  private void supersede(Run run, @Nullable Throwable failure) {
    if (run.isOver()) return;
    remove(run);
    fail(
        run.id,
        failure != null
            ? storeIsOver(failure)
            : new Superseded(
                "program " + run.id + " goes on in another host, which has appended an entry",
                null));
  }

  private static Superseded storeIsOver(Throwable failure) {
    return new Superseded("the store is over: " + failure, failure);
  }

  static IllegalStateException noProgram(String id) {
    return new IllegalStateException("there is no program %s in the store".formatted(id));
  }

  // Forgetting, and waking

  /** The longest unused ones, if there are too many. Those that do more than wait count as used. */
  private void forget() {
    int tooMany = runs.size() - parking - keep;
    List<Run> looked = new ArrayList<>(1);
    for (Run run : runs.values()) {
      if (tooMany <= 0 || looked.size() == MOST_LOOKED_AT) break;
      looked.add(run);
      if (run.park() != null) tooMany--;
    }
    for (Run run : looked) {
      runs.get(run.id);
      forget(run);
    }
  }

  /** Of those that only wait: memory is short. */
  private void forgetHalf() {
    List<Run> waiting = new ArrayList<>();
    for (Run run : runs.values()) if (run.park() != null) waiting.add(run);
    waiting.subList(0, (waiting.size() + 1) / 2).forEach(this::forget);
  }

  private void forget(Run run) {
    Park park = run.park();
    if (park == null) return;
    parking++;
    run.park(park);
  }

  /** Its park record is durable. */
  private void parked(Run run, Park park) {
    remove(run);
    if (park.due() < askAt) askAt = park.due();
  }

  private void sent(String id) {
    Run run = runs.get(id);
    Loading now = loading.get(id);
    if (now != null) now.isChanged = true;
    else if (run == null) askAt = 0;
    else
      threads.read(
          () -> store.messages(id),
          (messages, failure) -> {
            if (runs.get(id) != run) askAt = 0; // it has been forgotten meanwhile
            else if (messages != null) settle(run, () -> run.setMessages(messages));
          });
  }

  private void settle(Run run, Runnable action) {
    try {
      action.run();
    } catch (Throwable t) {
      remove(run);
      fail(run.id, t);
    }
  }

  private void ring() {
    long now = clock.getAsLong();
    while (alarms.next() <= now) {
      Run run = alarms.takeFirst();
      settle(run, run::settle);
    }
  }

  private void ask() {
    long now = clock.getAsLong();
    if (isAsking || askAt > now || submits || threads.isOver()) return;
    isAsking = true;
    askAt = Park.NEVER;
    int most = MOST_DUE + problems.size() + runs.size();
    threads.read(
        () -> new Due(store.due(now, most), store.nextDue()),
        (due, failure) -> {
          isAsking = false;
          if (due == null) return;
          for (String id : due.ids) if (!runs.containsKey(id) && mayGoOn(id)) load(id, null);
          if (due.next != Park.NEVER)
            askAt = Math.min(askAt, Math.max(due.next, now + DUE_AGAIN_MILLIS));
        });
  }

  /** Not if it was stopped here because of something that has not changed. */
  private boolean mayGoOn(String id) {
    Throwable problem = problems.get(id);
    return problem == null || problem instanceof Superseded;
  }

  private record Due(List<String> ids, long next) {}

  // Results

  private void ended(String id, Entry end) {
    var all = awaited.remove(id);
    if (all != null) for (var each : all) complete(id, end, each);
  }

  private void complete(String id, Entry end, CompletableFuture<@Nullable Object> future) {
    String text = end.value() == null ? "" : end.value();
    try {
      if (end.kind() == Entry.Kind.RESULT) {
        future.complete(codec.decode(text));
        return;
      }
      Failure failure = Failure.parse(text);
      future.completeExceptionally(
          failure.type().equals(GreenletExit.class.getName())
              ? new CancellationException("program " + id + " was cancelled")
              : new ProgramFailed(id, failure, codec));
    } catch (Throwable t) {
      future.completeExceptionally(t);
    }
  }

  private void fail(String id, Throwable problem) {
    problems.put(id, problem);
    claimed.remove(id);
    var all = awaited.remove(id);
    if (all != null) for (var each : all) each.completeExceptionally(problem);
  }

  private void failAll(Throwable problem) {
    for (String id : List.copyOf(awaited.keySet())) fail(id, problem);
  }

  private void await(String id, CompletableFuture<@Nullable Object> future) {
    awaited.computeIfAbsent(id, key -> new ArrayList<>(1)).add(future);
  }

  /** Completes the future when the program has ended, and this host has seen it. */
  void awaitEnd(String id, CompletableFuture<@Nullable Object> future) {
    if (isClosing) future.completeExceptionally(new IllegalStateException(CLOSED));
    else if (problems.get(id) instanceof Throwable problem) future.completeExceptionally(problem);
    else if (runs.containsKey(id) || loading.containsKey(id)) await(id, future);
    else
      threads.read(
          () -> store.standing(id),
          (standing, failure) -> {
            if (failure != null) future.completeExceptionally(failure);
            else if (standing == null) future.completeExceptionally(noProgram(id));
            else if (standing.end() != null) complete(id, standing.end(), future);
            else {
              await(id, future);
              lookAt = Math.min(lookAt, clock.getAsLong() + LOOK_AGAIN_MILLIS);
            }
          });
  }

  /** Others may have come to the end of what is awaited here. */
  private void look() {
    if (lookAt > clock.getAsLong() || threads.isOver()) return;
    lookAt = Park.NEVER;
    for (String id : awaited.keySet()) {
      if (runs.containsKey(id) || loading.containsKey(id)) continue;
      threads.read(
          () -> store.standing(id),
          (standing, failure) -> {
            if (standing != null && standing.end() != null) ended(id, standing.end());
            else if (standing == null && failure == null) fail(id, noProgram(id));
            else if (awaited.containsKey(id))
              lookAt = Math.min(lookAt, clock.getAsLong() + LOOK_AGAIN_MILLIS);
          });
    }
  }

  // Looking

  Status status(Standing standing) {
    String id = standing.id();
    Entry end = standing.end();
    Run run = runs.get(id);
    Throwable problem = problems.get(id);
    Park park = standing.park();
    Status.State state;
    if (end != null)
      state = end.kind() == Entry.Kind.RESULT ? Status.State.ENDED : Status.State.FAILED;
    else if (run != null || loading.containsKey(id)) state = Status.State.RUNNING;
    else if (problem != null) state = Status.State.STOPPED;
    else state = park != null ? Status.State.PARKED : Status.State.IDLE;
    List<String> waits =
        run == null ? List.of() : run.waits().stream().map(Wait::progress).toList();
    long due = run != null ? run.due() : park != null ? park.due() : Park.NEVER;
    return new Status(
        id,
        state,
        standing.begin().key(),
        standing.next() - standing.begin().number(),
        waits,
        due,
        end != null || run != null ? null : problem);
  }

  /** Those that were stopped, or of which a step has failed and is tried again. */
  Set<String> stuck() {
    Set<String> stuck = new HashSet<>(problems.keySet());
    for (Run run : runs.values())
      for (Wait wait : run.waits()) if (wait.lastFailure != null) stuck.add(run.id);
    return stuck;
  }

  void forgetProblem(String id) {
    problems.remove(id);
  }

  // Where runs are live

  @Override
  public long time() {
    return clock.getAsLong();
  }

  @Override
  public int valueLimit() {
    return store.valueLimit();
  }

  @Override
  public void start(Run run, Wait step) {
    if (!isClosing) steps.start(run, step);
  }

  @Override
  public void giveUp(Wait step) {
    StepRunner.interrupt(step);
  }

  @Override
  public void append(Run run, Append append) {
    Park park = append.park();
    threads.append(
        append,
        (isRefused, failure) -> {
          if (park != null) parking--;
          if (isRefused || failure != null) supersede(run, failure);
          else if (park != null) parked(run, park);
          else if (!isClosing) appended(run, append.entries());
        });
  }

  @Override
  public void setAlarm(Run run, long time) {
    alarms.set(run, time);
  }

  private void completed(Run run, Wait step, Entry.Kind kind, String text) {
    if (!isClosing) settle(run, () -> run.complete(step, kind, text));
  }
}
