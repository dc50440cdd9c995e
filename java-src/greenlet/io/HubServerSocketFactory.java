package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import javax.net.ServerSocketFactory;

/** Makes {@link HubServerSocket}s, for libraries that take a factory. May be used from any thread. */
public final class HubServerSocketFactory extends ServerSocketFactory {
  /** A new factory; all are alike. */
  public HubServerSocketFactory() {}

  @Override
  public ServerSocket createServerSocket() {
    return new HubServerSocket();
  }

  @Override
  public ServerSocket createServerSocket(int port) throws IOException {
    return new HubServerSocket(port);
  }

  @Override
  public ServerSocket createServerSocket(int port, int backlog) throws IOException {
    return new HubServerSocket(port, backlog, null);
  }

  @Override
  public ServerSocket createServerSocket(int port, int backlog, InetAddress address)
      throws IOException {
    return new HubServerSocket(port, backlog, address);
  }
}
