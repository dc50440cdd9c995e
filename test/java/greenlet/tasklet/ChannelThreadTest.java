package greenlet.tasklet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Channels between threads, and tasklets of other threads. Where the root waits by {@link Threads#until}, it is a platform
 * thread: a virtual one that only yields starves the others on its carrier.
 */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ChannelThreadTest {
  private static final Object END = new Object();

  private final List<Object> trace = new ArrayList<>();

  @RootTest
  @DisplayName("a confined channel is for the thread that uses it first; the error says what to do")
  void confined() throws Throwable {
    Channel<Object> channel = Channel.confined("words");
    Threads.PLATFORM.run("maker", channel::balance); // asking is not using
    Tasklet.of(args -> channel.receive(), "r").insert();
    Tasklet.schedule();
    Threads.PLATFORM.run(
        "other",
        () -> {
          for (var call :
              List.<org.junit.jupiter.api.function.Executable>of(
                  channel::receive, () -> channel.send(1), channel.iterator()::hasNext)) {
            assertRefused(
                WrongThreadException.class,
                call,
                "\"other\"",
                "words",
                "\"test\"",
                "shared channel");
          }
          assertEquals(-1, channel.balance());
          assertFalse(channel.isShared());
        });
    channel.send(1);
    assertEquals(0, channel.balance());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "a partner in another thread: never a switch; it is made runnable there and its idle thread is woken")
  void rendezvous() throws Throwable {
    for (Threads kind : Threads.values()) {
      for (int preference : new int[] {-1, 0, 1}) {
        for (boolean scheduleAll : new boolean[] {false, true}) {
          trace.clear();
          Channel<Object> there = Channel.shared("there");
          Channel<Object> back = Channel.shared("back");
          there.setPreference(preference);
          there.setScheduleAll(scheduleAll);
          Future<List<Object>> other =
              kind.start(
                  "other",
                  () -> {
                    Object got = there.receive(); // the thread is idle in main
                    back.send(got + " back");
                    return List.of(got, there.receive());
                  });
          Threads.until(() -> there.balance() == -1);
          Tasklet.of(args -> trace.add("would run if this switched")).insert();
          there.send("x");
          trace.add("no switch");
          assertEquals("x back", back.receive());
          there.send("y");
          assertEquals(List.of("x", "y"), Threads.await(other));
          Tasklet.runAll();
          assertEquals("no switch", trace.get(0));
        }
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("exceptions through a shared channel; a sender that waits in another thread")
  void exceptions() throws Throwable {
    Channel<Object> channel = Channel.shared();
    IOException e = new IOException();
    Future<Object> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              channel.sendException(e);
              return assertThrows(IOException.class, channel::receive);
            });
    Threads.until(() -> channel.balance() == 1);
    assertSame(e, assertThrows(IOException.class, channel::receive));
    channel.sendException(e);
    assertSame(e, Threads.await(other));
  }

  @RootTest
  @DisplayName(
      "a thread that is idle in runAll with threadblock goes on until none of its tasklets waits for others")
  void idleInRunAll() throws Throwable {
    Channel<Object> requests = Channel.shared("requests");
    Channel<Object> answers = Channel.shared("answers");
    Future<Object> server =
        Threads.PLATFORM.start(
            "server",
            () -> {
              int[] served = {0};
              for (int i = 0; i < 3; i++) {
                Tasklet.of(
                        args -> {
                          for (Object request : requests) {
                            served[0]++;
                            answers.send(request);
                          }
                          return null;
                        })
                    .insert();
              }
              Tasklet.runAll(true);
              return served[0];
            });
    for (int i = 0; i < 100; i++) {
      requests.send(i);
      assertEquals(i, answers.receive());
    }
    for (int i = 0; i < 3; i++) requests.sendException(new java.util.NoSuchElementException());
    assertEquals(100, Threads.await(server));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "close from another thread ends iterations that wait, on a shared and on a confined channel")
  void closeFromAfar() throws Throwable {
    Channel<Object> shared = Channel.shared();
    AtomicReference<Channel<Object>> confined = new AtomicReference<>();
    Future<List<Object>> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              List<Object> seen = new ArrayList<>();
              Channel<Object> own = Channel.confined();
              Tasklet.of(
                      args -> {
                        for (Object o : own) seen.add(o);
                        return seen.add("end of confined");
                      })
                  .insert();
              Tasklet.schedule();
              confined.set(own);
              for (Object o : shared) seen.add(o);
              seen.add("end of shared");
              Tasklet.runAll();
              return seen;
            });
    Threads.until(() -> shared.balance() == -1);
    confined.get().close();
    shared.send(1);
    shared.close();
    List<Object> seen = Threads.await(other);
    assertEquals(1, seen.remove(seen.indexOf(1)));
    assertEquals(java.util.Set.of("end of confined", "end of shared"), java.util.Set.copyOf(seen));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "runAll without threadblock returns, and who waits is served when its thread schedules again")
  void busyThread() throws Throwable {
    Channel<Object> channel = Channel.shared();
    CountDownLatch idle = new CountDownLatch(1);
    CountDownLatch sent = new CountDownLatch(1);
    Future<List<Object>> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              List<Object> seen = new ArrayList<>();
              Tasklet t = Tasklet.of(args -> seen.add(channel.receive())).insert();
              Tasklet.runAll();
              seen.add(t.isBlocked());
              idle.countDown();
              Threads.await(sent);
              seen.add("woken");
              Tasklet.schedule();
              seen.add(t.isAlive());
              return seen;
            });
    Threads.await(idle);
    assertEquals(-1, channel.balance());
    channel.send("x");
    assertEquals(0, channel.balance());
    sent.countDown();
    assertEquals(List.of(true, "woken", "x", false), Threads.await(other));
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest
  @DisplayName(
      "the last tasklet that can run blocks while another waits on a shared channel: the thread waits")
  void lastOneBlocks() throws Throwable {
    Channel<Object> own = Channel.confined();
    Channel<Object> shared = Channel.shared();
    CountDownLatch blocking = new CountDownLatch(1);
    Future<Object> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              Threads.await(blocking);
              Threads.until(() -> shared.balance() == -1);
              shared.send("x");
              return null;
            });
    Tasklet.of(
            args -> {
              own.send(shared.receive());
              return null;
            })
        .insert();
    Tasklet.of(
            args -> {
              blocking.countDown();
              return Channel.confined().receive();
            })
        .insert();
    assertEquals("x", own.receive());
    Threads.await(other);
  }

  @NothingSuspended.Except("threads end with tasklets that are blocked")
  @RootTest
  @DisplayName("a partner whose thread has ended is passed over, in the balance too")
  void endedThreads() throws Throwable {
    for (Threads kind : Threads.values()) {
      for (int i = 0; i < 4; i++) passedOver(kind, i % 2 == 0, i < 2);
    }
  }

  private void passedOver(Threads kind, boolean sends, boolean asks) throws Throwable {
    Channel<Object> channel = Channel.shared();
    Tasklet[] gone = new Tasklet[2];
    for (int i = 0; i < 2; i++) {
      int n = i;
      kind.run(
          "ended",
          () -> {
            gone[n] =
                Tasklet.of(
                        args -> {
                          if (sends) channel.send("lost");
                          else channel.receive();
                          return null;
                        })
                    .insert();
            Tasklet.runAll();
            assertTrue(gone[n].isBlocked());
          });
    }
    if (asks) {
      assertEquals(0, channel.balance());
      assertNull(channel.queue());
    }
    assertFalse(
        gone[0].isAlive()
            || gone[0].isBlocked()
            || gone[0].isScheduled()
            || gone[0].isPaused()
            || gone[0].isCurrent());
    assertNull(gone[0].thread());
    assertTrue(
        gone[0].toString().contains("dead") && gone[0].toString().contains("which has ended"),
        gone[0]::toString);
    trace.clear();
    Tasklet.of(args -> trace.add(sends ? channel.receive() : "sending" + send(channel, "x")))
        .insert();
    Tasklet.schedule();
    assertEquals(sends ? -1 : 1, channel.balance(), "waits for somebody alive");
    if (sends) channel.send("x");
    else assertEquals("x", channel.receive());
    Tasklet.runAll();
    assertEquals(1, trace.size());
  }

  private static String send(Channel<Object> channel, Object value) {
    channel.send(value);
    return "";
  }

  @RootTest
  @DisplayName(
      "tasklets of an ended thread: refused, but for kill; of another one: what has to be at once is refused")
  void foreignTasklets() throws Throwable {
    Tasklet gone = Threads.PLATFORM.call("ended", () -> Tasklet.of(args -> null, "gone"));
    assertRefused(IllegalStateException.class, gone::insert, "gone", "which has ended");
    assertRefused(IllegalStateException.class, gone::run, "gone");
    assertRefused(IllegalStateException.class, () -> gone.throwInto(new IOException()), "gone");
    gone.kill();
    assertEquals(0, gone.stackTrace().length);
    Tasklet mine = Tasklet.of(args -> trace.add("ran"), "mine");
    Threads.PLATFORM.run(
        "other",
        () -> {
          assertRefused(
              WrongThreadException.class, mine::remove, "main", "\"other\"", "mine", "\"test\"");
          assertRefused(WrongThreadException.class, mine::switchTo, "mine");
          assertRefused(WrongThreadException.class, mine::setup, "mine");
          assertFalse(mine.isCurrent());
          mine.insert();
        });
    assertEquals(2, Tasklet.runCount());
    Tasklet.runAll();
    assertEquals(List.of("ran"), trace);
    assertRefused(IllegalStateException.class, mine::insert, "mine", "dead");
  }

  @RootTest
  @DisplayName(
      "insert, run, throwInto and kill from another thread happen at the tasklet's next scheduling, in order")
  void foreignOrders() throws Throwable {
    Channel<Object> channel = Channel.shared();
    Tasklet blocked =
        Tasklet.of(
                args -> {
                  try {
                    return channel.receive();
                  } finally {
                    trace.add("killed");
                  }
                },
                "blocked")
            .insert();
    Tasklet throwing =
        Tasklet.of(
                args -> {
                  try {
                    return Tasklet.scheduleRemove();
                  } catch (Exception e) { // an IOException
                    return trace.add(e.getMessage());
                  }
                },
                "throwing")
            .insert();
    Tasklet.schedule();
    Tasklet inserted = Tasklet.of(args -> trace.add("inserted"));
    Tasklet next = Tasklet.of(args -> trace.add("next"));
    Threads.PLATFORM.run(
        "other",
        () -> {
          inserted.insert();
          blocked.kill();
          throwing.throwInto(new IOException("thrown"));
          next.run();
          inserted.insert();
        });
    assertEquals(List.of(), trace);
    Tasklet.runAll();
    assertEquals(List.of("next", "inserted", "killed", "thrown"), trace);
    assertEquals(0, channel.balance());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("a thread that waits for others can have a tasklet inserted or killed by them")
  void wokenByOrders() throws Throwable {
    AtomicReference<Tasklet> paused = new AtomicReference<>();
    AtomicReference<Tasklet> blocked = new AtomicReference<>();
    AtomicReference<Tasklet> added = new AtomicReference<>();
    Channel<Object> never = Channel.shared("never");
    Future<List<Object>> other =
        Threads.VIRTUAL.start(
            "other",
            () -> {
              List<Object> seen = new ArrayList<>();
              paused.set(Tasklet.of(args -> seen.add(Tasklet.scheduleRemove())).insert());
              added.set(Tasklet.of(args -> seen.add("run")));
              blocked.set(Tasklet.of(args -> never.receive()).insert());
              Tasklet.runAll(true);
              seen.add("end");
              return seen;
            });
    Threads.until(() -> never.balance() == -1);
    Tasklet next = added.get();
    next.run();
    Threads.until(() -> !next.isAlive());
    paused.get().insert("from afar");
    Threads.until(() -> !paused.get().isAlive());
    blocked.get().kill();
    assertEquals(List.of("run", "from afar", "end"), Threads.await(other));
  }

  @NothingSuspended.Except("its thread ends with a tasklet that is blocked")
  @RootTest(Threads.PLATFORM)
  @DisplayName("a thread whose ring is empty, because main itself waits, can be given one to run")
  void wokenWhileMainWaits() throws Throwable {
    AtomicReference<Tasklet> added = new AtomicReference<>();
    Channel<Object> channel = Channel.shared();
    Future<Object> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              added.set(
                  Tasklet.of(args -> {
                    channel.send("from within");
                    return null;
                  }));
              return channel.receive();
            });
    Threads.until(() -> channel.balance() == -1);
    added.get().run();
    assertEquals("from within", Threads.await(other));
  }

  @RootTest
  @DisplayName(
      "what another thread does while an operation is about to fail makes it succeed, and nothing is lost")
  void servedWhileFailing() throws Throwable {
    for (boolean sends : new boolean[] {false, true}) {
      trace.clear();
      Channel<Object> channel = Channel.shared();
      Channel<Object> next = Channel.shared();
      Tasklet.of(args -> trace.add("other")).insert();
      Tasklet.of(
              args -> {
                Tasklet.schedule();
                next.send("y");
                return null;
              })
          .insert();
      Tasklet.setScheduleCallback((from, to) -> {
        Tasklet.setScheduleCallback(null);
        try {
          Threads.PLATFORM.run(
              "partner",
              () -> {
                if (sends) trace.add(channel.receive());
                else channel.send("x");
              });
        } catch (Throwable t) {
          throw new AssertionError(t);
        }
        throw new IllegalStateException("too late");
      });
      if (sends) channel.send("x");
      else trace.add(channel.receive());
      assertEquals(0, channel.balance());
      // the message that main has been served is read now, and means nothing any more
      trace.add(next.receive());
      Tasklet.runAll();
      assertEquals(List.of("x", "other", "y"), trace);
    }
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "an interrupt of a thread that waits for others ends main's waiting, which is undone")
  void interrupt() throws Throwable {
    for (Threads kind : Threads.values()) {
      Channel<Object> channel = Channel.shared();
      Channel<Object> ready = Channel.shared();
      AtomicReference<Thread> thread = new AtomicReference<>();
      AtomicReference<Thread> last = new AtomicReference<>();
      Future<Object> other =
          kind.start(
              "other",
              () -> {
                thread.set(Thread.currentThread());
                Tasklet.of(
                        args -> { // so that it is not main that blocks last
                          last.set(Thread.currentThread());
                          return Channel.shared().receive();
                        })
                    .insert();
                assertThrows(InterruptedException.class, channel::receive);
                assertEquals(0, channel.balance());
                assertFalse(Thread.interrupted());
                ready.send("ready");
                assertThrows(InterruptedException.class, () -> Tasklet.runAll(true));
                return "usable " + channel.receive();
              });
      Threads.until(() -> channel.balance() == -1 && last.get() != null);
      Threads.untilWaiting(last.get());
      thread.get().interrupt();
      assertEquals("ready", ready.receive());
      thread.get().interrupt();
      channel.send("x");
      assertEquals("usable x", Threads.await(other));
    }
  }

  @RootTest
  @DisplayName(
      "many threads of tasklets, one channel: nothing lost, nothing delivered twice, from each sender in order")
  void stress() throws Throwable {
    long end = System.nanoTime() + Threads.STRESS_SECONDS * 100_000_000;
    do {
      for (int preference : new int[] {-1, 0, 1}) round(3, 3, 4, 200, preference);
    } while (System.nanoTime() < end);
  }

  private static void round(int sending, int receiving, int tasklets, int each, int preference)
      throws Throwable {
    Channel<Object> channel = Channel.shared();
    channel.setPreference(preference);
    int senders = sending * tasklets;
    AtomicIntegerArray seen = new AtomicIntegerArray(senders * each);
    List<Future<?>> sends = new ArrayList<>();
    List<Future<?>> receives = new ArrayList<>();
    for (int i = 0; i < sending; i++) {
      int thread = i;
      sends.add(
          Threads.values()[i % 2].start(
              "sender " + i,
              Threads.callable(() -> {
                for (int j = 0; j < tasklets; j++) {
                  int from = (thread * tasklets + j) * each;
                  Tasklet.of(
                          args -> {
                            for (int n = 0; n < each; n++) channel.send(from + n);
                            return null;
                          })
                      .insert();
                }
                Tasklet.runAll(true);
              })));
    }
    for (int i = 0; i < receiving; i++) {
      receives.add(
          Threads.values()[i % 2].start(
              "receiver " + i,
              Threads.callable(() -> {
                for (int j = 0; j < tasklets; j++) {
                  Tasklet.of(
                          args -> {
                            int[] last = new int[senders];
                            Arrays.fill(last, -1);
                            for (Object got = channel.receive();
                                got != END;
                                got = channel.receive()) {
                              int n = (Integer) got;
                              assertEquals(1, seen.incrementAndGet(n), "delivered twice");
                              assertTrue(n > last[n / each], "out of order");
                              last[n / each] = n;
                            }
                            return null;
                          })
                      .insert();
                }
                Tasklet.runAll(true);
              })));
    }
    for (Future<?> f : sends) Threads.await(f);
    for (int i = 0; i < receiving * tasklets; i++) channel.send(END);
    for (Future<?> f : receives) Threads.await(f);
    for (int n = 0; n < senders * each; n++) assertEquals(1, seen.get(n), "lost");
    assertEquals(0, channel.balance());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "tasklets that are killed while others serve them: whatever was sent has been received, or its sender is told")
  void killStress() throws Throwable {
    for (int round = 0; round < 300; round++) {
      Channel<Object> channel = Channel.shared();
      AtomicReference<Tasklet> sender = new AtomicReference<>();
      Future<Boolean> sent =
          Threads.PLATFORM.start(
              "sender",
              () -> {
                boolean[] done = {false};
                sender.set(
                    Tasklet.of(
                            args -> {
                              channel.send("x");
                              return done[0] = true;
                            })
                        .insert());
                Tasklet.runAll(true);
                return done[0];
              });
      Threads.until(() -> channel.balance() == 1);
      Future<?> killer =
          Threads.PLATFORM.start("killer", Threads.callable(() -> sender.get().kill()));
      boolean received;
      try {
        Tasklet.current().setBlockTrap(true);
        received = channel.receive().equals("x");
      } catch (IllegalStateException e) {
        received = false;
      } finally {
        Tasklet.current().setBlockTrap(false);
      }
      Threads.await(killer);
      boolean done = Threads.await(sent);
      if (!received) assertFalse(done, "sent to nobody");
      assertEquals(0, channel.balance());
    }
  }
}
