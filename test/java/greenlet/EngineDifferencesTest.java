package greenlet;

import static greenlet.testing.NativeFrame.initialiseClass;
import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The table of differences between the engines in doc/semantics.md, cell by cell: each test holds both of its row. */
class EngineDifferencesTest {
  private static final boolean IN_THREAD = Greenlet.engine().startsWith("continuation");

  @RootTest
  @DisplayName("Thread.currentThread(): the thread itself; the greenlet's own")
  void currentThread() {
    Thread caller = Thread.currentThread();
    Object inGreenlet = Greenlet.of(args -> Thread.currentThread()).switchTo();
    Iterator<Thread> inIterator =
        Generator.<Thread>of(out -> out.yield(Thread.currentThread())).iterator();
    if (IN_THREAD) {
      assertSame(caller, inGreenlet);
      assertSame(caller, inIterator.next());
    } else {
      assertNotSame(caller, inGreenlet);
      assertNotSame(caller, inIterator.next());
    }
  }

  @RootTest
  @DisplayName("ThreadLocal: shared by the greenlets of a thread; each its own")
  void threadLocal() {
    ThreadLocal<String> local = new ThreadLocal<>();
    local.set("caller's");
    Object seen =
        Greenlet.of(
                args -> {
                  Object before = local.get();
                  local.set("greenlet's");
                  return before;
                })
            .switchTo();
    if (IN_THREAD) assertEquals(List.of("caller's", "greenlet's"), List.of(seen, local.get()));
    else assertEquals(Arrays.asList(null, "caller's"), Arrays.asList(seen, local.get()));
  }

  @RootTest
  @DisplayName(
      "L2 a ReentrantLock that a suspended greenlet holds: lets others of the thread in; keeps them out")
  void reentrantLock() {
    ReentrantLock lock = new ReentrantLock();
    Greenlet root = Greenlet.current();
    Greenlet holder =
        Greenlet.of(args -> {
          lock.lock();
          root.switchTo();
          lock.unlock();
          return null;
        });
    holder.switchTo();
    assertEquals(IN_THREAD, lock.tryLock());
    if (IN_THREAD) lock.unlock();
    holder.switchTo();
    assertTrue(lock.tryLock());
  }

  @RootTest
  @DisplayName(
      "L2 a monitor that the root holds: lets its greenlets in; keeps them out, except before JDK 24 those that are carried")
  void monitorOfRoot() {
    boolean letsIn = IN_THREAD || (isCarrying() && Runtime.version().feature() < 24);
    Object monitor = new Object();
    Greenlet asks = Greenlet.of(args -> Thread.holdsLock(monitor));
    synchronized (monitor) {
      assertEquals(letsIn, asks.switchTo());
      assertTrue(Thread.holdsLock(monitor));
    }
  }

  private static boolean isCarrying() {
    return VirtualThreads.canBeCarried() && !Thread.currentThread().isVirtual();
  }

  private static boolean isRefusedAboveNativeFrames() {
    return IN_THREAD || isCarrying();
  }

  @RootTest
  @DisplayName(
      "L3 a switch with a native frame below: refused, and all is usable afterwards; works")
  void nativeFrame() {
    boolean refused = isRefusedAboveNativeFrames();
    Greenlet root = Greenlet.current();
    List<Object> trace = new ArrayList<>();
    Greenlet g =
        Greenlet.of(
            args -> {
              initialiseClass(() -> {
                if (refused)
                  assertRefused(
                      IllegalStateException.class,
                      root::switchTo,
                      Greenlet.current(),
                      "native frame",
                      "virtual-thread");
                else trace.add(root.switchTo("from below"));
              });
              trace.add(root.switchTo("from outside"));
              return "end";
            },
            root,
            "initialising");
    trace.add(g.switchTo());
    if (!refused) trace.add(g.switchTo("back"));
    trace.add(g.switchTo("again"));
    assertEquals(
        refused
            ? List.of("from outside", "again", "end")
            : List.of("from below", "back", "from outside", "again", "end"),
        trace);
    assertTrue(g.isDead());
  }

  @Test
  @DisplayName(
      "a cursor in a class initialiser whose body is in the same class: works, also where the body is carried; waits for ever")
  void bodyInClassThatIsInitialised() throws Exception {
    boolean works = IN_THREAD || VirtualThreads.canBeCarried();
    assertEquals(
        works ? List.of("2", "main ends") : List.of("main ends"),
        new Program("class initialiser").run());
  }

