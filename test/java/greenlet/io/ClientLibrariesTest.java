package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import greenlet.Program;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Threads;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.Jedis;

/** Client libraries, unmodified, that are given a factory of sockets: their waits are the task's, in a plain hub on every engine. */
@ExtendWith(LeakCheck.class)
class ClientLibrariesTest {
  private static final int MANY = 20;

  private static Connection connect() throws SQLException {
    Servers servers = Servers.running();
    var properties = new Properties();
    properties.setProperty("user", servers.postgresqlUser());
    properties.setProperty("password", servers.password());
    properties.setProperty("socketFactory", HubSocketFactory.class.getName());
    return DriverManager.getConnection(
        "jdbc:postgresql://127.0.0.1:%d/postgres".formatted(servers.postgresqlPort()), properties);
  }

  private static int one(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getInt(1);
    }
  }

  @RootTest
  @DisplayName(
      "PostgreSQL's driver: queries overlap in one thread; who runs out of time closes the connection")
  void postgresql() {
    Hub.realTime()
        .raiseFailures()
        .run(
            Threads.callable(() -> {
              List<Connection> open = new ArrayList<>();
              for (int i = 0; i < MANY; i++) open.add(connect());
              // all wait for a lock of the database's that the first one gives back when all others
              // wait for it
              one(open.get(0), "select 1 from pg_advisory_lock(17)");
              List<Task<Integer>> waiting = new ArrayList<>();
              for (int i = 1; i < MANY - 1; i++) {
                Connection mine = open.get(i);
                int number = i;
                waiting.add(
                    Hub.current()
                        .spawn(() -> {
                          one(mine, "select 1 from pg_advisory_lock_shared(17)");
                          return one(mine, "select " + number);
                        }));
              }
              String blocked =
                  "select count(*)::int from pg_locks where locktype = 'advisory' and not granted";
              while (one(open.get(MANY - 1), blocked) < MANY - 2) Hub.sleep(Duration.ofMillis(1));
              one(open.get(0), "select 1 from pg_advisory_unlock(17)");
              for (int i = 1; i < MANY - 1; i++) assertEquals(i, waiting.get(i - 1).result());
              Connection last = open.get(MANY - 1);
              assertThrows(
                  TimeoutException.class,
                  () ->
                      Hub.timeout(
                          Duration.ofMillis(5), () -> one(last, "select 1 from pg_sleep(100)")));
              assertThrows(SQLException.class, () -> one(last, "select 1"));
              assertEquals(2, one(open.get(0), "select 2"));
              for (Connection each : open) each.close();
            }));
  }

  @RootTest
  @DisplayName("Jedis: a blocking take waits as its task")
  void redis() {
    Hub.realTime()
        .raiseFailures()
        .run(
            Threads.callable(() -> {
              Task<List<String>> taker =
                  Hub.current()
                      .spawn(() -> {
                        try (Jedis jedis = jedis()) {
                          return jedis.blpop(0, "hub-sockets");
                        }
                      });
              try (Jedis jedis = jedis()) {
                jedis.rpush("hub-sockets", "a");
              }
              assertEquals(List.of("hub-sockets", "a"), taker.result());
            }));
  }

  private static Jedis jedis() {
    return new Jedis(
        () -> {
          try {
            return new HubSocket("127.0.0.1", Servers.running().redisPort());
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        },
        DefaultJedisClientConfig.builder().password(Servers.running().password()).build());
  }

  @RootTest
  @DisplayName("OkHttp: a request waits as its task")
  void http() throws Exception {
    try (var server = new SlowHttp()) {
      Hub.realTime()
          .raiseFailures()
          .run(
              Threads.callable(() -> {
                var client =
                    new OkHttpClient.Builder().socketFactory(new HubSocketFactory()).build();
                Task<String> slow =
                    Hub.current()
                        .spawn(() -> {
                          try (Response response =
                              client
                                  .newCall(new Request.Builder().url(server.url()).build())
                                  .execute()) {
                            return response.body().string();
                          }
                        });
                Hub.offload(Threads.callable(() -> Threads.await(server.asked)));
                server.answer.countDown();
                assertEquals("hello", slow.result());
                client.connectionPool().evictAll();
              }));
    }
  }

  /** Answers when it is told to. */
  private static final class SlowHttp implements AutoCloseable {
    final CountDownLatch asked = new CountDownLatch(1);
    final CountDownLatch answer = new CountDownLatch(1);
    private final HttpServer server;

    SlowHttp() throws Exception {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 50);
      server.createContext(
          "/",
          exchange -> {
            asked.countDown();
            try {
              Threads.await(answer);
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
            byte[] hello = "hello".getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, hello.length);
            exchange.getResponseBody().write(hello);
            exchange.close();
          });
      server.start();
    }

    String url() {
      return "http://127.0.0.1:" + server.getAddress().getPort() + "/";
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }

  @RootTest
  @DisplayName("Installed in a JVM, it is below every new socket: HttpURLConnection, ServerSocket")
  void installed() throws Exception {
    List<String> options =
        new ArrayList<>(ManagementFactory.getRuntimeMXBean().getInputArguments());
    options.addAll(
        List.of("-cp", System.getProperty("java.class.path"), ClientLibrariesTest.class.getName()));
    List<String> lines = new Program("installed").launch(options);
    assertTrue(lines.contains("hello, after 7"), () -> String.join("\n", lines));
  }

  /** In a JVM of its own. */
  public static void main(String[] args) throws Exception {
    HubSocketFactory.install();
    assertThrows(IOException.class, HubSocketFactory::install);
    var server = new SlowHttp();
    Hub.realTime()
        .run(
            Threads.callable(() -> {
              Task<String> slow =
                  Hub.current()
                      .spawn(() -> {
                        var connection =
                            (HttpURLConnection) URI.create(server.url()).toURL().openConnection();
                        try (var reader =
                            new BufferedReader(
                                new InputStreamReader(
                                    connection.getInputStream(), StandardCharsets.UTF_8))) {
                          return reader.readLine();
                        }
                      });
              int got;
              try (var plain = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
                Task<Socket> accepted = Hub.current().spawn(plain::accept);
                try (var client =
                        new Socket(InetAddress.getLoopbackAddress(), plain.getLocalPort());
                    Socket far = accepted.result()) {
                  Task<Integer> reader = Hub.current().spawn(() -> client.getInputStream().read());
                  Hub.sleep(Duration.ZERO);
                  far.getOutputStream().write(7);
                  got = reader.result();
                }
              }
              server.answer.countDown();
              System.out.println(slow.result() + ", after " + got);
            }));
    System.exit(0);
  }
}
