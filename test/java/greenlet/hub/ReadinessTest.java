package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.DatagramChannel;
import java.nio.channels.IllegalBlockingModeException;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Waits for channels: {@link Hub#awaitReady} and {@link Hub#close}. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ReadinessTest {
  private static final int READ = SelectionKey.OP_READ;
  private static final int WRITE = SelectionKey.OP_WRITE;

  private record Ends(Pipe.SourceChannel source, Pipe.SinkChannel sink) implements AutoCloseable {
    static Ends open() throws IOException {
      Pipe pipe = Pipe.open();
      pipe.source().configureBlocking(false);
      pipe.sink().configureBlocking(false);
      return new Ends(pipe.source(), pipe.sink());
    }

    void send(int b) throws IOException {
      sink.write(ByteBuffer.wrap(new byte[] {(byte) b}));
    }

    @Override
    public void close() throws IOException {
      Hub.close(source);
      Hub.close(sink);
    }
  }

  interface Test {
    void run(Ends pipe) throws Exception;
  }

  private static void onPipe(Hub hub, Test test) {
    hub.run(
        Threads.callable(() -> {
          try (Ends pipe = Ends.open()) {
            test.run(pipe);
          }
        }));
  }

  private static int receive(ReadableByteChannel from) throws IOException {
    ByteBuffer one = ByteBuffer.allocate(1);
    return from.read(one) == 1 ? one.get(0) : -1;
  }

  private static int await(SelectableChannel channel) throws IOException {
    return Hub.awaitReady(channel, READ);
  }

  @RootTest
  @DisplayName("Others run while a task waits for a channel; it is told which operations are ready")
  void waits() {
    onPipe(
        Hubs.realTime(),
        pipe -> {
          List<Object> trace = new ArrayList<>();
          Task<?> reader =
              Hub.current()
                  .spawn(() -> {
                    trace.add(await(pipe.source));
                    trace.add(receive(pipe.source));
                  });
          Hub.sleep(Duration.ZERO);
          trace.add("other");
          assertEquals(WRITE, Hub.awaitReady(pipe.sink, WRITE));
          pipe.send(3);
          reader.join();
          assertEquals(List.of("other", READ, 3), trace);
        });
  }

  @RootTest
  @DisplayName("A limit: 0 when it is over, and the next wait is not disturbed; zero only looks")
  void limit() {
    onPipe(
        Hubs.realTime(),
        pipe -> {
          assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ofMillis(2)));
          assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ZERO));
          pipe.send(1);
          assertEquals(READ, Hub.awaitReady(pipe.source, READ, Duration.ZERO));
          assertEquals(READ, await(pipe.source));
        });
  }

  @RootTest
  @DisplayName("Closed by a task, by a thread, or before: who waits gets an error at once")
  void closed() {
    endsWait(pipe -> Hub.close(pipe.source));
    endsWait(pipe ->
        Hub.awaitFuture(
            Threads.PLATFORM.start("closer", Threads.callable(() -> Hub.close(pipe.source)))));
  }

  private static void endsWait(Test close) {
    onPipe(
        Hubs.realTime(),
        pipe -> {
          Task<?> reader =
              Hub.current()
                  .spawn(() ->
                      assertThrows(AsynchronousCloseException.class, () -> await(pipe.source)));
          Hub.sleep(Duration.ZERO);
          close.run(pipe);
          reader.result();
          assertThrows(ClosedChannelException.class, () -> await(pipe.source));
        });
  }

  @RootTest
  @DisplayName(
      "A second reader, a blocking channel, operations that it has not: refused, and all goes on")
  void refused() {
    onPipe(
        Hubs.realTime(),
        pipe -> {
          Task<?> first = Hub.current().spawn("first", () -> await(pipe.source));
          Task<?> second =
              Hub.current()
                  .spawn(
                      "second",
                      () -> {
                        var e = assertThrows(IllegalStateException.class, () -> await(pipe.source));
                        assertTrue(
                            e.getMessage().contains("first") && e.getMessage().contains("second"),
                            e.getMessage());
                      });
          second.result();
          pipe.send(1);
          assertEquals(READ, first.result());
          var blocking = Pipe.open();
          assertThrows(IllegalBlockingModeException.class, () -> await(blocking.source()));
          blocking.source().close();
          blocking.sink().close();
          assertThrows(IllegalArgumentException.class, () -> Hub.awaitReady(pipe.source, WRITE));
          assertThrows(IllegalArgumentException.class, () -> Hub.awaitReady(pipe.source, 0));
        });
  }

  @RootTest
  @DisplayName("A wait that was given up wakes nobody, nor the wrong task")
  void givenUp() {
    onPipe(
        Hubs.realTime(),
        pipe -> {
          Task<?> killed = Hub.current().spawn(() -> await(pipe.source));
          Hub.sleep(Duration.ZERO);
          killed.kill();
          pipe.send(1);
          Hub.sleep(Duration.ofMillis(2)); // an event that finds nobody
          assertEquals(READ, await(pipe.source));
          assertEquals(1, receive(pipe.source));
          assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ofMillis(2)));
          pipe.send(2);
          assertEquals(READ, await(pipe.source));
        });
  }

  @RootTest
  @DisplayName("Datagrams, Unix domain sockets, accept and connect")
  void kinds() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              var loopback = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
              try (var datagrams = DatagramChannel.open().bind(loopback)) {
                datagrams.configureBlocking(false);
                datagrams.send(ByteBuffer.wrap(new byte[] {4}), datagrams.getLocalAddress());
                assertEquals(READ, await(datagrams));
              }
              Path path = Files.createTempDirectory("sockets").resolve("s");
              try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                  var client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                server.bind(UnixDomainSocketAddress.of(path));
                server.configureBlocking(false);
                client.configureBlocking(false);
                Task<SocketChannel> accepted =
                    Hub.current()
                        .spawn(() -> {
                          assertEquals(
                              SelectionKey.OP_ACCEPT,
                              Hub.awaitReady(server, SelectionKey.OP_ACCEPT));
                          return server.accept();
                        });
                if (!client.connect(UnixDomainSocketAddress.of(path))) {
                  assertEquals(
                      SelectionKey.OP_CONNECT, Hub.awaitReady(client, SelectionKey.OP_CONNECT));
                  assertTrue(client.finishConnect());
                }
                accepted.result().close();
                assertEquals(READ, await(client));
              } finally {
                Files.delete(path);
              }
            }));
  }

  @RootTest
  @DisplayName(
      "In virtual time it is outside of the hub: timers do not wait for it, and it is waited for when none are left")
  void virtualTime() {
    onPipe(
        Hubs.virtualTime(),
        pipe -> {
          Future<Void> sender =
              Threads.PLATFORM.start("sender", Threads.callable(() -> pipe.send(1)));
          assertEquals(READ, await(pipe.source));
          Hub.awaitFuture(sender);
          Hub.sleep(Duration.ofHours(1));
          receive(pipe.source);
          assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ofHours(1)));
        });
  }

  @RootTest
  @DisplayName("Nobody who waits in a guest is forgotten while another thread selects")
  void selectedElsewhere() throws Throwable {
    int count = 20_000;
    try (ExecutorService host = Executors.newSingleThreadExecutor();
        Ends pipe = Ends.open()) {
      Task<Integer> reader =
          Hub.on(host)
              .spawn(() -> {
                int received = 0;
                while (received < count) {
                  await(pipe.source);
                  if (receive(pipe.source) >= 0) received++;
                }
                return received;
              });
      for (int i = 0; i < count; i++) pipe.send(i & 127);
      assertEquals(count, reader.toCompletableFuture().get());
    }
  }

  @RootTest
  @DisplayName("Guests and hubs with a sleeper of their users' share one thread that selects")
  void shared() throws Throwable {
    onPipe(
        Hubs.realTime().sleeper(new ParkingSleeperOfUser()),
        pipe -> {
          Hub.current().spawnLater(Duration.ofMillis(1), null, () -> pipe.send(5));
          assertEquals(READ, await(pipe.source));
        });
    try (ExecutorService host = Executors.newSingleThreadExecutor();
        Ends pipe = Ends.open()) {
      Hub guest = Hub.on(host);
      Task<Integer> reader = guest.spawn(() -> await(pipe.source) + receive(pipe.source));
      guest.spawn(() -> pipe.send(6));
      assertEquals(7, reader.toCompletableFuture().get());
      Task<?> closed =
          guest.spawn(
              () -> assertThrows(AsynchronousCloseException.class, () -> await(pipe.source)));
      guest.spawn(() -> Hub.close(pipe.source));
      closed.toCompletableFuture().get();
    }
  }

  private static final class ParkingSleeperOfUser implements Sleeper {
    private final ParkingSleeper parking = new ParkingSleeper();

    @Override
    public void sleep(long nanos) {
      parking.sleep(nanos);
    }

    @Override
    public void wake() {
      parking.wake();
    }

    @Override
    public void poll() {}

    @Override
    public void close() {}
  }

  @RootTest
  @DisplayName(
      "Outside of any task: the thread's own hub waits and gives back what it held; a thread without a hub blocks")
  void outside() throws Throwable {
    try (Ends pipe = Ends.open()) {
      long before = descriptors();
      Hub.current().spawn(() -> pipe.send(1));
      assertEquals(READ, await(pipe.source));
      receive(pipe.source);
      for (int i = 0; i < 20; i++)
        assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ofMillis(1)));
      assertTrue(descriptors() < before + 20);
      Future<Integer> other =
          Threads.PLATFORM.start(
              "blocks",
              () -> {
                assertEquals(0, Hub.awaitReady(pipe.source, READ, Duration.ofMillis(1)));
                pipe.send(1);
                return await(pipe.source);
              });
      assertEquals(READ, Threads.await(other));
      receive(pipe.source);
      Future<?> closed =
          Threads.PLATFORM.start(
              "closed", () -> assertThrows(ClosedChannelException.class, () -> await(pipe.source)));
      Hub.close(pipe.source);
      Threads.await(closed);
    }
  }

  @RootTest
  @DisplayName(
      "No descriptor is left when the hub has run, and a closed channel's is given back while it sleeps")
  void descriptorsGivenBack() throws Throwable {
    if (!Files.isDirectory(Path.of("/proc/self/fd"))) return;
    long before = descriptors();
    for (int i = 0; i < 20; i++) {
      onPipe(
          Hubs.realTime(),
          pipe -> {
            for (int k = 0; k < 20; k++) {
              try (Ends inner = Ends.open()) {
                inner.send(1);
                await(inner.source);
              }
            }
            pipe.send(1);
            await(pipe.source);
            assertTrue(descriptors() < before + 20, "" + (descriptors() - before));
          });
    }
    assertTrue(descriptors() < before + 20, "" + (descriptors() - before));
  }

  @RootTest
  @DisplayName(
      "A connection that comes about after its wait was given up leaves no interest that keeps the hub awake")
  void connectGivenUp() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              try (var server =
                      ServerSocketChannel.open()
                          .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                  var client = SocketChannel.open()) {
                client.configureBlocking(false);
                client.connect(server.getLocalAddress());
                Hub.awaitReady(client, SelectionKey.OP_CONNECT, Duration.ZERO);
                assertTrue(client.finishConnect());
                long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
                assertEquals(0, Hub.awaitReady(client, READ, Duration.ofMillis(300)));
                long used = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
                assertTrue(Thread.currentThread().isVirtual() || used < 150_000_000, used + " ns");
                assertEquals(WRITE, Hub.awaitReady(client, WRITE));
              }
            }));
  }

  @RootTest
  @DisplayName("A guest whose executor refuses keeps nobody else from hearing of channels")
  void refusedWake() throws Throwable {
    var refuses = new AtomicBoolean();
    try (ExecutorService first = Executors.newSingleThreadExecutor();
        ExecutorService host = Executors.newSingleThreadExecutor();
        Ends pipe = Ends.open();
        Ends other = Ends.open()) {
      Hub refusing =
          Hub.on(turn -> {
            if (refuses.get()) throw new RejectedExecutionException("not now");
            first.execute(turn);
          });
      Task<Integer> late = refusing.spawn(() -> await(pipe.source));
      for (int turns = 0; turns < 3; turns++) first.submit(() -> {}).get(); // it waits by now
      refuses.set(true);
      pipe.send(1);
      Task<Integer> reader = Hub.on(host).spawn(() -> await(other.source));
      other.send(1);
      assertEquals(READ, reader.toCompletableFuture().get());
      refuses.set(false);
      refusing.spawn(() -> {});
      assertEquals(READ, late.toCompletableFuture().get());
    }
  }

  private static long descriptors() {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @RootTest
  @DisplayName("A hub that is given up gives its selector back")
  @NothingSuspended.Except("the hub is given up with a task in it")
  void abandoned() throws Throwable {
    if (!Files.isDirectory(Path.of("/proc/self/fd"))) return;
    long before = descriptors();
    for (int i = 0; i < 10; i++)
      Threads.PLATFORM.run(
          "abandons",
          () -> {
            Ends pipe = Ends.open();
            Hub.current().spawn(() -> await(pipe.source));
            Hub.sleep(Duration.ofMillis(1));
            pipe.source.close();
            pipe.sink.close();
          });
    Threads.collect(() -> descriptors() < before + 20);
  }
}
