package greenlet;

import static greenlet.testing.NativeFrame.initialiseClass;
import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Virtual threads, of bodies and of greenlets, that are carried by the platform thread which waits for them. */
@ExtendWith(LeakCheck.class)
class CarrierTest {
  private final List<Object> trace = Collections.synchronizedList(new ArrayList<>());

  @BeforeAll
  static void available() {
    assumeTrue(VirtualThreads.canBeCarried(), VirtualThreads::whyNotCarried);
  }

  // JDK 21 to 23 do not have the fault, so there is nothing to catch.
  @Test
  @EnabledForJreRange(minVersion = 24)
  @DisplayName("the proof at start-up catches a carrier that does not inflate its puller's locks")
  void proofCatches() {
    assertFalse(VirtualThreads.keepsLock(null));
  }

  @Test
  @DisplayName("the proof at start-up holds with the locks inflated, time and again")
  void proofHolds() {
    for (int i = 0; i < 100; i++) assertTrue(VirtualThreads.keepsLock(new ThinLocks()));
  }

  /** Who runs the calling virtual thread: its text form ends with the name of that thread. */
  private static boolean isCarriedBy(String name) {
    return Thread.currentThread().toString().endsWith("@" + name);
  }

  @RootTest
  @DisplayName("A platform thread carries what it pulls, a virtual one does not")
  void carries() {
    boolean isPlatform = !Thread.currentThread().isVirtual();
    Cursor<Boolean> c =
        Generator.<Boolean>of(
                out -> {
                  for (int i = 0; i < 3; i++) out.yield(isCarriedBy("test"));
                })
            .sharedCursor();
    for (int i = 0; i < 3; i++) assertEquals(isPlatform, c.next());
    assertFalse(c.hasNext());
  }

  /** On the continuation engine a greenlet has no thread that could be carried. */
  private static void assumeGreenletsHaveThreads() {
    assumeTrue(
        EngineChoice.engine() instanceof VirtualThreadEngine, "greenlets on virtual threads");
  }

