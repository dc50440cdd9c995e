package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import greenlet.GreenletExit;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Site;
import greenlet.testing.Threads;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.postgresql.PGConnection;
import redis.clients.jedis.ConnectionPoolConfig;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.RedisClient;

/** Client libraries, unmodified, in tasks of a cooperative hub, all carried by its one thread. */
@NothingSuspended
class ClientsTest {
  private static final Duration SHORT = Duration.ofMillis(100);
  private static final Duration PROMPT = Duration.ofSeconds(10);

  /** In seconds: longer than a test may take. */
  private static final int FOREVER = 100;

  private static final String HERE = Site.HERE;
  private static final String LIMIT = "limit";
  private static final String KILL = "kill";

  private static final Set<Thread> STARTED_BEFORE = platformThreads();

  /** {@code Thread.currentCarrierThread()}, which the flag that carrying needs opens. */
  private static Method currentCarrier;

  private final Set<Thread> carriers = ConcurrentHashMap.newKeySet();

  @BeforeAll
  static void needsCooperativeHub() throws Exception {
    try {
      Hub.realTime().cooperative();
    } catch (IllegalStateException e) {
      assumeTrue(false, e.getMessage());
    }
    currentCarrier = Thread.class.getDeclaredMethod("currentCarrierThread");
    currentCarrier.setAccessible(true);
  }

  // In the hub

  /** Asserts that this is a task of {@code hub} on a virtual thread; records the thread that carries it. */
  private void assertCarried(Hub hub) throws Exception {
    assertTrue(Thread.currentThread().isVirtual());
    assertSame(hub, Hub.current());
    assertTrue(hub.isHere());
    carriers.add((Thread) currentCarrier.invoke(null));
  }

  private void inHub(Task.Action body) {
    Hub.realTime()
        .cooperative()
        .raiseFailures()
        .run(() -> {
          assertCarried(Hub.current());
          body.run();
          assertCarried(Hub.current());
        });
    assertEquals(Set.of(Thread.currentThread()), carriers);
  }

  private <T> Task<T> spawn(Hub hub, Callable<T> body) {
    return hub.spawn(() -> {
      assertCarried(hub);
      T result = body.call();
      assertCarried(hub);
      return result;
    });
  }

  private <T> Task<T> spawn(Callable<T> body) {
    return spawn(Hub.current(), body);
  }

  /** The results of {@code many} tasks that run at the same time. */
  private <T> List<T> together(int many, IntFunction<Callable<T>> body) {
    List<Task<T>> tasks = IntStream.range(0, many).mapToObj(i -> spawn(body.apply(i))).toList();
    return tasks.stream().map(Task::result).toList();
  }

  /** A wait that only a limit or a kill ends. */
  private interface Wait {
    Object begin(String endedBy) throws Exception;
  }

  private void endsByLimit(Wait wait) {
    long begun = System.nanoTime();
    assertThrows(TimeoutException.class, () -> Hub.timeout(SHORT, () -> wait.begin(LIMIT)));
    assertPrompt(begun);
  }

  private void endsByKill(Wait wait, Task.Action untilItWaits) throws Exception {
    Task<Object> task = spawn(() -> wait.begin(KILL));
    Hub.callable(untilItWaits).call();
    long begun = System.nanoTime();
    task.kill();
    assertInstanceOf(GreenletExit.class, task.exception());
    assertPrompt(begun);
  }

  private static void assertPrompt(long begun) {
    Duration took = since(begun);
    assertTrue(took.compareTo(PROMPT) < 0, took::toString);
  }

  private static void say(String what) {
    System.out.println("ClientsTest: " + what);
  }

  private static Duration since(long nanoTime) {
    return Duration.ofNanos(System.nanoTime() - nanoTime);
  }

  private static List<String> numbers(int many) {
    return IntStream.range(0, many).mapToObj(String::valueOf).toList();
  }

  // PostgreSQL

  private static String url(String parameters) {
    return "jdbc:postgresql://"
        + HERE
        + ":"
        + Servers.running().postgresqlPort()
        + "/postgres?"
        + parameters;
  }

