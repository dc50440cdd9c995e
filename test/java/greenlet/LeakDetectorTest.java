package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Spliterator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What a leak detector reports, and what it does not. */
@ExtendWith(LeakCheck.class)
class LeakDetectorTest {
  private final Generator<Integer> naturals =
      Generator.of(out -> {
        for (int i = 0; ; i++) yieldHere(out, i);
      });
  private final Generator<Integer> one = Generator.of(out -> out.yield(1));

  private static void yieldHere(Generator.Yielder<Integer> out, int i) {
    out.yield(i);
  }

  private static Greenlet idle() {
    Greenlet main = Greenlet.current();
    return Greenlet.of(args -> switchHere(main));
  }

  private static Object switchHere(Greenlet to) {
    return to.switchTo();
  }

  private static Greenlet suspended() {
    Greenlet g = idle();
    g.switchTo();
    return g;
  }

  private static String report(Executable body) throws Throwable {
    return assertThrows(AssertionError.class, () -> watch(body)).getMessage();
  }

  private static void watch(Executable body) throws Throwable {
    var leaks = new LeakDetector();
    try (leaks) {
      body.execute();
    }
  }

  private static void assertReports(int count, String message, String... parts) {
    assertTrue(
        message.startsWith(count + " left suspended; each has to come to its end or be closed:\n"),
        message);
    assertEquals(
        count, message.lines().skip(1).filter(line -> !line.startsWith("    ")).count(), message);
    for (String part : parts)
      assertTrue(message.contains(part), () -> part + " is not in: " + message);
  }

  @RootTest
  @DisplayName("What is left half way is reported, each kind, also if nobody refers to it any more")
  void left() throws Throwable {
    Map<String, Executable> kinds = new LinkedHashMap<>();
    kinds.put("Greenlet[greenlet-", LeakDetectorTest::suspended);
    kinds.put("iterator", () -> naturals.iterator().next());
    kinds.put("cursor", () -> naturals.cursor().peek());
    kinds.put("cursor at its last element", () -> one.cursor().next());
    kinds.put("shared cursor", () -> naturals.sharedCursor().hasNext());
    kinds.put("stream", () -> naturals.stream().limit(2).toList());
    kinds.put("stream's iterator", () -> naturals.stream().iterator().next());
    kinds.put("spliterator", () -> naturals.spliterator().tryAdvance(i -> {}));
    kinds.put(
        "loop that is left",
        () -> {
          for (int i : naturals) if (i == 3) break;
        });
    for (var kind : kinds.entrySet()) {
      String message =
          report(() -> {
            kind.getValue().execute();
            System.gc();
          });
      assertReports(
          1, message, kind.getKey().startsWith("Greenlet") ? kind.getKey() : "traversal of ");
    }
  }

  @RootTest
  @DisplayName("What has not begun, has come to its end or has been closed is not reported")
  void over() throws Throwable {
    watch(() -> {
      idle();
      idle().throwInto();
      suspended().close();
      suspended().switchTo();
      assertThrows(IOException.class, () -> suspended().throwInto(new IOException()));
      Greenlet.of(args -> null).switchTo();

      naturals.cursor();
      naturals.stream();
      naturals.iterator();
      naturals.cursor().close();
      try (Cursor<Integer> c = naturals.cursor()) {
        c.next();
      }
      try (Stream<Integer> s = naturals.stream()) {
        s.limit(2).toList();
      }
      for (int ignored : one) {}
      one.stream().toList();
      one.stream().iterator().forEachRemaining(i -> {});
      assertThrows(
          IOException.class,
          () ->
              Generator.of(
                      out -> {
                        throw new IOException();
                      })
                  .cursor()
                  .next());

      assertFalse(naturals.forEachWhile(i -> i < 3));
      one.forEach(i -> {});
    });
  }

  @RootTest
  @DisplayName(
      "A report tells where a greenlet stands, and where a traversal was first pulled from")
  void where() throws Throwable {
    List<Object> made = new ArrayList<>();
    String message =
        report(() -> {
          made.add(suspended());
          made.add(beginHere());
        });
    assertReports(
        2,
        message,
        made.getFirst() + ", which stands\n    at greenlet.LeakDetectorTest.switchHere(",
        "traversal of "
            + naturals
            + ", first pulled from\n    at greenlet.LeakDetectorTest.beginHere(");
    assertFalse(message.contains("at greenlet.Generator"), message);
    assertFalse(message.contains("at greenlet.LeakDetector."), message);
  }

  private Integer beginHere() {
    return naturals.sharedCursor().next();
  }

  @RootTest
  @DisplayName("Long stacks are cut")
  void cut() throws Throwable {
    Greenlet main = Greenlet.current();
    String message = report(() -> Greenlet.of(args -> deep(100, main)).switchTo());
    assertReports(1, message, "\n    …");
    assertEquals(23, message.lines().count(), message);
  }

  private static Object deep(int depth, Greenlet to) {
    return depth == 0 ? to.switchTo() : deep(depth - 1, to);
  }

  @RootTest
  @DisplayName("What was made before is not reported, what is made by it is, and nothing after")
  void extent() throws Throwable {
    Greenlet main = Greenlet.current();
    Iterator<Integer> before = naturals.iterator();
    before.next();
    Greenlet maker =
        Greenlet.of(args -> {
          main.switchTo();
          suspendedBelow(main);
          main.switchTo();
          return suspendedBelow(main);
        });
    maker.switchTo();
    assertReports(
        1,
        report(() -> {
          before.next();
          maker.switchTo(); // which leads right back, from the greenlet that it makes
          assertEquals(main, Greenlet.current());
        }),
        "switchHere");
    watch(() -> {});
    suspended();
    naturals.iterator().next();
  }

