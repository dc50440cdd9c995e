package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import javax.net.SocketFactory;

/**
 * Makes {@link HubSocket}s: for libraries that take a factory of sockets, by an object or by the name of its class, as the address of a
 * JDBC driver does. May be used from any thread.
 */
public final class HubSocketFactory extends SocketFactory {
  /** A new factory; all are alike. */
  public HubSocketFactory() {}

  /**
   * Has every {@code new Socket()} and {@code new ServerSocket()} of this JVM be of this kind from now on, as far as they are made
   * without an implementation of their own. The JDK allows this once in the life of a JVM.
   *
   * @throws IOException if the JVM has a factory already
   */
  @SuppressWarnings("deprecation") // discouraged, and nothing else is there
  public static void install() throws IOException {
    Socket.setSocketImplFactory(HubSocketImpl::new);
    ServerSocket.setSocketFactory(HubServerSocketImpl::new);
  }

  @Override
  public Socket createSocket() throws IOException {
    return new HubSocket();
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    return new HubSocket(host, port);
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress localHost, int localPort)
      throws IOException {
    return HubSocket.connected(
        InetSocketAddress.createUnresolved(host, port),
        new InetSocketAddress(localHost, localPort));
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    return HubSocket.connected(new InetSocketAddress(host, port), null);
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress localHost, int localPort)
      throws IOException {
    return HubSocket.connected(
        new InetSocketAddress(host, port), new InetSocketAddress(localHost, localPort));
  }
}
