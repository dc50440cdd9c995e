package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Sockets of a hub; the contract of java.net's, and what tasks add to it. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class HubSocketTest {
  private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();

  /** Two ends of a connection. */
  private record Pair(HubSocket near, HubSocket far) implements AutoCloseable {
    static Pair open() throws Exception {
      try (var server = new HubServerSocket(0, 50, LOOPBACK)) {
        var near = new HubSocket();
        Task<HubSocket> far = Hub.current().spawn(server::accept);
        near.connect(server.getLocalSocketAddress());
        return new Pair(near, far.result());
      }
    }

    @Override
    public void close() throws IOException {
      near.close();
      far.close();
    }
  }

  interface Test {
    void run(Pair pair) throws Exception;
  }

  private static void onPair(Test test) {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              try (Pair pair = Pair.open()) {
                test.run(pair);
              }
            }));
  }

  private static void giveWay() {
    Hub.sleep(Duration.ZERO);
  }

  @RootTest
  @DisplayName("A read waits as its task, and the others run")
  void waits() {
    onPair(pair -> {
      List<Object> trace = new ArrayList<>();
      Task<?> reader = Hub.current().spawn(() -> trace.add(pair.near.getInputStream().read()));
      giveWay();
      trace.add("other");
      pair.far.getOutputStream().write(7);
      reader.join();
      assertEquals(List.of("other", 7), trace);
    });
  }

  @RootTest
  @DisplayName("A write writes all, although the peer reads late; both directions at once")
  void duplex() {
    onPair(pair -> {
      byte[] much = new byte[3_000_000];
      for (int i = 0; i < much.length; i++) much[i] = (byte) i;
      Task<?> there = Hub.current().spawn(() -> pair.near.getOutputStream().write(much));
      Task<?> back = Hub.current().spawn(() -> pair.far.getOutputStream().write(much));
      Task<byte[]> got =
          Hub.current().spawn(() -> pair.near.getInputStream().readNBytes(much.length));
      assertEquals(much.length, pair.far.getInputStream().readNBytes(much.length).length);
      org.junit.jupiter.api.Assertions.assertArrayEquals(much, got.result());
      there.result();
      back.result();
      pair.near.getOutputStream().write(new byte[0]);
    });
  }

  @RootTest
  @DisplayName("A read that times out leaves the socket usable; without a timeout it waits again")
  void timeout() {
    onPair(pair -> {
      pair.near.setSoTimeout(5);
      assertThrows(SocketTimeoutException.class, () -> pair.near.getInputStream().read());
      pair.near.setSoTimeout(0);
      Hub.current()
          .spawnLater(Duration.ofMillis(5), null, () -> pair.far.getOutputStream().write(9));
      assertEquals(9, pair.near.getInputStream().read());
      try (var server = new HubServerSocket(0, 50, LOOPBACK)) {
        server.setSoTimeout(5);
        assertThrows(SocketTimeoutException.class, server::accept);
      }
    });
  }

  @RootTest
  @DisplayName("Closed by another task or thread, who waits gets an error at once")
  void closed() {
    onPair(pair -> {
      Task<?> reader =
          Hub.current()
              .spawn(() ->
                  assertThrows(SocketException.class, () -> pair.near.getInputStream().read()));
      giveWay();
      pair.near.close();
      reader.result();
      Task<?> other =
          Hub.current()
              .spawn(() ->
                  assertThrows(
                      SocketException.class, () -> pair.far.getInputStream().read(new byte[9])));
      other.join(); // end of stream is no error
    });
    onPair(pair -> {
      var waits = new CountDownLatch(1);
      Future<Void> closer =
          Threads.PLATFORM.start(
              "closer",
              Threads.callable(() -> {
                Threads.await(waits);
                pair.near.close();
              }));
      Hub.current().spawn(waits::countDown);
      var e = assertThrows(SocketException.class, () -> pair.near.getInputStream().read());
      assertEquals("Socket closed", e.getMessage());
      Hub.awaitFuture(closer);
      assertThrows(SocketException.class, () -> pair.near.getOutputStream().write(1));
    });
  }

  @RootTest
  @DisplayName(
      "Who is killed or runs out of time in a read closes the socket; the end of a stream is -1")
  void killed() {
    onPair(pair -> {
      Task<?> reader = Hub.current().spawn(() -> pair.near.getInputStream().read());
      giveWay();
      reader.kill();
      assertTrue(reader.exception() instanceof GreenletExit);
      assertTrue(
          pair.near.isClosed()
              || assertThrows(SocketException.class, () -> pair.near.getInputStream().read())
                  != null);
      assertEquals(-1, pair.far.getInputStream().read());
    });
    onPair(pair -> {
      assertThrows(
          java.util.concurrent.TimeoutException.class,
          () -> Hub.timeout(Duration.ofMillis(5), () -> pair.near.getInputStream().read()));
      assertEquals(-1, pair.far.getInputStream().read());
    });
  }

  @RootTest
  @DisplayName("A second reader is refused; one that reads while another writes is not")
  void second() {
    onPair(pair -> {
      Task<?> reader = Hub.current().spawn("first", () -> pair.near.getInputStream().read());
      giveWay();
      var e = assertThrows(IllegalStateException.class, () -> pair.near.getInputStream().read());
      assertTrue(e.getMessage().contains("first"), e.getMessage());
      pair.near.getOutputStream().write(1);
      assertEquals(1, pair.far.getInputStream().read());
      pair.far.getOutputStream().write(2);
      assertEquals(2, reader.result());
    });
  }

  @RootTest
  @DisplayName("A task that always finds data gives way")
  void fair() {
    onPair(pair -> {
      pair.far.getOutputStream().write(new byte[100]);
      int[] turns = {0};
      Task<?> other =
          Hub.current()
              .spawn(() -> {
                while (true) {
                  turns[0]++;
                  giveWay();
                }
              });
      for (int i = 0; i < 100; i++) pair.near.getInputStream().read();
      assertTrue(turns[0] >= 5, "" + turns[0]);
      other.kill();
    });
  }

  @RootTest
  @DisplayName("Half-close, options and states are as java.net has them")
  void options() {
    onPair(pair -> {
      pair.near.setTcpNoDelay(true);
      assertTrue(pair.near.getTcpNoDelay());
      pair.near.setSoLinger(true, 3);
      assertEquals(3, pair.near.getSoLinger());
      pair.near.setSoLinger(false, 0);
      assertEquals(-1, pair.near.getSoLinger());
      pair.near.setKeepAlive(true);
      assertTrue(pair.near.getKeepAlive());
      pair.near.setOption(StandardSocketOptions.SO_RCVBUF, 20_000);
      assertTrue(pair.near.getReceiveBufferSize() > 0);
      assertTrue(pair.near.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY));
      assertTrue(pair.near.isConnected() && pair.near.isBound() && !pair.near.isClosed());
      assertEquals(pair.far.getLocalPort(), pair.near.getPort());
      assertEquals(LOOPBACK, pair.near.getLocalAddress());
      pair.near.shutdownOutput();
      assertEquals(-1, pair.far.getInputStream().read());
      pair.far.getOutputStream().write(5);
      assertEquals(5, pair.near.getInputStream().read());
      assertThrows(SocketException.class, () -> pair.near.getOutputStream().write(1));
      pair.far.getOutputStream().write(new byte[] {1, 2, 3});
      assertEquals(1, pair.near.getInputStream().read());
      assertEquals(2, pair.near.getInputStream().available());
      pair.near.shutdownInput();
      assertThrows(
          SocketException.class, () -> pair.near.connect(pair.far.getLocalSocketAddress()));
      var copy = new HubSocket();
      copy.close();
      assertThrows(SocketException.class, copy::getInputStream);
    });
  }

  @RootTest
  @DisplayName("Refused, unknown: the errors of java.net; what is tried is named")
  void connectErrors() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              int free;
              try (var server = new ServerSocket(0, 1, LOOPBACK)) {
                free = server.getLocalPort();
              }
              var e = assertThrows(ConnectException.class, () -> new HubSocket("localhost", free));
              assertTrue(e.getMessage().contains(":" + free), e.getMessage());
              assertThrows(
                  UnknownHostException.class, () -> new HubSocket("no.such.host.invalid", 1));
              var socket = new HubSocket();
              assertThrows(
                  IOException.class, () -> socket.connect(new InetSocketAddress(LOOPBACK, free)));
              assertThrows(SocketException.class, socket::getInputStream);
            }));
  }

  @RootTest
  @DisplayName(
      "Outside of any task sockets block their thread; an interrupt does not end that in a platform thread")
  void outside() throws Throwable {
    try (var server = new HubServerSocket(0, 50, LOOPBACK)) {
      Future<Integer> client =
          Threads.PLATFORM.start(
              "client",
              () -> {
                try (var socket = new HubSocket()) {
                  socket.connect(server.getLocalSocketAddress());
                  Thread.currentThread().interrupt();
                  int read = socket.getInputStream().read();
                  return Thread.interrupted() ? read : -2;
                }
              });
      try (Socket far = server.accept()) {
        far.setSoTimeout(5);
        assertThrows(SocketTimeoutException.class, () -> far.getInputStream().read());
        far.getOutputStream().write(4);
        assertEquals(4, Threads.await(client));
      }
    }
  }
}