  private static Connection connect(String parameters) throws SQLException {
    var properties = new Properties();
    properties.setProperty("user", Servers.running().postgresqlUser());
    properties.setProperty("password", Servers.running().password());
    return DriverManager.getConnection(url(parameters), properties);
  }

  private static Connection connect() throws SQLException {
    return connect("sslmode=disable");
  }

  private static Connection connectWithTls() throws SQLException {
    return connect("sslmode=verify-full&sslrootcert=" + Servers.running().certificate());
  }

  private static String ask(Connection connection, String query) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery(query)) {
      assertTrue(result.next());
      return result.getString(1);
    }
  }

  private static String askAfter(double seconds, Connection connection, int number)
      throws SQLException {
    return ask(connection, "select " + number + " from pg_sleep(" + seconds + ")");
  }

  private static int process(Connection connection) throws SQLException {
    return connection.unwrap(PGConnection.class).getBackendPID();
  }

  /** Until {@code connection} is there and its query, which sleeps, runs. */
  private static void untilAsleep(Connection observer, Supplier<Connection> connection)
      throws SQLException {
    String query = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = ";
    while (connection.get() == null) Thread.yield();
    query += process(connection.get());
    while (!ask(observer, query).equals("1")) Thread.yield();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("PostgreSQL's driver: fifty queries of 0.1 s wait at the same time")
  void queries() {
    inHub(() -> {
      int many = 50;
      long begun = System.nanoTime();
      List<Connection> connections = together(many, i -> ClientsTest::connect);
      Duration opening = since(begun);
      begun = System.nanoTime();
      List<String> answers = together(many, i -> () -> askAfter(0.1, connections.get(i), i));
      Duration asking = since(begun);
      say(many + " connections opened in " + opening + ", queries of 0.1 s in " + asking);
      assertEquals(numbers(many), answers);
      assertTrue(asking.compareTo(Duration.ofMillis(many * 100 / 3)) < 0, asking::toString);
      together(many, i -> Hub.callable(connections.get(i)::close));
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver: a query that a limit or a kill ends closes its connection; others then give right answers")
  void queriesEnded() {
    queriesEnded(ClientsTest::connect);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "PostgreSQL's driver with TLS: a query that a limit or a kill ends closes its connection; others then give right answers")
  void queriesEndedWithTls() {
    inHub(() -> {
      try (Connection connection = connectWithTls()) {
        String query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        assertEquals("t", ask(connection, query));
      }
    });
    queriesEnded(ClientsTest::connectWithTls);
  }

  private void queriesEnded(Callable<Connection> connect) {
    inHub(() -> endQueries(connect));
  }

  private Void endQueries(Callable<Connection> connect) throws Exception {
    try (Connection observer = connect.call()) {
      Map<String, Connection> used = new ConcurrentHashMap<>();
      Wait query =
          endedBy -> {
            Connection connection = connect.call();
            used.put(endedBy, connection);
            return askAfter(FOREVER, connection, 0);
          };
      endsByLimit(query);
      endsByKill(query, () -> untilAsleep(observer, () -> used.get(KILL)));
      for (Connection connection : used.values()) {
        assertThrows(SQLException.class, () -> ask(connection, "select 1"));
      }
      List<String> answers =
          together(
              10,
              i ->
                  () -> {
                    try (Connection connection = connect.call()) {
                      return askAfter(0.01, connection, i);
                    }
                  });
      assertEquals(numbers(10), answers);
      assertEquals("1", ask(observer, "select 1"));
      return null;
    }
  }

  // HikariCP

  private static HikariDataSource pool(int size) {
    var config = new HikariConfig();
    config.setJdbcUrl(url("sslmode=disable"));
    config.setUsername(Servers.running().postgresqlUser());
    config.setPassword(Servers.running().password());
    config.setMaximumPoolSize(size);
    config.setConnectionTimeout(TimeUnit.SECONDS.toMillis(FOREVER));
    return new HikariDataSource(config);
  }

  private void usePool(HikariDataSource pool, Set<Integer> processes) {
    List<String> answers =
        together(
            50,
            i ->
                () -> {
                  try (Connection connection = pool.getConnection()) {
                    processes.add(process(connection));
                    return askAfter(0.02, connection, i);
                  }
                });
    assertEquals(numbers(50), answers);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "HikariCP: fifty tasks share ten connections, also after a limit and a kill have ended waits for a connection and for a query")
  void connectionPool() {
    inHub(() -> {
      int size = 10;
      HikariDataSource pool = pool(size);
      try {
        Set<Integer> processes = ConcurrentHashMap.newKeySet();
        long begun = System.nanoTime();
        usePool(pool, processes);
        say("50 queries of 0.02 s by " + size + " connections in " + since(begun));
        assertTrue(processes.size() <= size, processes::toString);

        List<Connection> all = together(size, i -> pool::getConnection);
        Wait connection = endedBy -> pool.getConnection();
        endsByLimit(connection);
        endsByKill(
            connection,
            () -> {
              while (pool.getHikariPoolMXBean().getThreadsAwaitingConnection() == 0) Thread.yield();
            });
        together(size, i -> Hub.callable(all.get(i)::close));

        Connection observer = connect();
        Map<String, Connection> used = new ConcurrentHashMap<>();
        Set<Integer> usedProcesses = ConcurrentHashMap.newKeySet();
        Wait query =
            endedBy -> {
              try (Connection pooled = pool.getConnection()) {
                used.put(endedBy, pooled);
                usedProcesses.add(process(pooled));
                return askAfter(FOREVER, pooled, 0);
              }
            };
        endsByLimit(query);
        endsByKill(query, () -> untilAsleep(observer, () -> used.get(KILL)));
        observer.close();

        Set<Integer> later = ConcurrentHashMap.newKeySet();
        usePool(pool, later);
        later.retainAll(usedProcesses);
        assertEquals(Set.of(), later, "connections of queries that were ended");
        assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
      } finally {
        pool.close();
      }
    });
  }

  // Redis

  private static RedisClient redis(String name, boolean tls) {
    Servers servers = Servers.running();
    var config = DefaultJedisClientConfig.builder().clientName(name).password(servers.password());
    if (tls) config.ssl(true).sslSocketFactory(servers.tls().getSocketFactory());
    var pool = new ConnectionPoolConfig();
    pool.setMaxTotal(20);
    // without a limit Commons Pool spins while another task connects, and that task never gets the
    // thread
    pool.setMaxWait(Duration.ofSeconds(FOREVER));
    return RedisClient.builder()
        .hostAndPort(new HostAndPort(HERE, tls ? servers.redisTlsPort() : servers.redisPort()))
        .clientConfig(config.build())
        .poolConfig(pool)
        .build();
  }

  /** Until so many clients of this name wait for an element of a list. */
  private static void untilWaiting(RedisClient observer, String name, int many) {
    long waiting;
    do {
      Thread.yield();
      var list = (byte[]) observer.sendCommand(Protocol.Command.CLIENT, "LIST");
      waiting =
          new String(list, StandardCharsets.UTF_8)
              .lines()
              .filter(client -> client.contains(" name=" + name + " "))
              .filter(client -> client.contains(" flags=b "))
              .count();
    } while (waiting != many);
  }

  private void pops(boolean tls) {
    String name = "pops-" + tls;
    inHub(() -> {
      RedisClient client = redis(name, tls);
      RedisClient observer = redis("observer", tls);
      try {
        int many = 10;
        List<Task<String>> pops =
            Stream.generate(() -> spawn(() -> client.blpop(0.0, name).getValue()))
                .limit(many)
                .toList();
        Task<Object> feeder =
            spawn(() -> {
              untilWaiting(observer, name, many);
              for (String number : numbers(many)) observer.rpush(name, number);
              return null;
            });
        feeder.join();
        assertEquals(numbers(many), pops.stream().map(Task::result).sorted().toList());

        Wait pop = endedBy -> client.blpop((double) FOREVER, name);
        endsByLimit(pop);
        untilWaiting(observer, name, 0);
        endsByKill(pop, () -> untilWaiting(observer, name, 1));
        untilWaiting(observer, name, 0);
        observer.rpush(name, "kept");
        assertEquals("kept", client.blpop((double) FOREVER, name).getValue());
        assertEquals(
            numbers(50), together(50, i -> () -> client.eval("return '" + i + "'").toString()));
      } finally {
        client.close();
        observer.close();
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Jedis: another task feeds pops that wait; one that a limit or a kill ends takes nothing, and the pool then gives right answers")
  void pops() {
    pops(false);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Jedis with TLS: another task feeds pops that wait; one that a limit or a kill ends takes nothing, and the pool then gives right answers")
  void popsWithTls() {
    pops(true);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Jedis: subscribers hear what another task publishes; after a limit and a kill have ended two, the pool gives right answers")
  void subscribers() {
    inHub(() -> {
      RedisClient client = redis("subscribers", false);
      int many = 5;
      var subscribed = new CountDownLatch(many);
      try {
        List<Task<List<String>>> subscribers =
            IntStream.range(0, many)
                .mapToObj(i ->
                    spawn(() -> {
                      List<String> heard = new ArrayList<>();
                      client.subscribe(
                          new JedisPubSub() {
                            @Override
                            public void onSubscribe(String channel, int channels) {
                              subscribed.countDown();
                            }

                            @Override
                            public void onMessage(String channel, String message) {
                              heard.add(message);
                              if (message.equals("end")) unsubscribe();
                            }
                          },
                          "news");
                      return heard;
                    }))
                .toList();
        spawn(() -> {
          Threads.await(subscribed);
          for (String message : List.of("a", "b", "end")) client.publish("news", message);
          return null;
        });
        for (Task<List<String>> each : subscribers) {
          assertEquals(List.of("a", "b", "end"), each.result());
        }

        Map<String, String> again = new ConcurrentHashMap<>();
        Wait subscription =
            endedBy -> {
              client.subscribe(
                  new JedisPubSub() {
                    @Override
                    public void onSubscribe(String channel, int channels) {
                      again.put(endedBy, channel);
                    }
                  },
                  "nothing");
              return null;
            };
        endsByLimit(subscription);
        endsByKill(
            subscription,
            () -> {
              while (!again.containsKey(KILL)) Thread.yield();
            });
        assertEquals("OK", client.set("subscribers", "gone"));
        assertEquals("gone", client.get("subscribers"));
      } finally {
        client.close();
      }
    });
  }

  // HTTP

  private static ServerSocket listen(boolean tls) throws IOException {
    var loopback = InetAddress.getByName(HERE);
    return tls
        ? Servers.running().tls().getServerSocketFactory().createServerSocket(0, 100, loopback)
        : new ServerSocket(0, 100, loopback);
  }

  /** One whose acceptor, and each of whose connections, is a task of the current hub. */
  private Site.Running serverInHub(boolean tls) throws IOException {
    Hub hub = Hub.current();
    var site = new Site();
    ServerSocket listening = listen(tls);
    accept(hub, listening, socket -> serve(site, socket));
    return Site.Running.of(site, listening.getLocalPort(), tls, listening);
  }

  private interface Handler {
    void handle(Socket socket) throws Exception;
  }

  private void accept(Hub hub, ServerSocket listening, Handler handler) {
    spawn(
        hub,
        () -> {
          while (true) {
            Socket socket;
            try {
              socket = listening.accept();
            } catch (SocketException e) {
              assertTrue(listening.isClosed(), e::toString);
              return null;
            }
            spawn(
                hub,
                () -> {
                  try (socket) {
                    handler.handle(socket);
                  } catch (IOException e) {
                    // its client has gone
                  }
                  return null;
                });
          }
        });
  }

  private static void serve(Site site, Socket socket) throws IOException, InterruptedException {
    BufferedReader in = reader(socket);
    String request = in.readLine();
    if (request == null) return;
    for (String line = request; !line.isEmpty(); ) { // the head
      line = in.readLine();
      if (line == null) return;
    }
    String answer = site.answer(request.split(" ")[1]);
    write(
        socket,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
            + answer.length()
            + "\r\n\r\n"
            + answer);
  }

  private static BufferedReader reader(Socket socket) throws IOException {
    return new BufferedReader(
        new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
  }

  private static void write(Socket socket, String text) throws IOException {
    OutputStream out = socket.getOutputStream();
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  private interface Getter {
    String get(URI uri) throws Exception;
  }

  private void requests(Getter client) {
    inHub(() -> {
      List<Site.Running> servers =
          List.of(
              Site.inThreads(),
              Site.inThreads(Servers.running().tls()),
              serverInHub(false),
              serverInHub(true));
      try {
        List<List<Task<String>>> all = new ArrayList<>();
        for (Site.Running server : servers) {
          all.add(
              IntStream.range(0, Site.TOGETHER)
                  .mapToObj(i -> spawn(() -> client.get(server.uri().resolve("/together/" + i))))
                  .toList());
        }
        for (List<Task<String>> tasks : all) {
          assertEquals(
              numbers(Site.TOGETHER).stream().map("/together/"::concat).toList(),
              tasks.stream().map(Task::result).toList());
        }
        for (Site.Running server : servers) {
          Wait request = endedBy -> client.get(server.uri().resolve("/never/" + endedBy));
          endsByLimit(request);
          endsByKill(
              request,
              () -> {
                while (!server.site().isAsked("/never/" + KILL)) Thread.yield();
              });
          assertEquals(
              numbers(10).stream().map("/"::concat).toList(),
              together(10, i -> () -> client.get(server.uri().resolve("/" + i))));
        }
      } finally {
        for (Site.Running server : servers) server.close();
      }
    });
  }

  private static Getter httpClient(HttpClient client) {
    return uri ->
        client
            .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
            .body();
  }

  private static HttpClient newHttpClient() {
    return HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1)
        .sslContext(Servers.running().tls())
        .build();
  }

  private static Getter okHttp(OkHttpClient client) {
    return uri -> {
      try (Response response =
          client.newCall(new Request.Builder().url(uri.toString()).build()).execute()) {
        return response.body().string();
      }
    };
  }

  private static OkHttpClient newOkHttpClient() {
    SSLContext tls = Servers.running().tls();
    return new OkHttpClient.Builder()
        .sslSocketFactory(tls.getSocketFactory(), Servers.running().trust())
        .readTimeout(Duration.ofSeconds(FOREVER))
        .build();
  }

  private static String urlConnection(URI uri) throws IOException {
    var connection = (HttpURLConnection) uri.toURL().openConnection();
    if (connection instanceof HttpsURLConnection secure)
      secure.setSSLSocketFactory(Servers.running().tls().getSocketFactory());
    try (var body = connection.getInputStream()) {
      return new String(body.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "java.net.http.HttpClient: twenty requests wait at the same time at each server, in threads and in the hub, with and without TLS; after a limit and a kill it gives right answers")
  void httpClient() {
    try (HttpClient client = newHttpClient()) {
      requests(httpClient(client));
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "OkHttp: twenty requests wait at the same time at each server, in threads and in the hub, with and without TLS; after a limit and a kill it gives right answers")
  void okHttp() {
    OkHttpClient client = newOkHttpClient();
    requests(okHttp(client));
    close(client);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "HttpURLConnection: twenty requests wait at the same time at each server, in threads and in the hub, with and without TLS; after a limit and a kill it gives right answers")
  void httpUrlConnection() {
    requests(ClientsTest::urlConnection);
  }

  // TLS

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "SSLSocket: both ends are tasks of one hub, also after a limit and a kill have ended reads")
  void tlsSockets() {
    inHub(() -> {
      Set<String> unanswered = ConcurrentHashMap.newKeySet();
      ServerSocket listening = listen(true);
      accept(
          Hub.current(),
          listening,
          socket -> {
            BufferedReader in = reader(socket);
            for (String line; (line = in.readLine()) != null; ) {
              if (line.equals(LIMIT) || line.equals(KILL)) unanswered.add(line);
              else write(socket, line + "\n");
            }
          });
      Callable<Socket> connect =
          () ->
              Servers.running()
                  .tls()
                  .getSocketFactory()
                  .createSocket(HERE, listening.getLocalPort());
      Task.Action echoes =
          () -> {
            var greeted = new CountDownLatch(20);
            List<String> answers =
                together(
                    20,
                    i ->
                        () -> {
                          try (Socket socket = connect.call()) {
                            BufferedReader in = reader(socket);
                            write(socket, "hello\n");
                            assertEquals("hello", in.readLine());
                            greeted.countDown();
                            Threads.await(greeted);
                            write(socket, i + "\n");
                            return in.readLine();
                          }
                        });
            assertEquals(numbers(20), answers);
          };
      try {
        echoes.run();
        Wait answer =
            endedBy -> {
              try (Socket socket = connect.call()) {
                write(socket, endedBy + "\n");
                return reader(socket).readLine();
              }
            };
        endsByLimit(answer);
        endsByKill(
            answer,
            () -> {
              while (!unanswered.contains(KILL)) Thread.yield();
            });
        echoes.run();
      } finally {
        listening.close();
      }
    });
  }

  // Threads

  private static Set<Thread> platformThreads() {
    ThreadGroup all = Thread.currentThread().getThreadGroup();
    while (all.getParent() != null) all = all.getParent();
    Thread[] threads = new Thread[1000];
    return Set.of(Arrays.copyOf(threads, all.enumerate(threads)));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Prints which threads the libraries and the JDK start for themselves")
  void threads() {
    inHub(() -> {
      OkHttpClient ok = newOkHttpClient();
      RedisClient redis = redis("threads", false);
      try (Site.Running server = serverInHub(false);
          HttpClient http = newHttpClient();
          HikariDataSource pool = pool(2);
          Connection connection = pool.getConnection()) {
        assertEquals("1", ask(connection, "select 1"));
        assertEquals("OK", redis.set("threads", "x"));
        URI uri = server.uri().resolve("/x");
        for (Getter client : List.of(httpClient(http), okHttp(ok), ClientsTest::urlConnection)) {
          assertEquals("/x", client.get(uri));
        }
        say(
            "threads started: "
                + platformThreads().stream()
                    .filter(thread -> !STARTED_BEFORE.contains(thread))
                    .map(Thread::getName)
                    .collect(Collectors.toCollection(TreeSet::new)));
      } finally {
        redis.close();
        close(ok);
      }
    });
  }

  private static void close(OkHttpClient client) {
    client.connectionPool().evictAll();
    client.dispatcher().executorService().shutdown();
  }

  // In an event loop

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Netty: an event loop goes on while JDBC waits in tasks of a cooperative hub on it, which limits and kills end")
  void nettyEventLoop() throws Throwable {
    try (var closing = new Closing()) {
      var group = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
      closing.add(() -> group.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync());
      var loop = group.next();
      Hub hub = Hub.on(loop).cooperative();
      Connection observer = connect();
      closing.add(observer);
      ask(observer, "select pg_advisory_lock(1)");
      int many = 10;
      List<Task<String>> tasks =
          IntStream.range(0, many)
              .mapToObj(i ->
                  spawn(
                      hub,
                      () -> {
                        try (Connection connection = connect()) {
                          return ask(
                              connection, "select " + i + " from pg_advisory_lock_shared(1)");
                        }
                      }))
              .toList();
      String waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
      Threads.until(() -> {
        try {
          return ask(observer, waiting).equals("" + many);
        } catch (SQLException e) {
          throw new AssertionError(e);
        }
      });
      assertFalse(tasks.getFirst().isDone());
      for (int i = 0; i < 100; i++) assertEquals(i, Threads.await(loop.submit(echo(i))));
      ask(observer, "select pg_advisory_unlock(1)");
      for (int i = 0; i < many; i++) {
        assertEquals("" + i, Threads.await(tasks.get(i).toCompletableFuture()));
      }
      Task<Void> ends = spawn(hub, () -> endQueries(ClientsTest::connect));
      Threads.await(ends.toCompletableFuture());
      assertEquals(Set.of(Threads.await(loop.submit(Thread::currentThread))), carriers);
    }
  }

  private static Callable<Integer> echo(int i) {
    return () -> i;
  }

  private static final class Closing implements AutoCloseable {
    private final List<AutoCloseable> all = new ArrayList<>();

    void add(AutoCloseable last) {
      all.addFirst(last);
    }

    @Override
    public void close() throws Exception {
      for (AutoCloseable each : all) each.close();
    }
  }
}
