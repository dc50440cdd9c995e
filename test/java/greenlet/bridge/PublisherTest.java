package greenlet.bridge;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.Future;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Publishers as generators, and generators as publishers. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class PublisherTest {
  /** What happens, in any thread. */
  private final List<Object> trace = Collections.synchronizedList(new ArrayList<>());

  /** A publisher, of one subscription, that does nothing by itself. */
  private final class Manual implements Flow.Publisher<Integer>, Flow.Subscription {
    private final BiConsumer<Flow.Subscriber<? super Integer>, Long> onRequest;
    private Flow.Subscriber<? super Integer> subscriber;

    Manual(BiConsumer<Flow.Subscriber<? super Integer>, Long> onRequest) {
      this.onRequest = onRequest;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super Integer> s) {
      trace.add("subscribed");
      subscriber = s;
      s.onSubscribe(this);
    }

    @Override
    public void request(long n) {
      trace.add("request " + n);
      onRequest.accept(subscriber, n);
    }

    @Override
    public void cancel() {
      trace.add("cancelled");
    }
  }

  /** Sends the ints from 0, as many as are requested, up to an end. */
  private Manual ints(int end) {
    int[] next = new int[1];
    return new Manual((subscriber, n) -> {
      for (long i = 0; i < n && next[0] < end; i++) subscriber.onNext(next[0]++);
      if (next[0] == end) {
        next[0]++;
        subscriber.onComplete();
      }
    });
  }

  private static List<Integer> range(int end) {
    return IntStream.range(0, end).boxed().toList();
  }

  // A publisher's elements

  @RootTest
  @DisplayName("Each element is requested when it is asked for, and not before")
  void oneByOne() {
    Generator<Integer> g = Bridge.elements(ints(2));
    Cursor<Integer> c = g.cursor();
    assertEquals(List.of(), trace);
    assertEquals(0, c.next());
    assertEquals(List.of("subscribed", "request 1"), trace);
    assertEquals(1, c.next());
    assertFalse(c.hasNext());
    assertEquals(List.of("subscribed", "request 1", "request 1"), trace);
  }

  @RootTest
  @DisplayName(
      "With a prefetch, so many are requested first, and half of them again when half have been taken")
  void prefetch() {
    Cursor<Integer> c = Bridge.elements(ints(100), 4).cursor();
    for (int i = 0; i < 7; i++) assertEquals(i, c.next());
    c.close();
    assertEquals(
        List.of("subscribed", "request 4", "request 2", "request 2", "request 2", "cancelled"),
        trace);
    for (int prefetch : new int[] {1, 2, 3, 64, 1000}) {
      assertEquals(range(100), Bridge.elements(ints(100), prefetch).stream().toList());
    }
  }

  @RootTest
  @DisplayName(
      "A publisher in other threads: all its elements, in order, pushed and pulled, with any prefetch")
  void otherThreads() throws Throwable {
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      for (int prefetch : new int[] {1, 3, 256}) {
        for (boolean push : new boolean[] {false, true}) {
          SubmissionPublisher<Integer> publisher = new SubmissionPublisher<>(threads, 16);
          Future<Object> submits =
              Threads.PLATFORM.start(
                  "submits",
                  () -> {
                    while (!publisher.hasSubscribers()) Thread.onSpinWait();
                    for (int i = 0; i < 2000; i++) publisher.submit(i);
                    publisher.close();
                    return null;
                  });
          List<Integer> got = new ArrayList<>();
          Generator<Integer> g = Bridge.elements(publisher, prefetch);
          if (push) g.forEach(got::add);
          else g.iterator().forEachRemaining(got::add);
          Threads.await(submits);
          assertEquals(range(2000), got);
        }
      }
    }
  }

  @RootTest
  @DisplayName(
      "What the publisher fails with comes after the elements before it, as it is, checked too")
  void fails() {
    for (Throwable failure :
        List.of(new IOException(), new IllegalStateException(), new StackOverflowError())) {
      trace.clear();
      Cursor<Integer> c =
          Bridge.elements(
                  new Manual((subscriber, n) -> {
                    subscriber.onNext(1);
                    subscriber.onNext(2);
                    subscriber.onError(failure);
                  }),
                  10)
              .cursor();
      assertEquals(1, c.next());
      assertEquals(2, c.next());
      assertSame(failure, assertThrows(Throwable.class, c::hasNext));
      assertTrue(c.isOver());
      assertEquals(List.of("subscribed", "request 10"), trace);
    }
  }

  @RootTest
  @DisplayName(
      "An early end cancels, once: by close, by a push that has enough, by an exception of the consumer")
  void cancels() {
    Generator<Integer> g = Bridge.elements(ints(10));
    Cursor<Integer> c = g.cursor();
    c.close();
    assertEquals(List.of(), trace);
    Cursor<Integer> begun = g.cursor();
    begun.next();
    begun.close();
    begun.close();
    assertEquals(List.of("subscribed", "request 1", "cancelled"), trace);
    for (Executable end :
        List.<Executable>of(
            () -> g.forEachWhile(i -> false),
            () ->
                assertThrows(
                    ArithmeticException.class,
                    () ->
                        g.forEach(i -> {
                          throw new ArithmeticException();
                        })))) {
      trace.clear();
      assertDoesEnd(end);
      assertEquals(List.of("subscribed", "request 1", "cancelled"), trace);
    }
  }

  private static void assertDoesEnd(Executable end) {
    try {
      end.execute();
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  @RootTest
  @DisplayName(
      "A wait that is interrupted is an InterruptedException, and cancels: push and pull, of either kind of thread")
  void interrupted() throws Throwable {
    for (Threads kind : Threads.values()) {
      for (boolean push : new boolean[] {false, true}) {
        trace.clear();
        AtomicReference<Thread> waiting = new AtomicReference<>();
        CountDownLatch requested = new CountDownLatch(1);
        Generator<Integer> g =
            Bridge.elements(new Manual((subscriber, n) -> requested.countDown()));
        Future<Throwable> pull =
            kind.start(
                "pulls",
                () -> {
                  waiting.set(Thread.currentThread());
                  return assertThrows(
                      InterruptedException.class,
                      () -> {
                        if (push) g.forEach(trace::add);
                        else g.iterator().next();
                      });
                });
        Threads.await(requested);
        Threads.untilWaiting(waiting.get());
        waiting.get().interrupt();
        Threads.await(pull);
        assertEquals(List.of("subscribed", "request 1", "cancelled"), trace);
      }
    }
  }

  @RootTest
  @DisplayName(
      "A publisher that is silent for longer than the timeout is a TimeoutException, and cancelled at once or later")
  void timeout() throws Throwable {
    Manual silent = new Manual((subscriber, n) -> {});
    Cursor<Integer> c = Bridge.elements(silent, 1, Duration.ofMillis(1)).cursor();
    assertTrue(assertThrows(TimeoutException.class, c::next).getMessage().contains("PT0.001S"));
    assertEquals(List.of("subscribed", "request 1", "cancelled"), trace);
    assertTrue(c.isOver());
    AtomicReference<Flow.Subscriber<?>> subscriber = new AtomicReference<>();
    assertThrows(
        TimeoutException.class,
        Bridge.elements(subscriber::set, 1, Duration.ofNanos(1)).cursor()::next);
    trace.clear();
    subscriber.get().onSubscribe(silent);
    assertEquals(List.of("cancelled"), trace);
    assertEquals(
        range(3), Bridge.elements(ints(3), 1, Duration.ofDays(100_000_000)).stream().toList());
  }

  @RootTest
  @DisplayName("Rules for subscribers: no null, one subscription, nothing after the end")
  void rules() {
    AtomicReference<Flow.Subscriber<? super Integer>> subscriber = new AtomicReference<>();
    Manual second = new Manual((s, n) -> {});
    Cursor<Integer> c =
        Bridge.elements(
                new Manual((s, n) -> {
                  subscriber.set(s);
                  for (Executable call :
                      List.<Executable>of(
                          () -> s.onSubscribe(null), () -> s.onNext(null), () -> s.onError(null))) {
                    assertThrows(NullPointerException.class, call);
                  }
                  s.onSubscribe(second);
                  s.onNext(1);
                  s.onComplete();
                  s.onComplete();
                  s.onError(new IOException());
                  s.onNext(2);
                }))
            .cursor();
    assertEquals(1, c.next());
    assertFalse(c.hasNext());
    assertEquals(List.of("subscribed", "request 1", "cancelled"), trace);
    subscriber.get().onNext(3);
    assertFalse(c.hasNext());
  }

  @RootTest
  @DisplayName(
      "A publisher that sends more than was requested is cancelled, and an error after what was requested")
  void floods() {
    Cursor<Integer> c =
        Bridge.elements(
                new Manual((subscriber, n) -> {
                  for (int i = 0; i < 10; i++) subscriber.onNext(i);
                }),
                2)
            .cursor();
    assertEquals(0, c.next());
    assertEquals(1, c.next());
    assertRefused(IllegalStateException.class, c::next, "more than was requested");
    assertEquals("cancelled", trace.get(2));
  }

  @RootTest
  @DisplayName("Bad arguments are refused at the call")
  void badArguments() {
    Manual p = ints(1);
    for (Executable call :
        List.<Executable>of(
            () -> Bridge.elements(null),
            () -> Bridge.elements(p, 0),
            () -> Bridge.elements(p, 1, null),
            () -> Bridge.elements(p, 1, Duration.ZERO),
            () -> Bridge.publisher(null))) {
      assertRefused(IllegalArgumentException.class, call);
    }
    assertThrows(
        NullPointerException.class,
        () -> Bridge.publisher(Generator.of(out -> {})).subscribe(null));
  }

  // A generator's publisher

  /** Tells all signals; requests what it is told to in each. */
  private class Probe implements Flow.Subscriber<Integer> {
    Flow.Subscription subscription;

    @Override
    public void onSubscribe(Flow.Subscription granted) {
      subscription = granted;
    }

    @Override
    public void onNext(Integer element) {
      trace.add(element);
    }

    @Override
    public void onError(Throwable failure) {
      trace.add(failure);
    }

    @Override
    public void onComplete() {
      trace.add("complete");
    }
  }

  private Probe subscribe(Generator<Integer> g, Probe probe) {
    Bridge.publisher(g).subscribe(probe);
    return probe;
  }

  private final Generator<Integer> three =
      Generator.of(out -> {
        try {
          for (int i = 0; i < 3; i++) out.yield(i);
        } finally {
          trace.add("finally");
        }
      });

  @RootTest
  @DisplayName(
      "A generator publishes as far as is requested; each subscriber has a traversal of its own")
  void publishes() {
    Flow.Publisher<Integer> publisher = Bridge.publisher(three);
    Probe a = new Probe();
    Probe b = new Probe();
    publisher.subscribe(a);
    publisher.subscribe(b);
    assertEquals(List.of(), trace);
    a.subscription.request(2);
    b.subscription.request(1);
    assertEquals(List.of(0, 1, 0), trace);
    trace.clear();
    a.subscription.request(Long.MAX_VALUE);
    a.subscription.request(Long.MAX_VALUE);
    assertEquals(List.of(2, "finally", "complete"), trace);
    b.subscription.cancel();
    b.subscription.cancel();
    b.subscription.request(1);
    b.subscription.request(-1);
    assertEquals(List.of(2, "finally", "complete", "finally"), trace);
  }

  @RootTest
  @DisplayName("Requests and cancels from within onNext do not recurse")
  void withinOnNext() {
    Generator<Integer> many =
        Generator.of(out -> {
          for (int i = 0; ; i++) out.yield(i);
        });
    int[] depth = new int[2];
    subscribe(
            many,
            new Probe() {
              @Override
              public void onNext(Integer element) {
                depth[1] = Math.max(depth[1], ++depth[0]);
                if (element == 10_000) subscription.cancel();
                subscription.request(element % 3 + 1);
                depth[0]--;
                if (element == 10_000) trace.add(element);
              }
            })
        .subscription
        .request(1);
    assertEquals(1, depth[1]);
    assertEquals(List.of(10_000), trace);
  }

  @RootTest
  @DisplayName("Requests add up to no more than Long.MAX_VALUE")
  void requestsWithoutLimit() {
    int[] depth = new int[1];
    subscribe(
            three,
            new Probe() {
              @Override
              public void onNext(Integer element) {
                depth[0]++;
                for (long n : new long[] {Long.MAX_VALUE, Long.MAX_VALUE, 1, 1})
                  subscription.request(n);
                assertEquals(1, depth[0]--);
                trace.add(element);
              }
            })
        .subscription
        .request(1);
    assertEquals(List.of(0, 1, 2, "finally", "complete"), trace);
  }

  @RootTest
  @DisplayName(
      "An exception of the body is onError, also one that nobody would expect; so are null and a bad request")
  void publishesFailure() {
    IOException failure = new IOException();
    subscribe(
            Generator.of(out -> {
              out.yield(1);
              throw failure;
            }),
            new Probe())
        .subscription
        .request(5);
    assertEquals(List.of(1, failure), trace);
    trace.clear();
    subscribe(Generator.of(out -> out.yield(null)), new Probe()).subscription.request(5);
    assertTrue(trace.removeFirst() instanceof NullPointerException);
    for (long bad : new long[] {0, -1, Long.MIN_VALUE}) {
      trace.clear();
      Probe probe = subscribe(three, new Probe());
      probe.subscription.request(1);
      probe.subscription.request(bad);
      probe.subscription.request(bad);
      probe.subscription.request(1);
      assertEquals(List.of(0, "finally"), trace.subList(0, 2));
      assertEquals(3, trace.size());
      assertTrue(((IllegalArgumentException) trace.get(2)).getMessage().contains("3.9"));
    }
  }

  @RootTest
  @DisplayName(
      "What a subscriber throws, or a body that is unwound, goes to the thread's handler, and the body is unwound")
  void uncaught() {
    Thread thread = Thread.currentThread();
    thread.setUncaughtExceptionHandler((t, e) -> trace.add(e));
    ArithmeticException failure = new ArithmeticException();
    subscribe(
            three,
            new Probe() {
              @Override
              public void onNext(Integer element) {
                throw failure;
              }
            })
        .subscription
        .request(2);
    assertEquals(List.of("finally", failure), trace);
    trace.clear();
    Probe probe =
        subscribe(
            Generator.of(out -> {
              try {
                out.yield(1);
              } finally {
                throwIt(failure);
              }
            }),
            new Probe());
    probe.subscription.request(1);
    probe.subscription.cancel();
    probe.subscription.request(1);
    assertEquals(List.of(1, failure), trace);
  }

  private static void throwIt(RuntimeException e) {
    throw e;
  }

  @RootTest
  @DisplayName("Any threads may request, several at once: each element once, in order")
  void requestsFromManyThreads() throws Throwable {
    for (Threads kind : Threads.values()) {
      trace.clear();
      CountDownLatch complete = new CountDownLatch(1);
      Probe probe =
          subscribe(
              Generator.of(out -> {
                for (int i = 0; i < 1000; i++) out.yield(i);
              }),
              new Probe() {
                @Override
                public void onComplete() {
                  complete.countDown();
                }
              });
      List<Future<Object>> requests = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        requests.add(
            kind.start(
                "requests",
                () -> {
                  for (int n = 0; n < 251; n++) probe.subscription.request(1);
                  return null;
                }));
      }
      for (Future<Object> r : requests) Threads.await(r);
      Threads.await(complete);
      assertEquals(range(1000), trace);
    }
  }

  @RootTest
  @DisplayName("To and fro, a generator stays what it was")
  void roundTrip() {
    Generator<Integer> again = Bridge.elements(Bridge.publisher(three), 2);
    assertEquals(range(3), again.stream().toList());
    Cursor<Integer> c = again.cursor();
    trace.clear();
    c.next();
    c.close();
    assertEquals(List.of("finally"), trace);
  }
}
