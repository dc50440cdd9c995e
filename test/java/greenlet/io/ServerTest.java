package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Event;
import greenlet.hub.Hub;
import greenlet.hub.Sleeper;
import greenlet.hub.Task;
import greenlet.testing.Certificates;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Servers: a task for each connection, bounds, errors, the end, TLS and several hubs. */
@ExtendWith(LeakCheck.class)
class ServerTest {
  private static final Duration LONG = Duration.ofSeconds(40);
  private static final Duration SHORT = Duration.ofMillis(50);
  private static final InetSocketAddress LOOPBACK =
      new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

  private final List<Object> trace = Collections.synchronizedList(new ArrayList<>());

  private void run(Executable body) {
    Hubs.realTime()
        .onFailure((task, e) -> trace.add("hub: " + e.getMessage()))
        .run(() -> Hub.timeout(LONG, Threads.callable(body)));
  }

  private static Server echo() {
    return Server.on(LOOPBACK)
        .handler(socket -> socket.getInputStream().transferTo(socket.getOutputStream()));
  }

  private static Socket connect(Server server) throws IOException {
    return new HubSocket("127.0.0.1", server.port());
  }

  private static void assertEchoes(Socket socket, int n) throws IOException {
    socket.getOutputStream().write(n);
    assertEquals(n, socket.getInputStream().read());
  }

  private static void assertServes(Server server) throws IOException {
    try (Socket socket = connect(server)) {
      assertEchoes(socket, 7);
    }
  }

  private static void assertRefuses(Server server) {
    assertThrows(ConnectException.class, () -> connect(server).close());
  }

  /** Reads until the peer has closed, in whichever way. */
  private static void awaitClosed(Socket socket) throws IOException {
    try {
      while (socket.getInputStream().read() >= 0)
        ;
    } catch (SocketException e) {
      // reset
    }
  }

  // Serving

  @RootTest
  @DisplayName("Each connection is a task of its own, at a free port")
  void tasks() {
    run(() -> {
      Server server = echo().start();
      assertTrue(server.port() > 0);
      assertEquals(LOOPBACK.getAddress(), server.address().getAddress());
      List<Socket> sockets = new ArrayList<>();
      for (int i = 0; i < 10; i++) sockets.add(connect(server));
      for (int i = 9; i >= 0; i--) assertEchoes(sockets.get(i), i);
      assertEquals(10, server.count());
      for (Socket each : sockets) each.close();
      server.stop(LONG);
      assertEquals(0, server.count());
      assertEquals(List.of(Task.current()), Hub.current().tasks());
    });
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("The connection is closed when the handler returns or throws, which is reported")
  void closed() {
    run(() -> {
      Server server =
          Server.on(LOOPBACK)
              .handler(socket -> {
                if (socket.getInputStream().read() == 1) throw new IOException("thrown");
              })
              .start();
      for (int i = 0; i < 3; i++) {
        try (Socket socket = connect(server)) {
          socket.getOutputStream().write(i);
          assertEquals(-1, socket.getInputStream().read());
        }
      }
      server.stop(LONG);
    });
    assertEquals(List.of("hub: thrown"), trace);
  }

  @RootTest
  @DisplayName("Failures go to the server's own handler if there is one, and end no scope")
  void failures() {
    run(() ->
        Hub.scope(() -> {
          Server server =
              Server.on(LOOPBACK)
                  .handler(socket -> {
                    throw new IOException("thrown");
                  })
                  .onFailure((task, e) -> trace.add(e.getMessage() + " " + task.name()))
                  .start();
          for (int i = 0; i < 2; i++) {
            try (Socket socket = connect(server)) {
              trace.add(
                  "thrown server "
                      + server.address()
                      + " connection of "
                      + socket.getLocalSocketAddress());
              awaitClosed(socket);
            }
          }
          server.stop(LONG);
        }));
    assertEquals(4, trace.size());
    assertEquals(trace.get(0), trace.get(1));
    assertEquals(trace.get(2), trace.get(3));
  }

  @RootTest
  @DisplayName("A full server accepts no more, and goes on when a place is free")
  void bound() {
    run(() -> {
      Server server =
          Server.on(LOOPBACK)
              .bound(2)
              .handler(socket -> {
                trace.add(socket.getInputStream().read());
                assertEquals(-1, socket.getInputStream().read());
                trace.add("end");
              })
              .start();
      List<Socket> sockets = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        sockets.add(connect(server));
        sockets.get(i).getOutputStream().write(i);
      }
      while (trace.size() < 2) Hub.sleep(Duration.ZERO);
      Hub.sleep(SHORT); // would be time enough for more
      assertEquals(2, server.count());
      for (int i = 0; i < 5; i++) {
        sockets.get(i).shutdownOutput();
        awaitClosed(sockets.get(i));
        sockets.get(i).close();
      }
      server.stop(LONG);
    });
    assertEquals(List.of(0, 1, "end", 2, "end", 3, "end", 4, "end", "end"), trace);
  }

