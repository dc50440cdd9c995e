package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Descriptors;
import greenlet.testing.LeakCheck;
import greenlet.testing.Threads;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Random faults in 500 connections of one hub at a time. {@code -Dgreenlet.random.seconds} is how long that goes on,
 * {@code -Dgreenlet.random.seed} the first program; the second has the next number, and so on.
 */
@ExtendWith(LeakCheck.class)
class FaultStressTest {
  private static final double SECONDS =
      Double.parseDouble(System.getProperty("greenlet.random.seconds", "7"));

  private static final long SEED =
      Long.getLong("greenlet.random.seed", ThreadLocalRandom.current().nextInt(1_000_000_000));

  /** How long a single program may take. */
  private static final long LIMIT_SECONDS = 120;

  /** After so many programs the JDK has opened what it needs for itself. */
  private static final int WARM_UP = 2;

  private static final int CONNECTIONS = 500;
  private static final int THREADS = 4;
  private static final int OF_A_THREAD = 10;

  @Test
  @DisplayName(
      "Each byte is the expected one, limits strike, whole streams arrive where nothing is wrong, no task and no descriptor is left")
  void faults() throws Throwable {
    long end = System.nanoTime() + (long) (SECONDS * 1e9);
    System.out.printf("Random faults, from %d on%n", SEED);
    var counts = new EnumMap<Fault, Integer>(Fault.class);
    int before = 0;
    int programs = 0;
    do {
      var program = new Program(SEED + programs);
      inTime(program.seed, program::run);
      if (++programs <= WARM_UP) before = Descriptors.count();
      else Descriptors.awaitGivenBack(before);
      program.counts.forEach((fault, count) -> counts.merge(fault, count, Integer::sum));
    } while (programs <= WARM_UP || System.nanoTime() < end);
    System.out.printf("%d random programs with faults: %s%n", programs, counts);
  }

  private interface Step {
    void run() throws Throwable;
  }

  private static void inTime(long seed, Step program) throws Throwable {
    Threads kind = seed % 2 == 0 ? Threads.PLATFORM : Threads.VIRTUAL;
    String name = "program " + seed;
    Future<Void> over = kind.start(name, Threads.callable(program::run));
    try {
      over.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(name, e.getCause());
    } catch (TimeoutException e) {
      throw new AssertionError(name + " does not end: " + Thread.getAllStackTraces().keySet());
    }
  }

  /** What an end of a connection does to it. */
  private enum Fault {
    NONE,
    SLOW,
    SILENCE,
    RESET,
    EARLY_END,
    CLOSED_BY_TASK,
    CLOSED_BY_THREAD,
    KILL,
    LIMIT,
    SCOPE;

    /** Whether all that this end sends, and gets, arrives, if the other end does nothing worse. */
    boolean isHarmless() {
      return compareTo(SILENCE) <= 0;
    }
  }

  private static final Fault[] FAULTS = Fault.values();

  /** What a connection is to do, of which both ends know by its number. */
  private record Plan(int number, long seed, Fault client, Fault server, int up, int down) {
    static Plan of(long seed, int number) {
      var random = new Random(seed * 1_000_003 + number);
      Fault client = FAULTS[random.nextInt(FAULTS.length)];
      Fault server = random.nextInt(3) == 0 ? FAULTS[random.nextInt(FAULTS.length)] : Fault.NONE;
      return new Plan(number, random.nextLong(), client, server, length(random), length(random));
    }

    private static int length(Random random) {
      return random.nextInt(20) == 0 ? 1_000_000 : random.nextInt(random.nextBoolean() ? 30 : 8000);
    }

    boolean isHarmless() {
      return client.isHarmless() && server.isHarmless();
    }

    byte expected(boolean isUp, int position) {
      return (byte) (position * 31 + (position >> 8) + number * 7 + (isUp ? 1 : 0));
    }
  }

  /** The hub, its server, and its clients. */
  private static final class Program {
    private final long seed;
    private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    private final Map<Fault, Integer> counts = new EnumMap<>(Fault.class);
    private final List<Task<?>> all = new ArrayList<>();

    Program(long seed) {
      this.seed = seed;
    }

    /** One in three in a hub that is a guest. */
    void run() throws Throwable {
      if (seed % 3 != 0) {
        Hub.realTime().run(Threads.callable(this::body));
      } else {
        try (var host = Executors.newSingleThreadExecutor()) {
          Hub hub = Hub.on(host);
          hub.spawn("main", Threads.callable(this::body)).toCompletableFuture().get();
        }
      }
      if (failures.isEmpty()) return;
      var error = new AssertionError(failures.size() + " failures");
      failures.stream().limit(5).forEach(error::addSuppressed);
      throw error;
    }

