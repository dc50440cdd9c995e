package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Limits and scopes in the body of a generator, whose consumer is none of their business. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class BoundTest {
  private final List<Object> trace = new ArrayList<>();

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static void sleep(double seconds) {
    Hub.sleep(Duration.ofMillis((long) (1000 * seconds)));
  }

  private void note(Object what) {
    trace.add(what + "@" + Hub.current().time().toMillis() / 1000.0);
  }

  /** The ways to traverse. */
  private static <T> Map<String, BiConsumer<Generator<T>, Consumer<T>>> ways() {
    Map<String, BiConsumer<Generator<T>, Consumer<T>>> ways = new LinkedHashMap<>();
    ways.put("push", Generator::forEach);
    ways.put("cursor", (g, consumer) -> g.cursor().forEachRemaining(consumer));
    ways.put("shared cursor", (g, consumer) -> g.sharedCursor().forEachRemaining(consumer));
    ways.put(
        "stream", (g, consumer) -> g.stream().sequential().iterator().forEachRemaining(consumer));
    return ways;
  }

  /** Has {@code test} called for each way to traverse, with a trace of its own. */
  private <T> void inEachWay(
      List<Object> expected, Generator<T> generator, Consumer<T> consumer, Executable after) {
    BoundTest.<T>ways()
        .forEach((name, way) -> {
          trace.clear();
          virtually(() -> {
            way.accept(generator, consumer);
            after.execute();
          });
          assertEquals(expected, trace, name);
        });
  }

  private static Generator<Integer> limited(double limit, Consumer<Object> note) {
    return Generator.of(out ->
        Hub.timeout(
            Duration.ofMillis((long) (1000 * limit)),
            () -> {
              for (int i = 0; i < 10; i++) {
                sleep(1);
                out.yield(i);
              }
              return null;
            },
            () -> {
              note.accept("late");
              return null;
            }));
  }

  @RootTest
  @DisplayName("A limit counts while the body runs, and not while it is suspended")
  void limitOfBody() {
    inEachWay(
        List.of("0@1.0", "slept@11.0", "1@12.0", "slept@22.0", "late@22.5"),
        limited(2.5, this::note),
        i -> {
          note(i);
          sleep(10);
          note("slept");
        },
        () -> {});
  }

  @RootTest
  @DisplayName("A limit that has run out and has not been raised yet goes with the body")
  void limitNotYetRaised() {
    BoundTest.<Integer>ways()
        .forEach((name, way) -> {
          trace.clear();
          virtually(() -> {
            var w = new Waiter<String>("a value");
            Generator<Integer> g =
                Generator.of(out ->
                    Hub.timeout(
                        Duration.ZERO,
                        () -> {
                          w.await();
                          out.yield(1);
                          note("body");
                          sleep(1);
                          return null;
                        },
                        () -> {
                          note("late");
                          return null;
                        }));
            Task<?> t =
                spawn(() ->
                    way.accept(
                        g,
                        i -> {
                          note(i);
                          sleep(5);
                          note("slept");
                        }));
            // before the limit runs out, which is at the end of the round
            spawn(() -> w.wake("value"));
            t.result();
          });
          assertEquals(List.of("1@0.0", "slept@5.0", "body@5.0", "late@5.0"), trace, name);
        });
  }

  @RootTest
  @DisplayName("A limit strikes whichever task the body runs as a part of")
  void limitOfAnotherTask() {
    virtually(() -> {
      Cursor<Integer> c = limited(2.5, this::note).sharedCursor();
      for (String name : List.of("first", "second", "third")) {
        Task<?> t =
            spawn(() -> {
              note(name + " " + (c.hasNext() ? c.next() : "end"));
              sleep(100);
            });
        sleep(10);
        t.kill();
      }
    });
    assertEquals(List.of("first 0@1.0", "second 1@11.0", "late@20.5", "third end@20.5"), trace);
  }

  @RootTest
  @DisplayName("A scope in a body owns what the body spawns, and nothing of the consumer's")
  void scopeOfBody() {
    Generator<Integer> g =
        Generator.of(out ->
            Hub.scope(() -> {
              spawn(() -> {
                try {
                  sleep(1000);
                } finally {
                  note("body's");
                }
              });
              sleep(1);
              out.yield(1);
              sleep(1);
              out.yield(2);
              return null;
            }));
    inEachWay(
        List.of("1@1.0", "2@2.0", "body's@2.0", "consumer's@4.0", "consumer's@5.0"),
        g,
        i -> {
          note(i);
          spawn(() -> {
            sleep(3);
            note("consumer's");
          });
        },
        () -> Hub.current().join());
  }

  @RootTest
  @DisplayName("A task that fails while the body is suspended ends the body when that is resumed")
  void scopeFailsMeanwhile() {
    IOException failure = new IOException("failed");
    Generator<Integer> g =
        Generator.of(out ->
            Hub.scope(() -> {
              spawn(() -> {
                sleep(2);
                throw failure;
              });
              sleep(1);
              out.yield(1);
              note("resumed");
              try {
                sleep(1);
              } finally {
                note("unwound");
              }
              return null;
            }));
    BoundTest.<Integer>ways()
        .forEach((name, way) -> {
          trace.clear();
          virtually(() ->
              assertSame(
                  failure,
                  assertThrows(
                      IOException.class,
                      () ->
                          way.accept(
                              g,
                              i -> {
                                sleep(10);
                                note("consumer");
                              }))));
          assertEquals(List.of("consumer@11.0", "resumed@11.0", "unwound@11.0"), trace, name);
        });
  }

  @RootTest
  @DisplayName("Scopes of body and consumer may end in any order")
  void interleavedScopes() {
    Generator<Integer> g =
        Generator.of(out ->
            Hub.scope(() -> {
              out.yield(1);
              spawn(() -> {
                try {
                  sleep(1000);
                } finally {
                  note("body's");
                }
              });
              sleep(1);
              out.yield(2);
              return null;
            }));
    virtually(() -> {
      Cursor<Integer> c = g.cursor();
      Hub.scope(() -> {
        spawn(() -> {
          try {
            sleep(1000);
          } finally {
            note("consumer's");
          }
        });
        sleep(1);
        return c.next();
      });
      c.next();
      Task<?> free = spawn(() -> sleep(5));
      note("before the end");
      c.hasNext();
      assertEquals(false, free.isDone());
      free.join();
      note("free");
    });
    assertEquals(List.of("consumer's@1.0", "before the end@2.0", "body's@2.0", "free@7.0"), trace);
  }

  @RootTest
  @DisplayName("What is linked to a task runs after the end of its scope")
  void linkInScope() {
    virtually(() -> {
      Hub.scope(() -> {
        spawn(() -> sleep(1000)).link(ended -> note("linked"));
        sleep(1);
        return null;
      });
      sleep(1);
      note("after");
    });
    assertEquals(List.of("linked@1.0", "after@2.0"), trace);
  }

  @RootTest
  @DisplayName(
      "A scope whose body is resumed by another thread's hub is refused at its end, and its tasks are killed")
  void scopeOfAnotherHub() throws Throwable {
    Hub hub = Hubs.realTime();
    hub.run(() -> {
      Task<?>[] child = new Task<?>[1];
      Cursor<Integer> c =
          Generator.<Integer>of(out ->
                  Hub.scope(() -> {
                    child[0] = hub.spawn(() -> Hub.sleep(Duration.ofSeconds(1000)));
                    out.yield(1);
                  }))
              .sharedCursor();
      c.next();
      var elsewhere =
          Threads.PLATFORM.start(
              "elsewhere",
              () ->
                  assertThrows(WrongThreadException.class, () -> Hubs.realTime().run(c::hasNext)));
      String message = Hub.awaitFuture(elsewhere).getMessage();
      assertTrue(message.contains("a scope of " + hub), message);
      child[0].join();
      assertEquals(false, child[0].isSuccessful());
    });
  }
}
