package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * Makes {@link HubSslServerSocket}s, for libraries that take a factory; see {@link Tls#server(SSLContext)}. Made with its public
 * constructor, it uses the JDK's default context, which has the key that the system property {@code javax.net.ssl.keyStore} names. May be
 * used in any thread.
 */
public final class HubSslServerSocketFactory extends SSLServerSocketFactory {
  private final SSLContext context;

  /** With the JDK's default context: {@link SSLContext#getDefault}. */
  public HubSslServerSocketFactory() {
    this(Tls.defaultContext());
  }

  HubSslServerSocketFactory(SSLContext context) {
    this.context = context;
  }

  @Override
  public HubSslServerSocket createServerSocket() throws IOException {
    return new HubSslServerSocket(context, new HubServerSocket());
  }

  @Override
  public HubSslServerSocket createServerSocket(int port) throws IOException {
    return createServerSocket(port, 0, null);
  }

  @Override
  public HubSslServerSocket createServerSocket(int port, int backlog) throws IOException {
    return createServerSocket(port, backlog, null);
  }

  @Override
  public HubSslServerSocket createServerSocket(int port, int backlog, @Nullable InetAddress address)
      throws IOException {
    var bound = new HubServerSocket(port, backlog, address);
    try {
      return new HubSslServerSocket(context, bound);
    } catch (Throwable t) {
      bound.close();
      throw t;
    }
  }

  @Override
  public String[] getDefaultCipherSuites() {
    return context.getServerSocketFactory().getDefaultCipherSuites();
  }

  @Override
  public String[] getSupportedCipherSuites() {
    return context.getServerSocketFactory().getSupportedCipherSuites();
  }
}
