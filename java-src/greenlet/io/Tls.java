package greenlet.io;

import java.io.IOException;
import java.net.Socket;
import java.security.NoSuchAlgorithmException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * TLS over sockets whose waits are a task's. The protocol is the JDK's: its {@code SSLSocket} works in memory, and what it reads
 * and writes goes over the socket underneath, so that no lock of the JDK's is held while a task waits.
 *
 * <pre>{@code
 * Socket socket = Tls.client().createSocket("example.org", 443);
 * }</pre>
 *
 * <p><b>The sockets</b> that are made here work over any {@link Socket}; a wait is the task's if that one's is, as that of a
 * {@link HubSocket}. One task may read while another writes. A second reader or writer is an {@link IllegalStateException} that
 * names both, and whoever comes first shakes hands while the other waits. A read that times out, by {@link Socket#setSoTimeout},
 * leaves the socket usable; a handshake that does so closes it, as do a kill, a limit and the end of a scope within any read, write
 * or handshake. The handshake is computed in the thread of the hub, some milliseconds. {@code startHandshake} after the first
 * handshake has no effect.
 *
 * <p>To close, from any task or thread, ends the reads and writes of others at once, with a {@link java.net.SocketException}. The
 * peer is told before, unless a write or a handshake is under way or the peer takes nothing within a second.
 */
public final class Tls {
  private Tls() {}

  /**
   * Sockets for clients with the JDK's default context. As {@link #client(SSLContext)}.
   *
   * @return the factory
   */
  public static SSLSocketFactory client() {
    return new HubSslSocketFactory();
  }

  /**
   * Sockets for clients: each is a {@link HubSocket} with TLS on top. They check that the server's certificate is for the host that
   * they were told to connect to (the endpoint identification "HTTPS"; {@link SSLSocket#setSSLParameters} can change that before the
   * handshake), and name that host to the server (SNI) if it is a name.
   *
   * @param context who is trusted, and own keys
   * @return the factory
   */
  public static SSLSocketFactory client(SSLContext context) {
    return new HubSslSocketFactory(require(context));
  }

  /**
   * The client's side of TLS on top of a connected socket. Checks the host as {@link #client(SSLContext)}. Shakes hands at the first
   * read or write, or by {@link SSLSocket#startHandshake}.
   *
   * @param context who is trusted, and own keys
   * @param connected the socket underneath, which the new one owns: it closes it
   * @param host whom the certificate has to be for
   * @return the socket
   * @throws IOException if the socket is not connected, or closed
   */
  public static SSLSocket client(SSLContext context, Socket connected, String host)
      throws IOException {
    Resources.require(host, "a client of TLS needs the name of the host");
    return new TlsSocket(require(context), true, require(connected), host, true);
  }

  /**
   * The server's side of TLS on top of an accepted socket. Shakes hands at the first read or write, or by
   * {@link SSLSocket#startHandshake}, which a server should give a limit, as {@link Server} does.
   *
   * @param context has the server's key
   * @param accepted the socket underneath, which the new one owns: it closes it
   * @return the socket
   * @throws IOException if the socket is not connected, or closed
   */
  public static SSLSocket server(SSLContext context, Socket accepted) throws IOException {
    return new TlsSocket(require(context), false, require(accepted), null, true);
  }

  /**
   * Server sockets whose {@code accept} is a wait of the task's, and whose sockets have the server's side of TLS: they shake hands as
   * {@link #server(SSLContext, Socket)} has it. Protocols, cipher suites and whether clients need a certificate are set on the server
   * socket.
   *
   * @param context has the server's key
   * @return the factory
   */
  public static HubSslServerSocketFactory server(SSLContext context) {
    return new HubSslServerSocketFactory(require(context));
  }

  static SSLContext defaultContext() {
    try {
      return SSLContext.getDefault();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("the JDK's default context of TLS cannot be made", e);
    }
  }

  private static SSLContext require(SSLContext context) {
    return Resources.require(context, "TLS needs an SSLContext");
  }

  private static Socket require(Socket socket) {
    return Resources.require(socket, "TLS needs a socket to work on");
  }
}