  /** Fails when it is told to. */
  static class Failing extends ServerSocket {
    private final ServerSocket listening = new HubServerSocket();
    private final AtomicInteger failures;
    private final List<Long> times;

    Failing(AtomicInteger failures, List<Long> times) throws IOException {
      this.failures = failures;
      this.times = times;
    }

    @Override
    public Socket accept() throws IOException {
      times.add(System.nanoTime());
      if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) throw failure();
      return listening.accept();
    }

    SocketException failure() {
      return new SocketException("Too many open files");
    }

    @Override
    public void bind(SocketAddress address, int backlog) throws IOException {
      listening.bind(address, backlog);
    }

    @Override
    public SocketAddress getLocalSocketAddress() {
      return listening.getLocalSocketAddress();
    }

    @Override
    public int getLocalPort() {
      return listening.getLocalPort();
    }

    @Override
    public void close() throws IOException {
      listening.close();
    }

    @Override
    public boolean isClosed() {
      return listening.isClosed();
    }
  }

  @RootTest
  @DisplayName("Errors of accept are reported, and it tries again after 10 ms, 20 ms, 40 ms …")
  void acceptErrors() {
    run(() -> {
      var failures = new AtomicInteger(6);
      List<Long> times = new ArrayList<>();
      Server server = echo().sockets(() -> new Failing(failures, times)).start();
      assertServes(server);
      for (int i = 1; i <= 6; i++) assertTrue(millis(times, i) >= 10 << i - 1, times::toString);
      failures.set(1);
      assertServes(server); // it was waiting in accept, and fails after this one
      assertServes(server);
      int last = times.size() - 1;
      long shortest =
          IntStream.rangeClosed(7, last).mapToLong(i -> millis(times, i)).min().orElse(0);
      assertTrue(shortest < 300, times::toString);
      server.stop(LONG);
    });
    assertEquals(Collections.nCopies(7, "hub: Too many open files"), trace);
  }

  @RootTest
  @DisplayName("An accept that is out of memory is tried again, as after any error")
  void acceptOutOfMemory() {
    run(() -> {
      Server server =
          echo()
              .sockets(() ->
                  new Failing(new AtomicInteger(2), new ArrayList<>()) {
                    @Override
                    SocketException failure() {
                      throw new OutOfMemoryError("no memory");
                    }
                  })
              .start();
      assertServes(server);
      server.stop(LONG);
    });
    assertEquals(Collections.nCopies(2, "hub: no memory"), trace);
  }

  private static long millis(List<Long> times, int i) {
    return (times.get(i) - times.get(i - 1)) / 1_000_000;
  }

  // The end

  @RootTest
  @DisplayName("To stop refuses new connections at once and waits for those that are served")
  void stop() {
    run(() -> {
      Server server = echo().start();
      try (Socket socket = connect(server)) {
        assertEchoes(socket, 1);
        Task<?> stopper =
            Hub.current()
                .spawn(() -> {
                  server.stop(LONG);
                  trace.add("stopped");
                });
        Hub.sleep(SHORT);
        assertRefuses(server);
        assertEchoes(socket, 2);
        trace.add("closing");
        socket.close();
        stopper.result();
        server.join();
        server.stop(LONG);
      }
    });
    assertEquals(List.of("closing", "stopped"), trace);
  }

  private Server endless(Event begun) throws IOException {
    return Server.on(LOOPBACK)
        .handler(socket -> {
          begun.set();
          try {
            socket.getInputStream().read();
            trace.add("not here");
          } finally {
            trace.add("finally");
          }
        })
        .start();
  }

  @RootTest
  @DisplayName("To stop kills handlers after the grace, and returns when they have ended")
  void kill() {
    run(() -> {
      var begun = new Event();
      Server server = endless(begun);
      try (Socket socket = connect(server)) {
        begun.await();
        server.stop(SHORT);
        trace.add("stopped");
        awaitClosed(socket);
        assertEquals(List.of(Task.current()), Hub.current().tasks());
      }
    });
    assertEquals(List.of("finally", "stopped"), trace);
  }

  @RootTest
  @DisplayName("Another stop shortens the grace, and comes from any thread")
  void stopAgain() {
    run(() -> {
      var begun = new Event();
      Server server = endless(begun);
      try (Socket socket = connect(server)) {
        begun.await();
        Task<?> first = Hub.current().spawn(() -> server.stop(Duration.ofHours(1)));
        Hub.sleep(SHORT);
        assertFalse(first.isDone());
        Future<Void> second =
            Threads.PLATFORM.start(
                "stopper",
                () -> {
                  server.stop(SHORT);
                  return null;
                });
        first.result();
        Hub.awaitFuture(second);
        awaitClosed(socket);
      }
    });
    assertEquals(List.of("finally"), trace);
  }

  @RootTest
  @DisplayName("A handler that stops its own server is neither waited for nor killed")
  void stopByHandler() {
    run(() -> {
      Server[] server = new Server[1];
      server[0] =
          Server.on(LOOPBACK)
              .handler(socket -> {
                server[0].stop(LONG);
                trace.add("stopped");
                Hub.sleep(SHORT);
                socket.getOutputStream().write(5);
              })
              .start();
      try (Socket socket = connect(server[0])) {
        assertEquals(5, socket.getInputStream().read());
      }
      server[0].join();
    });
    assertEquals(List.of("stopped"), trace);
  }

  @RootTest
  @DisplayName("A stop while the server is full, or waits after an error, does not hang")
  void stopWhileWaiting() {
    run(() -> {
      var begun = new Event();
      Server server = endless(begun);
      Server full = echo().bound(1).start();
      Server failing =
          echo()
              .sockets(() -> new Failing(new AtomicInteger(1000), new ArrayList<>()))
              .onFailure((task, e) -> begun.set())
              .start();
      begun.await();
      try (Socket socket = connect(full)) {
        assertEchoes(socket, 1);
        full.stop(Duration.ZERO);
        failing.stop(LONG);
        server.stop(LONG);
        awaitClosed(socket);
      }
    });
  }

  @RootTest
  @DisplayName("A server in a scope ends with it, and one in a run with that")
  void scope() {
    Server[] server = new Server[2];
    Socket[] sockets = new Socket[2];
    run(() -> {
      Hub.scope(() -> {
        var begun = new Event();
        server[0] = endless(begun);
        sockets[0] = connect(server[0]);
        begun.await();
      });
      trace.add("scope");
      assertRefuses(server[0]);
      server[0].join();
      awaitClosed(sockets[0]);
      sockets[0].close();
      var begun = new Event();
      server[1] = endless(begun);
      sockets[1] = connect(server[1]);
      begun.await();
    });
    trace.add("run");
    assertEquals(0, server[1].count());
    server[1].stop(Duration.ZERO);
    run(() -> {
      assertRefuses(server[1]);
      sockets[1].close();
    });
    assertEquals(List.of("finally", "scope", "finally", "run"), trace);
  }

  // TLS

  @RootTest
  @DisplayName("TLS: a client that never shakes hands holds up nobody, and is closed in the end")
  void tls() {
    run(() -> {
      var reported = new ArrayList<Throwable>();
      Server server =
          echo()
              .tls(Certificates.tls())
              .handshakeLimit(Duration.ofSeconds(2))
              .onFailure((task, e) -> reported.add(e))
              .start();
      try (Socket silent = connect(server);
          Socket stranger = connect(server)) {
        stranger.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes());
        awaitClosed(stranger);
        for (int i = 0; i < 3; i++) {
          try (SSLSocket socket = Tls.client(Certificates.tls(), connect(server), "localhost")) {
            assertEchoes(socket, i);
          }
        }
        awaitClosed(silent);
      }
      server.stop(LONG);
      assertEquals(2, reported.size(), reported::toString);
      assertInstanceOf(SSLException.class, reported.get(0), reported::toString);
      assertInstanceOf(TimeoutException.class, reported.get(1));
    });
  }

  // Several hubs

  private static final int MANY = 1000;

  private void severalHubs(boolean shares, double least) {
    Map<Thread, AtomicInteger> served = new ConcurrentHashMap<>();
    run(() -> {
      Server server =
          Server.on(LOOPBACK)
              .hubs(2, Hubs::realTime)
              .reusePort(shares)
              .handler(socket -> {
                Hub.inHost(() ->
                    served
                        .computeIfAbsent(Thread.currentThread(), t -> new AtomicInteger())
                        .incrementAndGet());
                socket.getInputStream().transferTo(socket.getOutputStream());
              })
              .start();
      for (int i = 0; i < MANY; i++) assertServes(server);
      try (Socket busy = connect(server)) {
        assertEchoes(busy, 1);
        server.stop(SHORT);
        awaitClosed(busy);
      }
      assertEquals(2, served.size());
      for (Thread each : served.keySet()) assertTrue(each.join(LONG));
    });
    List<Integer> counts =
        served.values().stream().map(AtomicInteger::get).sorted().collect(Collectors.toList());
    assertEquals(MANY + 1, counts.get(0) + counts.get(1), "none was lost");
    assertTrue(counts.get(0) >= least * counts.get(1), counts::toString);
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("Two hubs behind one port each have a listener, and lose no connection")
  void sharedPort() {
    severalHubs(true, 0.7);
  }

  @RootTest
  @DisplayName("Two hubs that are handed connections have as many each")
  void handedRound() {
    severalHubs(false, 0.99);
  }

  @RootTest
  @DisplayName("A bound holds for several hubs, and their threads end with the scope")
  void severalHubsEnd() {
    for (boolean shares : new boolean[] {true, false}) {
      run(() ->
          Hub.scope(() -> {
            Server server = echo().hubs(2, Hubs::realTime).reusePort(shares).bound(2).start();
            for (int i = 0; i < 20; i++) assertServes(server);
            trace.add(server);
          }));
      run(() -> {
        Server server = (Server) trace.remove(0);
        assertRefuses(server);
        server.join();
      });
    }
    assertEquals(List.of(), trace);
  }

  /** Two hubs, of which the first accepts for both; that and the second serve in turn. */
  private static Server twoHubs(Supplier<Hub> maker, Server.Handler handler) {
    return Server.on(LOOPBACK).hubs(2, maker).reusePort(false).handler(handler);
  }

  @RootTest
  @DisplayName(
      "A connection that is handed to a hub that is just ending its handlers is killed, too")
  void handedOverWhileStopping() {
    run(() -> {
      var killed = new CompletableFuture<Void>();
      var handedOver = new CompletableFuture<Void>();
      var accepted = new AtomicInteger();
      Server server =
          twoHubs(
                  Hub::realTime,
                  socket -> {
                    int n = socket.getInputStream().read();
                    socket.getOutputStream().write(n);
                    try {
                      new Event().await();
                    } finally {
                      killed.complete(null);
                      if (n == 2) Hub.await(handedOver);
                    }
                  })
              .sockets(() ->
                  new Failing(new AtomicInteger(), new ArrayList<>()) {
                    @Override
                    public Socket accept() throws IOException {
                      Socket socket = super.accept();
                      if (accepted.incrementAndGet() == 4) killed.join(); // blocks the first hub
                      return socket;
                    }

                    @Override
                    public boolean isClosed() {
                      if (accepted.get() == 4) handedOver.complete(null);
                      return super.isClosed();
                    }
                  })
              .start();
      List<Socket> sockets = new ArrayList<>();
      for (int i = 1; i <= 4; i++) {
        sockets.add(connect(server));
        if (i < 4) assertEchoes(sockets.get(i - 1), i);
      }
      while (accepted.get() < 4) Hub.sleep(Duration.ofMillis(1));
      server.stop(Duration.ZERO);
      for (Socket each : sockets) {
        awaitClosed(each);
        each.close();
      }
    });
    assertEquals(List.of(), trace);
  }

  /** Holds up whoever wakes the hub, once it is told to, until the hub has nothing to do again. */
  private static final class HoldingUp implements Sleeper {
    private final Semaphore woken = new Semaphore(0);
    private final CountDownLatch idleAgain = new CountDownLatch(1);
    private final CountDownLatch asleep = new CountDownLatch(1);
    private volatile boolean isArmed;
    private volatile boolean wasHeldUp;

    @Override
    public void sleep(long nanos) {
      if (wasHeldUp) idleAgain.countDown();
      asleep.countDown();
      try {
        if (woken.tryAcquire(nanos, TimeUnit.NANOSECONDS)) woken.drainPermits();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void wake() {
      boolean holds = isArmed;
      isArmed = false;
      wasHeldUp |= holds;
      woken.release();
      if (!holds) return;
      try {
        Threads.await(idleAgain);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void poll() {}

    @Override
    public void close() {
      idleAgain.countDown();
    }
  }

  @RootTest
  @DisplayName(
      "A handler that calls stop at once is not killed, though the hub that accepts has hardly handed it over")
  void stopByHandedOver() {
    run(() -> {
      var sleeper = new HoldingUp();
      var made = new AtomicInteger();
      Server[] server = new Server[1];
      server[0] =
          twoHubs(
                  () -> {
                    Hub hub = Hub.realTime();
                    return made.incrementAndGet() == 2 ? hub.sleeper(sleeper) : hub;
                  },
                  socket -> {
                    if (!sleeper.wasHeldUp) return; // the first
                    server[0].stop(Duration.ZERO);
                    trace.add("stopped");
                    socket.getOutputStream().write(5);
                  })
              .start();
      try (Socket first = connect(server[0])) {
        awaitClosed(first);
      }
      Threads.await(sleeper.asleep);
      sleeper.isArmed = true;
      try (Socket second = connect(server[0])) {
        assertEquals(5, second.getInputStream().read());
      }
      server[0].join();
    });
    assertEquals(List.of("stopped"), trace);
  }

  private void hubEndsByItself(boolean isFirst) throws Throwable {
    Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
    Thread.setDefaultUncaughtExceptionHandler((thread, e) -> trace.add(e.getMessage()));
    try {
      run(() -> {
        Server server =
            twoHubs(
                    () -> Hub.realTime().raiseFailures(),
                    socket -> {
                      int n = socket.getInputStream().read();
                      if (n == 9) throw new IOException("the end of a hub");
                      socket.getOutputStream().write(n);
                    })
                .start();
        if (!isFirst) assertServes(server);
        try (Socket socket = connect(server)) {
          socket.getOutputStream().write(9);
          awaitClosed(socket);
        }
        while (trace.isEmpty()) Hub.sleep(Duration.ofMillis(1));
        if (!isFirst) {
          for (int i = 0; i < 5; i++) assertServes(server);
          server.stop(LONG);
        }
        server.join();
        assertRefuses(server);
      });
    } finally {
      Thread.setDefaultUncaughtExceptionHandler(before);
    }
    assertEquals(List.of("the end of a hub"), trace);
  }

  @RootTest
  @DisplayName("A hub that ends by itself serves no more, and the others do")
  void oneHubEnds() throws Throwable {
    hubEndsByItself(false);
  }

  @RootTest
  @DisplayName("The server ends when the hub does that accepts for all")
  void acceptingHubEnds() throws Throwable {
    hubEndsByItself(true);
  }

  // What is refused

  @RootTest
  @DisplayName("Options that make no sense are refused at the call")
  void refused() {
    run(() -> {
      for (Executable bad :
          List.<Executable>of(
              () -> Server.on(null),
              () -> Server.on(InetSocketAddress.createUnresolved("nowhere.invalid", 0)),
              () -> echo().bound(0),
              () -> echo().backlog(0),
              () -> echo().hubs(0),
              () -> echo().hubs(2, null),
              () -> echo().handler(null),
              () -> echo().tls(null),
              () -> echo().onFailure(null),
              () -> echo().handshakeLimit(Duration.ZERO)))
        assertThrows(IllegalArgumentException.class, bad);
      for (Executable early :
          List.<Executable>of(
              () -> Server.on(LOOPBACK).start(),
              () -> echo().port(),
              () -> echo().stop(SHORT),
              () -> echo().hubs(3).bound(2).start()))
        assertThrows(IllegalStateException.class, early);
      Server server = echo().start();
      Refusal.assertRefused(IllegalStateException.class, server::start, "started already");
      Refusal.assertRefused(IllegalStateException.class, () -> server.bound(3), "started already");
      assertThrows(IllegalArgumentException.class, () -> server.stop(null));
      assertThrows(BindException.class, () -> Server.on(server.address()).handler(s -> {}).start());
      server.stop(LONG);
      assertEquals(List.of(Task.current()), Hub.current().tasks());
    });
  }
}
