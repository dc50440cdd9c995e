package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketException;
import org.jspecify.annotations.Nullable;

/**
 * A server socket whose {@link #accept} is a wait of the task that calls, and whose sockets are {@link HubSocket}s. It does all that a
 * {@link ServerSocket} does. Outside of any task it blocks its thread.
 */
public final class HubServerSocket extends ServerSocket {
  /** A new server socket that is not bound. */
  public HubServerSocket() {
    super(new HubServerSocketImpl());
  }

  /**
   * A new server socket that is bound to a port, of all the machine's addresses.
   *
   * @param port which; 0 for one that is free
   * @throws IOException if it cannot be bound
   */
  public HubServerSocket(int port) throws IOException {
    this(port, 0, null);
  }

  /**
   * A new server socket that is bound.
   *
   * @param port which; 0 for one that is free
   * @param backlog how many connections wait for {@link #accept} at most; 0 for the JDK's default
   * @param address of the machine's; null for all
   * @throws IOException if it cannot be bound
   */
  public HubServerSocket(int port, int backlog, @Nullable InetAddress address) throws IOException {
    this();
    try {
      bind(new InetSocketAddress(address, port), backlog);
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  @Override
  public HubSocket accept() throws IOException {
    if (isClosed()) throw new SocketException("Socket is closed");
    if (!isBound()) throw new SocketException("Socket is not bound yet");
    var socket = new HubSocket();
    implAccept(socket);
    return socket;
  }
}
