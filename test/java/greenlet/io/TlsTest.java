package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Queue;
import greenlet.hub.Task;
import greenlet.testing.Certificates;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLServerSocketFactory;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** TLS over sockets of a hub. */
@ExtendWith(LeakCheck.class)
class TlsTest {
  private static final Duration LONG = Duration.ofSeconds(40);
  private static final Duration SHORT = Duration.ofMillis(100);
  private static final int MEGABYTE = 1 << 20;

  private static void run(Executable body) {
    Hubs.realTime().run(() -> Hub.timeout(LONG, Threads.callable(body)));
  }

  /** Both ends of a connection. */
  private record Pair(Socket rawClient, SSLSocket client, Socket rawServer, SSLSocket server)
      implements AutoCloseable {
    static Pair open(String... protocols) throws IOException {
      try (ServerSocket listening = listen()) {
        Socket near = new HubSocket("127.0.0.1", listening.getLocalPort());
        Socket far = listening.accept();
        SSLSocket client = Tls.client(Certificates.tls(), near, "test.example");
        if (protocols.length > 0) client.setEnabledProtocols(protocols);
        return new Pair(near, client, far, Tls.server(Certificates.tls(), far));
      }
    }

    static Pair shaken(String... protocols) throws IOException {
      Pair pair = open(protocols);
      Task<?> server = Hub.current().spawn(() -> pair.server.startHandshake());
      pair.client.startHandshake();
      server.result();
      return pair;
    }

    @Override
    public void close() throws IOException {
      client.close();
      server.close();
      assertTrue(rawClient.isClosed());
      assertTrue(rawServer.isClosed());
    }

    void assertTalks() throws IOException {
      for (int i = 0; i < 3; i++) {
        client.getOutputStream().write(i);
        assertEquals(i, server.getInputStream().read());
        server.getOutputStream().write(i + 10);
        assertEquals(i + 10, client.getInputStream().read());
      }
    }
  }

  private static ServerSocket listen() throws IOException {
    return new HubServerSocket(0, 50, InetAddress.getLoopbackAddress());
  }

  private static byte[] random(int size) {
    var bytes = new byte[size];
    new Random(size).nextBytes(bytes);
    return bytes;
  }

  // The handshake

  @RootTest
  @DisplayName("Both ends talk, with TLS 1.3 and 1.2, and a name of the host")
  void talk() {
    run(() -> {
      for (String protocol : List.of("TLSv1.3", "TLSv1.2")) {
        try (Pair pair = Pair.shaken(protocol)) {
          assertEquals(protocol, pair.client.getSession().getProtocol());
          assertEquals(
              List.of(new SNIHostName("test.example")),
              ((ExtendedSSLSession) pair.server.getSession()).getRequestedServerNames());
          pair.assertTalks();
          pair.client.close();
          assertEquals(-1, pair.server.getInputStream().read());
        }
      }
    });
  }

  @RootTest
  @DisplayName("The first read and the first write shake hands together")
  void handshakeByBoth() {
    run(() -> {
      try (Pair pair = Pair.open()) {
        Task<Integer> nearReader = Hub.current().spawn(() -> pair.client.getInputStream().read());
        Task<Integer> farReader = Hub.current().spawn(() -> pair.server.getInputStream().read());
        Task<?> nearWriter = Hub.current().spawn(() -> pair.client.getOutputStream().write(1));
        Task<?> farWriter = Hub.current().spawn(() -> pair.server.getOutputStream().write(2));
        assertEquals(2, nearReader.result());
        assertEquals(1, farReader.result());
        nearWriter.result();
        farWriter.result();
      }
    });
  }

