package greenlet.bench;

import clojure.lang.IDeref;
import clojure.lang.Keyword;
import clojure.lang.PersistentArrayMap;
import clojure.lang.PersistentVector;
import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.dbos.transact.DBOS;
import dev.dbos.transact.StartWorkflowOptions;
import dev.dbos.transact.config.DBOSConfig;
import dev.dbos.transact.workflow.Workflow;
import dev.dbos.transact.workflow.WorkflowHandle;
import greenlet.journal.Codec;
import greenlet.journal.DirectoryStore;
import greenlet.journal.Entry;
import greenlet.journal.Host;
import greenlet.journal.Journal;
import greenlet.journal.MemoryStore;
import greenlet.journal.Program;
import greenlet.journal.Replay;
import greenlet.journal.Store;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Does what durable programs do, in a process of its own, and prints what came out, a number and its name a line. Arguments: what,
 * where (a directory, or the JDBC address), and 1 for a measurement; n for the n-th part of one.
 */
final class JournalWorker {
  static final int PROGRAMS = 1000;
  static final int STEPS = 20;

  /** Of one program alone, which waits for the disk at each. */
  private static final int STEPS_ALONE = 1000;

  private static final int CONNECTIONS = JobWorker.CONNECTIONS; // as DBOS has them
  private static final int FORGOTTEN = 1_000_000;
  private static final int IDLE = 10_000;
  private static final int REPLAYED = 10_000;
  private static final double SECOND = 1e9;
  private static final String RECEIPT = "receipt of customer ";

  private static int divisor;

  private JournalWorker() {}

  public static void main(String[] args) throws Exception {
    String where = args[1];
    divisor = Integer.parseInt(args[2]);
    switch (args[0]) {
      case "file" -> file(Path.of(where));
      case "journal" -> journal(Path.of(where));
      case "insert" -> insert(where);
      case "dbos" -> dbos(where);
      case "replay" -> replay(Path.of(where));
      case "idle" -> idle(Path.of(where));
      case "forgotten" -> forgotten(Path.of(where));
      case "work" -> SharedJournals.work(where);
      case "shared" -> shared(where);
      case "parked" -> tell(Journals.WOKEN, SharedJournals.woken(where, part(FORGOTTEN)));
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0); // whatever threads DBOS has left
  }

  private static int part(int n) {
    return Math.max(10, n / divisor);
  }

  private static void shared(String url) throws Exception {
    int[] workers = {1, 2, 4};
    for (int i = 0; i < workers.length; i++)
      tell(Journals.WORKERS.get(i), SharedJournals.steps(url, workers[i], part(PROGRAMS), STEPS));
  }

