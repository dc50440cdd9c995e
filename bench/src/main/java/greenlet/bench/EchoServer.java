package greenlet.bench;

import com.sun.management.OperatingSystemMXBean;
import greenlet.hub.Hub;
import greenlet.io.HubServerSocket;
import greenlet.io.Server;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * Sends back what it gets, in a process of its own. Prints its port, and an answer for each {@link Question} that it reads; ends
 * when there are no more. Arguments: its kind, and {@code http} if it speaks that.
 */
final class EchoServer {
  private static final int BACKLOG = 1000;
  private static final int BUFFER = 512;

  /** What it may be asked, by a line with the name. */
  enum Question {
    /** The CPU time that the process has taken, in nanoseconds. */
    CPU,
    /** The live heap, in bytes. */
    HEAP,
    /** How many connections each hub has served, separated by spaces; an empty line where there is no hub. */
    CONNECTIONS
  }

  private static final Map<Hub, LongAdder> CONNECTIONS = new ConcurrentHashMap<>();

  private interface Handler {
    void run() throws IOException;
  }

  private interface Service {
    void serve(Socket client) throws IOException;
  }

  private static Service service = EchoServer::echo;

  private EchoServer() {}

  public static void main(String[] args) throws Exception {
    if (List.of(args).contains("http")) service = HttpEcho::serve;
    switch (args[0]) {
      case "nio" -> select(1);
      case "two-nio" -> select(2);
      case "netty" -> serveControl(NettyEcho.start(address(), BACKLOG));
      case "hub" -> Hub.realTime().run(() -> serve());
      case "two-hubs" -> Hub.realTime().run(() -> serve(2));
      case "cooperative" -> {
        ServerSocket server = bind();
        Hub.realTime().cooperative().run(() -> accept(server, EchoServer::spawn));
      }
      case "threads" -> {
        ServerSocket server = bind();
        Thread.ofVirtual()
            .start(() -> accept(server, handler -> Thread.startVirtualThread(task(handler))))
            .join();
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
  }

  private static void serveControl(int port) {
    System.out.println(port);
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
          lines.lines().map(Question::valueOf).map(EchoServer::answer).forEach(System.out::println);
          System.exit(0);
        });
  }

  private static String answer(Question question) {
    return switch (question) {
      case CPU -> {
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        yield String.valueOf(system.getProcessCpuTime());
      }
      case HEAP -> String.valueOf(Memory.heap());
      case CONNECTIONS ->
          CONNECTIONS.values().stream().map(LongAdder::toString).collect(Collectors.joining(" "));
    };
  }

  // Sockets: the same code for a hub and for virtual threads

  private static ServerSocket bind() throws IOException {
    ServerSocket server = new ServerSocket();
    server.bind(address(), BACKLOG);
    serveControl(server.getLocalPort());
    return server;
  }

  private static void serve() throws IOException {
    InetSocketAddress address = address();
    try (var server = new HubServerSocket(address.getPort(), BACKLOG, address.getAddress())) {
      serveControl(server.getLocalPort());
      accept(server, EchoServer::spawn);
    }
  }

  private static void serve(int hubs) throws IOException {
    Server server =
        Server.on(address())
            .backlog(BACKLOG)
            .hubs(hubs)
            .handler(client -> {
              count(Hub.current());
              service.serve(client);
            })
            .start();
    serveControl(server.port());
    server.join();
  }

  private static void accept(ServerSocket server, Consumer<Handler> spawn) {
    try {
      while (true) {
        Socket client = server.accept();
        spawn.accept(() -> service.serve(client));
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void spawn(Handler handler) {
    Hub hub = Hub.current();
    count(hub);
    hub.spawn(handler::run);
  }

  private static void count(Hub hub) {
    CONNECTIONS.computeIfAbsent(hub, h -> new LongAdder()).increment();
  }

  private static void echo(Socket client) throws IOException {
    try (client) {
      client.setTcpNoDelay(true);
      var in = client.getInputStream();
      var out = client.getOutputStream();
      byte[] buffer = new byte[BUFFER];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) out.write(buffer, 0, n);
    }
  }

  private static Runnable task(Handler handler) {
    return () -> {
      try {
        handler.run();
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    };
  }

  // A selector for each thread

  private static void select(int threads) throws IOException {
    InetSocketAddress address = address();
    for (int i = 0; i < threads; i++) {
      ServerSocketChannel server = ServerSocketChannel.open();
      if (threads > 1) server.setOption(StandardSocketOptions.SO_REUSEPORT, true);
      server.bind(address, BACKLOG);
      address = (InetSocketAddress) server.getLocalAddress();
      Thread.ofPlatform().start(() -> select(server));
    }
    serveControl(address.getPort());
  }

  private static void select(ServerSocketChannel server) {
    try {
      serve(server);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void serve(ServerSocketChannel server) throws IOException {
    Selector selector = Selector.open();
    server.configureBlocking(false);
    server.register(selector, SelectionKey.OP_ACCEPT);
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER);
    while (true) {
      selector.select(key -> {
        try {
          if (key.isAcceptable()) accept(server, selector);
          else echo((SocketChannel) key.channel(), buffer.clear());
        } catch (IOException e) {
          throw new AssertionError(e);
        }
      });
    }
  }

  private static void accept(ServerSocketChannel server, Selector selector) throws IOException {
    SocketChannel client = server.accept();
    if (client == null) return;
    client.configureBlocking(false);
    client.socket().setTcpNoDelay(true);
    client.register(selector, SelectionKey.OP_READ);
  }

  private static void echo(SocketChannel client, ByteBuffer buffer) throws IOException {
    if (client.read(buffer) < 0) {
      client.close();
      return;
    }
    buffer.flip();
    while (buffer.hasRemaining()) client.write(buffer); // so little always has room
  }
}
