package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.UnixOperatingSystemMXBean;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.SwitchListener;
import greenlet.hub.Event;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What is promised of cooperative sockets, plain and over TLS: the rows of doc/ledgers/io.md. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ContractTest {
  private static final Duration SHORT = Duration.ofMillis(5);
  private static final Duration LONG = Duration.ofSeconds(40);
  private static final int MORE_THAN_BUFFERS = 1 << 25;

  private static void onEach(SocketPair.Test test) {
    for (Transport each : Transport.values()) SocketPair.run(each, test);
  }

  private static void run(Executable body) {
    Hubs.realTime().run(() -> Hub.timeout(LONG, Threads.callable(body)));
  }

  private static void giveWay() {
    Hub.sleep(Duration.ZERO);
  }

  private static void send(Socket socket, int b) throws IOException {
    socket.getOutputStream().write(b);
  }

  private static int receive(Socket socket) throws IOException {
    return socket.getInputStream().read();
  }

  private static byte[] random(int size) {
    var bytes = new byte[size];
    new Random(size).nextBytes(bytes);
    return bytes;
  }

  /** One that is in a write to {@code socket} whose peer does not read; it ends by an error. */
  private static Task<?> stalledWriter(Socket socket) {
    Task<?> writer =
        Hub.current()
            .spawn("writer", () -> assertThrows(SocketException.class, () -> writeForEver(socket)));
    Hub.sleep(Duration.ofMillis(20)); // it may fill the buffers in several steps
    assertFalse(writer.isDone());
    return writer;
  }

  private static void writeForEver(Socket socket) throws IOException {
    while (true) socket.getOutputStream().write(new byte[MORE_THAN_BUFFERS]);
  }

  @RootTest
  @DisplayName("A read ends by the socket's timeout, others run meanwhile, and it stays usable")
  void timeout() {
    onEach(pair -> {
      pair.near().setSoTimeout(20);
      int[] turns = {0};
      Task<?> other =
          Hub.current()
              .spawn(() -> {
                while (true) {
                  turns[0]++;
                  Hub.sleep(Duration.ofMillis(1));
                }
              });
      assertThrows(SocketTimeoutException.class, () -> receive(pair.near()));
      assertTrue(turns[0] > 1, turns[0] + " turns");
      other.kill();
      pair.near().setSoTimeout((int) LONG.toMillis());
      send(pair.far(), 1);
      assertEquals(1, receive(pair.near()));
      send(pair.near(), 2);
      assertEquals(2, receive(pair.far()));
    });
  }

  private static final List<Supplier<Throwable>> RAISED =
      List.of(
          () -> new IOException("raised"),
          () -> new SocketException("raised"),
          () -> new SocketTimeoutException("raised"),
          () -> new InterruptedException("raised"),
          () -> new IllegalArgumentException("raised"),
          () -> new AssertionError("raised"));

  private interface Use {
    void of(Socket socket) throws Throwable;
  }

  @RootTest
  @DisplayName("Whatever is raised in a read or a write comes out as it is, and closes the socket")
  void raised() {
    Use read = ContractTest::receive;
    Use write = socket -> socket.getOutputStream().write(new byte[MORE_THAN_BUFFERS]);
    for (Supplier<Throwable> each : RAISED)
      for (Use use : List.of(read, write))
        for (boolean waits : new boolean[] {true, false})
          onEach(pair -> {
            Throwable raised = each.get();
            Task<?> task =
                Hub.current()
                    .spawn(
                        Threads.callable(() -> {
                          if (!waits) Task.current().interrupt(raised); // from the next wait
                          Throwable thrown =
                              assertThrows(Throwable.class, () -> use.of(pair.near()));
                          if (thrown != raised) throw new AssertionError("another one", thrown);
                        }));
            Hub.sleep(SHORT);
            task.interrupt(raised);
            task.result();
            assertTrue(pair.near().isClosed());
          });
  }

  @RootTest
  @DisplayName("What is raised in a connect comes out, and no other address is tried")
  void raisedInConnect() throws Throwable {
    try (var full = new Unanswered()) {
      run(() -> {
        for (Supplier<Throwable> each : RAISED) {
          Throwable raised = each.get();
          var impl = new HubSocketImpl();
          impl.create(true);
          InetAddress loopback = full.address().getAddress();
          impl.setAddresses(List.of(loopback, loopback));
          Task<?> task =
              Hub.current()
                  .spawn(() -> {
                    assertSame(
                        raised,
                        assertThrows(Throwable.class, () -> impl.connect(full.address(), 0)));
                  });
          Hub.sleep(SHORT);
          task.interrupt(raised);
          Hub.timeout(LONG, () -> task.result());
          assertTrue(impl.isClosed());
        }
      });
    }
  }

  @RootTest
  @DisplayName("What is raised in an accept comes out, and the server socket stays usable")
  void raisedInAccept() {
    run(() -> {
      try (var server = new HubServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
        for (Supplier<Throwable> each : RAISED) {
          Throwable raised = each.get();
          Task<?> task =
              Hub.current()
                  .spawn(() -> {
                    assertSame(raised, assertThrows(Throwable.class, () -> server.accept()));
                  });
          Hub.sleep(SHORT);
          task.interrupt(raised);
          task.result();
        }
        new Socket("127.0.0.1", server.getLocalPort()).close();
        server.accept().close();
      }
    });
  }

  @RootTest
  @DisplayName("A write that a limit ends closes the socket, and the peer is told")
  void writeLimit() {
    onEach(pair -> {
      assertThrows(
          TimeoutException.class,
          () ->
              Hub.timeout(
                  SHORT, () -> pair.near().getOutputStream().write(new byte[MORE_THAN_BUFFERS])));
      assertThrows(SocketException.class, () -> send(pair.near(), 1));
      try {
        while (pair.far().getInputStream().read(new byte[100_000]) > 0) giveWay();
      } catch (IOException e) {
        // TLS has not been closed in order
      }
    });
  }

  @RootTest
  @DisplayName("A write that is stalled takes no processor: its task has no turn in vain")
  void stalledWrite() {
    onEach(pair -> {
      Greenlet[] writing = new Greenlet[1];
      Task<?> writer =
          Hub.current()
              .spawn(
                  "writer",
                  () -> {
                    writing[0] = Greenlet.current();
                    assertThrows(SocketException.class, () -> writeForEver(pair.near()));
                  });
      giveWay();
      int[] turns = {1};
      SwitchListener before =
          Greenlet.setListener((event, origin, target) -> {
            if (target == writing[0]) turns[0]++;
          });
      for (int i = 0; i < 500 && turns[0] > 0; i++) { // it may fill the buffers in several steps
        turns[0] = 0;
        Hub.sleep(Duration.ofMillis(20));
      }
      Greenlet.setListener(before);
      assertEquals(0, turns[0]);
      assertFalse(writer.isDone());
      pair.near().close();
      writer.join();
    });
  }

  @RootTest
  @DisplayName("Without a timeout again, a read waits again; what has come is available at once")
  void timeoutAndBack() {
    onEach(pair -> {
      assertEquals(0, pair.near().getInputStream().available());
      pair.near().setSoTimeout(5);
      assertThrows(SocketTimeoutException.class, () -> receive(pair.near()));
      pair.near().setSoTimeout(0);
      List<Object> trace = new ArrayList<>();
      Task<?> reader = Hub.current().spawn(() -> trace.add(receive(pair.near())));
      Hub.sleep(Duration.ofMillis(10));
      trace.add("still waits");
      send(pair.far(), 3);
      reader.join();
      assertEquals(List.of("still waits", 3), trace);
    });
  }

  @RootTest
  @DisplayName("A write writes all, whatever the peer's pace; an empty one returns")
  void writesAll() {
    onEach(pair -> {
      byte[] much = random(2_000_000);
      pair.near().getOutputStream().write(new byte[0]);
      Task<?> writer = Hub.current().spawn(() -> pair.near().getOutputStream().write(much));
      Hub.sleep(SHORT);
      byte[] got = new byte[much.length];
      for (int at = 0; at < got.length; ) {
        at += pair.far().getInputStream().read(got, at, Math.min(70_001, got.length - at));
        giveWay();
      }
      assertArrayEquals(much, got);
      writer.result();
    });
  }

  @RootTest
  @DisplayName("A write to a peer that has gone throws SocketException, and does not hang")
  void writeToNobody() {
    onEach(pair -> {
      Task<?> writer = stalledWriter(pair.near());
      pair.far().setSoLinger(true, 0);
      pair.far().close();
      assertInstanceOf(SocketException.class, writer.result());
    });
  }

  @RootTest
  @DisplayName("Two tasks each read and write at once, and all arrives")
  void duplex() {
    onEach(pair -> {
      byte[] much = random(1_500_000);
      List<Task<byte[]>> readers = new ArrayList<>();
      for (Socket each : List.of(pair.near(), pair.far())) {
        Hub.current().spawn(() -> each.getOutputStream().write(much));
        readers.add(Hub.current().spawn(() -> each.getInputStream().readNBytes(much.length)));
      }
      for (Task<byte[]> each : readers) assertArrayEquals(much, each.result());
    });
  }

  @RootTest
  @DisplayName("A reader that closes the socket does not hang the writer, which gets an error")
  void readerCloses() {
    onEach(pair -> {
      Task<?> writer = stalledWriter(pair.near());
      Task<?> reader =
          Hub.current()
              .spawn(() -> {
                int got = receive(pair.near());
                pair.near().close();
                return got;
              });
      send(pair.far(), 8);
      assertEquals(8, reader.result());
      assertInstanceOf(SocketException.class, writer.result());
    });
  }

  @RootTest
  @DisplayName("One reads, one writes, a third task or thread closes: both get an error at once")
  void closedByThird() {
    for (boolean byTask : new boolean[] {true, false}) {
      onEach(pair -> {
        Task<?> writer = stalledWriter(pair.near());
        Task<?> reader =
            Hub.current()
                .spawn(() -> assertThrows(SocketException.class, () -> receive(pair.near())));
        giveWay();
        assertFalse(reader.isDone());
        if (byTask) pair.near().close();
        else Threads.PLATFORM.start("closer", Threads.callable(pair.near()::close));
        assertInstanceOf(SocketException.class, reader.result());
        assertInstanceOf(SocketException.class, writer.result());
        pair.near().close();
      });
    }
  }

  @RootTest
  @DisplayName(
      "A socket that opens where another was closed gets nothing of it, and gives it nothing")
  void descriptorUsedAgain() {
    for (Transport each : Transport.values()) {
      SocketPair.run(
          each,
          pair -> {
            for (int i = 0; i < 10; i++) {
              SocketPair old = SocketPair.open(each);
              Task<?> reader =
                  Hub.current()
                      .spawn(() -> assertThrows(SocketException.class, () -> receive(old.near())));
              giveWay();
              old.close();
              try (SocketPair young = SocketPair.open(each)) {
                send(young.far(), i);
                assertInstanceOf(SocketException.class, reader.result());
                assertEquals(i, receive(young.near()));
              }
            }
            send(pair.far(), 4);
            assertEquals(4, receive(pair.near()));
          });
    }
  }

  @RootTest
  @DisplayName("A second reader or writer is refused, both are named, and the first goes on")
  void second() {
    onEach(pair -> {
      Task<?> reader = Hub.current().spawn("first", () -> receive(pair.near()));
      giveWay();
      Task<?> refused =
          Hub.current()
              .spawn(
                  "second",
                  () -> assertThrows(IllegalStateException.class, () -> receive(pair.near())));
      String message = ((Exception) refused.result()).getMessage();
      assertTrue(message.contains("first") && message.contains("second"), message);
      send(pair.far(), 5);
      assertEquals(5, reader.result());
      Task<?> writer = stalledWriter(pair.near());
      var e = assertThrows(IllegalStateException.class, () -> send(pair.near(), 1));
      assertTrue(e.getMessage().contains("writer"), e.getMessage());
      pair.near().close();
      writer.result();
    });
  }

  @RootTest
  @DisplayName("A read that has timed out wakes nobody later, and takes nothing from the next one")
  void givenUp() {
    onEach(pair -> {
      var event = new Event();
      List<Object> trace = new ArrayList<>();
      pair.near().setSoTimeout(5);
      Task<?> gaveUp =
          Hub.current()
              .spawn(() -> {
                assertThrows(SocketTimeoutException.class, () -> receive(pair.near()));
                trace.add("gave up");
                event.await();
                trace.add("event");
              });
      while (trace.isEmpty()) Hub.sleep(SHORT);
      pair.near().setSoTimeout(0);
      send(pair.far(), 6);
      trace.add(receive(pair.near()));
      Hub.sleep(SHORT);
      trace.add("set");
      event.set();
      gaveUp.join();
      assertEquals(List.of("gave up", 6, "set", "event"), trace);
    });
  }

  @RootTest
  @DisplayName(
      "A task that is killed in a read or write closes its socket, and the peer sees the end")
  void killed() {
    onEach(pair -> {
      Task<?> reader = Hub.current().spawn(() -> receive(pair.near()));
      giveWay();
      reader.kill();
      assertInstanceOf(GreenletExit.class, reader.exception());
      assertThrows(SocketException.class, () -> send(pair.near(), 1));
      pair.near().setSoTimeout(1); // as a library does in its finally
      try {
        assertEquals(-1, receive(pair.far()));
      } catch (IOException e) {
        // TLS has not been closed in order
      }
      pair.near().close();
      assertThrows(SocketException.class, () -> pair.near().setSoTimeout(1));
    });
  }

  @RootTest
  @DisplayName(
      "Lines and exact numbers of bytes, a limit on each; the end in the midst is an error")
  void exactReads() {
    onEach(pair -> {
      var reader = new LineReader(pair.near().getInputStream());
      var line = "size 3\r\nabcdanger".getBytes(StandardCharsets.UTF_8);
      Task<?> writer =
          Hub.current()
              .spawn(() -> {
                for (byte b : line) {
                  send(pair.far(), b);
                  giveWay();
                }
                pair.far().shutdownOutput();
              });
      assertEquals("size 3", Hub.timeout(LONG, reader::readLine));
      assertArrayEquals(new byte[] {'a', 'b', 'c'}, reader.readBytes(3));
      var e = assertThrows(EndOfStreamException.class, reader::readLine);
      assertEquals(6, e.received().length);
      assertEquals(6, reader.readAllBytes().length);
      assertNull(reader.readLine());
      writer.result();
    });
  }

  // Connecting

  private static InetAddress address(String literal) throws IOException {
    return InetAddress.getByName(literal);
  }

  private static HubSocketImpl connect(int port, String... literals) throws IOException {
    var all = new ArrayList<InetAddress>();
    for (String each : literals) all.add(address(each));
    var impl = new HubSocketImpl();
    impl.create(true);
    impl.setAddresses(all);
    impl.connect(new InetSocketAddress(all.get(0), port), 0);
    return impl;
  }

  @RootTest
  @DisplayName("A connect tries all addresses in turn; the error of the last one names it")
  void allAddresses() {
    run(() -> {
      try (var server = new HubServerSocket(0, 50, address("127.0.0.1"))) {
        int port = server.getLocalPort();
        HubSocketImpl connected = connect(port, "127.0.0.2", "127.0.0.3", "127.0.0.1");
        try (HubSocket far = server.accept()) {
          connected.getOutputStream().write(7);
          assertEquals(7, receive(far));
        }
        connected.close();
        var e = assertThrows(ConnectException.class, () -> connect(port, "127.0.0.2", "127.0.0.3"));
        assertTrue(e.getMessage().contains("127.0.0.3:" + port), e.getMessage());
      }
    });
  }

  private static long descriptors() {
    return ManagementFactory.getPlatformMXBean(UnixOperatingSystemMXBean.class)
        .getOpenFileDescriptorCount();
  }

  @RootTest
  @DisplayName(
      "A kill, a limit, or the timeout of a connect closes the socket: no descriptor is left")
  void connectGivenUp() {
    run(() -> {
      try (var full = new Unanswered()) {
        Hub.timeout(SHORT, () -> connect(full)); // opens what the hub needs
      } catch (TimeoutException e) {
        // as it has to be
      }
      try (var full = new Unanswered()) {
        long before = descriptors();
        for (int i = 0; i < 20; i++) {
          Task<?> killed = Hub.current().spawn(() -> connect(full));
          giveWay();
          killed.kill();
          assertInstanceOf(GreenletExit.class, killed.exception());
          assertThrows(TimeoutException.class, () -> Hub.timeout(SHORT, () -> connect(full)));
          assertThrows(
              SocketTimeoutException.class, () -> new HubSocket().connect(full.address(), 5));
        }
        for (int i = 0; i < 1000 && descriptors() > before; i++) Hub.sleep(SHORT);
        assertTrue(descriptors() <= before, before + " and then " + descriptors());
      }
    });
  }

  /** Does not return. */
  private static Void connect(Unanswered full) throws IOException {
    new HubSocket().connect(full.address());
    return null;
  }
}