  private static Object suspendedBelow(Greenlet main) {
    return Greenlet.of(args -> switchHere(main)).switchTo();
  }

  @RootTest
  @DisplayName("What greenlets and bodies make is reported, wherever the detector was opened")
  void inside() throws Throwable {
    assertReports(
        4,
        report(() -> {
          Greenlet main = Greenlet.current();
          Greenlet.of(
                  args -> {
                    naturals.iterator().next();
                    return main.switchTo();
                  })
              .switchTo();
          Generator.of(out -> out.yield(suspended())).stream().iterator().next();
        }));
    Greenlet.of(
            args -> {
              assertReports(1, report(LeakDetectorTest::suspended));
              return null;
            })
        .switchTo();
    Generator.of(
            out -> {
              assertReports(1, report(() -> naturals.cursor().next()));
              out.yield(1);
            })
        .stream()
        .toList();
  }

  @RootTest
  @DisplayName(
      "What threads make that were started meanwhile is reported, also once they have ended; not what others make")
  void threads() throws Throwable {
    for (Threads kind : Threads.values()) {
      assertReports(
          2,
          report(() ->
              kind.run(
                  "inside",
                  () -> {
                    suspended();
                    naturals.iterator().next();
                  })),
          "\"inside\", which has ended], which was made\n    at greenlet.LeakDetectorTest.idle(");

      var open = new CountDownLatch(1);
      var made = new CountDownLatch(1);
      Future<Object> other =
          kind.start(
              "other",
              () -> {
                Threads.await(open);
                suspended();
                made.countDown();
                return naturals.iterator().next();
              });
      watch(() -> {
        open.countDown();
        Threads.await(made);
        Threads.await(other);
      });
    }
  }

  @RootTest
  @DisplayName("A greenlet that is running in another thread is not suspended")
  void running() throws Throwable {
    var inside = new CountDownLatch(1);
    var done = new CountDownLatch(1);
    List<Future<Object>> other = new ArrayList<>();
    watch(() -> {
      other.add(
          Threads.PLATFORM.start(
              "other",
              () ->
                  Greenlet.of(
                          args -> {
                            inside.countDown();
                            Threads.await(done);
                            return null;
                          })
                      .switchTo()));
      Threads.await(inside);
    });
    done.countDown();
    Threads.await(other.getFirst());
  }

  @RootTest
  @DisplayName("Detectors side by side see what their own thread makes")
  void sideBySide() throws Throwable {
    watch(() -> {
      for (Threads kind : Threads.values()) {
        kind.run("other", () -> assertReports(1, report(LeakDetectorTest::suspended)));
      }
    });
  }

  @RootTest
  @DisplayName(
      "The innermost detector alone sees a thing; once it is closed the outer one sees what follows")
  void nested() throws Throwable {
    assertReports(
        2,
        report(() -> {
          suspended();
          assertReports(1, report(() -> naturals.cursor().next()));
          watch(() -> {});
          suspended();
        }),
        "Greenlet[");
    assertReports(
        1,
        report(() -> {
          var entered = new CountDownLatch(1);
          var closed = new CountDownLatch(1);
          List<Future<Object>> thread = new ArrayList<>();
          watch(() -> {
            thread.add(
                Threads.PLATFORM.start(
                    "outlives",
                    () -> {
                      entered.countDown();
                      Threads.await(closed);
                      return naturals.cursor().next();
                    }));
            Threads.await(entered);
          });
          closed.countDown();
          Threads.await(thread.getFirst());
        }));
  }

  @RootTest
  @DisplayName("An exception of the body comes out, and the report with it")
  void bodyFails() {
    IOException failure = new IOException();
    assertSame(
        failure,
        assertThrows(
            IOException.class,
            () ->
                watch(() -> {
                  suspended();
                  throw failure;
                })));
    assertReports(1, failure.getSuppressed()[0].getMessage(), "switchHere");
  }

  @RootTest
  @DisplayName("A detector is closed once")
  void closeTwice() {
    var leaks = new LeakDetector();
    suspended();
    assertThrows(AssertionError.class, leaks::close);
    leaks.close();
  }

  @RootTest
  @DisplayName("What is over is let go of, many times as much as is seen at once")
  void letsGo() throws Throwable {
    watch(() -> {
      List<WeakReference<?>> ended = new ArrayList<>();
      for (int i = 0; i < 3000; i++) {
        Greenlet g = Greenlet.of(args -> null);
        g.switchTo();
        ended.add(new WeakReference<>(g));
      }
      Threads.collect(
          () -> ended.stream().filter(reference -> reference.get() != null).count() < 1000);
    });
  }

  @RootTest
  @DisplayName("Nothing is held after the end, and nothing by a detector that is forgotten")
  void holdsNothing() throws Throwable {
    List<WeakReference<?>> forgotten = new ArrayList<>();
    watch(() -> forgotten.add(new WeakReference<>(Greenlet.of(args -> null))));
    Threads.PLATFORM.run(
        "forgets",
        () -> {
          var leaks = new LeakDetector();
          forgotten.add(new WeakReference<>(leaks));
          forgotten.add(new WeakReference<>(suspended()));
          Reference.reachabilityFence(leaks);
        });
    Threads.collect(() -> forgotten.stream().allMatch(reference -> reference.get() == null));
    watch(() -> {});
  }

  @RootTest
  @DisplayName("A spliterator that was walked to its end is over")
  void spliterator() throws Throwable {
    watch(() -> {
      Spliterator<Integer> elements = one.spliterator();
      assertTrue(elements.tryAdvance(i -> {}));
      assertFalse(elements.tryAdvance(i -> {}));
    });
  }
}
