package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What the JDK promises of a socket's blocking operations, outside of tasks and in them: how they end by a timeout, when the socket is
 * closed by another thread or task, and when the thread is interrupted.
 */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class BlockingSocketTest {
  private static final int LONG_MILLIS = 60_000;
  private static final int SHORT_MILLIS = 5;
  private static final int MORE_THAN_BUFFERS = 1 << 25;

  private static InetAddress loopback() {
    return InetAddress.getLoopbackAddress();
  }

  /** A socket and an operation that waits on it. The end of others is closed with it. */
  private static final class Blocked implements AutoCloseable {
    final Closeable socket;
    final Callable<Integer> operation;
    private final Release release;
    private final AutoCloseable other;

    Blocked(Closeable socket, Callable<Integer> operation, Release release, AutoCloseable other) {
      this.socket = socket;
      this.operation = operation;
      this.release = release;
      this.other = other;
    }

    interface Release {
      void run() throws Exception;
    }

    boolean isClosed() {
      return socket instanceof Socket s ? s.isClosed() : ((ServerSocket) socket).isClosed();
    }

    @Override
    public void close() throws Exception {
      socket.close();
      other.close();
    }
  }

  /** Operations that wait. */
  enum Operation {
    READ,
    TIMED_READ,
    WRITE,
    ACCEPT,
    TIMED_ACCEPT,
    CONNECT,
    TIMED_CONNECT;

    /** {@code millis}: the timeout of those that have one. */
    Blocked prepare(int millis) throws Exception {
      return switch (this) {
        case READ -> read(0);
        case TIMED_READ -> read(millis);
        case WRITE -> write();
        case ACCEPT -> accept(0);
        case TIMED_ACCEPT -> accept(millis);
        case CONNECT -> connect(0);
        case TIMED_CONNECT -> connect(millis);
      };
    }

    boolean isTimed() {
      return name().startsWith("TIMED");
    }

    private static Socket[] pair() throws IOException {
      try (var server = new ServerSocket(0, 50, loopback())) {
        var near = new HubSocket();
        near.connect(server.getLocalSocketAddress());
        return new Socket[] {near, server.accept()};
      }
    }

    private static Blocked read(int millis) throws IOException {
      Socket[] pair = pair();
      pair[0].setSoTimeout(millis);
      return new Blocked(
          pair[0],
          () -> pair[0].getInputStream().read(),
          () -> pair[1].getOutputStream().write(1),
          pair[1]);
    }

    private static Blocked write() throws IOException {
      Socket[] pair = pair();
      return new Blocked(
          pair[0],
          () -> {
            pair[0].getOutputStream().write(new byte[MORE_THAN_BUFFERS]);
            return 1;
          },
          () -> pair[1].getInputStream().readNBytes(MORE_THAN_BUFFERS),
          pair[1]);
    }

    private static Blocked accept(int millis) throws IOException {
      var server = new HubServerSocket(0, 50, loopback());
      server.setSoTimeout(millis);
      return new Blocked(
          server,
          () -> {
            server.accept().close();
            return 1;
          },
          () -> new Socket(loopback(), server.getLocalPort()).close(),
          () -> {});
    }

    private static Blocked connect(int millis) throws IOException {
      var full = new Unanswered();
      var socket = new HubSocket();
      return new Blocked(
          socket,
          () -> {
            socket.connect(full.address(), millis);
            return 1;
          },
          () -> {
            throw new AssertionError("nobody can let it connect");
          },
          full);
    }
  }

  /** An operation in a thread that waits for the selector, or is about to. */
  private record InThread(Thread thread, Future<Integer> result) {
    static InThread start(Threads kind, Callable<Integer> operation) throws Throwable {
      var self = new CompletableFuture<Thread>();
      Future<Integer> result =
          kind.start(
              "operation",
              () -> {
                self.complete(Thread.currentThread());
                return operation.call();
              });
      Thread thread = Threads.await(self);
      Threads.until(() -> result.isDone() || waits(thread));
      return new InThread(thread, result);
    }

    private static boolean waits(Thread thread) {
      return Arrays.stream(thread.getStackTrace())
          .anyMatch(e -> e.getClassName().equals("greenlet.hub.Readiness"));
    }
  }

  // Outside of tasks

  /** One that ends, and has a root greenlet of its own until then. */
  private static void inThread(Executable body) throws Throwable {
    Threads.PLATFORM.run("test", body);
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("An operation ends by its timeout, and the socket of a read or accept stays usable")
  void timeOut(Operation operation) throws Throwable {
    if (!operation.isTimed()) return;
    inThread(() -> {
      for (Threads kind : Threads.values()) {
        try (Blocked blocked = operation.prepare(SHORT_MILLIS)) {
          kind.run(
              "operation",
              () -> assertThrows(SocketTimeoutException.class, blocked.operation::call));
          if (operation == Operation.TIMED_CONNECT) continue;
          assertFalse(blocked.isClosed());
          blocked.release.run();
          assertEquals(1, kind.call("operation", blocked.operation));
        }
      }
    });
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("Closed by another thread: SocketException at once")
  void closedByThread(Operation operation) throws Throwable {
    inThread(() -> {
      for (Threads kind : Threads.values()) {
        try (Blocked blocked = operation.prepare(LONG_MILLIS)) {
          InThread waiting = InThread.start(kind, blocked.operation);
          blocked.socket.close();
          var e = assertThrows(SocketException.class, () -> Threads.await(waiting.result));
          assertTrue(e.getMessage().startsWith("Socket closed"), e.toString());
          assertThrows(SocketException.class, blocked.operation::call);
        }
      }
    });
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("An interrupt of a platform thread does not end an operation, and is still there")
  void interruptedPlatformThread(Operation operation) throws Throwable {
    inThread(() -> {
      try (Blocked blocked = operation.prepare(LONG_MILLIS)) {
        InThread waiting =
            InThread.start(
                Threads.PLATFORM,
                () -> {
                  try {
                    return blocked.operation.call();
                  } finally {
                    assertTrue(Thread.interrupted());
                  }
                });
        waiting.thread.interrupt();
        if (operation == Operation.CONNECT || operation == Operation.TIMED_CONNECT) {
          Threads.until(() -> !waiting.thread.isInterrupted()); // it has been seen
          assertFalse(waiting.result.isDone());
          blocked.socket.close();
          assertThrows(SocketException.class, () -> Threads.await(waiting.result));
        } else {
          blocked.release.run();
          assertEquals(1, Threads.await(waiting.result));
          assertFalse(blocked.isClosed());
        }
      }
    });
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName(
      "An interrupt of a virtual thread, during or before, closes the socket: SocketException, and the interrupt is still there")
  void interruptedVirtualThread(Operation operation) throws Throwable {
    inThread(() -> {
      for (boolean before : new boolean[] {true, false}) {
        try (Blocked blocked = operation.prepare(LONG_MILLIS)) {
          InThread waiting =
              InThread.start(
                  Threads.VIRTUAL,
                  () -> {
                    if (before) Thread.currentThread().interrupt();
                    try {
                      return blocked.operation.call();
                    } finally {
                      assertTrue(Thread.interrupted());
                    }
                  });
          waiting.thread.interrupt();
          var e = assertThrows(SocketException.class, () -> Threads.await(waiting.result));
          assertTrue(e.getMessage().startsWith("Closed by interrupt"), e.toString());
          assertThrows(SocketException.class, blocked.operation::call);
        }
      }
    });
  }

  @Test
  @DisplayName("An interrupt does not end a read that need not wait")
  void interruptedBefore() throws Throwable {
    inThread(() -> {
      for (Threads kind : Threads.values()) {
        try (Blocked blocked = Operation.READ.prepare(0)) {
          blocked.release.run();
          Threads.until(() -> available((Socket) blocked.socket) > 0);
          kind.run(
              "operation",
              () -> {
                Thread.currentThread().interrupt();
                assertEquals(1, blocked.operation.call());
                assertTrue(Thread.interrupted());
              });
        }
      }
    });
  }

  private static int available(Socket socket) {
    try {
      return socket.getInputStream().available();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  // In tasks

  private interface InTask {
    void run(Blocked blocked) throws Throwable;
  }

  private static void inTask(Operation operation, int millis, InTask test) {
    Hubs.realTime()
        .run(() ->
            Hub.timeout(
                Duration.ofSeconds(40),
                Threads.callable(() -> {
                  try (Blocked blocked = operation.prepare(millis)) {
                    test.run(blocked);
                  }
                })));
  }

  @RootTest
  @DisplayName("In a task: an operation ends by its timeout, and others run meanwhile")
  void timeOutInTask() {
    for (Operation operation : Operation.values()) {
      if (!operation.isTimed()) continue;
      inTask(
          operation,
          SHORT_MILLIS,
          blocked -> {
            int[] turns = {0};
            Task<?> other =
                Hub.current()
                    .spawn(() -> {
                      while (true) {
                        turns[0]++;
                        Hub.sleep(Duration.ofMillis(1));
                      }
                    });
            assertThrows(SocketTimeoutException.class, blocked.operation::call);
            assertTrue(turns[0] > 0, operation.toString());
            other.kill();
          });
    }
  }

  @RootTest
  @DisplayName("In a task: closed by another task or thread, SocketException at once")
  void closedInTask() {
    for (Operation operation : Operation.values()) {
      for (boolean byTask : new boolean[] {true, false}) {
        inTask(
            operation,
            LONG_MILLIS,
            blocked -> {
              Task<?> waiting =
                  Hub.current()
                      .spawn(() -> assertThrows(SocketException.class, blocked.operation::call));
              Hub.sleep(Duration.ZERO);
              assertFalse(waiting.isDone(), operation.toString());
              if (byTask) {
                blocked.socket.close();
              } else {
                Threads.PLATFORM.start("closer", Threads.callable(blocked.socket::close));
              }
              var e = assertInstanceOf(SocketException.class, waiting.result());
              assertTrue(e.getMessage().startsWith("Socket closed"), e.toString());
              assertThrows(SocketException.class, blocked.operation::call);
            });
      }
    }
  }
}
