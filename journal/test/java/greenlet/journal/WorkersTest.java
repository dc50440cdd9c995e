package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import javax.sql.DataSource;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Workers in processes of their own, which are killed, or stand still for longer than their lease, on a PostgreSQL that is restarted
 * twice; {@code -Dgreenlet.journal.shared} is how many programs they run.
 */
@ExtendWith(LeakCheck.class)
class WorkersTest {
  private static final int PROGRAMS = Integer.getInteger("greenlet.journal.shared", 100);
  private static final long SEED = Long.getLong("greenlet.random.seed", System.nanoTime());
  private static final int WORKERS = 2;
  private static final int EVENTS = 12;
  private static final Duration LEASE = Duration.ofSeconds(2);
  private static final int STEPS = 7;

  /** A program whose steps leave a row each, by their key. */
  record Order(DataSource source) implements Program<String, String> {
    @Override
    public String run(String customer) {
      String reserved = step("reserve", customer);
      String items = Journal.receive("go");
      String paid =
          Hub.timeout(
              Duration.ofDays(7),
              () ->
                  Hub.joiningScope(() -> {
                    List<Task<String>> tasks = new ArrayList<>();
                    for (String name : List.of("charge", "mail"))
                      tasks.add(
                          Hub.current()
                              .spawn(
                                  name,
                                  () -> {
                                    String first = step(name, items);
                                    Hub.sleep(Duration.ofMillis(20));
                                    return step(name + " again", first);
                                  }));
                    return tasks.get(0).result() + tasks.get(1).result();
                  }),
              () -> "late");
      Hub.sleep(Duration.ofMillis(20));
      return step("ship", step("pack", reserved + paid));
    }

    private String step(String name, String argument) {
      return Journal.step(
          Step.named(name).attempts(1000, Duration.ofMillis(20)),
          () -> {
            insert(Journal.stepKey());
            return "%s(%x)".formatted(name, Hash.of(argument));
          },
          argument);
    }

    private void insert(String key) throws SQLException {
      try (Connection connection = source.getConnection();
          PreparedStatement insert =
              connection.prepareStatement(
                  "insert into effects values (?) on conflict do nothing")) {
        insert.setString(1, key);
        insert.executeUpdate();
      }
    }
  }

  /** A process. */
  static final class Working {
    private Working() {}

    public static void main(String[] args) throws Exception {
      DataSource source = source(args[0]);
      JdbcStore store = JdbcStore.open(source);
      var options =
          WorkerOptions.DEFAULT.name(args[1]).lease(LEASE).poll(Duration.ofMillis(50)).threads(2);
      try (var pool = pool(args[0]);
          Worker worker =
              new Worker(store, Codec.STRINGS, Map.of("order", new Order(pool)), options)) {
        while (System.in.read() >= 0) {}
      }
      System.exit(0);
    }
  }

  private static HikariDataSource pool(String url) {
    var config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(8);
    config.setConnectionTimeout(2000);
    return new HikariDataSource(config);
  }

  private static DataSource source(String url) {
    var source = new PGSimpleDataSource();
    source.setURL(url);
    return source;
  }

  private Servers servers;
  private String url;
  private final Random random = new Random(SEED);
  private final Process[] processes = new Process[WORKERS];
  private final String[] nameOf = new String[WORKERS];
  private int names;

  private void start(int i) throws IOException {
    nameOf[i] = "worker" + ++names;
    String java = ProcessHandle.current().info().command().orElseThrow();
    List<String> command = new ArrayList<>(List.of(java));
    for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments())
      if (option.startsWith("--add-") || option.startsWith("-Dgreenlet.engine"))
        command.add(option);
    command.addAll(
        List.of(
            "-Xmx128m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            Working.class.getName(),
            url,
            nameOf[i]));
    processes[i] =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  private static void signal(Process process, String name) throws Exception {
    Threads.await(new ProcessBuilder("kill", "-" + name, "" + process.pid()).start());
  }

  private void kill(int i) throws Exception {
    processes[i].destroyForcibly();
    Threads.await(processes[i]);
    start(i);
  }

