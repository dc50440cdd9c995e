package greenlet.io;

import static greenlet.io.Clients.endsByKill;
import static greenlet.io.Clients.endsByLimit;
import static greenlet.io.Clients.numbers;
import static greenlet.io.Clients.together;
import static greenlet.io.Clients.until;
import static greenlet.io.Clients.whileOthersRun;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import greenlet.hub.Hub;
import greenlet.hub.ResourcePool;
import greenlet.hub.Semaphore;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Site;
import greenlet.testing.Threads;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.postgresql.PGConnection;

/** PostgreSQL's driver and HikariCP, unmodified, with sockets whose waits are the task's, in a plain hub on every engine. */
@ExtendWith(LeakCheck.class)
class DatabaseClientsTest {
  private static final String FOREVER = "pg_sleep(100)";
  private static final String CANCELLED = "57014";
  private static final String BROKEN = "08006";

  Clients clients() {
    return Clients.BY_FACTORY;
  }

  // Connections

  private static String plain() {
    return "sslmode=disable";
  }

  private static String tls() {
    return "sslmode=verify-full&sslrootcert=" + Servers.running().certificate();
  }

  private static String url(InetSocketAddress server, String parameters) {
    return "jdbc:postgresql://%s:%d/postgres?%s"
        .formatted(server.getAddress().getHostAddress(), server.getPort(), parameters);
  }

  private static InetSocketAddress server() {
    return new InetSocketAddress(Site.HERE, Servers.running().postgresqlPort());
  }

  private Properties properties() {
    var properties = new Properties();
    properties.setProperty("user", Servers.running().postgresqlUser());
    properties.setProperty("password", Servers.running().password());
    if (clients() == Clients.BY_FACTORY)
      properties.setProperty("socketFactory", "greenlet.io.HubSocketFactory");
    // else the server notices only when a query has ended that its client is gone
    properties.setProperty("options", "-c client_connection_check_interval=100");
    return properties;
  }

  private Connection connect(String parameters) throws SQLException {
    return connect(server(), parameters);
  }

  private Connection connect(InetSocketAddress server, String parameters) throws SQLException {
    return DriverManager.getConnection(url(server, parameters), properties());
  }

