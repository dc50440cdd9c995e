package greenlet.io;

import greenlet.hub.Task;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A socket whose waits are those of the {@linkplain Task task} that calls: the other tasks of its hub run meanwhile. It does all that a
 * {@link Socket} does, with the same options, states and exceptions, on every engine and without a flag; so any library that
 * takes a {@code Socket} or a {@link javax.net.SocketFactory} can have it. Outside of any task it blocks its thread.
 *
 * <p>One task at a time may read, and one may write; another is refused by an {@code IllegalStateException} that names both. Who leaves a
 * read, a write or a connect by anything but the socket's own timeout, as by a kill, a limit, the end of a scope or {@link
 * Task#interrupt}, closes the socket: what comes next would be out of step with what has been sent. Closing it, from any task or thread, ends the waits of others
 * with a {@link SocketException}.
 */
public final class HubSocket extends Socket {
  private final HubSocketImpl impl;

  /**
   * A new socket that is not connected.
   *
   * @throws SocketException never; the constructor of {@link Socket} that this one calls declares it
   */
  public HubSocket() throws SocketException {
    this(new HubSocketImpl());
  }

  private HubSocket(HubSocketImpl impl) throws SocketException {
    super(impl);
    this.impl = impl;
  }

  /**
   * A new socket that is connected to a host, by the first of its addresses that answers.
   *
   * @param host a name or an address; a name is looked up in another thread, while the task waits
   * @param port where
   * @throws IOException if no address can be connected to: that of the last one, which it names
   */
  public HubSocket(String host, int port) throws IOException {
    this();
    connect(InetSocketAddress.createUnresolved(host, port));
  }

  /**
   * A new socket that is connected to a host, as {@link #HubSocket(String, int)}.
   *
   * @param host a name or an address
   * @param port where
   * @param limit how long at most for each address
   * @return the socket
   * @throws IOException if no address can be connected to: that of the last one, which it names
   */
  public static HubSocket connect(String host, int port, Duration limit) throws IOException {
    var socket = new HubSocket();
    socket.connect(InetSocketAddress.createUnresolved(host, port), millis(limit));
    return socket;
  }

  /** For factories. {@code local}: where to bind it; null for anywhere. */
  static HubSocket connected(InetSocketAddress remote, @Nullable InetSocketAddress local)
      throws IOException {
    var socket = new HubSocket();
    try {
      if (local != null) socket.bind(local);
      socket.connect(remote);
      return socket;
    } catch (Throwable t) {
      socket.close();
      throw t;
    }
  }

  private static int millis(Duration limit) {
    return Math.clamp(limit.toMillis(), 1, Integer.MAX_VALUE);
  }

  /**
   * As {@link Socket#connect(SocketAddress, int)}. An address that is not resolved is looked up in another thread, while the
   * task waits; then all addresses of the host are tried in turn, and the timeout is for each.
   */
  @Override
  public void connect(SocketAddress endpoint, int timeout) throws IOException {
    if (!(endpoint instanceof InetSocketAddress named) || !named.isUnresolved() || isConnected()) {
      super.connect(endpoint, timeout);
      return;
    }
    if (isClosed()) throw new SocketException("Socket is closed");
    try {
      List<InetAddress> all = lookUp(named.getHostString());
      impl.setAddresses(all);
      super.connect(new InetSocketAddress(all.get(0), named.getPort()), timeout);
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  @Override
  public void connect(SocketAddress endpoint) throws IOException {
    connect(endpoint, 0);
  }

  /** As {@link Socket#isClosed}; also once a task has left a read, a write or a connect in the midst. */
  @Override
  public boolean isClosed() {
    return super.isClosed() || impl.isClosed();
  }

  /**
   * As {@link Socket#setSoTimeout}, but without effect once a task has left a read, a write or a connect in the midst. A library may
   * restore the timeout in a {@code finally} block; an exception there would come out in place of the kill or the limit.
   */
  @Override
  public void setSoTimeout(int timeout) throws SocketException {
    if (!impl.isLeft()) super.setSoTimeout(timeout);
  }

  private static List<InetAddress> lookUp(String host) throws IOException {
    return Task.current() == null ? List.of(InetAddress.getAllByName(host)) : Names.lookupAll(host);
  }
}