  @RootTest
  @DisplayName("The certificate has to be for the host and of somebody who is trusted")
  void hostName() {
    SSLContext other = Certificates.context("san=dns:other.invalid");
    run(() -> {
      Server server =
          Server.on(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
              .tls(other)
              .handler(s -> s.getInputStream().transferTo(s.getOutputStream()))
              .onFailure((task, e) -> {})
              .start();
      for (SSLContext context : List.of(other, Certificates.tls())) {
        SSLSocketFactory factory = Tls.client(context);
        try (Socket socket = factory.createSocket("127.0.0.1", server.port())) {
          assertThrows(SSLHandshakeException.class, () -> socket.getOutputStream().write(1));
          assertTrue(socket.isClosed());
        }
      }
      try (var socket = (SSLSocket) Tls.client(other).createSocket("127.0.0.1", server.port())) {
        SSLParameters parameters = socket.getSSLParameters();
        assertEquals("HTTPS", parameters.getEndpointIdentificationAlgorithm());
        parameters.setEndpointIdentificationAlgorithm("");
        socket.setSSLParameters(parameters);
        socket.getOutputStream().write(1);
        assertEquals(1, socket.getInputStream().read());
      }
      server.stop(LONG);
    });
  }

  @RootTest
  @DisplayName("Every way to make a socket by a factory connects and checks the host")
  void factory() {
    run(() -> {
      Server server =
          Server.on(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
              .tls(Certificates.tls())
              .handler(s -> s.getInputStream().transferTo(s.getOutputStream()))
              .start();
      SSLSocketFactory factory = Tls.client(Certificates.tls());
      InetAddress loopback = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
      int port = server.port();
      for (var make :
          List.<java.util.concurrent.Callable<Socket>>of(
              () -> factory.createSocket("localhost", port),
              () -> factory.createSocket(loopback, port),
              () -> factory.createSocket("localhost", port, loopback, 0),
              () -> factory.createSocket(loopback, port, loopback, 0),
              () -> factory.createSocket(new HubSocket("127.0.0.1", port), "localhost", port, true),
              () -> {
                Socket socket = factory.createSocket();
                assertFalse(socket.isConnected());
                assertThrows(SocketException.class, socket::getInputStream);
                socket.setSoTimeout(20_000);
                socket.connect(new InetSocketAddress("localhost", port), 20_000);
                return socket;
              })) {
        try (Socket socket = make.call()) {
          socket.getOutputStream().write(1);
          assertEquals(1, socket.getInputStream().read());
        }
      }
      assertInstanceOf(SSLSocket.class, new HubSslSocketFactory().createSocket());
      server.stop(LONG);
    });
  }

  private static void assertEchoes(SSLSocket client) throws IOException {
    try (client) {
      client.getOutputStream().write(1);
      assertEquals(1, client.getInputStream().read());
    }
  }

  @RootTest
  @DisplayName("Every way to make a server socket by a factory accepts sockets with TLS")
  void serverFactory() {
    run(() -> {
      SSLServerSocketFactory factory = Tls.server(Certificates.tls());
      InetAddress loopback = InetAddress.getLoopbackAddress();
      for (var make :
          List.<java.util.concurrent.Callable<ServerSocket>>of(
              () -> factory.createServerSocket(0),
              () -> factory.createServerSocket(0, 5),
              () -> factory.createServerSocket(0, 5, loopback),
              () -> {
                ServerSocket server = factory.createServerSocket();
                assertThrows(SocketException.class, server::accept);
                server.bind(new InetSocketAddress(loopback, 0));
                return server;
              })) {
        try (ServerSocket server = make.call()) {
          assertTrue(server.isBound());
          Task<?> serving =
              Hub.current()
                  .spawn(() -> {
                    try (var silent = server.accept();
                        var socket = server.accept()) {
                      assertInstanceOf(SSLSocket.class, silent);
                      socket.getInputStream().transferTo(socket.getOutputStream());
                    }
                  });
          try (var silent = new HubSocket("127.0.0.1", server.getLocalPort())) {
            assertEchoes(
                (SSLSocket)
                    Tls.client(Certificates.tls())
                        .createSocket("localhost", server.getLocalPort()));
            serving.result();
          }
          server.setSoTimeout(1);
          assertThrows(SocketTimeoutException.class, server::accept);
        }
      }
      var other = new HubSslServerSocketFactory();
      assertArrayEquals(
          SSLContext.getDefault().getServerSocketFactory().getDefaultCipherSuites(),
          other.getDefaultCipherSuites());
      other.createServerSocket().close();
      assertThrows(IllegalArgumentException.class, () -> Tls.server(null));
    });
  }

  private interface Setting {
    void set(SSLServerSocket server);
  }

  /** What the server sees of a client that has its key, and the session that the server has. */
  private static SSLSession shaken(SSLServerSocket server) throws IOException {
    Task<SSLSession> session =
        Hub.current()
            .spawn(() -> {
              try (var socket = (SSLSocket) server.accept()) {
                socket.startHandshake();
                return socket.getSession();
              }
            });
    try (var socket =
        (SSLSocket)
            Tls.client(Certificates.tls()).createSocket("localhost", server.getLocalPort())) {
      socket.startHandshake();
      assertEquals(-1, socket.getInputStream().read());
    }
    return session.result();
  }

  @RootTest
  @DisplayName("What is set on a server socket is set on what it accepts")
  void serverSettings() {
    run(() -> {
      for (Setting setting :
          List.<Setting>of(
              server -> {
                server.setEnabledProtocols(new String[] {"TLSv1.2"});
                server.setEnabledCipherSuites(
                    new String[] {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"});
                server.setNeedClientAuth(true);
              },
              server -> {
                SSLParameters parameters = server.getSSLParameters();
                parameters.setProtocols(new String[] {"TLSv1.2"});
                parameters.setCipherSuites(
                    new String[] {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"});
                parameters.setWantClientAuth(true);
                server.setSSLParameters(parameters);
              })) {
        try (SSLServerSocket server =
            Tls.server(Certificates.tls())
                .createServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
          setting.set(server);
          SSLSession session = shaken(server);
          assertEquals("TLSv1.2", session.getProtocol());
          assertEquals("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", session.getCipherSuite());
          assertEquals(1, session.getPeerCertificates().length);
        }
      }
      try (SSLServerSocket server =
          Tls.server(Certificates.tls())
              .createServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
        SSLSession session = shaken(server);
        assertEquals("TLSv1.3", session.getProtocol());
        assertThrows(SSLPeerUnverifiedException.class, session::getPeerCertificates);
      }
    });
  }

  @RootTest
  @DisplayName("A kill or a limit in a handshake closes the socket underneath")
  void handshakeGivenUp() {
    run(() -> {
      try (Pair pair = Pair.open()) {
        assertThrows(
            TimeoutException.class, () -> Hub.timeout(SHORT, () -> pair.server.startHandshake()));
        assertTrue(pair.rawServer.isClosed());
        assertThrows(IOException.class, () -> pair.client.startHandshake());
      }
      try (Pair pair = Pair.open()) {
        Task<?> first = Hub.current().spawn(() -> pair.server.startHandshake());
        Task<Integer> second =
            Hub.current()
                .spawn(() -> {
                  Refusal.assertRefused(
                      SocketException.class,
                      () -> pair.server.getOutputStream().write(1),
                      "handshake has failed");
                  return 1;
                });
        Hub.sleep(SHORT);
        first.kill();
        assertTrue(pair.rawServer.isClosed());
        assertEquals(1, second.result());
      }
    });
  }

  @RootTest
  @DisplayName(
      "The session of a socket that is closed in its handshake is none, and is had at once")
  void sessionOfClosed() {
    run(() -> {
      for (boolean byServer : new boolean[] {true, false}) {
        try (Pair pair = Pair.open()) {
          SSLSocket socket = byServer ? pair.server : pair.client;
          Task<?> shaking =
              Hub.current()
                  .spawn(() -> assertThrows(IOException.class, () -> socket.startHandshake()));
          Hub.sleep(SHORT);
          socket.close();
          assertFalse(shaking.isDone());
          assertEquals("SSL_NULL_WITH_NULL_NULL", socket.getSession().getCipherSuite());
          shaking.result();
          assertEquals("SSL_NULL_WITH_NULL_NULL", socket.getSession().getCipherSuite());
        }
      }
    });
  }

  // Reading and writing

  @RootTest
  @DisplayName("A read that times out leaves the socket usable, also in the midst of a record")
  void timeout() {
    run(() -> {
      try (Pair pair = Pair.shaken()) {
        pair.client.setSoTimeout(50);
        InputStream in = pair.client.getInputStream();
        for (int i = 0; i < 2; i++) assertThrows(SocketTimeoutException.class, in::read);
        pair.assertTalks();
        assertThrows(SocketTimeoutException.class, in::read);
        assertFalse(pair.client.isClosed());
        pair.client.setSoTimeout(0);
        pair.assertTalks();
      }
    });
  }

  @RootTest
  @DisplayName("What is decrypted already is returned without waiting")
  void decrypted() {
    run(() -> {
      try (Pair pair = Pair.shaken()) {
        pair.client.getOutputStream().write(new byte[] {1, 2, 3, 4});
        InputStream in = pair.server.getInputStream();
        assertEquals(1, in.read());
        assertEquals(3, in.available());
        assertArrayEquals(new byte[] {2, 3}, in.readNBytes(2));
        var rest = new byte[10];
        assertEquals(1, in.read(rest));
        assertEquals(0, in.available());
        assertEquals(0, in.read(rest, 0, 0));
      }
    });
  }

  @RootTest
  @DisplayName("Full duplex: megabytes go both ways at once, between two tasks at each end")
  void duplex() {
    byte[] bytes = random(3 * MEGABYTE + 17);
    run(() -> {
      for (String protocol : List.of("TLSv1.3", "TLSv1.2")) {
        try (Pair pair = Pair.shaken(protocol)) {
          List<Task<byte[]>> readers =
              List.of(
                  Hub.current().spawn(() -> pair.client.getInputStream().readNBytes(bytes.length)),
                  Hub.current().spawn(() -> pair.server.getInputStream().readNBytes(bytes.length)));
          List<Task<?>> writers =
              List.of(
                  Hub.current().spawn(() -> pair.client.getOutputStream().write(bytes)),
                  Hub.current().spawn(() -> pair.server.getOutputStream().write(bytes)));
          for (Task<?> each : writers) each.result();
          for (Task<byte[]> each : readers) assertArrayEquals(bytes, each.result());
        }
      }
    });
  }

  @RootTest
  @DisplayName("A second reader or writer is refused, with both tasks' names")
  void second() {
    run(() -> {
      try (Pair pair = Pair.shaken()) {
        Task<?> reader =
            Hub.current().spawn("the reader", () -> pair.client.getInputStream().read());
        Task<?> writer =
            Hub.current()
                .spawn(
                    "the writer",
                    () -> {
                      pair.client.getOutputStream().write(random(20 * MEGABYTE));
                      return null;
                    });
        Hub.sleep(SHORT);
        String me = Task.current().name();
        Refusal.assertRefused(
            IllegalStateException.class,
            () -> pair.client.getInputStream().read(),
            "the reader",
            me);
        Refusal.assertRefused(
            IllegalStateException.class,
            () -> pair.client.getOutputStream().write(1),
            "the writer",
            me);
        assertEquals(20 * MEGABYTE, pair.server.getInputStream().readNBytes(20 * MEGABYTE).length);
        writer.result();
        pair.server.getOutputStream().write(9);
        assertEquals(9, reader.result());
      }
    });
  }

  // Who sends

  /** Takes what is written when it is let, or fails. */
  private static final class Gate extends Socket {
    private final Queue<String> written = Queue.fifo();
    private final Queue<Boolean> lets = Queue.fifo();

    @Override
    public OutputStream getOutputStream() {
      return new OutputStream() {
        @Override
        public void write(int b) {
          throw new AssertionError("one byte");
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
          written.put(new String(bytes, from, length));
          if (!lets.take()) throw new SocketException("Broken pipe");
        }
      };
    }
  }

  /** What comes of writing: "sent", or the error's message. */
  private static Task<String> writer(TlsTransport transport, String text) {
    return Hub.current()
        .spawn(
            text,
            () -> {
              transport.beginWrite();
              transport.getOutputStream().write(text.getBytes());
              try {
                transport.drain(true);
                return "sent";
              } catch (SocketException e) {
                return e.getMessage();
              }
            });
  }

  @RootTest
  @DisplayName("Who reads sends what the protocol has to say, and nothing that another writes")
  void readerSends() {
    run(() -> {
      try (var gate = new Gate()) {
        var transport = new TlsTransport(gate);
        Task<?> reader =
            Hub.current()
                .spawn(() -> {
                  transport.getOutputStream().write("reader's".getBytes());
                  transport.drain(false);
                });
        assertEquals("reader's", gate.written.take());
        Task<String> writer = writer(transport, "writer's");
        Hub.sleep(Duration.ZERO);
        gate.lets.put(true);
        reader.result();
        assertEquals("writer's", gate.written.take());
        transport.drain(false); // somebody is at it
        assertFalse(writer.isDone());
        gate.lets.put(true);
        assertEquals("sent", writer.result());
      }
    });
  }

  @RootTest
  @DisplayName("Who has written hears of it if another task could not send that")
  void unsent() {
    run(() -> {
      try (var gate = new Gate()) {
        var transport = new TlsTransport(gate);
        Task<String> first = writer(transport, "first");
        assertEquals("first", gate.written.take());
        Task<String> second = writer(transport, "second");
        Hub.sleep(Duration.ZERO);
        gate.lets.put(true);
        assertEquals("second", gate.written.take()); // sent by the first
        gate.lets.put(false);
        assertEquals("Broken pipe", first.result());
        String unsent =
            "not all that was written could be sent: java.net.SocketException: Broken pipe";
        assertEquals(unsent, second.result());
        Task<String> later = writer(transport, "later");
        assertEquals(unsent, later.result());
        transport.drain(false); // who reads goes on
      }
    });
  }

  // Closing

  @RootTest
  @DisplayName("To close ends a read of another task at once, from a task and from a thread")
  void closeWhileReading() {
    run(() -> {
      for (String protocol : List.of("TLSv1.3", "TLSv1.2"))
        for (boolean byThread : new boolean[] {false, true}) {
          try (Pair pair = Pair.shaken(protocol)) {
            Task<Integer> reader =
                Hub.current()
                    .spawn(() -> {
                      assertThrows(
                          SocketException.class, () -> pair.client.getInputStream().read());
                      return 1;
                    });
            Hub.sleep(SHORT);
            if (byThread) {
              Future<Void> closer =
                  Threads.PLATFORM.start("closer", Threads.callable(() -> pair.client.close()));
              Hub.awaitFuture(closer);
            } else pair.client.close();
            assertEquals(1, reader.result());
            assertEquals(-1, pair.server.getInputStream().read());
            assertThrows(SocketException.class, () -> pair.client.getOutputStream().write(1));
          }
        }
    });
  }

  @RootTest
  @DisplayName("To close ends a stalled write of another task at once")
  void closeWhileWriting() {
    run(() -> {
      try (Pair pair = Pair.shaken()) {
        Task<Integer> writer =
            Hub.current()
                .spawn(() -> {
                  byte[] bytes = random(20 * MEGABYTE);
                  assertThrows(
                      SocketException.class, () -> pair.client.getOutputStream().write(bytes));
                  return 1;
                });
        Hub.sleep(SHORT);
        pair.client.close();
        assertEquals(1, writer.result());
      }
    });
  }

  @RootTest
  @DisplayName("A close in a handshake ends that, and one without data after it loses nothing")
  void closeInHandshake() {
    run(() -> {
      try (Pair pair = Pair.open()) {
        Task<Integer> shaking =
            Hub.current()
                .spawn(() -> {
                  assertThrows(IOException.class, () -> pair.client.startHandshake());
                  return 1;
                });
        Hub.sleep(SHORT);
        pair.client.close();
        assertEquals(1, shaking.result());
      }
      byte[] bytes = random(50_000);
      try (Pair pair = Pair.shaken()) {
        pair.client.getOutputStream().write(bytes);
        pair.client.close(); // has not read the tickets of TLS 1.3
        assertArrayEquals(bytes, pair.server.getInputStream().readAllBytes());
      }
    });
  }

  @RootTest
  @DisplayName("A half close tells the peer, and the other half goes on")
  void halfClose() {
    run(() -> {
      try (Pair pair = Pair.shaken("TLSv1.3")) {
        pair.client.shutdownOutput();
        assertEquals(-1, pair.server.getInputStream().read());
        pair.server.getOutputStream().write(random(100_000));
        assertEquals(100_000, pair.client.getInputStream().readNBytes(100_000).length);
        pair.server.close();
        assertEquals(-1, pair.client.getInputStream().read());
        assertEquals(-1, pair.client.getInputStream().read());
      }
    });
  }

  @RootTest
  @DisplayName("A kill or a limit in a read or a write closes the socket")
  void givenUp() {
    run(() -> {
      try (Pair pair = Pair.shaken()) {
        InputStream in = pair.client.getInputStream();
        assertThrows(TimeoutException.class, () -> Hub.timeout(SHORT, () -> in.read()));
        assertTrue(pair.client.isClosed());
      }
      try (Pair pair = Pair.shaken()) {
        OutputStream out = pair.client.getOutputStream();
        Task<?> writer = Hub.current().spawn(() -> out.write(random(20 * MEGABYTE)));
        Hub.sleep(SHORT);
        writer.kill();
        assertTrue(pair.client.isClosed());
      }
    });
  }

  @RootTest
  @DisplayName("A peer that is gone, or sends no TLS, is an error that says so")
  void broken() {
    run(() -> {
      try (Pair pair = Pair.open()) {
        pair.rawClient.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes());
        SSLException e = assertThrows(SSLException.class, () -> pair.server.startHandshake());
        assertTrue(
            e.getMessage().contains("plaintext") || e.getMessage().contains("SSL"), e::toString);
        assertTrue(pair.rawServer.isClosed());
      }
      try (Pair pair = Pair.shaken()) {
        pair.rawClient.setSoLinger(true, 0);
        pair.rawClient.close(); // resets
        assertThrows(SocketException.class, () -> pair.server.getInputStream().read());
      }
      assertThrows(IllegalArgumentException.class, () -> Tls.client(null));
      assertThrows(IllegalArgumentException.class, () -> Tls.server(Certificates.tls(), null));
      Socket closed = new HubSocket();
      closed.close();
      assertThrows(
          SocketException.class, () -> Tls.client(Certificates.tls(), closed, "localhost"));
    });
  }

  @RootTest
  @DisplayName("Outside of tasks it blocks the thread")
  void outside() throws Throwable {
    try (ServerSocket listening = listen()) {
      Future<SSLSession> client =
          Threads.PLATFORM.start(
              "client",
              () -> {
                try (var socket =
                    (SSLSocket)
                        Tls.client(Certificates.tls())
                            .createSocket("localhost", listening.getLocalPort())) {
                  socket.getOutputStream().write(random(MEGABYTE));
                  assertEquals(7, socket.getInputStream().read());
                  return socket.getSession();
                }
              });
      Future<Void> server =
          Threads.PLATFORM.start(
              "server",
              Threads.callable(() -> {
                try (SSLSocket socket = Tls.server(Certificates.tls(), listening.accept())) {
                  assertEquals(MEGABYTE, socket.getInputStream().readNBytes(MEGABYTE).length);
                  socket.getOutputStream().write(7);
                }
              }));
      Threads.await(client);
      Threads.await(server);
    }
  }
}
