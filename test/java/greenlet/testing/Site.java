package greenlet.testing;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;

/** What a web site answers to clients in tests. */
public final class Site {
  /** How many have to ask for {@code /together/…}. */
  public static final int TOGETHER = 20;

  /** Where it is: servers and certificates are for this address. */
  public static final String HERE = "127.0.0.1";

  private final CountDownLatch together = new CountDownLatch(TOGETHER);
  private final Set<String> asked = ConcurrentHashMap.newKeySet();
  private final CountDownLatch over = new CountDownLatch(1);

  /** {@code /together/…} when so many have asked, {@code /never/…} when the test is over, else the path. */
  public String answer(String path) throws InterruptedException {
    if (path.startsWith("/together/")) {
      together.countDown();
      Threads.await(together);
    } else if (path.startsWith("/never/")) {
      asked.add(path);
      Threads.await(over);
    }
    return path;
  }

  /** Whether somebody waits for a path that begins with {@code /never/}. */
  public boolean isAsked(String path) {
    return asked.contains(path);
  }

  /** A server of a site; its end answers all who wait. */
  public record Running(Site site, URI uri, AutoCloseable server) implements AutoCloseable {
    public static Running of(Site site, int port, boolean tls, AutoCloseable server) {
      return new Running(
          site, URI.create((tls ? "https" : "http") + "://" + HERE + ":" + port), server);
    }

    @Override
    public void close() throws Exception {
      site.over.countDown();
      server.close();
    }
  }

  /** The JDK's server, in threads of its own. */
  public static Running inThreads() throws IOException {
    return inThreads(null);
  }

  /** The same, by HTTPS where {@code tls} is not null. */
  public static Running inThreads(SSLContext tls) throws IOException {
    var site = new Site();
    var address = new InetSocketAddress(HERE, 0);
    HttpServer server;
    if (tls != null) {
      HttpsServer secure = HttpsServer.create(address, 100);
      secure.setHttpsConfigurator(new HttpsConfigurator(tls));
      server = secure;
    } else {
      server = HttpServer.create(address, 100);
    }
    ExecutorService threads =
        Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name("server").factory());
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            byte[] answer =
                site.answer(exchange.getRequestURI().getPath()).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        });
    server.start();
    return Running.of(
        site,
        server.getAddress().getPort(),
        tls != null,
        () -> {
          server.stop(0);
          threads.shutdownNow();
        });
  }
}
