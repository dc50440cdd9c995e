package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** The stack of a greenlet, seen from outside: rules S and T3. */
@ExtendWith(LeakCheck.class)
class StackTraceTest {
  private static Object outer(Greenlet to) {
    return inner(to);
  }

  private static Object inner(Greenlet to) {
    return to.switchTo();
  }

  /** The methods of this class on it, the body's own as "body", after a check that none of the library's are there. */
  private static List<String> methods(StackTraceElement[] stack) {
    for (StackTraceElement frame : stack) {
      assertTrue(
          !frame.getClassName().startsWith("greenlet.") || isOfTest(frame),
          () -> Arrays.toString(stack));
    }
    return Arrays.stream(stack)
        .filter(StackTraceTest::isOfTest)
        .map(frame -> frame.getMethodName().startsWith("lambda$") ? "body" : frame.getMethodName())
        .toList();
  }

  private static boolean isOfTest(StackTraceElement frame) {
    return frame.getClassName().startsWith(StackTraceTest.class.getName());
  }

  // Ledger: test_frame, test_can_access_f_back_of_suspended_greenlet
  @RootTest
  @DisplayName("S3 the stack of a suspended greenlet is what its body has called, and ends there")
  void suspended() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> outer(main));
    assertEquals(0, g.stackTrace().length);
    g.switchTo();
    StackTraceElement[] stack = g.stackTrace();
    assertEquals(List.of("inner", "outer", "body"), methods(stack));
    assertEquals(3, stack.length);
    g.switchTo();
    assertEquals(0, g.stackTrace().length);
  }

  @RootTest
  @DisplayName("T3 the stack of a greenlet may be asked for while it begins, pulls and ends")
  void meanwhile() throws Throwable {
    Generator<Integer> inner = Generator.of(out -> out.yield(1));
    Generator<Integer> outer = Generator.of(out -> out.yield(inner.cursor().next()));
    AtomicReference<Greenlet> latest = new AtomicReference<>(Greenlet.current());
    Threads.whileAnother(
        () -> latest.get().stackTrace(),
        () -> {
          for (int i = 0; i < 5_000; i++) {
            Cursor<Integer> c = i % 2 == 0 ? outer.cursor() : outer.sharedCursor();
            Greenlet g = Greenlet.of(args -> c.next());
            latest.set(g);
            assertEquals(1, g.switchTo());
          }
        });
  }

  @RootTest
  @DisplayName("S2 the stack of the running greenlet is where it is now")
  void running() {
    Greenlet g = Greenlet.of(args -> ownStack());
    assertEquals(List.of("ownStack", "body"), methods((StackTraceElement[]) g.switchTo()));
  }

  private static StackTraceElement[] ownStack() {
    return Greenlet.current().stackTrace();
  }

  @RootTest
  @DisplayName("T3 the stack can be read from another thread, of a greenlet that runs too")
  void fromOtherThread() throws Throwable {
    var running = new AtomicReference<Greenlet>();
    var inside = new CountDownLatch(1);
    var seen = new CountDownLatch(1);
    Future<Object> owner =
        Threads.PLATFORM.start(
            "owner",
            () ->
                Greenlet.of(
                        args -> {
                          running.set(Greenlet.current());
                          return waitInside(inside, seen);
                        })
                    .switchTo());
    Threads.await(inside);
    Threads.until(() -> methods(running.get().stackTrace()).equals(List.of("waitInside", "body")));
    seen.countDown();
    Threads.await(owner);
  }

  private static Object waitInside(CountDownLatch inside, CountDownLatch seen)
      throws InterruptedException {
    inside.countDown();
    seen.await();
    return null;
  }

  // Ledger: test_get_stack_with_nested_c_calls
  @RootTest
  @DisplayName(
      "S3 the stack shows the frames in order through nested callbacks, and goes on from there")
  void nestedCallbacks() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> nested(main, 5));
    g.switchTo();
    assertEquals(
        List.of(
            "inner", "outer", "nested", "body", "nested", "body", "nested", "body", "nested",
            "body", "nested", "body", "nested", "body"),
        methods(g.stackTrace()));
    assertEquals(320, g.switchTo(10));
  }

  /** Calls itself through a callback of the JDK's, and doubles what comes back. */
  private static int nested(Greenlet to, int depth) {
    if (depth == 0) return (int) outer(to);
    return List.of(2).stream().mapToInt(factor -> factor * nested(to, depth - 1)).sum();
  }

  @RootTest
  @DisplayName("S3 the stack of a greenlet whose generator's body switched includes that body")
  void inBody() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> pull(Generator.of(out -> outer(main)).iterator()));
    g.switchTo();
    assertEquals(List.of("inner", "outer", "body", "pull", "body"), methods(g.stackTrace()));
    g.switchTo();
  }

  @RootTest
  @DisplayName(
      "S3 the stack of a greenlet that pulls has the body's frames on top, and nothing of how it is run")
  void ofPuller() {
    Generator<StackTraceElement[]> g = Generator.of(out -> out.yield(ownStack()));
    for (Cursor<StackTraceElement[]> c :
        hidesMounted() ? List.of(g.cursor()) : List.of(g.cursor(), g.sharedCursor())) {
      List<String> stack =
          methods((StackTraceElement[]) Greenlet.of(args -> pullNext(c)).switchTo());
      assertEquals(List.of("ownStack", "body", "pullNext", "body"), stack);
    }
    // of one that is about to park, the JDK now and then gives no frames
    if (Thread.currentThread().isVirtual()) return;
    for (Cursor<StackTraceElement[]> c : List.of(g.cursor(), g.sharedCursor())) {
      // below lies the test runner
      StackTraceElement[] ofRoot = Arrays.copyOf((StackTraceElement[]) pullNext(c), 4);
      assertEquals(List.of("ownStack", "body", "pullNext", "ofPuller"), methods(ofRoot));
    }
  }

  /** From JDK 27 on a virtual thread that waits does not always show the frames of the continuation that it has mounted. */
  private static boolean hidesMounted() {
    return Runtime.version().feature() >= 27
        && Thread.currentThread().isVirtual()
        && EngineChoice.engine() instanceof ContinuationEngine;
  }

  private static Object pullNext(Iterator<?> it) {
    return it.next();
  }

  private static Object pull(Iterator<?> it) {
    return it.hasNext();
  }

  @RootTest
  @DisplayName(
      "E1 the stack trace of an exception has the frames of the greenlet or body that it was raised in")
  void ofException() {
    Greenlet g = Greenlet.of(args -> fail());
    Throwable ofGreenlet = assertThrows(UnsupportedOperationException.class, g::switchTo);
    assertEquals(List.of("fail", "body"), ofTest(ofGreenlet).subList(0, 2));
    Iterator<Object> it = Generator.of(out -> fail()).iterator();
    Throwable ofBody = assertThrows(UnsupportedOperationException.class, it::hasNext);
    assertEquals(List.of("fail", "body"), ofTest(ofBody).subList(0, 2));
  }

  private static List<String> ofTest(Throwable thrown) {
    return methods(
        Arrays.stream(thrown.getStackTrace())
            .filter(StackTraceTest::isOfTest)
            .toArray(StackTraceElement[]::new));
  }

  private static Object fail() {
    throw new UnsupportedOperationException();
  }
}
