package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What the hub's methods take: bodies with and without a result, and never null. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ArgumentTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();

  @RootTest
  @DisplayName("Null is refused at once, and the text says what is missing")
  void nulls() {
    Callable<Object> none = null;
    Callable<Object> body = () -> trace.add("never");
    Map<Executable, String> calls = new LinkedHashMap<>();
    Hub hub = Hubs.virtualTime();
    calls.put(() -> Hub.sleep(null), "Duration.ZERO");
    calls.put(() -> Hub.timeout(null, body), "a limit is needed");
    calls.put(() -> Hub.timeout(SECOND, none), "no body");
    calls.put(() -> Hub.timeout(null, body, body), "a limit is needed");
    calls.put(() -> Hub.timeout(SECOND, none, body), "no body");
    calls.put(() -> Hub.timeout(SECOND, body, none), "where it runs out");
    calls.put(() -> Hub.scope(none), "no body");
    calls.put(() -> Hub.joiningScope(none), "no body");
    calls.put(() -> Hub.offload(none), "nothing to run");
    calls.put(() -> Hub.await((CompletionStage<Object>) null), "nothing to wait for");
    calls.put(() -> Hub.await((Consumer<Waiter<Object>>) null), "nothing to wait for");
    calls.put(() -> Hub.awaitFuture((Future<Object>) null), "nothing to wait for");
    calls.put(() -> Hub.postpone(null), "nothing to raise");
    calls.put(() -> Hub.on(null), "an executor");
    calls.put(() -> hub.run(none), "no body");
    calls.put(() -> hub.spawn(none), "no body");
    calls.put(() -> hub.spawn("name", none), "no body");
    calls.put(() -> hub.spawnLater(null, null, body), "a delay");
    calls.put(() -> hub.spawnLater(SECOND, null, none), "no body");
    calls.put(() -> hub.execute(null), "no body");
    calls.put(() -> hub.onFailure(null), "a handler");
    calls.put(() -> hub.sleeper(null), "a sleeper");
    betweenTasks(calls);
    Hubs.virtualTime()
        .run(
            Threads.callable(() -> {
              Task<Object> t = Hub.current().spawn(() -> "value");
              calls.put(() -> t.join(null), "a limit is needed");
              calls.put(() -> t.result(null), "a limit is needed");
              calls.put(() -> t.interrupt(null), "nothing to raise");
              calls.put(() -> t.link(null), "nothing to link");
              calls.put(() -> t.rawLink(null), "nothing to link");
              calls.forEach((call, part) ->
                  Refusal.assertRefused(IllegalArgumentException.class, call, part, "got null"));
            }));
    assertEquals(List.of(), trace);
  }

  private static void betweenTasks(Map<Executable, String> calls) {
    calls.put(() -> new Event().await(null), "a limit is needed");
    calls.put(() -> new AsyncResult<>().fail(null), "an exception");
    calls.put(() -> new AsyncResult<>().join(null), "a limit is needed");
    calls.put(() -> new AsyncResult<>().result(null), "a limit is needed");
    calls.put(() -> new Semaphore(1).acquire(null), "a limit is needed");
    calls.put(() -> new Lock().acquire(null), "a limit is needed");
    calls.put(() -> Queue.priority(null), "a comparator");
    calls.put(() -> Queue.fifo().offer(1, null), "a limit is needed");
    calls.put(() -> Queue.fifo().poll(1, null), "a limit is needed");
    calls.put(() -> Queue.fifo().join(null), "a limit is needed");
    var pool = new Pool(1);
    calls.put(() -> pool.spawn((Callable<Object>) null), "no body");
    calls.put(() -> pool.spawn("name", (Task.Action) null), "no body");
    calls.put(() -> pool.spawnLater(null, "name", () -> {}), "a delay");
    calls.put(() -> pool.map(null, List.of()), "some work");
    calls.put(() -> pool.mapUnordered(n -> n, null), "elements");
    calls.put(() -> pool.join(null), "a limit is needed");
    calls.put(() -> pool.interrupt(null), "nothing to raise");
    calls.put(() -> Completions.inOrder(null), "nothing to wait for");
    calls.put(() -> Completions.inOrder(List.of(), null), "a function that waits");
    calls.put(() -> new ResourcePool<>(1, null, r -> {}), "how to make one");
    calls.put(() -> new ResourcePool<>(1, () -> "r", null), "how to dispose of one");
  }

  private static void complains() throws IOException {
    throw new IOException("checked");
  }

  private static String value() {
    return "value";
  }

  @RootTest
  @DisplayName("A body need not have a result, whatever kind of lambda it is")
  void bodiesWithoutResult() {
    Hub hub = Hubs.virtualTime();
    hub.run(() -> {
      Task<?> plain = hub.spawn(() -> note("spawned"));
      hub.spawn("named", () -> note(Task.current().name()));
      hub.spawnLater(SECOND, null, () -> note("later"));
      hub.join();
      assertEquals(null, plain.result());
      assertThrows(IOException.class, hub.spawn(() -> complains())::result);
      assertThrows(IOException.class, hub.spawn(ArgumentTest::complains)::result);
      Hub.scope(() -> {
        hub.spawn(() -> note("killed before it begins"));
      });
      Hub.joiningScope(() -> {
        hub.spawn(() -> note("joined"));
      });
      Hub.timeout(SECOND, () -> note("in time"));
      assertThrows(TimeoutException.class, () -> Hub.timeout(SECOND, () -> Hub.sleep(SECOND)));
      Hub.timeout(SECOND, () -> Hub.sleep(SECOND), () -> note("late"));
      Hub.offload(() -> note("offloaded"));
    });
    assertEquals(
        List.of("spawned", "named", "later", "joined", "in time", "late", "offloaded"), trace);
  }

  private void note(Object what) {
    trace.add(what);
  }

  @RootTest
  @DisplayName("What returns a value, or does nothing but throw, is taken for a body with a result")
  void bodiesWithResult() {
    String fromLambda = Hubs.virtualTime().run(() -> value());
    String fromBlock =
        Hubs.virtualTime()
            .run(() -> {
              return value();
            });
    String fromReference = Hubs.virtualTime().run(ArgumentTest::value);
    assertEquals(List.of("value", "value", "value"), List.of(fromLambda, fromBlock, fromReference));
    assertThrows(
        IOException.class,
        () ->
            Hubs.virtualTime()
                .run(() -> {
                  throw new IOException("nothing else");
                }));
    var go = new CountDownLatch(1);
    var future = new CompletableFuture<String>();
    Hubs.virtualTime()
        .run(() -> {
          Hub.current().spawn(go::countDown);
          Hub.current().spawn(() -> future.complete("completed"));
          Task<String> task = Hub.current().spawn(() -> Hub.await(future));
          // of a method that is overloaded, as result is, javac asks for a lambda
          assertEquals("completed", Hub.timeout(SECOND, () -> task.result()));
        });
    assertEquals(0, go.getCount());
  }
}
