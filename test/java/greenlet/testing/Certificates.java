package greenlet.testing;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Certificates for tests of TLS, signed by themselves, made at first use. */
public final class Certificates {
  private static final char[] PASSWORD = "password".toCharArray();

  private static final class Made {
    static final SSLContext TLS = context("san=dns:localhost,dns:test.example,ip:127.0.0.1");
  }

  private Certificates() {}

  /** Has a key for localhost, test.example and 127.0.0.1, and trusts its certificate alone: for clients and servers. */
  public static SSLContext tls() {
    return Made.TLS;
  }

  /** As {@link #tls}, with another key for other names. */
  public static SSLContext context(String names) {
    try {
      Path file = Files.createTempFile("greenlet", ".p12");
      try {
        Files.delete(file);
        generate(file, names);
        return load(file);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static void generate(Path file, String names) throws Exception {
    String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
    Process process =
        new ProcessBuilder(
                List.of(
                    keytool,
                    "-genkeypair",
                    "-alias",
                    "test",
                    "-keyalg",
                    "EC",
                    "-dname",
                    "CN=test",
                    "-validity",
                    "3650",
                    "-ext",
                    names,
                    "-storetype",
                    "PKCS12",
                    "-storepass",
                    new String(PASSWORD),
                    "-keystore",
                    file.toString()))
            .inheritIO()
            .start();
    Threads.await(process);
    if (process.exitValue() != 0) throw new AssertionError("keytool: " + process.exitValue());
  }

  private static SSLContext load(Path file) throws Exception {
    var keyStore = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      keyStore.load(in, PASSWORD);
    }
    var trustStore = KeyStore.getInstance("PKCS12");
    trustStore.load(null, null);
    trustStore.setCertificateEntry("test", keyStore.getCertificate("test"));
    var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(keyStore, PASSWORD);
    var trusts = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trusts.init(trustStore);
    var context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trusts.getTrustManagers(), null);
    return context;
  }
}