  /** Until another one has found its leases to have ended. */
  private void stop(int i, Connection connection) throws Exception {
    signal(processes[i], "STOP");
    try {
      Set<String> leases = leases(connection);
      leases.removeIf(lease -> !lease.startsWith(nameOf[i] + "-"));
      Threads.until(() -> {
        try {
          return Collections.disjoint(leases, leases(connection));
        } catch (SQLException e) {
          throw Sneaky.unchecked(e);
        }
      });
    } finally {
      signal(processes[i], "CONT");
    }
  }

  private static Set<String> leases(Connection connection) throws SQLException {
    Set<String> names = new HashSet<>();
    try (Statement statement = connection.createStatement();
        var found = statement.executeQuery("select name from greenlet_worker")) {
      while (found.next()) names.add(found.getString(1));
    }
    return names;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Each program ends once, with the right result, and each effect is there")
  void each() throws Throwable {
    try (Servers own = Servers.start();
        var store = started(own);
        var client = Host.client(store, Codec.STRINGS, "")) {
      for (int i = 0; i < WORKERS; i++) start(i);
      List<String> ids = new ArrayList<>();
      for (int i = 0; i < PROGRAMS; i++) ids.add("order-" + i);
      for (String id : ids) client.start(id, "order", new Order(source(url)), id);
      for (int i = 0; i < PROGRAMS; i++) {
        client.send(ids.get(i), "go", "items " + i, "go");
        int per = Math.max(1, PROGRAMS / EVENTS);
        if (i % per == per - 1) disturb(i / per);
      }
      for (String id : ids) check(id, client.result(id), store.read(id));
      assertEquals(keys(ids), effects());
      assertTrue(store.unparked().isEmpty());
    } finally {
      for (Process each : processes) if (each != null) each.destroyForcibly();
      for (Process each : processes) if (each != null) Threads.await(each);
    }
  }

  private JdbcStore started(Servers own) throws Exception {
    servers = own;
    url =
        "jdbc:postgresql://127.0.0.1:%d/postgres?user=%s&password=%s&sslmode=disable"
            .formatted(own.postgresqlPort(), own.postgresqlUser(), own.password());
    try (Connection connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement()) {
      statement.execute("create table effects (key text primary key)");
    }
    return JdbcStore.open(source(url));
  }

  private void disturb(int event) throws Throwable {
    int i = random.nextInt(WORKERS);
    if (event == EVENTS / 3 || event == 2 * EVENTS / 3) {
      servers.restartPostgresql();
    } else if (random.nextBoolean()) {
      kill(i);
    } else {
      try (Connection connection = DriverManager.getConnection(url)) {
        stop(i, connection);
      }
    }
  }

  private void check(String id, String result, List<Entry> entries) {
    String seed = "seed " + SEED + ", " + id;
    assertEquals(Entry.Kind.BEGIN, entries.get(0).kind(), seed);
    Entry end = entries.get(entries.size() - 1);
    assertEquals(Entry.Kind.RESULT, end.kind(), seed);
    assertEquals(result, Codec.STRINGS.decode(end.value()), seed);
    Replay replay = Replay.of(id, new Order(source(url)), Codec.STRINGS, entries, Long.MAX_VALUE);
    assertEquals(result, replay.result(), seed);
    assertEquals(STEPS, entries.stream().filter(e -> e.kind() == Entry.Kind.OUTCOME).count(), seed);
  }

  private static Set<String> keys(List<String> ids) {
    Set<String> keys = new TreeSet<>();
    for (String id : ids)
      for (String key :
          List.of(
              "main:reserve#0",
              "main/charge.0:charge#0",
              "main/charge.0:charge again#0",
              "main/mail.0:mail#0",
              "main/mail.0:mail again#0",
              "main:pack#0",
              "main:ship#0")) keys.add(id + "/0/" + key);
    return keys;
  }

  private Set<String> effects() throws SQLException {
    Set<String> keys = new TreeSet<>();
    try (Connection connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement();
        var found = statement.executeQuery("select key from effects")) {
      while (found.next()) keys.add(found.getString(1));
    }
    return keys;
  }
}
