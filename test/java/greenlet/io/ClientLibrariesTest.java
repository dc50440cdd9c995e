package greenlet.io;

import static greenlet.io.Clients.endsByKill;
import static greenlet.io.Clients.endsByLimit;
import static greenlet.io.Clients.numbers;
import static greenlet.io.Clients.together;
import static greenlet.io.Clients.until;
import static greenlet.io.Clients.whileOthersRun;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Program;
import greenlet.hub.Hub;
import greenlet.hub.ResourcePool;
import greenlet.hub.Task;
import greenlet.testing.Certificates;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Site;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import javax.net.SocketFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.BasicHttpClientConnectionManager;
import org.apache.hc.client5.http.impl.io.DefaultHttpClientConnectionOperator;
import org.apache.hc.client5.http.ssl.TlsSocketStrategy;
import org.apache.hc.core5.http.config.RegistryBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.util.Timeout;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisClientConfig;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.exceptions.JedisConnectionException;

/** Jedis and clients of HTTP, unmodified, with sockets whose waits are the task's, in a plain hub on every engine. */
@ExtendWith(LeakCheck.class)
class ClientLibrariesTest {
  private static final Duration SHORT = Duration.ofMillis(200);

  Clients clients() {
    return Clients.BY_FACTORY;
  }

  /** Sockets that trust the servers. */
  private SSLSocketFactory tls() {
    return clients().tls(Servers.running().tls());
  }

  // Jedis

  private static Jedis jedis(
      SocketFactory sockets, String host, int port, JedisClientConfig config) {
    return new Jedis(
        () -> {
          try {
            return sockets.createSocket(host, port);
          } catch (IOException e) {
            throw new JedisConnectionException(e);
          }
        },
        config);
  }

  private Jedis jedis(boolean tls, String name) {
    Servers servers = Servers.running();
    return jedis(
        tls ? tls() : clients().sockets,
        Site.HERE,
        tls ? servers.redisTlsPort() : servers.redisPort(),
        DefaultJedisClientConfig.builder().password(servers.password()).clientName(name).build());
  }