    private void body() throws Throwable {
      try (ExecutorService helpers = Executors.newCachedThreadPool();
          var server = new HubServerSocket(0, 1000, InetAddress.getLoopbackAddress())) {
        Task<?> acceptor = Hub.current().spawn("acceptor", () -> accept(server, helpers));
        for (int i = 0; i < CONNECTIONS; i++) {
          Plan plan = Plan.of(seed, i);
          counts.merge(plan.client, 1, Integer::sum);
          counts.merge(plan.server, 1, Integer::sum);
          int port = server.getLocalPort();
          all.add(Hub.current().spawn("client " + i, () -> client(plan, port, helpers)));
        }
        List<Future<?>> outside = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
          int first = CONNECTIONS + i * OF_A_THREAD;
          outside.add(helpers.submit(() -> outside(first, server.getLocalPort())));
        }
        for (Future<?> each : outside) Hub.awaitFuture(each);
        for (int i = 0; i < all.size(); i++) all.get(i).join(); // there may come more
        server.close();
        acceptor.join();
        for (int i = 0; i < all.size(); i++) all.get(i).join();
        assertEquals(List.of(Task.current()), Hub.current().tasks());
      }
    }

    private void accept(HubServerSocket server, ExecutorService helpers) {
      try {
        while (true) {
          HubSocket socket = server.accept();
          all.add(Hub.current().spawn("server", () -> serve(socket, helpers)));
        }
      } catch (IOException e) {
        if (!"Socket closed".equals(e.getMessage())) failures.add(e);
      }
    }

    private void client(Plan plan, int port, ExecutorService helpers) {
      try (var socket = new HubSocket("127.0.0.1", port)) {
        socket.getOutputStream().write(ByteBuffer.allocate(4).putInt(plan.number).array());
        new End(this, socket, plan, true, helpers).live();
      } catch (Throwable t) {
        judge(plan, t);
      }
    }

    private void serve(HubSocket accepted, ExecutorService helpers) {
      Plan plan = null;
      try (HubSocket socket = accepted) {
        byte[] number = socket.getInputStream().readNBytes(4);
        if (number.length < 4) throw new EOFException("before its number");
        plan = Plan.of(seed, ByteBuffer.wrap(number).getInt());
        new End(this, socket, plan, false, helpers).live();
      } catch (Throwable t) {
        judge(plan, t);
      }
    }

    /** Only sockets' own errors may come, and only where something is wrong. */
    void judge(Plan plan, Throwable thrown) {
      boolean isExpected =
          (plan == null || !plan.isHarmless())
              && thrown instanceof IOException
              && ("" + thrown.getMessage())
                  .matches(
                      "Connection reset( by peer)?|Broken pipe|Socket (is )?closed|before its .*");
      if (!isExpected) failures.add(new AssertionError("" + plan, thrown));
    }

