package greenlet.journal;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.hub.Waiter;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs the programs of a {@link Store}, any number of them in one thread: begins them, runs their steps, wakes them when they are due
 * or get a message, and forgets those that only wait where there are too many.
 *
 * <pre>{@code
 * try (Store store = new MemoryStore();
 *     Host host = new Host(store, Codec.STRINGS)) {
 *   String receipt = host.execute("order-17", "order", order, "Ada");
 * }
 * }</pre>
 *
 * <p>Its methods may be called from any thread, but not in a program; they wait as {@link Hub#await} does in a task, and block
 * elsewhere. Several hosts may share a store.
 */
public final class Host implements AutoCloseable {
  /** What a program that waits holds, roughly. */
  private static final int BYTES_A_PROGRAM = 16 << 10;

  private static final String CLOSED = "the host is closed";
  private static final int MOST_DUE = 1000;
  private static final int MOST_IN_GROUP = 10_000;
  private static final long DUE_AGAIN_MILLIS = 100;

  private final Store store;
  private final Codec codec;
  private final LongSupplier clock;
  private final Map<String, Program<?, ?>> functions = new ConcurrentHashMap<>();
  private volatile Function<String, @Nullable Program<?, ?>> resolver = name -> null;
  private volatile int keep =
      (int)
          Math.min(
              1_000_000, Math.max(1000, Runtime.getRuntime().maxMemory() / 4 / BYTES_A_PROGRAM));

  private final Queue<Runnable> inbox = new ConcurrentLinkedQueue<>();
  private volatile @Nullable Waiter<?> asleep;
  private final CompletableFuture<@Nullable Void> closed = new CompletableFuture<>();
  private volatile boolean isClosing;

  /** The store's writes, one after the other, and its reads. Never in the thread of a step, which is interrupted. */
  private final ExecutorService writer = Executors.newSingleThreadExecutor(Host::daemon);

  private final ExecutorService reader = Executors.newSingleThreadExecutor(Host::daemon);
  private final Runnable endListening;

  // In its thread alone

  @SuppressWarnings("NullAway.Init") // the first thing that its thread sets
  private Hub outer;

  /** Those that are run, the longest unused first. */
  private final LinkedHashMap<String, Run> runs = new LinkedHashMap<>(16, 0.75f, true);

  /** Those that are being read, or begun. */
  private final Map<String, Loading> loading = new HashMap<>();

  /** Those that were executed here, and have not ended. */
  private final Set<String> claimed = new HashSet<>();

  private final Map<String, Throwable> problems = new HashMap<>();
  private final Map<String, List<CompletableFuture<@Nullable Object>>> awaited = new HashMap<>();
  private final TreeSet<Alarm> alarms = new TreeSet<>();
  private final Map<Run, Alarm> alarmOf = new HashMap<>();
  private List<Appending> group = new ArrayList<>();
  private boolean isWriting;
  private boolean isStopping;

  /** When the store is to be asked which parked programs are due. */
  private long askAt = Park.NEVER;

  private boolean isAsking;

  /** Why the store is over. */
  private @Nullable Throwable storeFailure;

  private final Outside outside = new Outside();

  private record Alarm(long time, Run run) implements Comparable<Alarm> {
    @Override
    public int compareTo(Alarm other) {
      return time != other.time
          ? Long.compare(time, other.time)
          : Long.compare(run.serial, other.run.serial);
    }
  }

  /** {@code done}: told in the host's thread whether it was refused, or why nobody knows. */
  private record Appending(Append append, Done done) {}

  private interface Done {
    void done(boolean isRefused, @Nullable Throwable failure);
  }

  private static Thread daemon(Runnable body) {
    return Thread.ofPlatform().daemon().name("greenlet journal store").unstarted(body);
  }

  // Beginning and end

  /**
   * A host with a thread of its own, a daemon.
   *
   * @param store keeps its programs
   * @param codec encodes their values
   */
  public Host(Store store, Codec codec) {
    this(store, codec, System::currentTimeMillis);
    Thread.ofPlatform()
        .daemon()
        .name("greenlet journal")
        .start(() -> Hub.realTime().run(this::run));
  }

  Host(Store store, Codec codec, LongSupplier clock) {
    if (store == null) throw new IllegalArgumentException("a host needs a store: got null");
    if (codec == null) throw new IllegalArgumentException("a host needs a codec: got null");
    this.store = store;
    this.codec = codec;
    this.clock = clock;
    endListening = store.listen(id -> post(() -> messageSent(id)));
  }

  /**
   * A host in the current hub, whose thread runs the programs from now on: their steps can be tasks of that hub. It ends with the
   * scope that this is called in, if there is one.
   *
   * @param store keeps its programs
   * @param codec encodes their values
   * @return the host
   */
  public static Host here(Store store, Codec codec) {
    return here(store, codec, System::currentTimeMillis);
  }

  static Host here(Store store, Codec codec, LongSupplier clock) {
    var host = new Host(store, codec, clock);
    Hub.current().spawn("journal", host::run);
    return host;
  }

  /**
   * What keeps its programs.
   *
   * @return the store
   */
  public Store store() {
    return store;
  }

  /**
   * What encodes their values.
   *
   * @return the codec
   */
  public Codec codec() {
    return codec;
  }

  /**
   * Says how functions are found, where a program is to go on whose function has not been given to {@link #execute} here.
   *
   * @param byName returns the function of a name, or null; called in the host's thread
   * @return this host
   */
  public Host functions(Function<String, @Nullable Program<?, ?>> byName) {
    resolver = byName;
    return this;
  }

  /**
   * Sets how many programs keep their stacks, so that they go on at once. More than that are kept only while they do more than wait. By
   * default one for each 16 KB of a quarter of the heap.
   *
   * @param most how many, 0 or more
   * @return this host
   */
  public Host keep(int most) {
    if (most < 0)
      throw new IllegalArgumentException("a host keeps 0 programs or more; got " + most);
    keep = most;
    return this;
  }

  /**
   * Has all programs of the store go on that have not ended: now, or when they are due or get a message. Their functions are found by
   * {@link #functions}, or have been executed here. Without this, those alone go on that are executed here, and those that are due.
   *
   * @throws IOException if the store cannot be read
   */
  public void resume() throws IOException {
    List<String> ids = blocking("resume", store::unparked);
    post(() -> {
      for (String id : ids) if (!runs.containsKey(id)) load(id, null);
      askAt = 0;
    });
  }

  /**
   * Stops: no program goes on here. Steps that run are interrupted, and leave no entry. What is being written is waited for. The store
   * stays open.
   */
  @Override
  public void close() {
    Run.requireOutside("close");
    isClosing = true;
    post(() -> isStopping = true);
    waitFor(closed);
  }

  private @Nullable Object run() {
    outer = Hub.current();
    try {
      while (!isStopping) serve();
      stop();
    } finally {
      isClosing = true;
      endListening.run();
      for (Run run : List.copyOf(runs.values())) remove(run);
      writer.shutdown();
      reader.shutdown();
      closed.complete(null);
      drain();
      failAll(new IllegalStateException(CLOSED));
    }
    return null;
  }

  /** In order: no steps, nothing that is being written, park records. */
  private void stop() {
    for (Run run : List.copyOf(runs.values())) for (Wait wait : run.waits()) interrupt(wait);
    while (isWriting) sleep();
    for (Run run : List.copyOf(runs.values())) {
      Park park = run.park();
      if (park != null) run.park(park);
    }
    flush();
    while (isWriting) sleep();
  }

  private void serve() {
    for (int i = 0; i < MOST_DUE && !inbox.isEmpty(); i++) runNext();
    ring();
    ask();
    flush();
    if (isStopping) return;
    if (inbox.isEmpty()) sleep();
    else Hub.sleep(Duration.ZERO);
  }

  private void runNext() {
    Runnable next = inbox.poll();
    if (next != null) next.run();
  }

  private void drain() {
    while (!inbox.isEmpty()) runNext();
  }

  /** Until there is something to do. */
  private void sleep() {
    long wake = alarms.isEmpty() ? Park.NEVER : alarms.first().time;
    if (!isAsking) wake = Math.min(wake, askAt);
    long millis = wake == Park.NEVER ? Park.NEVER : wake - clock.getAsLong();
    if (isStopping || millis == Park.NEVER) sleepUntilWoken();
    else if (millis > 0) Hub.timeout(Duration.ofMillis(millis), this::sleepUntilWoken, () -> {});
    if (isStopping) drain();
  }

  private void sleepUntilWoken() {
    try {
      Hub.<@Nullable Object>await(waiter -> {
        asleep = waiter;
        if (!inbox.isEmpty() || (!group.isEmpty() && !isWriting)) waiter.wake(null);
      });
    } finally {
      asleep = null;
    }
  }

  /** For tests: its clock has been set. */
  void clockSet() {
    post(() -> {});
  }

  private void post(Runnable action) {
    inbox.add(action);
    wake();
  }

  private void wake() {
    @SuppressWarnings("unchecked")
    var sleeper = (Waiter<@Nullable Object>) asleep;
    if (sleeper != null) sleeper.wake(null);
  }

  // The store

  private void flush() {
    if (isWriting || group.isEmpty()) return;
    isWriting = true;
    List<Appending> writing =
        group.size() <= MOST_IN_GROUP ? group : group.subList(0, MOST_IN_GROUP);
    group =
        group == writing
            ? new ArrayList<>()
            : new ArrayList<>(group.subList(MOST_IN_GROUP, group.size()));
    List<Append> appends = new ArrayList<>(writing.size());
    for (Appending each : writing) appends.add(each.append);
    writer.execute(() -> {
      Set<String> refused = Set.of();
      Throwable failure = null;
      try {
        refused = store.append(appends);
      } catch (Throwable t) {
        failure = t;
      }
      Set<String> taken = refused;
      Throwable thrown = failure;
      post(() -> written(writing, taken, thrown));
    });
  }

  private void written(List<Appending> writing, Set<String> refused, @Nullable Throwable failure) {
    isWriting = false;
    if (failure != null) storeFailure = failure;
    for (Appending each : writing) each.done.done(refused.contains(each.append.id()), failure);
    flush();
  }

  private void append(Append append, Done done) {
    if (storeFailure != null) done.done(false, storeFailure);
    else group.add(new Appending(append, done));
    wake();
  }

  private <T> void read(
      Callable<T> call, java.util.function.BiConsumer<@Nullable T, @Nullable Throwable> then) {
    reader.execute(() -> {
      T value = null;
      Throwable failure = null;
      try {
        value = call.call();
      } catch (Throwable t) {
        failure = t;
      }
      T got = value;
      Throwable thrown = failure;
      post(() -> then.accept(got, thrown));
    });
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

  private void load(String id, @Nullable Beginning beginning) {
    Loading now = loading.computeIfAbsent(id, key -> new Loading());
    now.beginning = beginning;
    problems.remove(id);
    read(
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
          if (now.isChanged) messageSent(id);
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
    append(
        new Append(id, 0, List.of(entry), List.of(), null),
        (isRefused, failure) -> {
          loading.remove(id);
          if (failure != null) beginning.begun.completeExceptionally(storeIsOver(failure));
          else if (isRefused) load(id, beginning); // another host was before
          else if (isClosing) beginning.begun.complete(null);
          else {
            claimed.add(id);
            beginning.begun.complete(null);
            start(id, List.of(entry), List.of());
            if (now.isChanged) messageSent(id);
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
                && java.util.Objects.equals(
                    codec.decode(begin.value()), codec.decode(beginning.argument)));
    if (!isSame)
      throw new IllegalArgumentException(
          "program %s has begun with %s, and not with %s; give another id"
              .formatted(id, begin.value(), beginning.argument));
  }

  private void start(String id, List<Entry> entries, List<Message> messages) {
    Program<?, ?> function = function(entries.get(0).key());
    var run = new Run(id, function, codec, entries, Long.MAX_VALUE, outside);
    runs.put(id, run);
    run.setMessages(messages);
    turn(run);
  }

  private Program<?, ?> function(String name) {
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
    setAlarm(run, Park.NEVER);
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

  private static IllegalStateException noProgram(String id) {
    return new IllegalStateException("there is no program %s in the store".formatted(id));
  }

  // Forgetting, and waking

  /** The longest unused ones, if there are too many. */
  private void forget() {
    if (runs.size() <= keep) return;
    int looked = 0;
    List<Run> forgotten = new ArrayList<>(1);
    for (Run run : runs.values()) {
      if (runs.size() - forgotten.size() <= keep || looked++ > 100) break;
      if (run.park() != null) forgotten.add(run);
    }
    forgotten.forEach(this::forget);
  }

  private void forget(Run run) {
    Park park = run.park();
    if (park != null) run.park(park);
  }

  /** Its park record is durable. */
  private void parked(Run run, Park park) {
    remove(run);
    if (park.due() < askAt) askAt = park.due();
  }

  private void messageSent(String id) {
    Run run = runs.get(id);
    Loading now = loading.get(id);
    if (now != null) now.isChanged = true;
    else if (run == null) askAt = 0;
    else
      read(
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
    while (!alarms.isEmpty() && alarms.first().time <= now) {
      Run run = alarms.first().run;
      setAlarm(run, Park.NEVER);
      settle(run, run::settle);
    }
  }

  private void setAlarm(Run run, long time) {
    Alarm before = time == Park.NEVER ? alarmOf.remove(run) : alarmOf.get(run);
    if (before != null && before.time == time) return;
    if (before != null) alarms.remove(before);
    if (time == Park.NEVER) return;
    var alarm = new Alarm(time, run);
    alarmOf.put(run, alarm);
    alarms.add(alarm);
  }

  private void ask() {
    long now = clock.getAsLong();
    if (isAsking || askAt > now || storeFailure != null) return;
    isAsking = true;
    askAt = Park.NEVER;
    int most = MOST_DUE + problems.size() + runs.size();
    read(
        () -> new Due(store.due(now, most), store.nextDue()),
        (due, failure) -> {
          isAsking = false;
          if (due == null) return;
          for (String id : due.ids)
            if (!runs.containsKey(id) && !problems.containsKey(id)) load(id, null);
          if (due.next != Park.NEVER)
            askAt = Math.min(askAt, Math.max(due.next, now + DUE_AGAIN_MILLIS));
        });
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

  // What is called from outside

  /**
   * Begins a program, or has it go on where it was, and waits for its end. One that has ended runs nothing.
   *
   * @param id the program, for ever
   * @param function the name of the function, by which it is found when the program goes on elsewhere
   * @param program the function
   * @param argument its argument
   * @param <A> the type of the argument
   * @param <R> the type of the result
   * @return the result, as it was decoded
   * @throws ProgramFailed if the program has failed
   * @throws CancellationException if it was cancelled
   * @throws IllegalStateException if it was executed here before, and runs
   * @throws IllegalArgumentException if it has begun with another function or another argument, or the argument cannot be encoded
   * @throws Diverged if it does not fit its journal
   * @throws Superseded if it goes on in another host, or the store is over
   */
  public <A extends @Nullable Object, R extends @Nullable Object> R execute(
      String id, String function, Program<? super A, ? extends R> program, A argument) {
    start(id, function, program, argument);
    return this.<R>result(id);
  }

  /**
   * As {@link #execute}, but does not wait for the end, only until that the program has begun is durable.
   *
   * @param id the program
   * @param function the name of the function
   * @param program the function
   * @param argument its argument
   * @param <A> the type of the argument
   */
  public <A extends @Nullable Object> void start(
      String id, String function, Program<? super A, ?> program, A argument) {
    Run.requireOutside("start");
    if (id == null || id.isEmpty())
      throw new IllegalArgumentException("a program has an id that is not empty; got " + id);
    if (function == null)
      throw new IllegalArgumentException(
          "the function of program " + id + " has no name: got null");
    if (program == null)
      throw new IllegalArgumentException("program " + id + " has nothing to run: got null");
    String text = Run.encoded(argument, codec, store.valueLimit());
    var begun = new CompletableFuture<@Nullable Void>();
    post(() -> {
      if (isClosing) begun.completeExceptionally(new IllegalStateException(CLOSED));
      else if (claimed.contains(id)
          || (loading.get(id) instanceof Loading now && now.beginning != null))
        begun.completeExceptionally(
            new IllegalStateException(
                "program %s runs here already: ask for its result".formatted(id)));
      else {
        functions.put(function, program);
        claim(id, new Beginning(function, text, begun));
      }
    });
    waitFor(begun);
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

  /**
   * Waits for the end of a program, and returns its result; as soon as this host has seen the end, if it is another one that runs it.
   *
   * @param id the program
   * @param <R> the type of the result
   * @return the result, as it was decoded
   * @throws IllegalStateException if there is no such program
   */
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where R has it
  public <R extends @Nullable Object> R result(String id) {
    return (R) waitFor(resultLater(id));
  }

  /**
   * As {@link #result}, as a future.
   *
   * @param id the program
   * @return completed when the program has ended, and this host has seen it
   */
  public CompletableFuture<@Nullable Object> resultLater(String id) {
    Run.requireOutside("result");
    var future = new CompletableFuture<@Nullable Object>();
    post(() -> {
      if (isClosing) future.completeExceptionally(new IllegalStateException(CLOSED));
      else if (problems.get(id) instanceof Throwable problem) future.completeExceptionally(problem);
      else if (runs.containsKey(id) || loading.containsKey(id)) await(id, future);
      else
        read(
            () -> store.standing(id),
            (standing, failure) -> {
              if (failure != null) future.completeExceptionally(failure);
              else if (standing == null) future.completeExceptionally(noProgram(id));
              else if (standing.end() == null) await(id, future);
              else complete(id, standing.end(), future);
            });
    });
    return future;
  }

  private void await(String id, CompletableFuture<@Nullable Object> future) {
    awaited.computeIfAbsent(id, key -> new ArrayList<>(1)).add(future);
  }

  /**
   * Sends a message to a program that has begun. Durable when this returns.
   *
   * @param id the program
   * @param name the name that the program receives it by
   * @param value the message
   * @param key what tells that it is the same message, when it is sent again; or null
   * @return false if a message with this key was sent to the program before
   * @throws IllegalStateException if there is no such program, or if it has ended
   * @throws IllegalArgumentException if the message cannot be encoded
   * @throws IOException if the store is over
   */
  public boolean send(String id, String name, @Nullable Object value, @Nullable String key)
      throws IOException {
    if (name == null) throw new IllegalArgumentException("a message has a name: got null");
    String text = Run.encoded(value, codec, store.valueLimit());
    return blocking(
        "send", () -> store.send(id, new Message(0, clock.getAsLong(), name, key, text)));
  }

  /**
   * Cancels a program: its main task is killed, so that its {@code finally} blocks run, with their steps.
   *
   * @param id the program
   * @return false if it was cancelled before
   * @throws IllegalStateException if there is no such program, or if it has ended
   * @throws IOException if the store is over
   */
  public boolean cancel(String id) throws IOException {
    return blocking(
        "cancel", () -> store.send(id, new Message(0, clock.getAsLong(), null, "cancel", null)));
  }

  /**
   * How a program fares.
   *
   * @param id the program
   * @return null if there is no such program
   * @throws IOException if the store cannot be read
   */
  public @Nullable Status status(String id) throws IOException {
    Standing standing = blocking("status", () -> store.standing(id));
    return standing == null ? null : ask(() -> status(standing));
  }

  private Status status(Standing standing) {
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

  /**
   * The programs that are stuck: this host has stopped running them, or a step of theirs has failed and is tried again.
   *
   * @return how they fare
   * @throws IOException if the store cannot be read
   */
  public List<Status> stuck() throws IOException {
    Set<String> ids =
        ask(() -> {
          Set<String> stuck = new HashSet<>(problems.keySet());
          for (Run run : runs.values())
            for (Wait wait : run.waits()) if (wait.lastFailure != null) stuck.add(run.id);
          return stuck;
        });
    List<Status> all = new ArrayList<>();
    for (String id : ids) {
      Status status = status(id);
      if (status != null) all.add(status);
    }
    return all;
  }

  /**
   * All programs of the store.
   *
   * @return how they stand
   * @throws IOException if the store cannot be read
   */
  public List<Standing> programs() throws IOException {
    List<Standing> all = new ArrayList<>();
    blocking(
        "programs",
        () -> {
          store.forEach(all::add);
          return true;
        });
    return all;
  }

  /**
   * The journal of a program.
   *
   * @param id the program
   * @return its entries; empty if there is no such program
   * @throws IOException if the store cannot be read
   */
  public List<Entry> entries(String id) throws IOException {
    return blocking("entries", () -> store.read(id));
  }

  /**
   * Looks back: the program as it stood after an entry. No step is run, and nothing is written.
   *
   * @param id the program
   * @param until the number of the last entry that the program is given
   * @return how it stood
   * @throws IllegalStateException if there is no such program, or its function is not known here
   * @throws IOException if the store cannot be read
   */
  public Replay replay(String id, long until) throws IOException {
    List<Entry> entries = entries(id);
    if (entries.isEmpty()) throw noProgram(id);
    return Replay.of(id, function(entries.get(0).key()), codec, entries, until);
  }

  /**
   * Removes a program that has ended.
   *
   * @param id the program
   * @return false if there is none
   * @throws IllegalStateException if it has not ended
   * @throws IOException if the store is over
   */
  public boolean delete(String id) throws IOException {
    boolean isDeleted = blocking("delete", () -> store.delete(id));
    post(() -> problems.remove(id));
    return isDeleted;
  }

  /**
   * Removes the programs that have ended before a time.
   *
   * @param time in milliseconds since 1970
   * @return how many were removed
   * @throws IOException if the store is over
   */
  public long prune(long time) throws IOException {
    return blocking("prune", () -> store.prune(time));
  }

  /** Calls the store in a thread that may block. */
  private static <T extends @Nullable Object> T blocking(String word, Callable<T> call)
      throws IOException {
    Run.requireOutside(word);
    try {
      return Task.current() == null ? call.call() : Hub.offload(call);
    } catch (IOException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw Sneaky.unchecked(e);
    }
  }

  /** Asks in the host's thread. */
  private <T> T ask(Callable<T> question) {
    var answer = new CompletableFuture<T>();
    post(() -> {
      try {
        answer.complete(question.call());
      } catch (Throwable t) {
        answer.completeExceptionally(t);
      }
    });
    if (isClosing) throw new IllegalStateException(CLOSED);
    return waitFor(answer);
  }

  private static <T extends @Nullable Object> T waitFor(CompletableFuture<T> future) {
    if (Task.current() != null) return Hub.await(future);
    try {
      return future.get();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      throw Sneaky.unchecked(cause == null ? e : cause);
    } catch (InterruptedException e) {
      throw Sneaky.unchecked(e);
    }
  }

  // Where runs are live

  private final class Outside implements Run.Outside {
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
      if (!isClosing) step.task = outer.spawn(step.key, () -> perform(run, step));
    }

    @Override
    public void giveUp(Wait step) {
      interrupt(step);
    }

    @Override
    public void append(Run run, Append append) {
      Park park = append.park();
      Host.this.append(
          append,
          (isRefused, failure) -> {
            if (isRefused || failure != null) supersede(run, failure);
            else if (park != null) parked(run, park);
            else if (!isClosing) appended(run, append.entries());
          });
    }

    @Override
    public void setAlarm(Run run, long time) {
      Host.this.setAlarm(run, time);
    }
  }

  // Steps, each in a task of the outer hub

  private static void interrupt(Wait step) {
    step.isGivenUp = true;
    Task<?> task = step.task;
    if (task != null) task.interrupt(new GreenletExit());
  }

  private void perform(Run run, Wait step) {
    Step how = step.step;
    if (how == null) return;
    for (step.tries = 1; !step.isGivenUp; step.tries++) {
      try {
        String text = attempt(run, step, how);
        complete(run, step, Entry.Kind.OUTCOME, text);
        return;
      } catch (NotKept e) {
        complete(run, step, Entry.Kind.FAILURE, run.failureText(e.getCause()));
        return;
      } catch (Throwable t) {
        if (step.isGivenUp) throw Sneaky.unchecked(t);
        step.lastFailure = t;
        if (step.tries >= how.attempts()) {
          complete(run, step, Entry.Kind.FAILURE, run.failureText(t));
          return;
        }
      }
      Hub.sleep(how.backOffAfter(step.tries));
    }
  }

  private void complete(Run run, Wait step, Entry.Kind kind, String text) {
    if (!isClosing) settle(run, () -> run.complete(step, kind, text));
  }

  private String attempt(Run run, Wait step, Step how) throws Exception {
    Callable<?> body = step.body;
    String key = run.stepKey(step);
    Callable<String> call =
        () -> {
          Object value = Journal.withStepKey(key, how.isTask(), body == null ? () -> null : body);
          try {
            return run.encoded(value, run.codecOf(how));
          } catch (RuntimeException e) {
            throw new NotKept(e);
          }
        };
    Callable<String> placed = how.isTask() ? call : () -> Hub.offload(call);
    Duration limit = how.limit();
    return limit == null ? placed.call() : Hub.timeout(limit, placed);
  }

  /** What a step has returned cannot be encoded. To run it again would not help. */
  private static final class NotKept extends Exception {
    private static final long serialVersionUID = 1L;

    NotKept(RuntimeException cause) {
      super(cause);
    }

    @Override
    @SuppressWarnings("NullAway") // there is one
    public synchronized RuntimeException getCause() {
      return (RuntimeException) super.getCause();
    }
  }
}