  private static String ask(Connection connection, String query) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(query)) {
      assertTrue(rows.next());
      return rows.getString(1);
    }
  }

  private static String askAfter(double seconds, Connection connection, int number)
      throws SQLException {
    return ask(connection, "select %d from pg_sleep(%s)".formatted(number, seconds));
  }

  private static int process(Connection connection) throws SQLException {
    return connection.unwrap(PGConnection.class).getBackendPID();
  }

  private static int last(Set<Integer> processes) {
    return List.copyOf(processes).getLast();
  }

  private static boolean isAsleep(Connection observer, int process) throws SQLException {
    return !count(observer, "pid = %d and wait_event = 'PgSleep'".formatted(process)).equals("0");
  }

  private static String count(Connection observer, String which) throws SQLException {
    return ask(observer, "select count(*) from pg_stat_activity where " + which);
  }

  private static String state(SQLException e) {
    return e.getSQLState();
  }

  private interface Use {
    void by(Connection connection) throws Exception;
  }

  private void with(String parameters, Use use) throws Exception {
    try (Connection connection = connect(parameters)) {
      use.by(connection);
    }
  }

  // PostgreSQL's driver

  @RootTest(Threads.PLATFORM)
  @DisplayName("PostgreSQL's driver: fifty queries of 0.1 s wait at the same time")
  void queries() {
    clients()
        .run(() -> {
          int many = 50;
          List<Connection> open = together(many, i -> () -> connect(plain()));
          for (int i = 0; i < 2; i++) { // the first time classes are loaded
            long begun = System.nanoTime();
            List<String> answers = together(many, n -> () -> askAfter(0.1, open.get(n), n));
            Duration took = Duration.ofNanos(System.nanoTime() - begun);
            assertEquals(numbers(many), answers);
            System.out.printf(
                "%s, %s: %d queries of 0.1 s in %s%n",
                getClass().getSimpleName(), Thread.currentThread(), many, took);
            assertTrue(took.compareTo(Duration.ofSeconds(2)) < 0, took::toString);
          }
          for (Connection each : open) each.close();
        });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver: cursors are read as far as asked for, by several tasks in turn")
  void cursors() {
    clients().run(() -> readCursors(plain()));
  }

  private void readCursors(String parameters) throws Exception {
    int tasks = 4;
    int rows = 30;
    List<Connection> open = together(tasks, i -> () -> connect(parameters));
    List<Integer> trace = new ArrayList<>();
    together(tasks, i -> Threads.callable(() -> readCursor(open.get(i), i, rows, trace)));
    for (Connection each : open) each.close();
    assertEquals(tasks * rows, trace.size());
    long turns =
        IntStream.range(1, trace.size())
            .filter(i -> !trace.get(i).equals(trace.get(i - 1)))
            .count();
    assertTrue(turns > tasks, trace::toString);
  }

  /** Whose rows would not fit into the memory. */
  private static void readCursor(Connection connection, int task, int rows, List<Integer> trace)
      throws SQLException {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.setFetchSize(10);
      try (ResultSet all =
          statement.executeQuery("select generate_series(1, 1000000000), pg_sleep(0.002)")) {
        for (int row = 1; row <= rows; row++) {
          assertTrue(all.next());
          assertEquals(row, all.getInt(1));
          trace.add(task);
        }
      }
    }
    connection.rollback();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("PostgreSQL's driver: 32 MB go there and back while other tasks ask")
  void largeParameter() {
    clients().run(() -> sendLargeParameter(plain(), 32));
  }

  private void sendLargeParameter(String parameters, int megabytes) throws Exception {
    byte[] sent = new byte[megabytes << 20];
    new Random(18).nextBytes(sent);
    with(
        parameters,
        small ->
            with(
                parameters + "&prepareThreshold=-1", // as bytes, not as text
                large -> {
                  Task<byte[]> echo = Hub.current().spawn(() -> echo(large, sent));
                  int answers = 0;
                  for (; !echo.isDone(); answers++)
                    assertEquals("" + answers, askAfter(0, small, answers));
                  assertArrayEquals(sent, echo.result());
                  assertTrue(answers > 2, "answers meanwhile: " + answers);
                }));
  }

  private static byte[] echo(Connection connection, byte[] sent) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("select ?::bytea")) {
      statement.setBytes(1, sent);
      try (ResultSet rows = statement.executeQuery()) {
        assertTrue(rows.next());
        return rows.getBytes(1);
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver: its timeouts end a connect, a read, a query and a login, while other tasks run")
  void timeouts() {
    clients()
        .run(() -> {
          try (var unanswered = new Unanswered();
              var silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            var mute = (InetSocketAddress) silent.getLocalSocketAddress();
            List<Callable<Void>> all =
                List.of(
                    () -> connectTimesOut(unanswered.address()),
                    () -> readTimesOut(),
                    () -> queryTimesOut(),
                    () -> loginTimesOut(mute));
            whileOthersRun(() -> together(all.size(), all::get));
          }
        });
  }

  private Void connectTimesOut(InetSocketAddress unanswered) {
    var e = assertThrows(SQLException.class, () -> connect(unanswered, "connectTimeout=1"));
    assertInstanceOf(SocketTimeoutException.class, e.getCause());
    return null;
  }

  private Void readTimesOut() throws Exception {
    with(
        plain() + "&socketTimeout=1",
        connection -> {
          var e = assertThrows(SQLException.class, () -> ask(connection, "select " + FOREVER));
          assertEquals(BROKEN, state(e));
          assertInstanceOf(SocketTimeoutException.class, e.getCause());
          assertTrue(connection.isClosed());
        });
    return null;
  }

  private Void queryTimesOut() throws Exception {
    with(
        plain(),
        connection -> {
          try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            var e =
                assertThrows(SQLException.class, () -> statement.executeQuery("select " + FOREVER));
            assertEquals(CANCELLED, state(e));
          }
          assertEquals("1", ask(connection, "select 1"));
        });
    return null;
  }

  /** The driver logs in in a thread of its own, and blocks the thread that waits for that: so in a plain hub by offload. */
  private Void loginTimesOut(InetSocketAddress mute) {
    Callable<Connection> login = () -> connect(mute, plain() + "&loginTimeout=1");
    var e =
        assertThrows(
            SQLException.class,
            () -> {
              if (clients() == Clients.BY_FACTORY) Hub.offload(login);
              else login.call();
            });
    assertTrue(e.getMessage().contains("timed out"), e::toString);
    return null;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver: another task cancels queries by offload, and their connection goes on")
  void cancel() {
    clients()
        .run(() -> {
          with(plain(), observer -> with(plain(), connection -> cancel(observer, connection, 20)));
          with(tls(), observer -> with(tls(), connection -> cancel(observer, connection, 3)));
        });
  }

  private void cancel(Connection observer, Connection connection, int times) throws Exception {
    for (int i = 0; i < times; i++) {
      try (Statement statement = connection.createStatement()) {
        Task<SQLException> query =
            Hub.current()
                .spawn(() ->
                    assertThrows(
                        SQLException.class, () -> statement.executeQuery("select " + FOREVER)));
        until(() -> query.isDone() || isAsleep(observer, process(connection)));
        Hub.offload(statement::cancel);
        assertEquals(CANCELLED, state(query.result()));
      }
      assertEquals("" + i, ask(connection, "select " + i));
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver: a limit or a kill in a query closes its connection, the pool of resources drops it, and others get right answers")
  void killed() {
    clients().run(() -> killInPool(plain()));
  }

  private void killInPool(String parameters) throws Exception {
    int size = 5;
    try (Connection observer = connect(parameters);
        var pool = new ResourcePool<>(size, () -> connect(parameters), Clients::close)) {
      usePool(pool);
      assertEquals(size, pool.idle());
      Map<Integer, Boolean> ended = new LinkedHashMap<>(); // whether it was of no use then
      Callable<String> query =
          () ->
              pool.use(connection -> {
                int process = process(connection);
                ended.put(process, false);
                try {
                  return ask(connection, "select 0 from " + FOREVER);
                } finally {
                  ended.put(process, isUseless(connection));
                }
              });
      endsByLimit(query);
      int before = ended.size();
      endsByKill(query, () -> ended.size() > before && isAsleep(observer, last(ended.keySet())));
      assertEquals(size - 2, pool.idle());
      assertEquals(List.of(true, true), List.copyOf(ended.values()));
      for (int each : ended.keySet()) until(() -> count(observer, "pid = " + each).equals("0"));
      usePool(pool);
      assertEquals(size, pool.idle());
    }
  }

  /** At once. */
  private static boolean isUseless(Connection connection) {
    try {
      return connection.isClosed() || ask(connection, "select 1") == null;
    } catch (SQLException e) { // the JDK's TLS does not know that the socket underneath is closed
      return true;
    }
  }

  private static void usePool(ResourcePool<Connection> pool) {
    int many = 30;
    List<String> answers =
        together(many, i -> () -> pool.use(connection -> askAfter(0.005, connection, i)));
    assertEquals(numbers(many), answers);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver with TLS: the server's name is checked; queries, cursors, 8 MB, kills as without")
  void overTls() {
    clients()
        .run(() -> {
          with(
              tls(),
              connection ->
                  assertEquals(
                      "t",
                      ask(connection, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")));
          List<String> answers =
              together(
                  10,
                  i ->
                      () -> {
                        try (Connection connection = connect(tls())) {
                          return askAfter(0.01, connection, i);
                        }
                      });
          assertEquals(numbers(10), answers);
          readCursors(tls());
          sendLargeParameter(tls(), 8);
          killInPool(tls());
        });
  }

  // HikariCP

  private HikariDataSource pool(int size, String parameters) {
    var config = new HikariConfig();
    config.setJdbcUrl(url(server(), parameters));
    config.setDataSourceProperties(properties());
    config.setMaximumPoolSize(size);
    config.setConnectionTimeout(TimeUnit.SECONDS.toMillis(30));
    return new HikariDataSource(config);
  }

  /** As many tasks at a time as there are connections: so nobody waits in the pool, which would block the thread. */
  private record Bounded(HikariDataSource pool, Semaphore places) {
    <T> T use(ResourcePool.Use<Connection, T> use) throws Exception {
      places.acquire();
      try (Connection connection = pool.getConnection()) {
        try {
          return use.apply(connection);
        } catch (Error e) { // a kill or a limit, of which the pool does not hear
          pool.evictConnection(connection);
          throw e;
        }
      } finally {
        places.release();
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "HikariCP behind a semaphore: fifty tasks share its connections, also after a limit and a kill have ended queries")
  void connectionPool() {
    clients()
        .run(() -> {
          shareConnections(plain());
          shareConnections(tls());
        });
  }

  private void shareConnections(String parameters) throws Exception {
    int size = 5;
    HikariDataSource pool = pool(size, parameters);
    var bounded = new Bounded(pool, Semaphore.bounded(size));
    try (Connection observer = connect(parameters)) {
      until(() -> pool.getHikariPoolMXBean().getIdleConnections() == size);
      Set<Integer> before = useBounded(bounded);
      assertEquals(size, before.size());
      Set<Integer> ended = new LinkedHashSet<>();
      Callable<String> query =
          () ->
              bounded.use(connection -> {
                ended.add(process(connection));
                return ask(connection, "select 0 from " + FOREVER);
              });
      endsByLimit(query);
      int endedBefore = ended.size();
      endsByKill(query, () -> ended.size() > endedBefore && isAsleep(observer, last(ended)));
      Set<Integer> after = useBounded(bounded);
      assertFalse(after.removeAll(ended), "connections of queries that were ended");
      assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
    } finally {
      Hub.offload(pool::close);
    }
  }

  private static Set<Integer> useBounded(Bounded bounded) {
    int many = 50;
    Set<Integer> processes = new HashSet<>();
    List<String> answers =
        together(
            many,
            i ->
                () ->
                    bounded.use(connection -> {
                      processes.add(process(connection));
                      return askAfter(0.005, connection, i);
                    }));
    assertEquals(numbers(many), answers);
    return processes;
  }
}
