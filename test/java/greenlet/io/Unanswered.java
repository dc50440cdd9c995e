package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/** A server whose backlog is full: what connects to it now waits. Linux ignores who comes then. */
final class Unanswered implements AutoCloseable {
  private static final int MORE_THAN_BACKLOG = 8;

  private final ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
  private final List<SocketChannel> clients = new ArrayList<>();

  Unanswered() throws IOException {
    for (int i = 0; i < MORE_THAN_BACKLOG; i++) {
      SocketChannel client = SocketChannel.open();
      clients.add(client);
      client.configureBlocking(false);
      client.connect(address());
    }
  }

  InetSocketAddress address() {
    return (InetSocketAddress) server.getLocalSocketAddress();
  }

  @Override
  public void close() throws IOException {
    for (SocketChannel each : clients) each.close();
    server.close();
  }
}