  @RootTest
  @DisplayName(
      "L3 a yield with a native frame below: refused in an iterator, and the traversal goes on; works")
  void nativeFrameInIterator() {
    boolean refused = isRefusedAboveNativeFrames();
    List<Object> trace = new ArrayList<>();
    Generator<String> g =
        Generator.of(out -> {
          initialiseClass(() -> {
            if (refused)
              assertRefused(
                  IllegalStateException.class,
                  () -> out.yield("refused"),
                  Greenlet.current(),
                  "native frame");
            else out.yield("from below");
          });
          out.yield("from outside");
        });
    g.iterator().forEachRemaining(trace::add);
    assertEquals(refused ? List.of("from outside") : List.of("from below", "from outside"), trace);
  }

  @RootTest
  @DisplayName(
      "L3 the yield that fills a chunk, with a native frame below: refused, and the elements before it come; works")
  void nativeFrameInChunk() {
    boolean refused = isRefusedAboveNativeFrames();
    List<Object> trace = new ArrayList<>();
    Generator<String> g =
        Generator.of(out -> {
          initialiseClass(() -> {
            out.yield("ahead");
            if (refused)
              assertRefused(
                  IllegalStateException.class,
                  () -> out.yield("refused"),
                  Greenlet.current(),
                  "native frame");
            else out.yield("from below");
          });
          out.yield("from outside");
        });
    g.cursor(2).forEachRemaining(trace::add);
    assertEquals(
        refused ? List.of("ahead", "from outside") : List.of("ahead", "from below", "from outside"),
        trace);
  }

  @RootTest
  @DisplayName("a blocking call in a greenlet: nobody else of the thread runs, on both")
  void blockingCall() throws Exception {
    CountDownLatch blocked = new CountDownLatch(1);
    List<Object> trace = new ArrayList<>();
    Thread other = Thread.ofPlatform().daemon().start(blocked::countDown);
    Greenlet.of(
            args -> {
              blocked.await();
              trace.add("greenlet");
              return null;
            })
        .switchTo();
    trace.add("root");
    other.join();
    assertEquals(List.of("greenlet", "root"), trace);
  }

  @RootTest
  @DisplayName(
      "L3 Thread.yield in a greenlet of a virtual thread that has a native frame below: an error, and all is usable; works")
  void yieldOfThreadAboveNativeFrame() throws Throwable {
    boolean refused = IN_THREAD && Thread.currentThread().isVirtual();
    List<Object> trace = new ArrayList<>();
    initialiseClass(() -> {
      Greenlet g =
          Greenlet.of(args -> {
            Thread.yield();
            return "body";
          });
      if (refused) assertRefused(IllegalStateException.class, g::switchTo, "Pinned");
      else trace.add(g.switchTo());
      trace.add(Greenlet.of(args -> "another").switchTo());
    });
    assertEquals(refused ? List.of("another") : List.of("body", "another"), trace);
  }

  @RootTest(Threads.VIRTUAL)
  @DisplayName(
      "T3 another thread asks what runs in a virtual thread for its stack: it gets nothing, from JDK 22 on; the frames")
  void stackOfWhatRunsInVirtualThread() throws Throwable {
    AtomicBoolean over = new AtomicBoolean();
    CountDownLatch running = new CountDownLatch(1);
    Greenlet g =
        Greenlet.of(args -> {
          running.countDown();
          while (!over.get()) Thread.onSpinWait();
          return Greenlet.current().stackTrace().length;
        });
    Future<StackTraceElement[]> asked =
        Threads.PLATFORM.start(
            "asks",
            () -> {
              try {
                Threads.await(running);
                return g.stackTrace();
              } finally {
                over.set(true);
              }
            });
    int own = (int) g.switchTo();
    assertTrue(own > 0);
    int others = Threads.await(asked).length;
    if (IN_THREAD && Runtime.version().feature() > 21) assertEquals(0, others);
    else assertTrue(others > 0);
  }

  @RootTest
  @DisplayName("ScopedValue at the start of a body: the starter's; unbound")
  void scopedValue() throws Throwable {
    assumeTrue(Scoped.available(), "a JDK with scoped values");
    Scoped value = new Scoped();
    Object[] seen = new Object[2];
    value.where(
        "starter's",
        () -> {
          seen[0] = Greenlet.of(args -> value.get()).switchTo();
          seen[1] = Generator.of(out -> out.yield(value.get())).iterator().next();
        });
    Object expected = IN_THREAD ? "starter's" : "unbound";
    assertEquals(List.of(expected, expected), List.of(seen));
  }
}
