package greenlet.testing;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** The PostgreSQL and the Redis that {@code test/servers} runs: started at first use, once for this JVM, and ended with it. */
public final class Servers implements AutoCloseable {
  private static final long STOP_SECONDS = 10;

  private static final class Running {
    static final Servers SERVERS = start();

    static {
      Runtime.getRuntime().addShutdownHook(new Thread(SERVERS::close, "stop servers"));
    }
  }

  private final Process process;
  private final Map<String, String> values;
  private final SSLContext tls;
  private final X509TrustManager trust;

  private Servers(Process process, Map<String, String> values)
      throws IOException, GeneralSecurityException {
    this.process = process;
    this.values = values;
    char[] password = password().toCharArray();
    var store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(Path.of(values.get("KEYSTORE")))) {
      store.load(in, password);
    }
    var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, password);
    var trusts = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trusts.init(store);
    trust = (X509TrustManager) trusts.getTrustManagers()[0];
    tls = SSLContext.getInstance("TLS");
    tls.init(keys.getKeyManagers(), trusts.getTrustManagers(), null);
  }

  public static Servers running() {
    return Running.SERVERS;
  }

  public int postgresqlPort() {
    return Integer.parseInt(values.get("POSTGRESQL_PORT"));
  }

  public String postgresqlUser() {
    return values.get("POSTGRESQL_USER");
  }

  public int redisPort() {
    return Integer.parseInt(values.get("REDIS_PORT"));
  }

  public int redisTlsPort() {
    return Integer.parseInt(values.get("REDIS_TLS_PORT"));
  }

  /** Of both servers. */
  public String password() {
    return values.get("PASSWORD");
  }

  /** A PEM file: the certificate of both servers, for localhost and 127.0.0.1, signed by itself. */
  public Path certificate() {
    return Path.of(values.get("CERTIFICATE"));
  }

  /** Has the servers' certificate and its key, and trusts it: for clients, and for servers that a test runs. */
  public SSLContext tls() {
    return tls;
  }

  /** Trusts the servers' certificate. */
  public X509TrustManager trust() {
    return trust;
  }

  /** Servers of a test alone, which it closes. */
  public static Servers start() {
    try {
      Process process = new ProcessBuilder("test/servers").redirectErrorStream(true).start();
      return new Servers(
          process, Threads.await(Threads.PLATFORM.start("start servers", () -> read(process))));
    } catch (Throwable t) {
      throw new AssertionError("test/servers", t);
    }
  }

  /** What it prints up to "ready". */
  private static Map<String, String> read(Process process) throws IOException {
    var values = new HashMap<String, String>();
    var messages = new StringBuilder();
    BufferedReader lines = process.inputReader();
    for (String line; (line = lines.readLine()) != null; ) {
      if (line.equals("ready")) return values;
      String[] pair = line.split("=", 2);
      if (pair.length == 2) values.put(pair[0], pair[1]);
      else messages.append(line).append('\n');
    }
    throw new IOException(messages.toString());
  }

  /** Returns when it takes connections again. */
  public void restartPostgresql() throws Throwable {
    process.getOutputStream().write("restart\n".getBytes(StandardCharsets.UTF_8));
    process.getOutputStream().flush();
    Threads.await(Threads.PLATFORM.start("restart PostgreSQL", () -> read(process)));
  }

  @Override
  public void close() {
    try {
      process.getOutputStream().close();
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) process.destroyForcibly();
    } catch (IOException | InterruptedException e) {
      process.destroyForcibly();
    }
  }
}
