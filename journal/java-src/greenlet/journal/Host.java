package greenlet.journal;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs the programs of a {@link Store}, any number of them in one thread: begins them, runs their steps, wakes them when they are due
 * or get a message, and forgets those that only wait where memory is short.
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
  private final Store store;
  private final Codec codec;
  private final LongSupplier clock;
  private final Mailbox mailbox = new Mailbox();
  private final Programs programs;

  // Beginning and end

  /**
   * A host with a thread of its own, a daemon.
   *
   * @param store keeps its programs
   * @param codec encodes their values
   */
  public Host(Store store, Codec codec) {
    this(store, codec, System::currentTimeMillis, Memory.HEAP);
    startThread();
  }

  private void startThread() {
    Thread.ofPlatform()
        .daemon()
        .name("greenlet journal")
        .start(() -> Hub.realTime().run(programs::run));
  }

  /** For tests: the time is that of {@code clock}; see {@link #clockSet}. */
  static Host withClock(Store store, Codec codec, LongSupplier clock) {
    return withMemory(store, codec, clock, Memory.HEAP);
  }

  /** For tests: programs are forgotten when {@code memory} is short. */
  static Host withMemory(Store store, Codec codec, LongSupplier clock, Memory memory) {
    var host = new Host(store, codec, clock, memory);
    host.startThread();
    return host;
  }

  private Host(Store store, Codec codec, LongSupplier clock, Memory memory) {
    if (store == null) throw new IllegalArgumentException("a host needs a store: got null");
    if (codec == null) throw new IllegalArgumentException("a host needs a codec: got null");
    this.store = store;
    this.codec = codec;
    this.clock = clock;
    programs = new Programs(store, codec, clock, mailbox, memory);
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

  /**
   * A host of a store that workers share, which runs nothing itself: {@link #start} and {@link #execute} leave programs to the workers. It
   * has a thread of its own, a daemon.
   *
   * @param store the store
   * @param codec encodes the values
   * @param version the version of the deployment, which programs are recorded with that begin here
   * @return the host
   */
  public static Host client(SharedStore store, Codec codec, String version) {
    if (store == null) throw new IllegalArgumentException("a host needs a store: got null");
    var none = new SharedStore.Share(Set.of(), version, Set.of(), 1);
    var host =
        new Host(
            new StoreOfWorker(store, "", none, 0), codec, System::currentTimeMillis, Memory.HEAP);
    host.programs.submits = true;
    host.startThread();
    return host;
  }

  /**
   * What workers share with a {@linkplain #client client}.
   *
   * @return the store
   * @throws IllegalStateException if this is no client
   */
  public SharedStore shared() {
    if (programs.submits && store instanceof StoreOfWorker view) return view.shared();
    throw new IllegalStateException(
        "only the store of a client is shared with workers: see Host.client");
  }

  static Host here(Store store, Codec codec, LongSupplier clock) {
    var host = new Host(store, codec, clock, Memory.HEAP);
    Hub.current().spawn("journal", host.programs::run);
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
    programs.resolver = byName;
    return this;
  }

  /**
   * Sets how many programs keep their stacks, so that they go on at once. More than that are kept only while they do more than wait. By
   * default there is no such limit, and memory decides: each time that a collection of the heap's old generation leaves more than
   * three quarters of it in use, half of the programs that only wait are forgotten, the longest unused first.
   *
   * @param most how many, 0 or more
   * @return this host
   */
  public Host keep(int most) {
    if (most < 0)
      throw new IllegalArgumentException("a host keeps 0 programs or more; got " + most);
    programs.keep = most;
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
    mailbox.post(() -> programs.resume(ids));
  }

  /**
   * Stops: no program goes on here. Steps that run are interrupted, and leave no entry. What is being written is waited for. The store
   * stays open.
   */
  @Override
  public void close() {
    Run.requireOutside("close");
    programs.isClosing = true;
    mailbox.post(programs::stop);
    waitFor(programs.closed);
  }

  /** For tests: its clock has been set. */
  void clockSet() {
    mailbox.post(() -> {});
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
    mailbox.post(() -> programs.execute(id, function, program, text, begun));
    waitFor(begun);
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
    mailbox.post(() -> programs.awaitEnd(id, future));
    return future;
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
    return standing == null ? null : ask(() -> programs.status(standing));
  }

  /**
   * The programs that are stuck: this host has stopped running them, or a step of theirs has failed and is tried again.
   *
   * @return how they fare
   * @throws IOException if the store cannot be read
   */
  public List<Status> stuck() throws IOException {
    Set<String> ids = ask(programs::stuck);
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
    if (entries.isEmpty()) throw Programs.noProgram(id);
    return Replay.of(id, programs.function(entries.get(0).key()), codec, entries, until);
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
    mailbox.post(() -> programs.forgetProblem(id));
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
    mailbox.post(() -> {
      try {
        answer.complete(question.call());
      } catch (Throwable t) {
        answer.completeExceptionally(t);
      }
    });
    if (programs.isClosing) throw new IllegalStateException(Programs.CLOSED);
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
}
