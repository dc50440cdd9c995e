package greenlet.journal;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Checks that a store does what {@link Store} says, for whoever writes one. Needs no library of tests: what fails is an
 * {@code AssertionError}. With one, each of {@link #checks} can be a test of its own.
 *
 * <pre>{@code
 * new StoreSuite(name -> new MyStore(url, name), true).run();
 * }</pre>
 *
 * <p>What it cannot see is left to the store's own tests: that it is over after a failure, and that what is not durable yet is not seen.
 */
public final class StoreSuite {
  private static final int SECONDS = 60;
  private static final int THREADS = 8;
  private static final String CLOSED = "check-closed";
  private static final String REOPENED = "check-reopened";
  private static final long SEED = 42;
  private static final String ODD = "\0 \u20ac";

  private final Opener opener;
  private final boolean isDurable;

  /** How the suite gets a store. */
  public interface Opener {
    /**
     * Opens a store that is not open: each check closes its own. It has no programs when a name is opened for the first time.
     *
     * @param name letters and hyphens
     * @return the store
     * @throws IOException if it cannot be opened
     */
    Store open(String name) throws IOException;
  }

  /** One thing that a store has to do. */
  public interface Check {
    /**
     * What it is.
     *
     * @return a sentence
     */
    String name();

    /**
     * Does it, with a store of its own.
     *
     * @throws AssertionError if the store does something else
     * @throws Exception if the store throws what it may not, here
     */
    void run() throws Exception;
  }

  private interface Body {
    void check(Store store) throws Exception;
  }

  private record OneCheck(String name, Opener opener, String store, Body body) implements Check {
    @Override
    public void run() throws Exception {
      try (Store s = opener.open(store)) {
        body.check(s);
      } finally {
        Thread.interrupted();
      }
    }
  }

  /**
   * A suite for some kind of store.
   *
   * @param opener opens stores of that kind
   * @param isDurable whether one that is opened again by its name has what it had when it was closed
   */
  public StoreSuite(Opener opener, boolean isDurable) {
    this.opener = opener;
    this.isDurable = isDurable;
  }

  /**
   * Does all checks, and goes on after one that fails.
   *
   * @throws AssertionError if any fails: its message has their names, its suppressed exceptions are what they have thrown
   */
  public void run() {
    List<String> failed = new ArrayList<>();
    var all = new AssertionError("The store does not do what greenlet.journal.Store says");
    for (Check check : checks()) {
      try {
        check.run();
      } catch (Exception | AssertionError e) {
        failed.add("\n  " + check.name() + ": " + e);
        all.addSuppressed(e);
      }
    }
    if (failed.isEmpty()) return;
    var summary = new AssertionError(all.getMessage() + ":" + String.join("", failed));
    for (Throwable t : all.getSuppressed()) summary.addSuppressed(t);
    throw summary;
  }

  /**
   * What is checked.
   *
   * @return the checks, each of which can be done on its own, in any order, once
   */
  public List<Check> checks() {
    List<Check> all = new ArrayList<>();
    add(all, "what was appended is read, whatever characters it has", StoreSuite::reads);
    add(all, "a value may be as long as its limit says", StoreSuite::readsLong);
    add(all, "of a program that is not there, nothing is read", StoreSuite::hasNone);
    add(all, "a journal begins at the last restart; messages and keys stay", StoreSuite::restarts);
    add(all, "a standing has the beginning, the end and the park record", StoreSuite::stands);
    add(
        all,
        "each standing is handed over in the calling thread, which may call the store",
        StoreSuite::handsOver);
    add(all, "a program is to be run if it has no park record and no end", StoreSuite::unparked);
    add(all, "programs are due by their time, the earliest first", StoreSuite::dueByTime);
    add(all, "programs are due by the messages that they wait for", StoreSuite::dueByMessage);
    add(all, "an append is refused alone, and changes nothing then", StoreSuite::refuses);
    add(all, "one of many that append the same number has it", StoreSuite::oneWriter);
    add(
        all,
        "nothing is appended for one that was deleted to another of the same id",
        StoreSuite::incarnations);
    add(all, "an end takes the messages, and nothing comes after it", StoreSuite::ends);
    add(all, "messages wait in their order until they are taken", StoreSuite::messages);
    add(all, "a message with a key is kept once", StoreSuite::keys);
    add(
        all,
        "a message is refused if there is no program, or no more",
        StoreSuite::refusesMessages);
    add(all, "what has ended is deleted, with all there was of it", StoreSuite::deletes);
    add(all, "what has ended before is pruned", StoreSuite::prunes);
    add(all, "who listens hears of each message, until it ends that", StoreSuite::listens);
    add(all, "threads may call at once", StoreSuite::threads);
    add(all, "an interrupt stays, and harms nothing", StoreSuite::interrupted);
    add(
        all,
        "an interrupt during a call stays, and harms nothing",
        StoreSuite::interruptedMeanwhile);
    add(all, "a closed store refuses all calls, and may be closed again", StoreSuite::closed);
    add(all, "what is under way when the store is closed ends before", CLOSED, this::closes);
    if (isDurable)
      add(
          all,
          "what was there when it was closed is there when it is opened",
          REOPENED,
          this::reopens);
    return all;
  }

  private void add(List<Check> all, String name, Body body) {
    add(all, name, "check-" + (char) ('a' + all.size()), body);
  }

  private void add(List<Check> all, String name, String store, Body body) {
    all.add(new OneCheck(name, opener, store, body));
  }

  private static Entry begin(long number) {
    return new Entry(number, 1000 + number, Entry.Kind.BEGIN, "f", SEED, "[1]");
  }

  private static Entry outcome(long number) {
    return new Entry(
        number, 1000 + number, Entry.Kind.OUTCOME, "main/s#" + number, 7, "v" + number);
  }

  private static Entry result(long number) {
    return new Entry(number, 1000 + number, Entry.Kind.RESULT, "", 0, "end");
  }

  private static Append append(String id, Entry... entries) {
    return new Append(id, SEED, entries[0].number(), List.of(entries), List.of(), null);
  }

  private static Append park(String id, long number, long due, String... names) {
    return new Append(id, SEED, number, List.of(), List.of(), new Park(due, Set.of(names)));
  }

  private static Message message(@Nullable String name, @Nullable String key, String value) {
    return new Message(99, 5, name, key, value);
  }

  private static void write(Store store, Append... group) throws IOException {
    equal(Set.of(), store.append(List.of(group)), "who is refused");
  }

  private static void equal(@Nullable Object expected, @Nullable Object found, String what) {
    if (!Objects.equals(expected, found))
      throw new AssertionError("%s: %s was expected, and is %s".formatted(what, expected, found));
  }

  private interface Call {
    void call() throws Exception;
  }

  private static void fails(Class<? extends Exception> type, String what, Call call)
      throws Exception {
    try {
      call.call();
    } catch (Exception e) {
      if (type.isInstance(e)) return;
      throw e;
    }
    throw new AssertionError("%s: %s was expected".formatted(what, type.getSimpleName()));
  }

  private static void reads(Store store) throws IOException {
    var texts =
        List.of("", "tea", "\0", "\u00e9\u00ff", "\u20ac \ud83d\ude00", "\ud800 alone", "a\nb\"");
    List<Entry> entries = new ArrayList<>(List.of(begin(0)));
    for (Entry.Kind kind : Entry.Kind.values()) {
      if (kind == Entry.Kind.BEGIN || kind == Entry.Kind.RESTART) continue;
      if (kind == Entry.Kind.RESULT || kind == Entry.Kind.ERROR) continue;
      for (String text : texts)
        entries.add(
            new Entry(
                entries.size(), entries.size() * 1_000_000_007L, kind, text, -text.length(), text));
      entries.add(new Entry(entries.size(), 0, kind, "k", Long.MIN_VALUE, null));
    }
    for (String id : texts) {
      for (int from = 0; from < entries.size(); from += 7)
        write(
            store,
            append(
                id,
                entries.subList(from, Math.min(entries.size(), from + 7)).toArray(Entry[]::new)));
    }
    for (String id : texts) equal(entries, store.read(id), "the journal of \"" + id + "\"");
  }

  private static void readsLong(Store store) throws IOException {
    if (store.valueLimit() < 1) throw new AssertionError("the limit is " + store.valueLimit());
    int length = Math.min(store.valueLimit(), 1 << 22);
    var value = "x".repeat(length);
    var entry = new Entry(1, 1, Entry.Kind.OUTCOME, "k", 0, value);
    write(store, append("a", begin(0)), append("b", begin(0)));
    write(store, append("a", entry), append("b", outcome(1)));
    if (!store.read("a").get(1).equals(entry)) throw new AssertionError("a long value is another");
    equal(List.of(begin(0), outcome(1)), store.read("b"), "what is beside it");
  }

  private static void hasNone(Store store) throws IOException {
    equal(List.of(), store.read("a"), "read");
    equal(null, store.standing("a"), "standing");
    equal(List.of(), store.messages("a"), "messages");
    equal(List.of(), store.unparked(), "unparked");
    equal(List.of(), store.due(Long.MAX_VALUE, 10), "due");
    equal(Park.NEVER, store.nextDue(), "nextDue");
    equal(false, store.delete("a"), "delete");
    equal(0L, store.prune(Long.MAX_VALUE), "prune");
    store.forEach(standing -> equal(null, standing, "forEach"));
  }

  private static void restarts(Store store) throws IOException {
    write(store, append("a", begin(0), outcome(1)), append("b", begin(0)));
    store.send("a", message("m", "k", "v"));
    var restart = new Entry(2, 3, Entry.Kind.RESTART, "f", 43, "[2]");
    write(store, append("a", restart, outcome(3)));
    write(store, new Append("a", 43, 4, List.of(outcome(4)), List.of(), null));
    equal(List.of(restart, outcome(3), outcome(4)), store.read("a"), "the journal after a restart");
    equal(new Standing("a", restart, 5, null, null), store.standing("a"), "its standing");
    equal(1, store.messages("a").size(), "its messages");
    equal(false, store.send("a", message("m", "k", "v")), "the same message after it");
    equal(List.of(begin(0)), store.read("b"), "another program");
  }

  private static void stands(Store store) throws IOException {
    write(store, append("a", begin(0)));
    equal(new Standing("a", begin(0), 1, null, null), store.standing("a"), "after the beginning");
    var park = new Park(5000, Set.of("m", "n"));
    write(store, new Append("a", SEED, 1, List.of(outcome(1)), List.of(), park));
    equal(new Standing("a", begin(0), 2, null, park), store.standing("a"), "parked with an entry");
    write(store, park("a", 2, Park.NEVER));
    equal(
        new Standing("a", begin(0), 2, null, new Park(Park.NEVER, Set.of())),
        store.standing("a"),
        "parked once more, without an entry");
    write(store, append("a", outcome(2)));
    equal(new Standing("a", begin(0), 3, null, null), store.standing("a"), "run again");
    write(store, append("a", result(3)));
    equal(new Standing("a", begin(0), 4, result(3), null), store.standing("a"), "ended");
  }

  private static void handsOver(Store store) throws IOException {
    Set<String> expected = new HashSet<>();
    for (int i = 0; i < 20; i++) {
      write(store, append("p" + i, begin(0)));
      expected.add("p" + i);
    }
    Set<String> seen = Collections.synchronizedSet(new HashSet<>());
    Thread caller = Thread.currentThread();
    store.forEach(standing -> {
      equal(caller, Thread.currentThread(), "the thread");
      equal(true, seen.add(standing.id()), "once " + standing.id());
      try {
        equal(standing, store.standing(standing.id()), "the standing");
        write(store, append(standing.id(), outcome(1)));
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    });
    equal(expected, seen, "all programs");
  }

  private static void unparked(Store store) throws IOException {
    for (String id : List.of("run", "parked", "ended", "woken")) write(store, append(id, begin(0)));
    write(store, park("parked", 1, 5000), append("ended", result(1)), park("woken", 1, 5000));
    equal(Set.of("run"), Set.copyOf(store.unparked()), "to be run");
    write(store, append("woken", outcome(1)));
    equal(Set.of("run", "woken"), new TreeSet<>(store.unparked()), "to be run, with one woken");
    equal(2, store.unparked().size(), "each once");
  }

  private static void dueByTime(Store store) throws IOException {
    write(store, append("runs", begin(0)));
    List<Append> parked = new ArrayList<>();
    for (int due : List.of(30, 10, 20, 40)) {
      write(store, append("at" + due, begin(0)));
      parked.add(park("at" + due, 1, due));
    }
    write(store, append("never", begin(0)), append("moved", begin(0)));
    parked.add(park("never", 1, Park.NEVER, "m"));
    parked.add(park("moved", 1, 5));
    write(store, parked.toArray(Append[]::new));
    equal(5L, store.nextDue(), "the next one");
    write(store, park("moved", 1, 25));
    equal(10L, store.nextDue(), "the next one, after another was parked until later");
    equal(List.of(), store.due(9, 10), "at 9");
    equal(List.of("at10"), store.due(10, 10), "at 10");
    equal(List.of("at10", "at20", "moved", "at30"), store.due(39, 10), "at 39");
    equal(List.of("at10", "at20"), store.due(39, 2), "two at most");
    equal(
        List.of("at10", "at20", "moved", "at30", "at40"),
        store.due(Long.MAX_VALUE - 1, 10),
        "in the end");
    write(store, append("at10", outcome(1)), append("at20", result(1)));
    equal(List.of("moved", "at30"), store.due(39, 10), "after one was run, and one has ended");
    equal(25L, store.nextDue(), "the next one, after that");
  }

  private static void dueByMessage(Store store) throws IOException {
    for (String id : List.of("before", "after", "other", "cancelled", "timed"))
      write(store, append(id, begin(0)));
    store.send("before", message("m", null, "v"));
    store.send("other", message("n", null, "v"));
    equal(Park.NEVER, store.nextDue(), "while they are run");
    for (String id : List.of("before", "after", "other", "cancelled"))
      write(store, park(id, 1, Park.NEVER, "m", "l"));
    write(store, park("timed", 1, 10));
    equal(List.of("before", "timed"), store.due(10, 10), "what was there when they were parked");
    equal(0L, store.nextDue(), "the next one");
    store.send("after", message("l", null, "v"));
    store.send("cancelled", new Message(0, 5, null, null, null));
    store.send("timed", message("m", null, "v"));
    equal(Set.of("before", "after", "cancelled"), Set.copyOf(store.due(0, 10)), "at 0");
    equal(List.of("timed"), store.due(10, 10).subList(3, 4), "messages are before times");
    write(
        store,
        new Append(
            "before",
            SEED,
            1,
            List.of(outcome(1)),
            List.of(0L),
            new Park(Park.NEVER, Set.of("m"))));
    equal(Set.of("after", "cancelled"), Set.copyOf(store.due(0, 10)), "after it was taken");
  }

  private static void refuses(Store store) throws IOException {
    write(store, append("a", begin(0), outcome(1)), append("b", begin(0)));
    store.send("a", message("m", null, "v"));
    write(store, park("a", 2, 77));
    Standing before = store.standing("a");
    for (Append bad :
        List.of(
            new Append("a", SEED, 1, List.of(outcome(1)), List.of(0L), null),
            new Append("a", SEED, 3, List.of(outcome(3)), List.of(0L), null),
            new Append("a", SEED, 0, List.of(begin(0)), List.of(0L), null),
            new Append("a", SEED, 1, List.of(), List.of(0L), null),
            new Append("c", SEED, 1, List.of(outcome(1)), List.of(), null))) {
      long next = Objects.requireNonNull(store.standing("b")).next();
      equal(
          Set.of(bad.id()),
          store.append(List.of(bad, append("b", outcome(next), outcome(next + 1)))),
          "who is refused with entry " + bad.number());
      equal(before, store.standing("a"), "the one refused");
      equal(List.of(begin(0), outcome(1)), store.read("a"), "its entries");
      equal(1, store.messages("a").size(), "its messages");
      equal(null, store.standing("c"), "one that is not there");
      equal(next + 2, (long) store.read("b").size(), "the entries of the other one");
    }
    equal(Set.of(), store.append(List.of()), "who is refused of none");
  }

  private static void oneWriter(Store store) throws Exception {
    write(store, append("a", begin(0)));
    int rounds = 50;
    long[] won = new long[rounds + 1];
    var barrier = new CyclicBarrier(THREADS);
    inThreads(
        THREADS,
        thread -> {
          for (int n = 1; n <= rounds; n++) {
            barrier.await(SECONDS, TimeUnit.SECONDS);
            var entry = new Entry(n, n, Entry.Kind.OUTCOME, "k", thread, "of " + thread);
            if (!store.append(List.of(append("a", entry))).isEmpty()) continue;
            synchronized (won) {
              equal(0L, won[n], "who else has entry " + n);
              won[n] = thread + 1;
            }
          }
        });
    List<Entry> entries = store.read("a");
    for (int n = 1; n <= rounds; n++)
      equal(won[n], entries.get(n).mark() + 1, "whose entry " + n + " is");
  }

  private static void incarnations(Store store) throws IOException {
    write(store, append("a", begin(0), result(1)));
    store.delete("a");
    var begin = new Entry(0, 5, Entry.Kind.BEGIN, "f", 43, "[1]");
    write(store, new Append("a", 43, 0, List.of(begin), List.of(), null));
    store.send("a", message("m", null, "v"));
    for (Append old :
        List.of(
            append("a", outcome(1)),
            park("a", 1, 77),
            append("a", new Entry(1, 5, Entry.Kind.RESTART, "f", SEED, null)),
            new Append("a", SEED, 1, List.of(result(1)), List.of(0L), null)))
      equal(Set.of("a"), store.append(List.of(old)), "who is refused with " + old);
    equal(new Standing("a", begin, 1, null, null), store.standing("a"), "the new one");
    equal(1, store.messages("a").size(), "its messages");
    write(store, new Append("a", 43, 1, List.of(outcome(1)), List.of(), null));
    equal(List.of(begin, outcome(1)), store.read("a"), "its journal");
  }

  private static void ends(Store store) throws Exception {
    for (Entry.Kind kind : List.of(Entry.Kind.RESULT, Entry.Kind.ERROR)) {
      String id = kind.name();
      write(store, append(id, begin(0)));
      store.send(id, message("m", null, "v"));
      var end = new Entry(2, 9, kind, "", 0, null);
      write(store, append(id, outcome(1), end));
      equal(List.of(), store.messages(id), "the messages of what has ended");
      equal(List.of(begin(0), outcome(1), end), store.read(id), "its journal");
      equal(Set.of(id), store.append(List.of(append(id, outcome(3)))), "who is refused");
      equal(end, Objects.requireNonNull(store.standing(id)).end(), "its end");
    }
    equal(List.of(), store.unparked(), "to be run");
  }

  private static void messages(Store store) throws IOException {
    write(store, append("a", begin(0)), append("b", begin(0)));
    for (int i = 0; i < 5; i++)
      equal(true, store.send("a", message("m" + i, i == 3 ? "k" : null, "v" + i)), "send");
    store.send("b", message("m", null, ODD));
    List<Message> expected = new ArrayList<>();
    for (int i = 0; i < 5; i++)
      expected.add(new Message(i, 5, "m" + i, i == 3 ? "k" : null, "v" + i));
    equal(expected, store.messages("a"), "messages");
    var received = new Entry(1, 6, Entry.Kind.MESSAGE, "main/m1", 0, "v1");
    write(store, new Append("a", SEED, 1, List.of(received), List.of(1L), null));
    expected.remove(1);
    equal(expected, store.messages("a"), "messages, without the one that was taken");
    write(store, new Append("a", SEED, 2, List.of(outcome(2)), List.of(4L, 0L), null));
    equal(expected.subList(1, 3), store.messages("a"), "messages, without three");
    store.send("a", message("m5", null, "v5"));
    equal(5L, store.messages("a").get(2).number(), "the number of the next one");
    equal(List.of(new Message(0, 5, "m", null, ODD)), store.messages("b"), "of another program");
  }

  private static void keys(Store store) throws IOException {
    write(store, append("a", begin(0)), append("b", begin(0)));
    for (int i = 0; i < 100; i++) equal(true, store.send("a", message("m", "k" + i, "v")), "first");
    for (int i = 0; i < 100; i++)
      equal(false, store.send("a", message("n", "k" + i, "w")), "again");
    equal(100, store.messages("a").size(), "messages");
    equal(true, store.send("b", message("m", "k1", "v")), "to another program");
    equal(true, store.send("b", message("m", null, "v")), "without a key");
    equal(true, store.send("b", message("m", null, "v")), "without a key, again");
    write(
        store,
        new Append(
            "a", SEED, 1, List.of(outcome(1)), LongStream.range(0, 100).boxed().toList(), null));
    equal(false, store.send("a", message("m", "k7", "v")), "after it was taken");
    write(store, append("a", result(2)));
    equal(false, store.send("a", message("m", "k7", "v")), "after the end");
    equal(List.of(), store.messages("a"), "messages after the end");
  }

  private static void refusesMessages(Store store) throws Exception {
    fails(
        IllegalStateException.class, "no program", () -> store.send("a", message("m", null, "v")));
    fails(IllegalStateException.class, "no program", () -> store.send("a", message("m", "k", "v")));
    write(store, append("a", begin(0), result(1)));
    fails(IllegalStateException.class, "an end", () -> store.send("a", message("m", null, "v")));
    fails(IllegalStateException.class, "an end", () -> store.send("a", message("m", "k", "v")));
    equal(List.of(), store.messages("a"), "messages");
  }

  private static void deletes(Store store) throws Exception {
    write(store, append("a", begin(0)), append("b", begin(0)));
    store.send("a", message("m", "k", "v"));
    fails(IllegalStateException.class, "a program that runs", () -> store.delete("a"));
    equal(List.of(begin(0)), store.read("a"), "a program that was not deleted");
    write(store, append("a", result(1)));
    equal(true, store.delete("a"), "delete");
    equal(false, store.delete("a"), "delete again");
    equal(List.of(), store.read("a"), "its journal");
    equal(null, store.standing("a"), "its standing");
    write(store, append("a", begin(0)));
    equal(true, store.send("a", message("m", "k", "v")), "a known key of one before it");
    equal(0L, store.messages("a").get(0).number(), "the number of its first message");
    equal(List.of(begin(0)), store.read("b"), "another program");
  }

  private static void prunes(Store store) throws IOException {
    for (int time : List.of(10, 20, 30)) {
      for (String kind : List.of("ended", "runs")) write(store, append(kind + time, begin(0)));
      write(
          store,
          append("ended" + time, new Entry(1, time, Entry.Kind.RESULT, "", 0, "v")),
          append("runs" + time, new Entry(1, time, Entry.Kind.OUTCOME, "k", 0, "v")));
    }
    equal(1L, store.prune(20), "pruned");
    equal(0L, store.prune(20), "pruned again");
    Set<String> left = new TreeSet<>();
    store.forEach(standing -> left.add(standing.id()));
    equal(Set.of("ended20", "ended30", "runs10", "runs20", "runs30"), left, "what is left");
    equal(2L, store.prune(Long.MAX_VALUE), "pruned in the end");
  }

  private static void listens(Store store) throws Exception {
    write(store, append("a", begin(0)));
    var heard = new CountDownLatch(3);
    Runnable end =
        store.listen(id -> {
          if (id.equals("a")) heard.countDown();
        });
    for (int i = 0; i < 3; i++) store.send("a", message("m", "k" + i, "v"));
    equal(true, heard.await(SECONDS, TimeUnit.SECONDS), "whether it hears of the messages");
    end.run();
    end.run();
    Set<String> late = Collections.synchronizedSet(new HashSet<>());
    var other = new CountDownLatch(1);
    store.listen(id -> other.countDown());
    store.listen(late::add).run();
    store.send("a", message("m", null, "v"));
    equal(true, other.await(SECONDS, TimeUnit.SECONDS), "whether another one hears of it");
    equal(Set.of(), late, "what is heard after the end");
  }

  private interface ThreadBody {
    void run(int thread) throws Exception;
  }

  private static void inThreads(int n, ThreadBody body) throws Exception {
    List<CompletableFuture<@Nullable Void>> ends = new ArrayList<>();
    for (int i = 0; i < n; i++) ends.add(inThread("suite " + i, i, body));
    for (CompletableFuture<@Nullable Void> end : ends) end.get(SECONDS, TimeUnit.SECONDS);
  }

  private static CompletableFuture<@Nullable Void> inThread(String name, int i, ThreadBody body) {
    CompletableFuture<@Nullable Void> end = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .name(name)
        .start(() -> {
          try {
            body.run(i);
            end.complete(null);
          } catch (Throwable t) {
            end.completeExceptionally(t);
          }
        });
    return end;
  }

  private static void threads(Store store) throws Exception {
    int entries = 100;
    inThreads(
        THREADS,
        thread -> {
          String id = "p" + thread;
          write(store, append(id, begin(0)));
          for (int n = 1; n <= entries; n++) {
            write(store, append(id, outcome(n)));
            store.send("p" + thread, message("m", null, "v" + n));
            equal(n + 1, store.read(id).size(), "what was read of what was appended");
            equal(n, store.messages(id).size(), "messages");
            store.unparked();
            store.due(n, 3);
            store.nextDue();
          }
          write(store, append(id, result(entries + 1)));
          if (thread % 2 == 0) equal(true, store.delete(id), "delete");
        });
    List<Entry> expected = new ArrayList<>(List.of(begin(0)));
    for (int n = 1; n <= entries; n++) expected.add(outcome(n));
    expected.add(result(entries + 1));
    for (int i = 0; i < THREADS; i++)
      equal(i % 2 == 0 ? List.of() : expected, store.read("p" + i), "the journal of " + i);
  }

  private static void interrupted(Store store) throws Exception {
    List<Call> calls =
        List.of(
            () -> write(store, append("a", begin(0)), append("b", begin(0), result(1))),
            () -> equal(List.of(begin(0)), store.read("a"), "read"),
            () ->
                equal(new Standing("a", begin(0), 1, null, null), store.standing("a"), "standing"),
            () -> store.forEach(standing -> equal(true, standing.next() > 0, "a standing")),
            () -> equal(List.of("a"), store.unparked(), "unparked"),
            () -> equal(List.of(), store.due(5, 5), "due"),
            () -> equal(Park.NEVER, store.nextDue(), "nextDue"),
            () -> equal(true, store.send("a", message("m", "k", "v")), "send"),
            () -> equal(1, store.messages("a").size(), "messages"),
            () -> write(store, append("a", outcome(1), result(2))),
            () -> equal(true, store.delete("b"), "delete"),
            () -> equal(1L, store.prune(Long.MAX_VALUE), "prune"));
    for (Call call : calls) {
      Thread.currentThread().interrupt();
      call.call();
      equal(true, Thread.interrupted(), "whether the interrupt stays");
    }
    write(store, append("a", begin(0)));
    equal(List.of(begin(0)), store.read("a"), "read in the end");
  }

  private static void interruptedMeanwhile(Store store) throws Exception {
    int entries = 200;
    var thread = new CompletableFuture<Thread>();
    CompletableFuture<@Nullable Void> end =
        inThread(
            "suite",
            0,
            i -> {
              thread.complete(Thread.currentThread());
              write(store, append("a", begin(0)));
              for (int n = 1; n <= entries; n++) {
                write(store, append("a", outcome(n)));
                equal(n + 1, store.read("a").size(), "read");
              }
            });
    int interrupts = 0;
    for (; !end.isDone() && interrupts < 1_000_000; interrupts++) {
      thread.get(SECONDS, TimeUnit.SECONDS).interrupt();
      Thread.yield();
    }
    end.get(SECONDS, TimeUnit.SECONDS);
    equal(entries + 1, store.read("a").size(), "read in the end");
  }

  private static void closed(Store store) throws Exception {
    write(store, append("a", begin(0)), append("b", begin(0), result(1)));
    store.close();
    store.close();
    List<Call> calls =
        Arrays.asList(
            () -> store.append(List.of(append("a", outcome(1)))),
            () -> store.read("a"),
            () -> store.standing("a"),
            () -> store.forEach(standing -> {}),
            store::unparked,
            () -> store.due(5, 5),
            store::nextDue,
            () -> store.send("a", message("m", "k", "v")),
            () -> store.messages("a"),
            () -> store.delete("b"),
            () -> store.prune(Long.MAX_VALUE));
    for (int i = 0; i < calls.size(); i++)
      fails(IOException.class, "call " + i + " of a closed store", calls.get(i));
  }

  private void closes(Store store) throws Exception {
    int[] written = new int[THREADS];
    var begun = new CountDownLatch(THREADS);
    var all =
        inThread(
            "suite",
            0,
            i ->
                inThreads(
                    THREADS,
                    thread -> {
                      try {
                        write(store, append("p" + thread, begin(0)));
                        for (int n = 1; ; n++) {
                          written[thread] = n;
                          begun.countDown();
                          write(store, append("p" + thread, outcome(n)));
                        }
                      } catch (IOException e) {
                        begun.countDown();
                      }
                    }));
    equal(true, begun.await(SECONDS, TimeUnit.SECONDS), "whether the threads have begun");
    store.close();
    all.get(SECONDS, TimeUnit.SECONDS);
    if (!isDurable) return;
    try (Store again = opener.open(CLOSED)) {
      for (int i = 0; i < THREADS; i++)
        equal(written[i], again.read("p" + i).size(), "what thread " + i + " has written");
    }
  }

  private void reopens(Store store) throws Exception {
    for (int i = 0; i < 50; i++) write(store, append("p" + i, begin(0), outcome(1)));
    for (int i = 0; i < 50; i += 2) store.send("p" + i, message("m", "k", "v" + i));
    for (int i = 0; i < 50; i += 3) write(store, park("p" + i, 2, 1000 + i, "m"));
    for (int i = 0; i < 50; i += 5) write(store, append("p" + i, result(2)));
    for (int i = 0; i < 50; i += 10) store.delete("p" + i);
    write(store, append("p1", new Entry(2, 5, Entry.Kind.RESTART, "g", 1, null), outcome(3)));
    List<Object> before = all(store);
    store.close();
    try (Store again = opener.open(REOPENED)) {
      List<Object> after = all(again);
      for (int i = 0; i < before.size(); i++)
        equal(before.get(i), after.get(i), "after it was opened");
      equal(false, again.send("p2", message("m", "k", "v")), "a known key");
      equal(true, again.send("p2", message("m", "l", "v")), "another key");
      equal(1L, again.messages("p2").get(1).number(), "the number of its message");
      equal(Set.of("p2"), again.append(List.of(append("p2", outcome(1)))), "who is refused");
      write(again, append("p2", outcome(2)));
      equal(Set.of("p1"), again.append(List.of(append("p1", outcome(4)))), "whose seed is older");
      write(again, new Append("p1", 1, 4, List.of(outcome(4)), List.of(), null));
    }
  }

  private static List<Object> all(Store store) throws IOException {
    List<Object> all = new ArrayList<>();
    all.add(new TreeSet<>(store.unparked()));
    all.add(new TreeSet<>(store.due(1020, 100)));
    all.add(store.nextDue());
    for (String id : IntStream.range(0, 50).mapToObj(i -> "p" + i).toList()) {
      all.add(store.read(id));
      all.add(id + " " + store.standing(id));
      all.add(store.messages(id));
    }
    return all;
  }
}