    /** A thread's connections, by java.net. */
    private void outside(int first, int port) {
      for (int i = first; i < first + OF_A_THREAD; i++) {
        Plan plan = Plan.of(seed, i);
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
          socket.setSoTimeout(60_000);
          socket.getOutputStream().write(ByteBuffer.allocate(4).putInt(i).array());
          new Raw(socket, plan).live();
        } catch (Throwable t) {
          judge(plan, t);
        }
      }
    }
  }

  /** What both kinds of ends do. */
  private abstract static class Stream {
    final Socket socket;
    final Plan plan;
    final boolean isClient;
    final Fault fault;
    final Random random;

    Stream(Socket socket, Plan plan, boolean isClient) {
      this.socket = socket;
      this.plan = plan;
      this.isClient = isClient;
      fault = isClient ? plan.client : plan.server;
      random = new Random(plan.seed + (isClient ? 0 : 1));
    }

    abstract void pause(int millis) throws Exception;

    void send() throws Exception {
      int length = isClient ? plan.up : plan.down;
      if (fault == Fault.SILENCE) pause(20);
      int end = fault.isHarmless() ? length : random.nextInt(length + 1);
      OutputStream out = socket.getOutputStream();
      for (int at = 0; at < end; ) {
        byte[] some = new byte[Math.min(end - at, 1 + random.nextInt(100_000))];
        for (int i = 0; i < some.length; i++) some[i] = plan.expected(isClient, at + i);
        out.write(some);
        at += some.length;
        if (fault == Fault.SLOW) pause(1);
      }
      if (fault == Fault.RESET) {
        socket.setSoLinger(true, 0);
        socket.close();
      } else if (fault.isHarmless() || fault == Fault.EARLY_END) {
        socket.shutdownOutput();
      }
    }

    /** To the end of the stream. */
    void receive() throws Exception {
      int length = isClient ? plan.down : plan.up;
      InputStream in = socket.getInputStream();
      byte[] some = new byte[1 + random.nextInt(20_000)];
      int at = 0;
      for (int count; (count = read(in, some)) >= 0; at += count)
        for (int i = 0; i < count; i++)
          if (some[i] != plan.expected(!isClient, at + i))
            throw new AssertionError("a wrong byte at " + (at + i) + ": " + plan);
      if (plan.isHarmless()) assertEquals(length, at, plan::toString);
    }

    abstract int read(InputStream in, byte[] some) throws IOException;
  }

  /** In a thread of its own: sends all, then receives all. */
  private static final class Raw extends Stream {
    Raw(Socket socket, Plan plan) {
      super(socket, plan, true);
    }

    void live() throws Exception {
      send();
      if (!socket.isClosed()) receive();
    }

    @Override
    void pause(int millis) throws InterruptedException {
      Thread.sleep(millis);
    }

    @Override
    int read(InputStream in, byte[] some) throws IOException {
      return in.read(some);
    }
  }

  /** In a hub: one task sends, another receives. */
  private static final class End extends Stream {
    /** How much later than its limit a wait may end, on a busy machine. */
    private static final long LATE = TimeUnit.SECONDS.toNanos(20);

    private static final int SILENCE = 5;

    private boolean isReading;
    private final Program program;
    private final ExecutorService helpers;

    End(Program program, HubSocket socket, Plan plan, boolean isClient, ExecutorService helpers) {
      super(socket, plan, isClient);
      this.program = program;
      this.helpers = helpers;
    }

    /** Until the streams have ended, or what is wrong with this end has happened. */
    void live() throws Throwable {
      Duration soon = Duration.ofMillis(random.nextInt(15));
      if (fault == Fault.SILENCE) socket.setSoTimeout(SILENCE);
      Task<?> sender = Hub.current().spawn("sender of " + plan, guarded(this::send));
      Task<?> receiver = Hub.current().spawn("receiver of " + plan, guarded(this::receive));
      Hub.sleep(soon);
      switch (fault) {
        case CLOSED_BY_TASK -> socket.close();
        case CLOSED_BY_THREAD -> Hub.awaitFuture(helpers.submit(Threads.callable(socket::close)));
        case KILL -> receiver.kill();
        default -> {}
      }
      if (isReading && receiver.isDone() && !socket.isClosed())
        program.failures.add(new AssertionError("left in a read, and open: " + plan));
      sender.join();
      receiver.join();
    }

    @Override
    void receive() throws Exception {
      switch (fault) {
        case LIMIT -> {
          Duration limit = Duration.ofMillis(random.nextInt(20));
          long begin = System.nanoTime();
          try {
            Hub.timeout(limit, super::receive);
          } catch (TimeoutException e) {
            requireInTime(begin, limit);
          }
        }
        case SCOPE ->
            Hub.scope(() -> {
              Hub.current().spawn("in scope of " + plan, guarded(super::receive));
              Hub.sleep(Duration.ofMillis(random.nextInt(20)));
            });
        default -> super.receive();
      }
    }

    private void requireInTime(long begin, Duration limit) {
      long late = System.nanoTime() - begin - limit.toNanos();
      if (late < 0 || late > LATE)
        program.failures.add(new AssertionError("late by " + late + " ns: " + plan));
    }

    private Task.Action guarded(Task.Action action) {
      return () -> {
        try {
          action.run();
        } catch (GreenletExit e) {
          throw e;
        } catch (Throwable t) {
          program.judge(plan, t);
        }
      };
    }

    @Override
    void pause(int millis) {
      Hub.sleep(Duration.ofMillis(millis));
    }

    @Override
    int read(InputStream in, byte[] some) throws IOException {
      while (true) {
        long begin = System.nanoTime();
        isReading = true;
        try {
          int count = in.read(some);
          isReading = false;
          return count;
        } catch (SocketTimeoutException e) {
          requireInTime(begin, Duration.ofMillis(SILENCE));
        } catch (IOException e) {
          isReading = false;
          throw e;
        }
      }
    }
  }
}