  /** The carrier, by name, of the calling virtual thread; null for a platform thread. */
  private static String carrier() {
    String me = Thread.currentThread().toString();
    return Thread.currentThread().isVirtual() ? me.substring(me.lastIndexOf('@') + 1) : null;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A platform thread carries its greenlets, whoever switches to them, and what they pull from")
  void carriesGreenlets() {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Generator<String> inner =
        Generator.of(out -> {
          while (true) out.yield(carrier());
        });
    Generator<String> outer =
        Generator.of(out -> {
          Cursor<String> shared = inner.sharedCursor();
          while (true) out.yield(carrier() + " " + shared.next());
        });
    Greenlet second =
        Greenlet.of(
            args -> {
              Cursor<String> c = outer.cursor();
              while (true) {
                trace.add("second " + carrier() + " " + c.next());
                root.switchTo();
              }
            },
            root);
    Greenlet first =
        Greenlet.of(
            args -> {
              while (true) {
                trace.add("first " + carrier());
                second.switchTo();
              }
            },
            root);
    for (int i = 0; i < 3; i++) first.switchTo();
    assertEquals(
        Collections.nCopies(3, List.of("first test", "second test test test")).stream()
            .flatMap(List::stream)
            .toList(),
        trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A greenlet that blocks goes on on its thread, which nobody else of its greenlets has meanwhile")
  void greenletBlocks() {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          for (int i = 0; ; i++) {
            CountDownLatch released = new CountDownLatch(1);
            Thread me = Thread.currentThread();
            Future<Void> other =
                Threads.PLATFORM.start(
                    "other",
                    () -> {
                      Threads.untilWaiting(me);
                      released.countDown();
                      return null;
                    });
            released.await();
            Threads.await(other);
            trace.add(carrier());
            root.switchTo(i);
          }
        });
    for (int i = 0; i < 20; i++) assertEquals(i, g.switchTo());
    assertEquals(Collections.nCopies(20, "test"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Where a greenlet cannot be suspended, another that it would have started is unstarted, for any thread to start")
  void refusedBeforeStart() throws Throwable {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Greenlet target = Greenlet.of(args -> "target on " + carrier(), root, "target");
    Greenlet g =
        Greenlet.of(
            args -> {
              initialiseClass(() ->
                  assertRefused(
                      IllegalStateException.class,
                      target::switchTo,
                      Greenlet.current(),
                      "native frame"));
              return "g";
            },
            root);
    assertEquals("g", g.switchTo());
    assertFalse(target.isActive());
    Threads.PLATFORM.run(
        "other",
        () -> {
          target.setParent(Greenlet.current());
          trace.add(target.switchTo());
        });
    assertEquals(List.of("target on other"), trace);
    assertTrue(target.isDead());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A pull that a greenlet cannot be suspended for is refused; the next one succeeds")
  void pullRefused() {
    assumeGreenletsHaveThreads();
    Generator<Integer> g =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) out.yield(i);
        });
    Greenlet.of(
            args -> {
              Cursor<Integer> c = g.sharedCursor();
              for (int i = 0; i < 3; i++) {
                initialiseClass(() ->
                    assertRefused(
                        IllegalStateException.class,
                        c::hasNext,
                        Greenlet.current(),
                        "native frame"));
                trace.add(c.next());
              }
              assertFalse(c.hasNext());
              return null;
            })
        .switchTo();
    assertEquals(List.of(0, 1, 2), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What is sent, thrown or closed where it is refused does not come to the body later; a value that waits is kept")
  void sendRefused() {
    assumeGreenletsHaveThreads();
    Generator<Object> g =
        Generator.of(out -> {
          try {
            for (Object sent = "none"; ; ) sent = out.yield("after " + sent);
          } finally {
            trace.add("unwound");
          }
        });
    Greenlet.of(
            args -> {
              Cursor<Object> c = g.sharedCursor();
              trace.add(c.next());
              for (Executable call :
                  List.<Executable>of(
                      () -> c.send("lost"),
                      () -> c.throwInto(new IOException("lost")),
                      c::hasNext)) {
                initialiseClass(() ->
                    assertRefused(
                        IllegalStateException.class, call, Greenlet.current(), "native frame"));
                trace.add(c.next());
              }
              assertTrue(c.hasNext());
              initialiseClass(() ->
                  assertRefused(
                      IllegalStateException.class, c::close, Greenlet.current(), "native frame"));
              trace.add(c.next());
              assertTrue(c.send("sent"));
              trace.add(c.next());
              c.close();
              return null;
            })
        .switchTo();
    assertEquals(
        List.of(
            "after none",
            "after null",
            "after null",
            "after null",
            "after null",
            "after sent",
            "unwound"),
        trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A body that was pulled elsewhere first, carried or not, is pulled by a greenlet, and the other way round")
  void pullersOfAllKinds() throws Throwable {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  for (int i = 0; ; i++) {
                    if (i % 5 == 0) Threads.VIRTUAL.run("other", () -> {}); // blocks
                    out.yield(i);
                  }
                })
            .sharedCursor();
    Greenlet puller =
        Greenlet.of(args -> {
          while (true) root.switchTo(c.next());
        });
    for (int i = 0; i < 100; i++) {
      trace.add(Threads.VIRTUAL.call("virtual", c::next));
      trace.add(puller.switchTo());
      if (i % 3 == 0) trace.add(puller.switchTo());
      trace.add(c.next());
      if (i % 7 == 0) trace.add(Threads.PLATFORM.call("platform", c::next));
    }
    assertEquals(IntStream.range(0, trace.size()).boxed().toList(), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A greenlet that is forgotten while suspended is collected with its stack, also the last one carried")
  void greenletForgotten() {
    assumeGreenletsHaveThreads();
    List<WeakReference<?>> references = new ArrayList<>();
    for (int i = 0; i < 3; i++) forgetGreenlet(references, () -> null);
    Threads.collect(() -> references.stream().allMatch(reference -> reference.get() == null));
    assertEquals(List.of(), trace);
  }

  /** Returns what the greenlet has from {@code start}, which it calls before it is suspended. */
  private Object forgetGreenlet(List<WeakReference<?>> references, Supplier<?> start) {
    Greenlet root = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          Object onStack = new Object();
          references.add(new WeakReference<>(onStack));
          Object started = start.get();
          try {
            return root.switchTo(started);
          } finally {
            trace.add(onStack);
          }
        });
    references.add(new WeakReference<>(g));
    return g.switchTo();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Nor does a virtual thread that it has started keep it, which lives on")
  void greenletForgottenByItsThread() throws Throwable {
    assumeGreenletsHaveThreads();
    List<WeakReference<?>> references = new ArrayList<>();
    CountDownLatch released = new CountDownLatch(1);
    Future<?> lives =
        (Future<?>)
            forgetGreenlet(
                references,
                () ->
                    Threads.VIRTUAL.start(
                        "lives",
                        () -> {
                          released.await();
                          return "lived on";
                        }));
    Threads.collect(() -> references.stream().allMatch(reference -> reference.get() == null));
    released.countDown();
    assertEquals("lived on", Threads.await(lives));
    assertEquals(List.of(), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "An interrupt that comes while a greenlet is carried goes with control to a body that is not")
  void interruptGoesToBody() throws Throwable {
    assumeGreenletsHaveThreads();
    Thread platform = Thread.currentThread();
    Cursor<Object> c =
        Generator.of(
                out -> {
                  while (true) out.yield(carrier() + " " + Thread.interrupted());
                })
            .sharedCursor();
    trace.add(Threads.VIRTUAL.call("virtual", c::next).toString().endsWith(" false"));
    Greenlet.of(
            args -> {
              platform.interrupt();
              Object next = c.next();
              assertFalse(next.equals("test true"), "carried");
              trace.add(next.toString().endsWith(" true"));
              trace.add(Thread.interrupted());
              return null;
            })
        .switchTo();
    assertEquals(List.of(true, true, false), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("The stack of a body's thread may be asked for at any time, whoever pulls")
  void stackTraceOfBodyMeanwhile() throws Throwable {
    Greenlet root = Greenlet.current();
    Thread[] body = new Thread[1];
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  body[0] = Thread.currentThread();
                  for (int i = 0; ; i++) out.yield(i);
                })
            .sharedCursor();
    Greenlet puller =
        Greenlet.of(args -> {
          while (true) root.switchTo(c.next());
        });
    assertEquals(0, puller.switchTo());
    ExecutorService virtual = Executors.newSingleThreadExecutor(Thread.ofVirtual().factory());
    try {
      Threads.whileAnother(
          body[0]::getStackTrace,
          () -> {
            for (int i = 1; i < 4_000; i++) {
              body[0].getStackTrace(); // has the JDK submit the suspended thread once more
              Object next =
                  i % 8 == 0
                      ? c.next()
                      : i % 8 == 1 ? Threads.await(virtual.submit(c::next)) : puller.switchTo();
              assertEquals(i, next);
            }
          });
    } finally {
      virtual.close();
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("The stack of a suspended greenlet may be asked for at any time, by any thread")
  void stackTraceMeanwhile() throws Throwable {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          for (int i = 0; ; i++) root.switchTo(i);
        });
    g.switchTo();
    Threads.whileAnother(
        g::stackTrace,
        () -> {
          for (int i = 1; i < 20_000; i++) assertEquals(i, g.switchTo());
        });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("And of one that others switch to without the root, which would run it in any case")
  void stackTraceMeanwhileAmongGreenlets() throws Throwable {
    assumeGreenletsHaveThreads();
    Greenlet root = Greenlet.current();
    Greenlet echo =
        Greenlet.of(
            args -> {
              for (Object i = args[0]; ; ) i = Greenlet.current().parent().switchTo(i);
            },
            root,
            "echo");
    Greenlet g =
        Greenlet.of(
            args -> {
              echo.setParent(Greenlet.current());
              for (int i = 0; i < 100_000; i++) assertEquals(i, echo.switchTo(i));
              echo.setParent(root);
              return "end";
            },
            root,
            "g");
    Threads.whileAnother(echo::stackTrace, () -> assertEquals("end", g.switchTo()));
  }

  @RootTest
  @DisplayName("A body that blocks goes on where its puller waits for it")
  void blocks() throws Throwable {
    CountDownLatch released = new CountDownLatch(1);
    Thread[] body = new Thread[1];
    Cursor<Object> c =
        Generator.of(
                out -> {
                  body[0] = Thread.currentThread();
                  out.yield("before");
                  released.await();
                  out.yield("after");
                })
            .sharedCursor();
    assertEquals("before", c.next());
    Future<Void> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              Threads.untilWaiting(body[0]);
              released.countDown();
              return null;
            });
    assertEquals("after", c.next());
    assertFalse(c.hasNext());
    Threads.await(other);
  }

  @RootTest
  @DisplayName(
      "Pullers take turns, carriers or not: the body is one thread, with its locals, and its elements are in order")
  void pullersTakeTurns() throws Throwable {
    int elements = 300;
    ThreadLocal<Integer> local = new ThreadLocal<>();
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  Thread me = Thread.currentThread();
                  for (int i = 0; i < elements; i++) {
                    local.set(i);
                    out.yield(i);
                    assertSame(me, Thread.currentThread());
                    assertEquals(i, local.get());
                  }
                })
            .sharedCursor();
    List<ExecutorService> pullers =
        Stream.of(Thread.ofPlatform().daemon(), Thread.ofVirtual(), Thread.ofPlatform().daemon())
            .map(builder -> Executors.newSingleThreadExecutor(builder.factory()))
            .toList();
    try {
      for (int i = 0; i < elements; i++) {
        trace.add(Threads.await(pullers.get(i % 3).submit(c::next)));
        trace.add(Threads.await(pullers.get(i % 3).submit(local::get))); // the puller's own
      }
    } finally {
      pullers.forEach(ExecutorService::close);
    }
    List<Object> expected = new ArrayList<>();
    for (int i = 0; i < elements; i++) Collections.addAll(expected, i, null);
    assertEquals(expected, trace);
    assertFalse(c.hasNext());
  }

  @RootTest
  @DisplayName("A body that blocks while it is carried may be pulled by another thread afterwards")
  void blocksThenMoves() throws Throwable {
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  for (int i = 0; i < 20; i++) {
                    CountDownLatch released = new CountDownLatch(1);
                    Future<Void> other =
                        Threads.PLATFORM.start("other", Threads.callable(released::countDown));
                    released.await();
                    Threads.await(other);
                    out.yield(i);
                  }
                })
            .sharedCursor();
    for (int i = 0; i < 20; i += 2) {
      trace.add(c.next());
      trace.add(Threads.values()[i / 2 % 2].call("another", c::next));
    }
    assertEquals(IntStream.range(0, 20).boxed().toList(), trace);
    assertFalse(c.hasNext());
  }

  @RootTest
  @DisplayName("One that is forgotten half way is collected with its stack, and nothing in it runs")
  void forgotten() {
    List<WeakReference<?>> references = new ArrayList<>();
    forget(references);
    assertEquals(2, references.size());
    Threads.collect(() -> references.stream().allMatch(reference -> reference.get() == null));
    assertEquals(List.of(), trace);
  }

  private void forget(List<WeakReference<?>> references) {
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  Object onStack = new Object();
                  references.add(new WeakReference<>(onStack));
                  try {
                    for (int i = 0; ; i++) out.yield(i);
                  } finally {
                    trace.add(onStack);
                  }
                })
            .sharedCursor();
    references.add(new WeakReference<>(c));
    for (int i = 0; i < 3; i++) c.next();
  }

  @RootTest
  @DisplayName(
      "Virtual threads that the body starts run while it waits for them, and after it has yielded")
  void virtualThreadsOfBody() throws Throwable {
    CountDownLatch yielded = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Cursor<Object> c =
        Generator.of(
                out -> {
                  out.yield(
                      Threads.VIRTUAL.call(
                          "within",
                          () -> {
                            Thread.yield();
                            return "from within";
                          }));
                  Thread.ofVirtual()
                      .start(() -> {
                        try {
                          Threads.await(yielded);
                          ended.countDown();
                        } catch (InterruptedException e) {
                          trace.add(e);
                        }
                      });
                  out.yield("second");
                })
            .sharedCursor();
    assertEquals("from within", c.next());
    assertEquals("second", c.next());
    yielded.countDown();
    Threads.await(ended);
    assertFalse(c.hasNext());
    assertEquals(List.of(), trace);
  }

  @RootTest
  @DisplayName("A body that is carried pulls from others, confined or shared")
  void nested() {
    Generator<Integer> inner =
        Generator.of(out -> {
          for (int i = 0; i < 3; i++) out.yield(i);
        });
    Cursor<Integer> c =
        Generator.<Integer>of(
                out -> {
                  Cursor<Integer> confined = inner.cursor();
                  Cursor<Integer> shared = inner.sharedCursor();
                  while (confined.hasNext()) {
                    out.yield(confined.next());
                    out.yield(10 + shared.next());
                  }
                  inner.stream().forEach(out::yield);
                })
            .sharedCursor();
    c.forEachRemaining(trace::add);
    assertEquals(List.of(0, 10, 1, 11, 2, 12, 0, 1, 2), trace);
  }

  @RootTest
  @DisplayName("A switch in a body suspends the puller, the root or another greenlet")
  void switchInBody() {
    Greenlet root = Greenlet.current();
    Cursor<Object> c =
        Generator.of(
                out -> {
                  while (true)
                    out.yield(List.of(Greenlet.current().name(), root.switchTo("switched")));
                })
            .sharedCursor();
    Greenlet puller = Greenlet.of(args -> List.of(c.next(), c.next()), root, "puller");
    trace.add(puller.switchTo());
    assertRefused(IllegalStateException.class, c::next, root, puller, "has switched away");
    trace.add(puller.switchTo("one"));
    trace.add(puller.switchTo("two"));
    assertTrue(puller.isDead());
    trace.add(c.next()); // the root switches to itself
    c.close();
    assertEquals(
        List.of(
            "switched",
            "switched",
            List.of(List.of("puller", "one"), List.of("puller", "two")),
            List.of("root", "switched")),
        trace);
  }

  @RootTest
  @DisplayName(
      "An exception ends the body, carried or after it has blocked, and comes out as it is")
  void fails() throws Throwable {
    IOException failure = new IOException();
    for (boolean blocks : new boolean[] {false, true}) {
      Cursor<Integer> c =
          Generator.<Integer>of(
                  out -> {
                    out.yield(1);
                    if (blocks) Threads.VIRTUAL.run("other", () -> {});
                    throw failure;
                  })
              .sharedCursor();
      assertEquals(1, c.next());
      assertSame(failure, assertThrows(Throwable.class, c::hasNext));
      assertTrue(c.isOver());
      assertFalse(c.hasNext());
    }
  }

  /** Waits for what never comes; tells what ended that. */
  private static String blockForGood() {
    try {
      return new CountDownLatch(1).await(10, TimeUnit.SECONDS) ? "released" : "nothing";
    } catch (InterruptedException e) {
      return "interrupt";
    }
  }

  @RootTest
  @DisplayName("An interrupt of the puller reaches the body that it waits for: one that is blocked")
  void interruptWhileBlocked() throws Throwable {
    Thread puller = Thread.currentThread();
    Thread[] body = new Thread[1];
    Cursor<String> c =
        Generator.<String>of(
                out -> {
                  body[0] = Thread.currentThread();
                  out.yield("before");
                  out.yield(blockForGood());
                })
            .sharedCursor();
    assertEquals("before", c.next());
    Future<Void> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              Threads.untilWaiting(body[0]);
              puller.interrupt();
              return null;
            });
    assertEquals("interrupt", c.next());
    Threads.await(other);
    assertFalse(Thread.interrupted());
  }

  /** The body runs until the puller has been interrupted, and then calls {@code then}. */
  private static String interruptedWhileItRuns(Callable<String> then) throws Throwable {
    Thread puller = Thread.currentThread();
    CountDownLatch running = new CountDownLatch(1);
    AtomicBoolean interrupted = new AtomicBoolean();
    Cursor<String> c =
        Generator.<String>of(
                out -> {
                  out.yield("before");
                  running.countDown();
                  // Thread.yield would leave the puller's thread
                  while (!interrupted.get()) Thread.onSpinWait();
                  out.yield(then.call());
                })
            .sharedCursor();
    assertEquals("before", c.next());
    Future<Void> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              running.await();
              puller.interrupt();
              interrupted.set(true);
              return null;
            });
    String result = c.next();
    Threads.await(other);
    return result;
  }

  // Not for a platform thread: the JDK clears the interrupt status of one that carries. See
  // doc/caveats.md.
  @RootTest(Threads.VIRTUAL)
  @DisplayName(
      "An interrupt of the puller reaches the body that it waits for: one that runs, and blocks later")
  void interruptBeforeItBlocks() throws Throwable {
    assertEquals("interrupt", interruptedWhileItRuns(CarrierTest::blockForGood));
    assertFalse(Thread.interrupted());
  }

  @RootTest(Threads.VIRTUAL) // as above
  @DisplayName(
      "An interrupt of the puller reaches the body that it waits for: one that runs, and asks for it")
  void interruptSeen() throws Throwable {
    assertEquals(
        "seen",
        interruptedWhileItRuns(() -> {
          Threads.until(() -> Thread.currentThread().isInterrupted());
          Thread.interrupted();
          return "seen";
        }));
    assertFalse(Thread.interrupted());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("An interrupt that the body has not taken is the puller's after the yield")
  void interruptComesBack() throws Throwable {
    assertEquals("yields", interruptedWhileItRuns(() -> "yields"));
    assertTrue(Thread.interrupted());
  }

  @RootTest
  @DisplayName(
      "A yield with a native frame below: refused where the body is carried, else it works; the traversal goes on")
  void nativeFrame() {
    boolean isPlatform = !Thread.currentThread().isVirtual();
    Cursor<String> c =
        Generator.<String>of(
                out -> {
                  out.yield("before");
                  initialiseClass(() -> {
                    if (isPlatform) {
                      assertRefused(
                          IllegalStateException.class,
                          () -> out.yield("refused"),
                          Greenlet.current(),
                          "generator-",
                          "native frame");
                    } else {
                      out.yield("from below");
                    }
                  });
                  out.yield("after");
                })
            .sharedCursor();
    c.forEachRemaining(trace::add);
    assertEquals(
        isPlatform ? List.of("before", "after") : List.of("before", "from below", "after"), trace);
  }

  @RootTest
  @DisplayName("A blocking call with a native frame below blocks the puller, until it returns")
  void nativeFrameBlocks() {
    Cursor<String> c =
        Generator.<String>of(
                out -> {
                  initialiseClass(() -> {
                    try {
                      Threads.PLATFORM.run("other", () -> trace.add("other"));
                    } catch (Throwable t) {
                      trace.add(t);
                    }
                  });
                  out.yield("after");
                })
            .sharedCursor();
    c.forEachRemaining(trace::add);
    assertEquals(List.of("other", "after"), trace);
  }
}
