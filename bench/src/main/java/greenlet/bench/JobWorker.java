package greenlet.bench;

import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import greenlet.hub.Hub;
import greenlet.hub.ResourcePool;
import greenlet.hub.Task;
import greenlet.io.HubSocketFactory;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Works jobs of a table, each taken in one transaction and finished in another, in a process of its own. Prints how many it does a
 * second, and the microseconds of CPU time that it takes for each. Arguments: hub or threads, the JDBC address, how many jobs
 * to warm up with, how many to measure.
 */
final class JobWorker {
  private static final int WORKERS = 100;
  static final int CONNECTIONS = 10;

  private static final String TABLES =
      """
      drop table if exists effect, job;
      create table job (id bigint primary key, due timestamptz not null default now(), done boolean not null default false);
      create index on job (due, id) where not done;
      create table effect (job bigint primary key references job, result text not null)
      """;
  private static final String TAKE =
      """
      update job set due = now() + interval '1 minute' where id = (
        select id from job where not done and due <= now() order by due, id limit 1 for update skip locked) returning id
      """;

  private interface Work {
    void run() throws Exception;
  }

  private interface Use<T extends @Nullable Object> {
    T apply(Connection connection) throws SQLException;
  }

  private interface Connections {
    <T extends @Nullable Object> T with(Use<T> use) throws SQLException;
  }

  private JobWorker() {}

  public static void main(String[] args) throws Exception {
    String url = args[1];
    int[] jobs = {Integer.parseInt(args[2]), Integer.parseInt(args[3])};
    switch (args[0]) {
      case "hub" -> Hub.realTime().run(() -> inHub(url, jobs));
      case "threads" -> inThreads(url, jobs);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static void inHub(String url, int[] jobs) throws Exception {
    String own = url + "&socketFactory=" + HubSocketFactory.class.getName();
    try (var pool =
        new ResourcePool<Connection>(
            CONNECTIONS, () -> DriverManager.getConnection(own), JobWorker::close)) {
      Connections connections =
          new Connections() {
            @Override
            public <T extends @Nullable Object> T with(Use<T> use) {
              return pool.use(use::apply);
            }
          };
      measure(
          connections,
          jobs,
          () -> {
            List<Task<?>> tasks = new ArrayList<>();
            for (int i = 0; i < WORKERS; i++)
              tasks.add(Hub.current().spawn(() -> work(connections)));
            tasks.forEach(Task::result);
          });
    }
  }

  private static void inThreads(String url, int[] jobs) throws Exception {
    var config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(CONNECTIONS);
    try (var pool = new HikariDataSource(config)) {
      Connections connections =
          new Connections() {
            @Override
            public <T extends @Nullable Object> T with(Use<T> use) throws SQLException {
              try (Connection connection = pool.getConnection()) {
                return use.apply(connection);
              }
            }
          };
      measure(
          connections,
          jobs,
          () -> {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < WORKERS; i++)
              threads.add(
                  Thread.startVirtualThread(() -> {
                    try {
                      work(connections);
                    } catch (SQLException e) {
                      throw new AssertionError(e);
                    }
                  }));
            for (Thread thread : threads) thread.join();
          });
    }
  }

  private static void close(Connection connection) {
    try {
      connection.close();
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  /** The last of {@code jobs} counts. */
  private static void measure(Connections connections, int[] jobs, Work workAll) throws Exception {
    long begun = 0;
    long cpu = 0;
    for (int n : jobs) {
      connections.with(c -> fill(c, n));
      begun = System.nanoTime();
      cpu = cpu();
      workAll.run();
    }
    int n = jobs[jobs.length - 1];
    double perSecond = n * 1e9 / (System.nanoTime() - begun);
    double microseconds = (cpu() - cpu) / 1e3 / n;
    long done = connections.with(JobWorker::countEffects);
    if (done != n) throw new AssertionError(done + " of " + n + " jobs are done");
    System.out.println(perSecond + " " + microseconds);
  }

  private static long cpu() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static boolean fill(Connection connection, int jobs) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(TABLES);
      return statement.execute("insert into job select generate_series(1, " + jobs + ")");
    }
  }

  private static long countEffects(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("select count(*) from effect")) {
      rows.next();
      return rows.getLong(1);
    }
  }

  private static void work(Connections connections) throws SQLException {
    for (Long job; (job = connections.with(JobWorker::take)) != null; ) {
      long id = job;
      connections.with(c -> finish(c, id));
    }
  }

  private static @Nullable Long take(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(TAKE);
        ResultSet rows = statement.executeQuery()) {
      return rows.next() ? rows.getLong(1) : null;
    }
  }

  private static boolean finish(Connection connection, long job) throws SQLException {
    connection.setAutoCommit(false);
    update(connection, "insert into effect values (?, 'done') on conflict do nothing", job);
    update(connection, "update job set done = true where id = ?", job);
    connection.commit();
    connection.setAutoCommit(true);
    return true;
  }

  private static void update(Connection connection, String sql, long job) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, job);
      statement.executeUpdate();
    }
  }
}
