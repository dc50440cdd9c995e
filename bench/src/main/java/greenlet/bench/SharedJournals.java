package greenlet.bench;

import greenlet.hub.Hub;
import greenlet.journal.Append;
import greenlet.journal.Codec;
import greenlet.journal.Entry;
import greenlet.journal.Host;
import greenlet.journal.JdbcStore;
import greenlet.journal.Journal;
import greenlet.journal.Park;
import greenlet.journal.Program;
import greenlet.journal.Worker;
import greenlet.journal.WorkerOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** The programs of a PostgreSQL, which workers share, each in a process of its own; what {@link JournalWorker} does with them. */
final class SharedJournals {
  private static final int AT_ONCE = 1000;
  private static final Duration LONG = Duration.ofDays(7);

  private static final Program<String, String> STEPPING =
      steps -> {
        for (int i = 0; i < Integer.parseInt(steps); i++) {
          int n = i;
          Journal.step("charge", () -> "receipt of customer " + n);
        }
        return "done";
      };

  private static final Program<String, String> SLEEPING =
      argument -> {
        Hub.sleep(LONG);
        return "awake";
      };

  private SharedJournals() {}

  private static DataSource source(String url) {
    var source = new PGSimpleDataSource();
    source.setURL(url);
    return source;
  }

  /** Works until its input ends. */
  static void work(String url) throws Exception {
    try (JdbcStore store = JdbcStore.open(source(url));
        Worker worker =
            new Worker(
                store,
                Codec.STRINGS,
                Map.of("steps", STEPPING, "sleep", SLEEPING),
                WorkerOptions.DEFAULT.poll(Duration.ofMillis(20)).most(2000))) {
      System.out.println("ready");
      while (System.in.read() >= 0) {}
    }
  }

  private static List<Process> workers(String url, int n, List<String> options) throws IOException {
    List<Process> workers = new ArrayList<>();
    for (int i = 0; i < n; i++)
      workers.add(
          new ProcessBuilder(Main.java(options, JournalWorker.class, List.of("work", url, "1")))
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start());
    for (Process worker : workers) {
      BufferedReader told = worker.inputReader();
      if (!"ready".equals(told.readLine())) throw new IOException("a worker has ended");
    }
    return workers;
  }

  private static void end(List<Process> workers) throws Exception {
    for (Process worker : workers) worker.getOutputStream().close();
    for (Process worker : workers) worker.waitFor();
  }

  private static List<String> ownOptions() {
    return ManagementFactory.getRuntimeMXBean().getInputArguments();
  }

  /** Steps a second of so many programs, in so many processes; the first time to warm up. */
  static double steps(String url, int workers, int programs, int steps) throws Exception {
    List<Process> processes = workers(url, workers, ownOptions());
    try (JdbcStore store = JdbcStore.open(source(url));
        Host client = Host.client(store, Codec.STRINGS, "")) {
      run(client, "warm " + workers + " ", programs, steps);
      long begun = System.nanoTime();
      run(client, workers + " ", programs, steps);
      return programs * steps * 1e9 / (System.nanoTime() - begun);
    } finally {
      end(processes);
    }
  }

  private static void run(Host client, String name, int programs, int steps) throws Exception {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < programs; i++) ids.add(name + i);
    JournalWorker.eachAtOnce(
        programs, i -> client.start(ids.get(i), "steps", STEPPING, String.valueOf(steps)));
    JournalWorker.eachAtOnce(programs, i -> client.result(ids.get(i)));
  }

  /** How many a second of so many programs, which have been parked and are due, a worker in a heap of 512 MB wakes, and ends. */
  static double woken(String url, int programs) throws Exception {
    try (JdbcStore store = JdbcStore.open(source(url))) {
      long begun = System.currentTimeMillis() - LONG.toMillis();
      for (int from = 0; from < programs; from += AT_ONCE) {
        List<Append> parked = new ArrayList<>();
        for (int i = from; i < Math.min(programs, from + AT_ONCE); i++) {
          var begin =
              new Entry(0, begun, Entry.Kind.BEGIN, "sleep", i, Codec.STRINGS.encode("Ada"));
          var park = new Park(begun + LONG.toMillis(), Set.of());
          parked.add(new Append("parked " + i, i, 0, List.of(begin), List.of(), park));
        }
        store.append(parked);
      }
    }
    List<String> options = new ArrayList<>(ownOptions());
    options.addAll(List.of("-Xmx512m", "-XX:+ExitOnOutOfMemoryError"));
    long begun = System.nanoTime();
    List<Process> worker = workers(url, 1, options);
    try (var connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement()) {
      long left = programs;
      while (left > 0) {
        if (!worker.get(0).isAlive())
          throw new IOException("the worker has ended, with " + left + " left");
        Thread.sleep(200);
        ResultSet found =
            statement.executeQuery(
                "select count(*) from greenlet_program where function = 'sleep' and ended is null");
        found.next();
        left = found.getLong(1);
      }
      double seconds = (System.nanoTime() - begun) / 1e9;
      ResultSet found =
          statement.executeQuery(
              "select count(*) from greenlet_program p where function = 'sleep' and next = 3 and"
                  + " (select count(*) from greenlet_entry e where e.program = p.id) = 3");
      found.next();
      if (found.getLong(1) != programs) throw new AssertionError("not each was woken once");
      return programs / seconds;
    } finally {
      end(worker);
    }
  }
}
