package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import javax.net.SocketFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.function.Executable;

/** How the waits of clients can be waits of tasks, and what their tests need in hubs of both kinds. */
enum Clients {
  /** A plain hub: the clients are given a factory of sockets. */
  BY_FACTORY(Hub::realTime, new HubSocketFactory()),

  /** A cooperative hub: the clients have the JDK's sockets. */
  COOPERATIVE(() -> Hub.realTime().cooperative(), SocketFactory.getDefault());

  private static final Duration SHORT = Duration.ofMillis(100);

  /** How often another task has to run during a wait. */
  private static final int TURNS = 3;

  private final Supplier<Hub> hub;
  final SocketFactory sockets;

  Clients(Supplier<Hub> hub, SocketFactory sockets) {
    this.hub = hub;
    this.sockets = sockets;
  }

  SSLSocketFactory tls(SSLContext context) {
    return this == BY_FACTORY ? Tls.client(context) : context.getSocketFactory();
  }

  void run(Executable body) {
    hub.get().raiseFailures().run(Threads.callable(body));
  }

  /** The results of {@code many} tasks that run at the same time. */
  static <T> List<T> together(int many, IntFunction<Callable<T>> body) {
    List<Task<T>> tasks =
        IntStream.range(0, many).mapToObj(i -> Hub.current().spawn(body.apply(i))).toList();
    return tasks.stream().map(Task::result).toList();
  }

  static List<String> numbers(int many) {
    return IntStream.range(0, many).mapToObj(String::valueOf).toList();
  }

  /** Waits as a task until {@code condition} holds, as it must in the end. */
  static void until(Callable<Boolean> condition) throws Exception {
    while (!condition.call()) Hub.sleep(Duration.ofMillis(1));
  }

  /** The result of {@code body}, which has to let another task run while it waits. */
  static <T> T whileOthersRun(Callable<T> body) throws Exception {
    var turns = new AtomicInteger();
    Task<?> other =
        Hub.current()
            .spawn(() -> {
              while (true) {
                Hub.sleep(Duration.ofMillis(1));
                turns.incrementAndGet();
              }
            });
    try {
      return body.call();
    } finally {
      assertTrue(turns.get() >= TURNS, () -> "turns of another task: " + turns);
      other.kill();
    }
  }

  /** Closes what a pool of resources disposes of. */
  static void close(AutoCloseable resource) {
    try {
      resource.close();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** A limit ends {@code wait}. */
  static void endsByLimit(Callable<?> wait) {
    assertThrows(TimeoutException.class, () -> Hub.timeout(SHORT, wait));
  }

  /** A kill ends {@code wait}, once {@code waits} holds. */
  static void endsByKill(Callable<?> wait, Callable<Boolean> waits) throws Exception {
    Task<?> task = Hub.current().spawn(wait);
    until(() -> task.isDone() || waits.call());
    task.kill();
    assertInstanceOf(GreenletExit.class, task.exception());
  }
}
