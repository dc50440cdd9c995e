package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Certificates;
import greenlet.testing.Descriptors;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What goes wrong with sockets: the error is that of java.net's, another connection of the hub goes on through it, and no descriptor is
 * left.
 */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class FaultTest {
  private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();
  private static final InetSocketAddress FREE = new InetSocketAddress(LOOPBACK, 0);

  /** So often each fault happens: more often than descriptors are tolerated. */
  private static final int TIMES = 10;

  /** More than the buffers of a connection hold. */
  private static final int MUCH = 20_000_000;

  private interface Fault {
    void happen() throws Throwable;
  }

  private static void withOthers(Fault fault) throws Throwable {
    inHub(fault);
    int before = Descriptors.count();
    for (int i = 0; i < TIMES; i++) inHub(fault);
    Descriptors.awaitGivenBack(before);
  }

  /** In a hub where another connection echoes all the while. */
  private static void inHub(Fault fault) {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              try (var others = new Echoes()) {
                others.requireMore();
                fault.happen();
                others.requireMore();
              }
              assertEquals(List.of(Task.current()), Hub.current().tasks());
            }));
  }

  /** A connection whose ends send each other bytes. */
  private static final class Echoes implements AutoCloseable {
    private final Pair pair = Pair.open();
    private final Task<?> there = Hub.current().spawn("there", () -> send(pair.near, true));
    private final Task<?> back = Hub.current().spawn("back", () -> send(pair.far, false));
    private int count;
    private boolean isOver;

    Echoes() throws Throwable {}

    private void send(Socket socket, boolean isFirst) throws IOException {
      if (isFirst) socket.getOutputStream().write(0);
      for (int next = 0; ; next = (next + 1) % 256) {
        int read = socket.getInputStream().read();
        if (isOver) return;
        assertEquals(next, read);
        socket.getOutputStream().write(isFirst ? (next + 1) % 256 : next);
        count++;
      }
    }

    void requireMore() {
      int before = count;
      untilTrue(() -> count > before + 4 || there.isDone() || back.isDone());
      assertFalse(there.isDone() || back.isDone(), () -> there + ", " + back);
    }

    @Override
    public void close() throws IOException {
      isOver = true;
      there.kill();
      back.kill();
      pair.close();
    }
  }

  private interface Condition {
    boolean holds();
  }

  private static void untilTrue(Condition condition) {
    long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (!condition.holds()) {
      assertTrue(System.nanoTime() < end, "a condition takes too long");
      giveWay();
    }
  }

  private static void giveWay() {
    Hub.sleep(Duration.ZERO);
  }

  private static void giveWay(int times) {
    for (int i = 0; i < times; i++) giveWay();
  }

  /** Two ends of a connection; the far one is of java.net if it is raw. */
  private record Pair(HubSocket near, Socket far) implements AutoCloseable {
    static Pair open() throws Throwable {
      return open(new HubSocket());
    }

    static Pair raw() throws Throwable {
      return open(new Socket());
    }

    private static Pair open(Socket far) throws Throwable {
      try (var server = new HubServerSocket(0, 50, LOOPBACK)) {
        Task<HubSocket> near = Hub.current().spawn("accept", server::accept);
        far.connect(server.getLocalSocketAddress());
        return new Pair(near.result(), far);
      }
    }

    InputStream in() throws IOException {
      return near.getInputStream();
    }

    OutputStream out() throws IOException {
      return near.getOutputStream();
    }

    void reset() throws IOException {
      far.setSoLinger(true, 0);
      far.close();
    }

    @Override
    public void close() throws IOException {
      near.close();
      far.close();
    }
  }

  /** What java.net's does, or what ours does. */
  private interface Call {
    void run() throws Throwable;
  }

  private static Task<Throwable> fails(Call call) {
    return Hub.current().spawn("fails", () -> assertThrows(Throwable.class, call::run));
  }

  private static void assertFailure(
      Class<? extends Throwable> type, String message, Throwable thrown) {
    if (thrown.getClass() != type || !("" + thrown.getMessage()).contains(message))
      throw new AssertionError("not a %s: %s".formatted(type, message), thrown);
  }

  // Resets

  @RootTest
  @DisplayName("A reset while a read waits: Connection reset")
  void resetInRead() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        Task<Throwable> reader = fails(() -> pair.in().read());
        giveWay(2);
        pair.reset();
        assertFailure(SocketException.class, "Connection reset", reader.result());
      }
      try (Pair pair = Pair.raw()) {
        pair.reset();
        assertFailure(
            SocketException.class, "Connection reset", fails(() -> pair.in().read()).result());
      }
    });
  }

  @RootTest
  @DisplayName("A reset while a write waits: Connection reset; the next write: Broken pipe")
  void resetInWrite() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        Task<Throwable> writer = fails(() -> pair.out().write(new byte[MUCH]));
        giveWay(5);
        assertFalse(writer.isDone());
        pair.reset();
        assertFailure(SocketException.class, "Connection reset", writer.result());
        assertFailure(
            SocketException.class, "Broken pipe", fails(() -> pair.out().write(1)).result());
      }
    });
  }

  @RootTest
  @DisplayName("A reset before the connect has ended, or right after it: Connection reset")
  void resetInConnect() throws Throwable {
    withOthers(() -> {
      try (var socket = new HubSocket();
          var server = new ServerSocket(0, 1, LOOPBACK)) {
        Task<Throwable> client =
            fails(() -> {
              socket.connect(server.getLocalSocketAddress());
              socket.getInputStream().read();
            });
        giveWay();
        server.close();
        assertFailure(SocketException.class, "Connection reset", client.result());
      }
    });
  }

  @RootTest
  @DisplayName(
      "Each end shuts its output, and the other still arrives; a write then: as java.net's")
  void halfClose() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        Task<Integer> reader = Hub.current().spawn("reader", () -> pair.in().read());
        giveWay(2);
        OutputStream far = pair.far.getOutputStream();
        pair.far.shutdownOutput();
        assertEquals(-1, reader.result());
        OutputStream near = pair.out();
        near.write(3);
        assertEquals(3, pair.far.getInputStream().read());
        pair.near.shutdownOutput();
        assertEquals(-1, pair.far.getInputStream().read());
        Throwable theirs = assertThrows(Throwable.class, () -> far.write(1));
        assertFailure(theirs.getClass(), theirs.getMessage(), fails(() -> near.write(1)).result());
        assertEquals(-1, pair.in().read());
      }
    });
  }

  @RootTest
  @DisplayName("Shut while another task waits in it: a read ends, a write is a Broken pipe")
  void shut() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        Task<Integer> reader = Hub.current().spawn("reader", () -> pair.in().read());
        Task<Throwable> writer = fails(() -> pair.out().write(new byte[MUCH]));
        giveWay(5);
        pair.near.shutdownInput();
        assertEquals(-1, reader.result());
        pair.near.shutdownOutput();
        assertFailure(SocketException.class, "Broken pipe", writer.result());
      }
    });
  }

  // Closed by another

  private interface Closer {
    void close(AutoCloseable socket) throws Throwable;
  }

  private static final List<Closer> CLOSERS =
      List.of(
          AutoCloseable::close,
          socket ->
              Hub.awaitFuture(Threads.PLATFORM.start("closer", Threads.callable(socket::close))),
          socket ->
              Hub.awaitFuture(Threads.VIRTUAL.start("closer", Threads.callable(socket::close))));

  private static void closedIn(AutoCloseable socket, Call call, Closer closer) throws Throwable {
    Task<Throwable> task = fails(call);
    giveWay(5);
    assertFalse(task.isDone());
    closer.close(socket);
    assertFailure(SocketException.class, "Socket closed", task.result());
    assertInstanceOf(SocketException.class, fails(call).result());
  }

  @RootTest
  @DisplayName("Closed by another task or thread in read and write: Socket closed")
  void closedInTransfer() throws Throwable {
    withOthers(() -> {
      for (Closer closer : CLOSERS) {
        try (Pair pair = Pair.raw()) {
          closedIn(pair.near, () -> pair.in().read(), closer);
          assertEquals(-1, pair.far.getInputStream().read());
        }
        try (Pair pair = Pair.raw()) {
          OutputStream out = pair.out();
          closedIn(pair.near, () -> out.write(new byte[MUCH]), closer);
        }
        try (Pair pair = Pair.raw()) { // both at once
          Task<Throwable> reader = fails(() -> pair.in().read());
          closedIn(pair.near, () -> pair.out().write(new byte[MUCH]), closer);
          assertFailure(SocketException.class, "Socket closed", reader.result());
        }
      }
    });
  }

  @RootTest
  @DisplayName("Closed by another task or thread in accept and connect: Socket closed")
  void closedInConnecting() throws Throwable {
    withOthers(() -> {
      for (Closer closer : CLOSERS) {
        try (var server = new HubServerSocket(0, 50, LOOPBACK)) {
          closedIn(server, server::accept, closer);
        }
        try (var full = new Unanswered();
            var socket = new HubSocket()) {
          closedIn(socket, () -> socket.connect(full.address()), closer);
        }
      }
    });
  }

  // Connecting

  @RootTest
  @DisplayName("Refused, a full backlog, an unknown host: the error names what was tried")
  void connecting() throws Throwable {
    withOthers(() -> {
      InetSocketAddress closed;
      try (var server = new ServerSocket(0, 1, LOOPBACK)) {
        closed = (InetSocketAddress) server.getLocalSocketAddress();
      }
      try (var socket = new HubSocket();
          var javas = new Socket()) {
        assertThrows(ConnectException.class, () -> javas.connect(closed));
        var e = assertThrows(ConnectException.class, () -> socket.connect(closed));
        boolean isSaid = e.getMessage().contains(" (connect failed)"); // by channels of JDK 21
        String refused = "Connection refused" + (isSaid ? " (connect failed)" : "");
        assertFailure(ConnectException.class, refused + ": " + closed, e);
        String unusable = assertThrows(SocketException.class, javas::getInputStream).getMessage();
        assertFailure(
            SocketException.class, unusable, assertThrows(Throwable.class, socket::getInputStream));
      }
      try (var full = new Unanswered();
          var socket = new HubSocket()) {
        var e = assertThrows(Throwable.class, () -> socket.connect(full.address(), 10));
        assertFailure(SocketTimeoutException.class, "Connect timed out: " + full.address(), e);
        assertTrue(socket.isClosed());
      }
      var unresolved = InetSocketAddress.createUnresolved("no.such.host.invalid", 1);
      try (var socket = new HubSocket()) {
        var e = assertThrows(Throwable.class, () -> socket.connect(unresolved));
        assertFailure(UnknownHostException.class, unresolved.getHostString(), e);
        assertTrue(socket.isClosed());
      }
    });
  }

  // Slow, silent, and too much

  @RootTest
  @DisplayName("While a peer sends a byte only each few turns of the others, these run on")
  void slow() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        var turns = new AtomicInteger();
        Future<Void> peer =
            Threads.PLATFORM.start(
                "peer",
                () -> {
                  for (int i = 0; i < 10; i++) {
                    int before = turns.get();
                    Threads.until(() -> turns.get() > before + 2);
                    pair.far.getOutputStream().write(i);
                  }
                  return null;
                });
        Task<?> other = Hub.current().spawn("other", () -> countTurns(turns));
        for (int i = 0; i < 10; i++) assertEquals(i, pair.in().read());
        Hub.awaitFuture(peer);
        other.kill();
      }
    });
  }

  private static void countTurns(AtomicInteger turns) {
    while (true) {
      turns.incrementAndGet();
      giveWay();
    }
  }

  @RootTest
  @DisplayName("Half a request, then silence: Read timed out; the rest arrives when it comes")
  void silence() throws Throwable {
    withOthers(() -> {
      try (Pair pair = Pair.raw()) {
        pair.near.setSoTimeout(10);
        pair.far.getOutputStream().write("GET /half".getBytes());
        assertEquals("GET /half", new String(pair.in().readNBytes(9)));
        long begin = System.nanoTime();
        var e = assertThrows(Throwable.class, () -> pair.in().read());
        assertFailure(SocketTimeoutException.class, "Read timed out", e);
        long late = System.nanoTime() - begin;
        assertTrue(late >= 10_000_000, late + " ns");
        pair.far.getOutputStream().write('!');
        assertEquals('!', pair.in().read());
      }
    });
  }

  @RootTest
  @DisplayName("While a peer writes, or reads, without end, the others keep their turns")
  void flood() throws Throwable {
    withOthers(() -> {
      for (boolean in : new boolean[] {true, false}) {
        try (Pair pair = Pair.raw()) {
          Future<Throwable> peer =
              Threads.PLATFORM.start(
                  "peer", () -> assertThrows(IOException.class, () -> flood(pair.far, in)));
          var turns = new AtomicInteger();
          Task<?> other = Hub.current().spawn("other", () -> countTurns(turns));
          byte[] some = new byte[1000];
          for (int i = 0; i < 800; i++) {
            if (in) assertTrue(pair.in().read(some) > 0);
            else pair.out().write(some);
          }
          assertTrue(turns.get() >= 40, turns + " turns");
          other.kill();
          pair.reset();
          assertInstanceOf(IOException.class, Hub.awaitFuture(peer));
        }
      }
    });
  }

  private static void flood(Socket socket, boolean writes) throws IOException {
    byte[] some = new byte[100_000];
    while (true) {
      if (writes) socket.getOutputStream().write(some);
      else if (socket.getInputStream().read(some) < 0) throw new IOException("the end");
    }
  }

  // Kill and limit, at every point

  private enum State {
    NEW,
    IN,
    OUT
  }

  /** An exception for a task to be struck by; each round has another one. */
  private static Throwable strike(int round) {
    return switch (round % 4) {
      case 0 -> new IllegalArgumentException("struck");
      case 1 -> new IOException("struck");
      case 2 -> new SocketException("struck");
      default -> new InterruptedException("struck");
    };
  }

  /** What strikes a task. */
  private interface Striker {
    /** The task that it strikes after so many rounds; it has ended. */
    Task<?> run(int rounds, Call call) throws Throwable;
  }

  private static final List<Striker> STRIKERS =
      List.of(
          (rounds, call) -> {
            Task<?> task = Hub.current().spawn("victim", call::run);
            giveWay(rounds);
            task.kill();
            return task;
          },
          (rounds, call) -> {
            Throwable strike = strike(rounds);
            Task<?> task =
                Hub.current().spawn("victim", Threads.callable(() -> handled(call, strike)));
            giveWay(rounds + 1); // it has begun
            task.interrupt(strike);
            task.join();
            return task;
          },
          (rounds, call) -> {
            Task<?> task =
                Hub.current().spawn("victim", Threads.callable(() -> limited(rounds, call)));
            task.join();
            return task;
          });

  private static void handled(Call call, Throwable strike) throws Throwable {
    try {
      call.run();
    } catch (Throwable t) {
      if (t != strike) throw t;
    }
  }

  private static void limited(int rounds, Call call) throws Throwable {
    try {
      Hub.timeout(Duration.ofNanos(rounds * 20_000L), Threads.callable(call::run));
    } catch (TimeoutException e) {
      // as it has to be
    }
  }

  /** A call, and what holds after it has been struck, or has ended. */
  private interface Struck {
    void run(int rounds, Striker striker) throws Throwable;
  }

  private static void atEveryPoint(Struck struck) throws Throwable {
    withOthers(() -> {
      for (Striker striker : STRIKERS)
        for (int rounds = 0; rounds < 12; rounds++) struck.run(rounds, striker);
    });
  }

  /** Notes where it is when it is struck. */
  private static Call noting(State[] state, Call call) {
    return () -> {
      state[0] = State.IN;
      call.run();
      state[0] = State.OUT;
    };
  }

  @RootTest
  @DisplayName("Killed, interrupted or out of time at any point of a read: the socket is closed")
  void struckInRead() throws Throwable {
    atEveryPoint((rounds, striker) -> {
      try (Pair pair = Pair.open()) {
        State[] state = {State.NEW};
        Task<?> peer =
            Hub.current()
                .spawn(
                    "peer",
                    () -> {
                      for (int i = 0; i < 8; i++) {
                        try {
                          pair.far.getOutputStream().write(i);
                        } catch (SocketException e) {
                          return; // struck
                        }
                        giveWay();
                      }
                    });
        striker.run(rounds, noting(state, () -> pair.in().readNBytes(8)));
        peer.join();
        if (state[0] == State.IN) {
          requireClosed(pair);
          requireEnd(pair.far);
        } else {
          requireOpen(pair, state[0] == State.NEW ? 8 : 0);
        }
      }
    });
  }

  @RootTest
  @DisplayName("Killed, interrupted or out of time at any point of a write: the socket is closed")
  void struckInWrite() throws Throwable {
    atEveryPoint((rounds, striker) -> {
      try (Pair pair = Pair.open()) {
        State[] state = {State.NEW};
        Task<Integer> peer =
            Hub.current()
                .spawn(
                    "peer",
                    () -> {
                      int count = 0;
                      byte[] some = new byte[300_000];
                      while (count < 3_000_000) {
                        giveWay();
                        int now = pair.far.getInputStream().read(some);
                        if (now < 0) break;
                        count += now;
                      }
                      return count;
                    });
        striker.run(rounds, noting(state, () -> pair.out().write(new byte[3_000_000])));
        if (state[0] == State.IN) requireClosed(pair);
        if (state[0] == State.NEW) peer.kill();
        else assertEquals(state[0] == State.OUT, peer.result() == 3_000_000);
      }
    });
  }

  private static void requireClosed(Pair pair) {
    for (Call call : List.<Call>of(() -> pair.in().read(), () -> pair.out().write(1)))
      assertFailure(SocketException.class, "closed", assertThrows(Throwable.class, call::run));
    assertTrue(pair.near.isClosed());
  }

  private static void requireEnd(Socket far) throws IOException {
    try {
      assertEquals(-1, far.getInputStream().read());
    } catch (SocketException e) { // it had sent what has not been read
      assertFailure(SocketException.class, "Connection reset", e);
    }
  }

  private static void requireOpen(Pair pair, int left) throws Throwable {
    assertEquals(left, pair.in().readNBytes(left).length);
    pair.far.getOutputStream().write(77);
    assertEquals(77, pair.in().read());
  }

  @RootTest
  @DisplayName("Killed, interrupted or out of time at any point of a connect: the socket is closed")
  void struckInConnect() throws Throwable {
    try (var full = new Unanswered()) {
      withOthers(() -> {
        try (var server = new ServerSocket(0, 50, LOOPBACK)) {
          for (Striker striker : STRIKERS)
            for (int rounds = 0; rounds < 12; rounds++) {
              strikeConnect((InetSocketAddress) server.getLocalSocketAddress(), rounds, striker);
              strikeConnect(full.address(), rounds, striker);
            }
        }
      });
    }
  }

  private static void strikeConnect(InetSocketAddress address, int rounds, Striker striker)
      throws Throwable {
    var unresolved = InetSocketAddress.createUnresolved("127.0.0.1", address.getPort());
    for (InetSocketAddress each : List.of(address, unresolved)) {
      try (var socket = new HubSocket()) {
        State[] state = {State.NEW};
        striker.run(rounds, noting(state, () -> socket.connect(each)));
        if (state[0] == State.IN) assertTrue(socket.isClosed(), "" + socket);
        else assertEquals(state[0] == State.OUT, socket.isConnected());
        if (state[0] == State.OUT) requireRefusal(socket, each);
      }
    }
  }

  private static void requireRefusal(HubSocket connected, InetSocketAddress address) {
    assertFailure(
        SocketException.class,
        "onnected",
        assertThrows(Throwable.class, () -> connected.connect(address)));
    assertFalse(connected.isClosed());
  }

  @RootTest
  @DisplayName(
      "Killed, interrupted or out of time at any point of an accept: the next one has the connection")
  void struckInAccept() throws Throwable {
    atEveryPoint((rounds, striker) -> {
      try (var server = new HubServerSocket(0, 50, LOOPBACK);
          var client = new Socket()) {
        State[] state = {State.NEW};
        List<HubSocket> accepted = new ArrayList<>();
        Task<?> connector =
            Hub.current()
                .spawn(
                    "connector",
                    () -> {
                      giveWay(rounds / 2);
                      client.connect(server.getLocalSocketAddress());
                      client.getOutputStream().write(5);
                    });
        striker.run(rounds, noting(state, () -> accepted.add(server.accept())));
        connector.result();
        if (state[0] != State.OUT) accepted.add(server.accept());
        try (HubSocket socket = accepted.get(0)) {
          assertEquals(5, socket.getInputStream().read());
        }
      }
    });
  }

  /** A socket that waits before each read and each write, of few bytes; in the wait of a number, something else is done. */
  private static final class Stepping extends Socket {
    private static final int FEW = 300;

    private final HubSocket under;
    private final int number;
    private final Runnable strike;
    private int waits;
    private boolean isOver;

    Stepping(HubSocket under, int number, Runnable strike) {
      this.under = under;
      this.number = number;
      this.strike = strike;
    }

    private void await() {
      if (++waits == number && !isOver) strike.run();
      else giveWay();
    }

    @Override
    public InputStream getInputStream() throws IOException {
      InputStream in = under.getInputStream();
      return new InputStream() {
        @Override
        public int read() {
          throw new AssertionError("one byte");
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
          await();
          return in.read(bytes, from, Math.min(length, FEW));
        }
      };
    }

    @Override
    public OutputStream getOutputStream() throws IOException {
      OutputStream out = under.getOutputStream();
      return new OutputStream() {
        @Override
        public void write(int b) {
          throw new AssertionError("one byte");
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
          for (int at = from; at < from + length; at += FEW) {
            await();
            out.write(bytes, at, Math.min(FEW, from + length - at));
          }
        }
      };
    }

    @Override
    public boolean isConnected() {
      return true;
    }

    @Override
    public boolean isClosed() {
      return under.isClosed();
    }

    // what a Socket does not leave to another one, it makes a descriptor of its own for

    @Override
    public InetAddress getInetAddress() {
      return under.getInetAddress();
    }

    @Override
    public int getSoTimeout() throws SocketException {
      return under.getSoTimeout();
    }

    @Override
    public void setSoTimeout(int millis) throws SocketException {
      under.setSoTimeout(millis);
    }

    @Override
    public int getPort() {
      return under.getPort();
    }

    @Override
    public void close() throws IOException {
      under.close();
    }
  }

  /** What ends a handshake in one of its waits, and what comes of that. */
  private enum Ending {
    KILL,
    LIMIT,
    INTERRUPT;

    private static final Duration LIMIT_OF_HANDSHAKE = Duration.ofMillis(30);

    /** In the task that shakes hands. */
    void strike() {
      Task<?> victim = Task.current();
      if (this == KILL) Hub.current().spawn("killer", () -> victim.kill());
      if (this == INTERRUPT) victim.interrupt(new InterruptedException("struck"));
      Hub.sleep(Duration.ofSeconds(20));
      throw new AssertionError(this + " has not ended the wait");
    }

    private Class<? extends Throwable> thrown() {
      return switch (this) {
        case KILL -> GreenletExit.class;
        case LIMIT -> TimeoutException.class;
        case INTERRUPT -> InterruptedException.class;
      };
    }

    /** Whether the handshake was ended; by what it has to be ended. */
    boolean ends(SSLSocket socket) throws Throwable {
      try {
        if (this == LIMIT) Hub.timeout(LIMIT_OF_HANDSHAKE, () -> socket.startHandshake());
        else socket.startHandshake();
        return false;
      } catch (Throwable t) {
        if (t.getClass() != thrown()) throw t;
        return true;
      }
    }
  }

  /** What comes of a handshake whose other end is struck, and a read after it: an error, or the end of the stream. */
  private static String shakeAndRead(SSLSocket socket) throws IOException {
    boolean isShaken = false;
    try {
      socket.startHandshake();
      isShaken = true;
      return "" + socket.getInputStream().read();
    } catch (SSLException | SocketException e) {
      return (isShaken ? "shaken, " : "") + e.getClass().getSimpleName();
    }
  }

  /** Strikes the wait of a number; false if the handshake has come to its end without. */
  private static boolean strikeHandshake(
      String protocol, boolean isClient, Ending ending, int number) throws Throwable {
    try (Pair pair = Pair.open()) {
      var victim = (HubSocket) (isClient ? pair.far : pair.near);
      var other = (HubSocket) (isClient ? pair.near : pair.far);
      var stepping = new Stepping(victim, number, ending::strike);
      SSLSocket client = Tls.client(Certificates.tls(), isClient ? stepping : other, "localhost");
      SSLSocket server = Tls.server(Certificates.tls(), isClient ? other : stepping);
      client.setEnabledProtocols(new String[] {protocol});
      Task<String> peer =
          Hub.current().spawn("peer", () -> shakeAndRead(isClient ? server : client));
      SSLSocket struck = isClient ? client : server;
      Task<Boolean> task =
          Hub.current()
              .spawn(
                  "victim",
                  () -> {
                    try {
                      return ending.ends(struck);
                    } catch (Throwable t) {
                      throw Threads.<RuntimeException>unchecked(t);
                    }
                  });
      boolean hasEnded = task.result();
      stepping.isOver = true;
      assertEquals(hasEnded, victim.isClosed());
      if (!hasEnded) struck.close();
      String seen = peer.result();
      if (hasEnded) assertTrue(seen.endsWith("Exception") || seen.equals("-1"), seen);
      else assertEquals("-1", seen);
      return hasEnded;
    }
  }

  private static void strikeHandshakes(String protocol, Ending... others) throws Throwable {
    for (boolean isClient : new boolean[] {true, false}) {
      int waits = 0;
      while (strikeHandshake(protocol, isClient, Ending.KILL, waits + 1)) waits++;
      assertTrue(waits > 4, waits + " waits in a handshake");
      for (Ending each : others)
        for (int i = 1; i <= waits; i++) strikeHandshake(protocol, isClient, each, i);
    }
  }

  @RootTest
  @DisplayName(
      "Killed, interrupted or out of time in each wait of a handshake: the socket is closed, and the other end gets an error")
  void struckInHandshake() throws Throwable {
    inHub(() -> strikeHandshakes("TLSv1.2"));
    int before = Descriptors.count();
    inHub(() -> strikeHandshakes("TLSv1.3", Ending.INTERRUPT, Ending.LIMIT));
    Descriptors.awaitGivenBack(before);
  }

  // No descriptors left

  @Test
  @DisplayName(
      "Without a descriptor left: Too many open files in accept, connect, a first wait and a server; all of it works again afterwards")
  void exhausted() throws Throwable {
    List<String> command =
        new ArrayList<>(
            List.of(
                "bash",
                "-c",
                "ulimit -n 400; exec \"$@\"",
                "bash",
                Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of("-cp", System.getProperty("java.class.path"), Exhausted.class.getName()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    Future<String> said =
        Threads.PLATFORM.start(
            "lines", () -> process.inputReader().lines().collect(Collectors.joining("\n")));
    Threads.await(process);
    assertEquals(0, process.exitValue(), Threads.await(said));
    assertTrue(Threads.await(said).endsWith("all as it has to be"), Threads.await(said));
  }

  /** A program of its own, with few descriptors. */
  static final class Exhausted {
    /** Whether it takes the descriptors; else it does the rest, so that all classes are loaded. */
    private final boolean isReal;

    private Exhausted(boolean isReal) {
      this.isReal = isReal;
    }

    public static void main(String[] args) throws Throwable {
      for (Threads kind : Threads.values()) {
        kind.run("warm-up", () -> inHub(new Exhausted(false)::happen));
        int before = Descriptors.count();
        for (int i = 0; i < TIMES; i++)
          kind.run("exhausted", () -> inHub(new Exhausted(true)::happen));
        Descriptors.awaitGivenBack(before);
      }
      System.out.println("all as it has to be");
    }

    private void happen() throws Throwable {
      try (var others = new Echoes();
          var server = new HubServerSocket(0, 50, LOOPBACK);
          var first = new Socket();
          var second = new HubSocket()) {
        first.connect(server.getLocalSocketAddress());
        try (var taken = take(0)) {
          requireFailure(() -> server.accept().close());
          others.requireMore();
        }
        if (isReal) server.accept().close();
        try (var taken = take(0)) {
          requireFailure(() -> second.connect(server.getLocalSocketAddress()));
          requireFailure(
              () -> HubSocket.connect("127.0.0.1", server.getLocalPort(), SECOND).close());
          others.requireMore();
        }
        HubSocket.connect("127.0.0.1", server.getLocalPort(), SECOND).close();
      }
      for (int free = 0; free < 2; free++) firstWait(free);
      serve();
    }

    /** A server reports that it cannot accept, tries again, and serves who has waited meanwhile. */
    private void serve() throws Throwable {
      List<Throwable> reported = new ArrayList<>();
      var failures = new AtomicInteger(isReal ? 0 : 2); // which have the rest loaded
      Server server =
          Server.on(FREE)
              .sockets(() -> new ServerTest.Failing(failures, new ArrayList<>()))
              .handler(socket -> socket.getInputStream().transferTo(socket.getOutputStream()))
              .onFailure((task, e) -> reported.add(e))
              .start();
      try (var others = new Echoes();
          var client = SocketChannel.open()) {
        try (var taken = take(0)) {
          client.connect(server.address());
          untilTrue(() -> reported.size() >= 2);
          others.requireMore();
        }
        client.configureBlocking(false);
        client.write(ByteBuffer.wrap(new byte[] {7}));
        Hub.awaitReady(client, SelectionKey.OP_READ);
        assertEquals(1, client.read(ByteBuffer.allocate(9)));
        Hub.close(client);
      }
      server.stop(SECOND);
      for (Throwable each : reported)
        assertFailure(SocketException.class, "Too many open files", each);
    }

    private static final Duration SECOND = Duration.ofSeconds(1);

    /** What waits first in a hub, or outside of any, opens a selector, which takes two descriptors. */
    private void firstWait(int free) throws Throwable {
      try (Pair pair = Pair.raw()) {
        giveWay(2); // what has been closed is given back
        pair.near.setSoTimeout(1);
        Call read = () -> assertThrows(SocketTimeoutException.class, () -> pair.in().read());
        Call readToFail = isReal ? () -> pair.in().read() : read;
        try (var taken = take(free)) {
          Call fails = () -> requireFailure(taken, readToFail);
          inAnotherThread(fails);
          inAnotherThread(() -> Hubs.realTime().run(Threads.callable(fails::run)));
        }
        read.run(); // it is still open
        inAnotherThread(() -> Hubs.realTime().run(Threads.callable(read::run)));
        inAnotherThread(read);
        pair.far.getOutputStream().write(1);
        assertEquals(1, pair.in().read());
      }
    }

    private static void inAnotherThread(Call call) {
      Hub.awaitFuture(Threads.PLATFORM.start("another", Threads.callable(call::run)));
    }

    /** The JVM opens files of the system's for a moment, too, and may have given one back; what times out has found that. */
    private void requireFailure(Taken taken, Call read) throws Throwable {
      for (int i = 0; ; i++) {
        try {
          requireFailure(read);
          return;
        } catch (AssertionError e) {
          if (!(e.getCause() instanceof SocketTimeoutException) || i > 10) throw e;
          taken.fill();
        }
      }
    }

    private void requireFailure(Call call) throws Throwable {
      if (!isReal) call.run();
      else
        assertFailure(
            SocketException.class, "Too many open files", assertThrows(Throwable.class, call::run));
    }

    /** Takes all descriptors but some. */
    private Taken take(int free) {
      return new Taken(isReal ? free : -1);
    }
  }

  private static final class Taken implements AutoCloseable {
    private final List<FileInputStream> all = new ArrayList<>();
    private final int free;

    Taken(int free) {
      this.free = free;
      if (free >= 0) fill();
    }

    void fill() {
      try {
        while (true) all.add(new FileInputStream("/dev/null"));
      } catch (IOException e) { // no more
        for (int i = 0; i < free; i++) close(all.removeLast());
      }
    }

    private static void close(FileInputStream one) {
      try {
        one.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void close() {
      all.forEach(Taken::close);
    }
  }
}