  private static long waiting(Jedis observer, String name, String flag) {
    return observer
        .clientList()
        .lines()
        .filter(line -> line.contains(" name=" + name + " ") && line.contains(" flags=" + flag))
        .count();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Jedis: pops wait as their tasks; one that a limit or a kill ends takes nothing, and the pool of resources drops its connection")
  void pops() {
    clients().run(() -> pops(false));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Jedis with TLS: pops as without")
  void popsOverTls() {
    clients().run(() -> pops(true));
  }

  private void pops(boolean tls) throws Exception {
    String list = clients() + " pops " + tls;
    String name = list.replace(' ', '-');
    int many = 10;
    try (Jedis observer = jedis(tls, "observer");
        var pool = new ResourcePool<>(many, () -> jedis(tls, name), Jedis::close)) {
      List<Task<String>> pops =
          IntStream.range(0, many)
              .mapToObj(
                  i -> Hub.current().spawn(() -> pool.use(jedis -> jedis.blpop(0, list).get(1))))
              .toList();
      until(() -> waiting(observer, name, "b") == many);
      for (String number : numbers(many)) observer.rpush(list, number);
      assertEquals(numbers(many), pops.stream().map(Task::result).sorted().toList());
      assertEquals(many, pool.idle());

      Callable<?> pop = () -> pool.use(jedis -> jedis.blpop(0, list));
      endsByLimit(pop);
      until(() -> waiting(observer, name, "b") == 0);
      endsByKill(pop, () -> waiting(observer, name, "b") == 1);
      until(() -> waiting(observer, name, "b") == 0);
      assertEquals(many - 2, pool.idle());
      observer.rpush(list, "kept");
      assertEquals("kept", pool.use(jedis -> jedis.blpop(0, list).get(1)));
      Callable<List<String>> echoes =
          () -> together(30, i -> () -> pool.use(jedis -> jedis.echo("" + i)));
      assertEquals(numbers(30), echoes.call());
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Jedis: subscribers hear what another task publishes; a limit and a kill end a subscription")
  void subscribers() {
    clients()
        .run(() -> {
          hearNews(false);
          hearNews(true);
        });
  }

  private static final class Listener extends JedisPubSub {
    final List<String> heard = new ArrayList<>();

    @Override
    public void onMessage(String channel, String message) {
      heard.add(message);
      if (message.equals("end")) unsubscribe();
    }
  }

  private List<String> listen(boolean tls, String name) {
    var listener = new Listener();
    try (Jedis jedis = jedis(tls, name)) {
      jedis.subscribe(listener, "news");
    }
    return listener.heard;
  }

  private void hearNews(boolean tls) throws Exception {
    String name = clients() + "-subscriber-" + tls;
    int many = 5;
    try (Jedis publisher = jedis(tls, "publisher")) {
      Task<List<List<String>>> all =
          Hub.current().spawn(() -> together(many, i -> () -> listen(tls, name)));
      until(() -> waiting(publisher, name, "P") == many);
      endsByLimit(() -> listen(tls, name));
      endsByKill(() -> listen(tls, name + "2"), () -> waiting(publisher, name + "2", "P") == 1);
      for (String message : List.of("a", "b", "end")) publisher.publish("news", message);
      for (List<String> heard : all.result()) assertEquals(List.of("a", "b", "end"), heard);
    }
  }

  // HTTP

  private interface Getter {
    String get(URI uri) throws Exception;
  }

  /** Twenty requests at a time, a limit, a kill, right answers afterwards. */
  private void request(Getter client) throws Exception {
    request(null, client);
    request(Servers.running().tls(), client);
  }

  private void request(SSLContext tls, Getter client) throws Exception {
    try (Site.Running server = Site.inThreads(tls)) {
      URI uri = server.uri();
      List<String> answers =
          together(Site.TOGETHER, i -> () -> client.get(uri.resolve("/together/" + i)));
      assertEquals(numbers(Site.TOGETHER).stream().map("/together/"::concat).toList(), answers);
      endsByLimit(() -> client.get(uri.resolve("/never/limit")));
      endsByKill(
          () -> client.get(uri.resolve("/never/kill")), () -> server.site().isAsked("/never/kill"));
      assertEquals(
          numbers(10).stream().map("/"::concat).toList(),
          together(10, i -> () -> client.get(uri.resolve("/" + i))));
    }
  }

  /** An answer and a connect that do not come. */
  private void timeOut(Getter client) throws Exception {
    try (Site.Running server = Site.inThreads();
        var unanswered = new Unanswered()) {
      URI never = server.uri().resolve("/never/timeout");
      whileOthersRun(() -> assertThrows(SocketTimeoutException.class, () -> client.get(never)));
      URI nobody = URI.create("http://127.0.0.1:" + unanswered.address().getPort());
      whileOthersRun(() -> assertThrows(IOException.class, () -> client.get(nobody)));
    }
  }

  private static OkHttpClient okHttp(
      SocketFactory sockets, SSLSocketFactory tls, X509TrustManager trust) {
    return new OkHttpClient.Builder()
        .socketFactory(sockets)
        .sslSocketFactory(tls, trust)
        .protocols(List.of(Protocol.HTTP_1_1)) // HTTP/2 shares a connection between tasks
        .fastFallback(false) // which connects in other threads, and blocks the one that waits
        .dns(Names::lookupAll)
        .readTimeout(Duration.ZERO)
        .build();
  }

  private static String get(OkHttpClient client, URI uri) throws IOException {
    try (Response response =
        client.newCall(new Request.Builder().url(uri.toString()).build()).execute()) {
      return response.body().string();
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "OkHttp, with and without TLS: requests wait as their tasks, and end by limits and kills")
  void okHttp() {
    clients()
        .run(() -> {
          OkHttpClient client = okHttp(clients().sockets, tls(), Servers.running().trust());
          request(uri -> get(client, uri));
          client.connectionPool().evictAll();
        });
  }

  /** For one task at a time: a kill, which is an Error, closes the client's manager of connections. */
  private static CloseableHttpClient httpClient(
      SocketFactory sockets, SSLSocketFactory tls, Timeout timeout) {
    TlsSocketStrategy overTls =
        (socket, host, port, attachment, context) ->
            (SSLSocket) tls.createSocket(socket, host, port, true);
    var names =
        new SystemDefaultDnsResolver() {
          @Override
          public InetAddress[] resolve(String host) throws UnknownHostException {
            return Names.lookupAll(host).toArray(InetAddress[]::new);
          }
        };
    var operator =
        new DefaultHttpClientConnectionOperator(
            proxy -> sockets.createSocket(),
            null,
            names,
            RegistryBuilder.<TlsSocketStrategy>create().register("https", overTls).build());
    var connections = new BasicHttpClientConnectionManager(operator, null);
    connections.setConnectionConfig(
        ConnectionConfig.custom().setConnectTimeout(timeout).setSocketTimeout(timeout).build());
    return HttpClients.custom().setConnectionManager(connections).build();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Apache HttpClient, with and without TLS: requests wait as their tasks, and end by limits, kills and timeouts of its own")
  void apacheHttpClient() {
    clients()
        .run(() -> {
          try (var pool = pool(Timeout.DISABLED)) {
            request(uri -> pool.use(client -> get(client, uri)));
          }
          try (var pool = pool(Timeout.of(SHORT))) {
            timeOut(uri -> pool.use(client -> get(client, uri)));
          }
        });
  }

  private ResourcePool<CloseableHttpClient> pool(Timeout timeout) {
    return new ResourcePool<>(
        Site.TOGETHER, () -> httpClient(clients().sockets, tls(), timeout), Clients::close);
  }

  private static String get(CloseableHttpClient client, URI uri) throws IOException {
    return client.execute(new HttpGet(uri), answer -> EntityUtils.toString(answer.getEntity()));
  }

  private static String get(URI uri, SSLSocketFactory tls, Duration timeout) throws IOException {
    var connection = (HttpURLConnection) uri.toURL().openConnection();
    connection.setConnectTimeout((int) timeout.toMillis());
    connection.setReadTimeout((int) timeout.toMillis());
    if (connection instanceof HttpsURLConnection secure) secure.setSSLSocketFactory(tls);
    try (var body = connection.getInputStream()) {
      return new String(body.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Installed in a JVM, it is below every new socket: HttpURLConnection with and without TLS, ServerSocket; OkHttp's timeouts")
  void installed() throws Exception {
    List<String> options =
        new ArrayList<>(ManagementFactory.getRuntimeMXBean().getInputArguments());
    options.addAll(
        List.of("-cp", System.getProperty("java.class.path"), ClientLibrariesTest.class.getName()));
    List<String> lines = new Program("installed").launch(options);
    assertTrue(lines.contains("all done"), () -> String.join("\n", lines));
  }

  /** In a JVM of its own. */
  public static void main(String[] args) throws Exception {
    HubSocketFactory.install();
    assertThrows(IOException.class, HubSocketFactory::install);
    var test = new ClientLibrariesTest();
    Clients.BY_FACTORY.run(() -> {
      test.acceptAndConnect();
      test.useUrlConnection();
      test.timeOutOkHttp();
    });
    System.out.println("all done");
    System.exit(0);
  }

  private void acceptAndConnect() throws Exception {
    try (var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Task<Socket> accepted = Hub.current().spawn(server::accept);
      try (var client = new Socket(InetAddress.getLoopbackAddress(), server.getLocalPort());
          Socket far = accepted.result()) {
        Task<Integer> reader = Hub.current().spawn(() -> client.getInputStream().read());
        Hub.sleep(Duration.ZERO);
        far.getOutputStream().write(7);
        assertEquals(7, reader.result());
      }
    }
  }

  void useUrlConnection() throws Exception {
    SSLSocketFactory tls = clients().tls(Certificates.tls());
    Getter client = uri -> get(uri, tls, Duration.ZERO);
    request(null, client);
    request(Certificates.tls(), client);
    timeOut(uri -> get(uri, tls, SHORT));
  }

  /** In a JVM of its own, as a thread of OkHttp's that outlives this may close the socket: which leaves a root greenlet there. */
  void timeOutOkHttp() throws Exception {
    var client =
        new OkHttpClient.Builder()
            .socketFactory(clients().sockets)
            .fastFallback(false)
            .connectTimeout(SHORT)
            .readTimeout(SHORT)
            .build();
    timeOut(uri -> get(client, uri));
  }
}
