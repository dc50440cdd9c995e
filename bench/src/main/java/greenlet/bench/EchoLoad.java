package greenlet.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/** Clients of an echo server: each active one sends a request of 64 bytes, and the next as soon as that has come back. */
final class EchoLoad implements AutoCloseable {
  private static final int LONGS = 8;
  private static final int LIMIT_MILLIS = 10_000;

  private final Selector selector = Selector.open();
  private final List<Client> clients = new ArrayList<>();
  private final int active;
  private int waiting;

  /** Connects them all, and has each of them served once. */
  EchoLoad(int port, int connections, int active) throws IOException {
    this.active = active;
    var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    try {
      for (int i = 0; i < connections; i++) clients.add(new Client(SocketChannel.open(address)));
      send(connections);
      while (waiting > 0) receive(true);
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  /** How many requests the active ones have been served in about so long: all that they have sent. */
  long run(long millis) throws IOException {
    long end = System.nanoTime() + millis * 1_000_000;
    long served = 0;
    send(active);
    while (waiting > 0) served += receive(System.nanoTime() >= end);
    return served;
  }

  private void send(int count) throws IOException {
    for (Client client : clients.subList(0, count)) client.send();
  }

  /** How many have been served; each of these sends once more, unless this is the end. */
  private int receive(boolean isEnd) throws IOException {
    if (selector.select(LIMIT_MILLIS) == 0)
      throw new IOException(
          "%d requests have had no answer for %d ms".formatted(waiting, LIMIT_MILLIS));
    int served = 0;
    for (SelectionKey key : selector.selectedKeys()) {
      Client client = (Client) key.attachment();
      if (!client.receive()) continue;
      served++;
      if (!isEnd) client.send();
    }
    selector.selectedKeys().clear();
    return served;
  }

  @Override
  public void close() throws IOException {
    for (Client client : clients) client.channel.close();
    selector.close();
  }

  private final class Client {
    final SocketChannel channel;
    private final ByteBuffer request = ByteBuffer.allocateDirect(LONGS * Long.BYTES);
    private final ByteBuffer answer = ByteBuffer.allocateDirect(LONGS * Long.BYTES);
    private long number = hashCode();

    Client(SocketChannel channel) throws IOException {
      this.channel = channel;
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.configureBlocking(false);
      channel.register(selector, SelectionKey.OP_READ, this);
    }

    void send() throws IOException {
      request.clear();
      for (int i = 0; i < LONGS; i++) request.putLong(++number);
      request.flip();
      answer.clear();
      while (request.hasRemaining()) channel.write(request); // so little always has room
      waiting++;
    }

    /** Whether all of the answer has come. */
    boolean receive() throws IOException {
      if (channel.read(answer) < 0) throw new IOException("the server has closed a connection");
      if (answer.hasRemaining()) return false;
      if (!request.rewind().equals(answer.flip()))
        throw new IOException("an answer is not what was sent");
      waiting--;
      return true;
    }
  }
}
