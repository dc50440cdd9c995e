package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * Sockets for clients with TLS, each on top of a {@link HubSocket}; see {@link Tls}. Made with its public constructor, which a
 * property such as that of a JDBC URL can name, it uses the JDK's default context. May be used in any thread.
 */
public final class HubSslSocketFactory extends SSLSocketFactory {
  private final SSLContext context;

  /** With the JDK's default context: {@link SSLContext#getDefault}. */
  public HubSslSocketFactory() {
    this(Tls.defaultContext());
  }

  HubSslSocketFactory(SSLContext context) {
    this.context = context;
  }

  /** A socket that is not connected. The host that it will be told to connect to is the one that it checks. */
  @Override
  public Socket createSocket() throws IOException {
    return new TlsSocket(context, true, new HubSocket(), null, true);
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    return connected(InetSocketAddress.createUnresolved(host, port), null);
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress localHost, int localPort)
      throws IOException {
    return connected(
        InetSocketAddress.createUnresolved(host, port),
        new InetSocketAddress(localHost, localPort));
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    return connected(new InetSocketAddress(host, port), null);
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress localHost, int localPort)
      throws IOException {
    return connected(
        new InetSocketAddress(host, port), new InetSocketAddress(localHost, localPort));
  }

  /**
   * TLS on top of a connected socket of any kind.
   *
   * @param autoClose whether to close that, too, when the new one is closed; if not, a read that waits then goes on
   */
  @Override
  public Socket createSocket(Socket connected, String host, int port, boolean autoClose)
      throws IOException {
    return new TlsSocket(context, true, connected, host, autoClose);
  }

  private Socket connected(InetSocketAddress peer, @Nullable InetSocketAddress local)
      throws IOException {
    return over(HubSocket.connected(peer, local), peer.getHostString());
  }

  private Socket over(Socket connected, String host) throws IOException {
    try {
      return new TlsSocket(context, true, connected, host, true);
    } catch (Throwable t) {
      connected.close();
      throw t;
    }
  }

  @Override
  public String[] getDefaultCipherSuites() {
    return context.getSocketFactory().getDefaultCipherSuites();
  }

  @Override
  public String[] getSupportedCipherSuites() {
    return context.getSocketFactory().getSupportedCipherSuites();
  }
}