  /** Each in a thread. */
  static void eachAtOnce(int n, Numbered each) throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Future<?> future : all(threads, n, each)) future.get();
    }
  }

  private static void tell(String what, double value) {
    System.out.println(value + " " + what);
  }

  /** Runs it in two sizes, the first to warm up; tells how many steps a second the second has done, and its CPU time a step. */
  private static void tellSteps(String alone, String many, Steps steps) throws Exception {
    steps.run(1, part(STEPS_ALONE) / 2);
    steps.run(part(PROGRAMS), STEPS);
    long cpu = cpu();
    tell(many, perSecond(part(PROGRAMS) * STEPS, () -> steps.run(part(PROGRAMS), STEPS)));
    tell(Journals.CPU, (cpu() - cpu) / 1e3 / (part(PROGRAMS) * STEPS));
    tell(alone, perSecond(part(STEPS_ALONE), () -> steps.run(1, part(STEPS_ALONE))));
  }

  private interface Steps {
    void run(int programs, int each) throws Exception;
  }

  private interface Work {
    void run() throws Exception;
  }

  private static double perSecond(int operations, Work work) throws Exception {
    long begun = System.nanoTime();
    work.run();
    return operations * SECOND / (System.nanoTime() - begun);
  }

  private static long cpu() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static long heap() {
    for (int i = 0; i < 3; i++) System.gc();
    var runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  private static List<Future<?>> all(ExecutorService threads, int n, Numbered each) {
    List<Future<?>> all = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      int number = i;
      all.add(
          threads.submit(() -> {
            each.run(number);
            return null;
          }));
    }
    return all;
  }

  interface Numbered {
    void run(int number) throws Exception;
  }

  // Plain

  /** Appends what an entry takes to a file: each is forced alone, or so many at once as there are programs. */
  private static void file(Path directory) throws Exception {
    Path file = directory.resolve("file");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      ByteBuffer entry = ByteBuffer.allocate(Journals.ENTRY_BYTES);
      tellSteps(
          Journals.ALONE,
          Journals.MANY,
          (programs, steps) -> {
            for (int step = 0; step < steps; step++) {
              for (int i = 0; i < programs; i++) channel.write(entry.rewind());
              channel.force(false);
            }
          });
    }
  }

  /** Inserts a row and commits, for each step. */
  private static void insert(String url) throws Exception {
    var config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(CONNECTIONS);
    try (var pool = new HikariDataSource(config);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      try (Connection connection = pool.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute(
            "create table step (id bigserial primary key, program text, n int, value text)");
      }
      tellSteps(
          Journals.ALONE,
          Journals.MANY,
          (programs, steps) -> {
            Numbered program =
                number -> {
                  for (int n = 0; n < steps; n++) insert(pool, number, n);
                };
            for (Future<?> each : all(threads, programs, program)) each.get();
          });
    }
  }

  private static void insert(HikariDataSource pool, int program, int n) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement =
            connection.prepareStatement("insert into step (program, n, value) values (?, ?, ?)")) {
      statement.setString(1, "program " + program);
      statement.setInt(2, n);
      statement.setString(3, RECEIPT + n);
      statement.executeUpdate(); // and commits
    }
  }

  // This library

  private static final Program<String, String> STEPPING =
      steps -> {
        for (int i = 0; i < Integer.parseInt(steps); i++) {
          int n = i;
          Journal.step("charge", () -> RECEIPT + n);
        }
        return "done";
      };

  private static void journal(Path directory) throws Exception {
    try (Store store = DirectoryStore.open(directory.resolve("store"));
        Host host = new Host(store, Codec.STRINGS);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      int[] runs = {0};
      Steps run =
          (programs, steps) -> {
            int serial = runs[0]++;
            Numbered program =
                number ->
                    host.execute(serial + "-" + number, "steps", STEPPING, String.valueOf(steps));
            for (Future<?> each : all(threads, programs, program)) each.get();
          };
      tellSteps(Journals.ALONE, Journals.MANY, run);
      tell(Journals.BEGUN, perSecond(part(PROGRAMS) * 10, () -> run.run(part(PROGRAMS) * 10, 0)));
      long before = size(directory);
      run.run(part(PROGRAMS), STEPS);
      // each program has a beginning and an end, too
      tell(Journals.BYTES, (double) (size(directory) - before) / (part(PROGRAMS) * (STEPS + 2)));
    }
  }

  private static long size(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
    }
  }

  /** How many entries of journals a second are delivered, whose values are decoded at once; and with EDN, out of a directory. */
  private static void replay(Path directory) throws Exception {
    try (Store store = new MemoryStore();
        Host host = new Host(store, Codec.STRINGS)) {
      int steps = part(REPLAYED);
      host.execute("long", "steps", STEPPING, String.valueOf(steps));
      List<Entry> entries = store.read("long");
      Work delivering = () -> Replay.of("long", STEPPING, Codec.STRINGS, entries, Long.MAX_VALUE);
      tell(Journals.DELIVERED, median(entries.size(), delivering));
    }
    edn(directory.resolve("store"));
  }

  private static void edn(Path directory) throws Exception {
    Codec codec = (Codec) ((IDeref) new ClojureCode("greenlet.journal").fn("edn")).deref();
    Program<Object, Object> program =
        steps -> {
          Object last = null;
          for (long i = 0; i < (Long) steps; i++) {
            long n = i;
            last = Journal.step("charge", () -> receipt(n), n);
          }
          return last;
        };
    int programs = part(PROGRAMS);
    try (Store store = DirectoryStore.open(directory)) {
      try (Host host = new Host(store, codec);
          var threads = Executors.newVirtualThreadPerTaskExecutor()) {
        Numbered each = n -> host.execute("p" + n, "edn", program, (long) STEPS);
        for (Future<?> future : all(threads, programs, each)) future.get();
      }
      List<String> values = new ArrayList<>();
      for (int i = 0; i < programs; i++)
        for (Entry entry : store.read("p" + i)) values.add(entry.value());
      int n = values.size();
      Work reading = () -> values.forEach(codec::decode);
      Work replaying =
          () -> {
            for (int i = 0; i < programs; i++) {
              String id = "p" + i;
              Replay.of(id, program, codec, store.read(id), Long.MAX_VALUE);
            }
          };
      tell(Journals.DECODED, median(n, reading));
      tell(Journals.READ, median(n, replaying));
    }
  }

  private static Object receipt(long n) {
    return PersistentArrayMap.createWithCheck(
        new Object[] {
          Keyword.intern("receipt"),
          RECEIPT + n,
          Keyword.intern("items"),
          PersistentVector.create(n, n + 1, n + 2),
          Keyword.intern("paid"),
          true
        });
  }

  /** As often as it takes to be compiled; the median of the later half. */
  private static double median(int operations, Work work) throws Exception {
    int times = Math.max(4, 40 / divisor);
    double[] each = new double[times];
    for (int i = 0; i < times; i++) each[i] = perSecond(operations, work);
    return new Measurement("", "", Arrays.copyOfRange(each, times / 2, times)).median();
  }

  private static final Program<String, String> WAITING = name -> Journal.receive("items");

  /** What a program holds that waits for a message, beyond what is left when its host has forgotten it. */
  private static void idle(Path directory) throws Exception {
    int n = part(IDLE);
    try (Store store = DirectoryStore.open(directory.resolve("store"))) {
      long forgotten;
      long idle;
      try (Host host = new Host(store, Codec.STRINGS).keep(n)) {
        start(host, n);
        host.programs(); // all that the host was told before is done
        idle = heap();
      }
      forgotten = heap();
      if (!store.unparked().isEmpty()) throw new AssertionError("not all programs are parked");
      tell(Journals.IDLE, (double) (idle - forgotten) / n);
    }
  }

  private static void start(Host host, int n) throws Exception {
    int atOnce = 1000;
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int from = 0; from < n; from += atOnce) {
        int first = from;
        Numbered each = i -> host.start("order-" + (first + i), "wait", WAITING, "Ada");
        for (Future<?> begun : all(threads, Math.min(atOnce, n - from), each)) begun.get();
      }
    }
  }

  /** A host that keeps few programs, of a million that wait; then the store is opened again, and some get their message. */
  private static void forgotten(Path directory) throws Exception {
    int n = part(FORGOTTEN);
    Path store = directory.resolve("store");
    long before = heap();
    try (Store open = DirectoryStore.open(store);
        Host host = new Host(open, Codec.STRINGS).keep(1000)) {
      tell(Journals.PARKED, perSecond(n, () -> start(host, n)));
    }
    long begun = System.nanoTime();
    try (Store open = DirectoryStore.open(store);
        Host host = new Host(open, Codec.STRINGS).functions(name -> WAITING)) {
      tell(Journals.OPENED, (System.nanoTime() - begun) / SECOND);
      tell(Journals.FORGOTTEN, (double) (heap() - before) / n);
      for (int i = 0; i < n; i += n / 10) {
        host.send("order-" + i, "items", "tea", null);
        if (!"tea".equals(host.result("order-" + i))) throw new AssertionError(i);
      }
    }
  }

  // DBOS

  /** A workflow of DBOS: its own proxy calls it. */
  public interface Stepping {
    /** Does so many steps. */
    String run(int steps);
  }

  /** The same as {@link #STEPPING}. */
  public static final class SteppingInDbos implements Stepping {
    private final DBOS dbos;

    SteppingInDbos(DBOS dbos) {
      this.dbos = dbos;
    }

    @Override
    @Workflow(name = "steps")
    public String run(int steps) {
      for (int i = 0; i < steps; i++) {
        int n = i;
        dbos.runStep(() -> RECEIPT + n, "charge");
      }
      return "done";
    }
  }

  private static void dbos(String url) throws Exception {
    String[] parts = url.split("[?&]");
    DBOSConfig config =
        DBOSConfig.defaults("bench")
            .withDatabaseUrl(parts[0])
            .withDbUser("postgres")
            .withDbPassword(parts[2].substring("password=".length()))
            .withAppVersion("1");
    try (var dbos = new DBOS(config)) {
      Stepping stepping = dbos.registerProxy(Stepping.class, new SteppingInDbos(dbos));
      dbos.launch();
      int[] runs = {0};
      try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
        Steps run =
            (programs, steps) -> {
              int serial = runs[0]++;
              Numbered program =
                  number -> {
                    var options = new StartWorkflowOptions(serial + "-" + number);
                    WorkflowHandle<String, RuntimeException> handle =
                        dbos.startWorkflow(() -> stepping.run(steps), options);
                    handle.getResult();
                  };
              for (Future<?> each : all(threads, programs, program)) each.get();
            };
        tellSteps(Journals.ALONE, Journals.MANY, run);
        tell(Journals.BEGUN, perSecond(part(PROGRAMS), () -> run.run(part(PROGRAMS), 0)));
      }
    }
  }
}
