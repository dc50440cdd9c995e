package greenlet.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** Clients of an echo server: each active one sends a request, and the next as soon as the answer has come. */
final class EchoLoad implements AutoCloseable {
  private static final int LIMIT_MILLIS = 10_000;
  private static final int BUFFER = 512;

  /** What a request is, and its answer. */
  enum Protocol {
    /** Sends back the 64 bytes that it gets. */
    ECHO {
      @Override
      void put(long number, ByteBuffer request) {
        for (int i = 0; i < 8; i++) request.putLong(number + i);
      }

      @Override
      boolean hasAnswer(ByteBuffer request, ByteBuffer answer) throws IOException {
        if (answer.position() < request.limit()) return false;
        if (!request.rewind().equals(answer.flip()))
          throw new IOException("an answer is not what was sent");
        return true;
      }
    },

    /** Answers with the path, of so many bytes. */
    HTTP {
      private static final int PATH = 17;

      @Override
      void put(long number, ByteBuffer request) {
        String path = "/" + HexFormat.of().toHexDigits(number);
        String head = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        request.put(head.getBytes(StandardCharsets.US_ASCII));
      }

      @Override
      boolean hasAnswer(ByteBuffer request, ByteBuffer answer) throws IOException {
        int end = answer.position();
        if (end < PATH || answer.get(end - PATH) != '/') return false;
        if (!answer.slice(end - PATH, PATH).equals(request.slice("GET ".length(), PATH)))
          throw new IOException("an answer is another path");
        return true;
      }
    };

    abstract void put(long number, ByteBuffer request);

    /** Whether all of it has come. */
    abstract boolean hasAnswer(ByteBuffer request, ByteBuffer answer) throws IOException;
  }

  /** So many at most wait for the server to accept them: fewer than fit into its backlog. */
  private static final int BATCH = 250;

  private final InetSocketAddress address;
  private final Protocol protocol;
  private final Selector selector = Selector.open();
  private final List<Client> clients = new ArrayList<>();
  private int waiting;

  EchoLoad(int port, Protocol protocol) throws IOException {
    this.protocol = protocol;
    address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  /** How many connections there are. */
  int size() {
    return clients.size();
  }

  /** Connects more, until there are so many connections, and has each new one served once. */
  void growTo(int connections) throws IOException {
    while (clients.size() < connections) {
      int first = clients.size();
      int next = Math.min(connections, first + BATCH);
      while (clients.size() < next) clients.add(new Client(SocketChannel.open(address)));
      send(first, next);
      while (waiting > 0) receive(true);
    }
  }

  /** How many requests so many of them have been served in about so long: all that they have sent. */
  long run(int active, long millis) throws IOException {
    long end = System.nanoTime() + millis * 1_000_000;
    long served = 0;
    send(0, active);
    while (waiting > 0) served += receive(System.nanoTime() >= end);
    return served;
  }

  private void send(int from, int to) throws IOException {
    for (Client client : clients.subList(from, to)) client.send();
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
    private final ByteBuffer request = ByteBuffer.allocateDirect(BUFFER);
    private final ByteBuffer answer = ByteBuffer.allocateDirect(BUFFER);
    private long number = hashCode();

    Client(SocketChannel channel) throws IOException {
      this.channel = channel;
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.configureBlocking(false);
      channel.register(selector, SelectionKey.OP_READ, this);
    }

    void send() throws IOException {
      request.clear();
      protocol.put(number++, request);
      request.flip();
      answer.clear();
      while (request.hasRemaining()) channel.write(request); // so little always has room
      waiting++;
    }

    /** Whether all of the answer has come. */
    boolean receive() throws IOException {
      if (channel.read(answer) < 0) throw new IOException("the server has closed a connection");
      if (!protocol.hasAnswer(request, answer)) return false;
      waiting--;
      return true;
    }
  }
}
