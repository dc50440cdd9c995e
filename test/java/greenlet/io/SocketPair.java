package greenlet.io;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.Threads;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;

/** Two ends of a connection, which can be used at once: {@code near} has connected and {@code far} has been accepted. */
record SocketPair(Socket near, Socket far) implements AutoCloseable {
  private static final Duration LONG = Duration.ofSeconds(40);

  interface Test {
    void run(SocketPair pair) throws Throwable;
  }

  /** Opens it in the current hub. */
  static SocketPair open(Transport transport) throws Exception {
    try (var server = new HubServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Task<Socket> accepting =
          Hub.current()
              .spawn(() -> {
                Socket far = transport.server(server.accept());
                transport.begin(far);
                return far;
              });
      var connected = new HubSocket();
      connected.connect(server.getLocalSocketAddress());
      Socket near = transport.client(connected);
      transport.begin(near);
      return new SocketPair(near, accepting.result());
    }
  }

  /** In a hub of its own, which must not take too long. */
  static void run(Transport transport, Test test) {
    Hubs.realTime()
        .run(() ->
            Hub.timeout(
                LONG,
                Threads.callable(() -> {
                  try (SocketPair pair = open(transport)) {
                    test.run(pair);
                  }
                })));
  }

  @Override
  public void close() throws IOException {
    try (near) {
      far.close();
    }
  }
}
