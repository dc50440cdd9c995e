package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.Program;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What a cooperative hub promises. Which calls give way is in BlockingOperationsTest. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class CooperationTest {
  private static final Duration SHORT = Duration.ofMillis(20);
  private static final Duration LONG = Duration.ofSeconds(1000);

  private final List<Object> trace = new ArrayList<>();

  private static void run(Executable body) {
    run(Hub.realTime().cooperative(), body);
  }

  private static void run(Hub hub, Executable body) {
    hub.run(Threads.callable(body));
  }

  private static Task<?> spawn(String name, Executable body) {
    return Hub.current().spawn(name, Threads.callable(body));
  }

  private static void giveWay() {
    Hub.sleep(Duration.ZERO);
  }

  private static void unchecked(Executable body) {
    try {
      body.execute();
    } catch (Throwable t) {
      throw Threads.<RuntimeException>unchecked(t);
    }
  }

  private static void possible() {
    assumeTrue(Hubs.canCooperate(), "the flag that carrying takes");
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Without the flag a cooperative hub is refused, by the flag's text")
  void refusedWithoutFlag() {
    assumeTrue(!Hubs.canCooperate(), "no flag");
    String message =
        assertThrows(IllegalStateException.class, () -> Hub.realTime().cooperative()).getMessage();
    assertTrue(message.contains("--add-opens java.base/java.lang=ALL-UNNAMED"), message);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "It is refused as well in a virtual thread, once the hub has tasks, and where virtual time is held")
  void refused() throws Throwable {
    possible();
    Hub begun = Hub.realTime();
    begun.spawn(() -> 1);
    assertThrows(IllegalStateException.class, begun::cooperative);
    begun.run(() -> 1);
    String message =
        assertThrows(IllegalStateException.class, () -> Hub.virtualTime(true).cooperative())
            .getMessage();
    assertTrue(message.contains("Leave hold out"), message);
    assertThrows(IllegalStateException.class, () -> Hub.realTime().grace(SHORT));
    Future<String> inVirtual =
        Threads.VIRTUAL.start(
            "virtual",
            () ->
                assertThrows(
                        IllegalStateException.class,
                        () -> Hub.realTime().cooperative().run(() -> 1))
                    .getMessage());
    message = Threads.await(inVirtual);
    assertTrue(message.contains("\"virtual\" is a virtual thread"), message);
    run(() ->
        assertThrows(IllegalStateException.class, () -> Hub.realTime().cooperative().run(() -> 1)));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Tasks take turns where they block; each has a thread and locks of its own; one thread carries all")
  void turns() {
    possible();
    ReentrantLock lock = new ReentrantLock();
    Thread thread = Thread.currentThread();
    run(() -> {
      Task<?> a =
          spawn(
              "a",
              () -> {
                lock.lock();
                trace.add("a has it");
                Hub.sleep(SHORT);
                trace.add("a leaves it");
                lock.unlock();
              });
      Task<?> b =
          spawn(
              "b",
              () -> {
                trace.add("b wants it");
                lock.lock();
                trace.add("b has it");
                lock.unlock();
                assertNotSame(thread, Thread.currentThread());
                assertSame(thread, Hub.inHost(() -> Thread.currentThread()));
              });
      Task<?> c = spawn("c", () -> trace.add("c runs"));
      a.join();
      b.result();
      c.join();
      assertSame(thread, Greenlet.root().thread());
      assertEquals("virtual-thread", Greenlet.engine());
    });
    assertEquals(List.of("a has it", "b wants it", "c runs", "a leaves it", "b has it"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A greenlet in a task, the body of a generator and that of a stream block as the task does")
  void nested() {
    possible();
    BlockingQueue<String> queue = new LinkedBlockingQueue<>();
    Generator<String> taken =
        Generator.of(out -> {
          for (int i = 0; i < 2; i++) out.yield(queue.take());
        });
    run(() -> {
      spawn("for each", () -> taken.forEach(trace::add));
      giveWay();
      queue.add("1");
      queue.add("2");
      Hub.current().join();
      spawn("iterator", () -> taken.iterator().forEachRemaining(trace::add));
      giveWay();
      queue.add("3");
      queue.add("4");
      Hub.current().join();
      spawn(
          "stream",
          () -> {
            try (var all = taken.stream()) {
              all.forEach(trace::add);
            }
          });
      giveWay();
      queue.add("5");
      queue.add("6");
      Hub.current().join();
      Task<?> within =
          spawn("greenlet", () -> trace.add(Greenlet.of(args -> queue.take()).switchTo()));
      giveWay();
      queue.add("7");
      within.result();
    });
    assertEquals(List.of("1", "2", "3", "4", "5", "6", "7"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A kill ends a blocked task by an interrupt, which is told as suppressed; finally runs")
  void kill() {
    possible();
    run(() -> {
      Task<?> t =
          spawn(
              "sleeper",
              () -> {
                try {
                  Thread.sleep(1_000_000);
                } finally {
                  trace.add("finally " + Thread.currentThread().isInterrupted());
                }
              });
      giveWay();
      t.kill();
      assertInstanceOf(GreenletExit.class, t.exception());
      assertInstanceOf(InterruptedException.class, t.exception().getSuppressed()[0]);
    });
    assertEquals(List.of("finally false"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A limit ends a blocked body; an inner one leaves the outer alone; the task goes on uninterrupted")
  void limits() {
    possible();
    run(() -> {
      var e =
          assertThrows(
              TimeoutException.class,
              () -> Hub.timeout(SHORT, () -> new CountDownLatch(1).await()));
      assertInstanceOf(InterruptedException.class, e.getSuppressed()[0]);
      assertTrue(e.getMessage().contains("blocked in the JDK for"), e.getMessage());
      assertTrue(e.getMessage().contains("CountDownLatch.await"), e.getMessage());
      assertFalse(Thread.currentThread().isInterrupted());
      String value =
          Hub.timeout(
              LONG,
              () ->
                  Hub.timeout(
                      SHORT,
                      () -> {
                        LockSupport.park();
                        Thread.sleep(1_000_000);
                        return "woken";
                      },
                      () -> "inner"));
      assertEquals("inner", value);
      value =
          Hub.timeout(
              SHORT,
              () -> Hub.timeout(LONG, () -> new LinkedBlockingQueue<String>().take()),
              () -> "outer");
      assertEquals("outer", value);
      Thread.sleep(1);
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A limit strikes when what no interrupt ends is granted")
  void uninterruptible() {
    possible();
    ReentrantLock lock = new ReentrantLock();
    run(() -> {
      lock.lock();
      Task<String> t =
          Hub.current()
              .spawn(
                  "waits",
                  () ->
                      Hub.timeout(
                          SHORT,
                          () -> {
                            lock.lock();
                            lock.unlock();
                            return "granted";
                          },
                          () -> "late"));
      Hub.sleep(SHORT.multipliedBy(3));
      assertFalse(t.isDone());
      assertTrue(t.toString().contains("blocked"), t::toString);
      lock.unlock();
      assertEquals("late", t.result());
      Task<?> killed =
          spawn(
              "killed",
              () -> {
                lock.lock();
                lock.unlock();
                trace.add("granted");
                Thread.sleep(1_000_000);
              });
      lock.lock();
      giveWay();
      killed.interrupt(new GreenletExit());
      Hub.sleep(SHORT);
      lock.unlock();
      killed.join();
      assertInstanceOf(GreenletExit.class, killed.exception());
    });
    assertEquals(List.of("granted"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A body that swallows the interrupt gets it at its next wait, in the hub or in the JDK")
  void swallowed() {
    possible();
    run(() -> {
      for (Executable next :
          List.<Executable>of(() -> Thread.sleep(1_000_000), () -> Hub.sleep(LONG))) {
        Task<?> t =
            spawn(
                "swallows",
                () -> {
                  try {
                    new CountDownLatch(1).await();
                  } catch (InterruptedException e) {
                    trace.add("swallowed");
                  }
                  next.execute();
                });
        giveWay();
        t.kill();
        assertInstanceOf(GreenletExit.class, t.exception());
      }
    });
    assertEquals(List.of("swallowed", "swallowed"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Where a finally block waits, and swallows what its wait raises, a limit strikes and a kill ends all the same")
  void swallowedInFinally() {
    possible();
    Executable swallows =
        () -> {
          try {
            Thread.sleep(1_000_000);
          } finally {
            try {
              Hub.sleep(LONG);
            } catch (Throwable t) {
              trace.add(t.getClass().getSimpleName());
            }
          }
        };
    run(() -> {
      String value =
          Hub.timeout(
              SHORT,
              () -> {
                unchecked(swallows);
                return "no end";
              },
              () -> "late");
      assertEquals("late", value);
      Task<?> t = spawn("t", swallows);
      giveWay();
      t.kill();
      assertInstanceOf(GreenletExit.class, t.exception());
    });
    assertEquals(List.of("Signal", "GreenletExit"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("What else is raised in a blocked task takes the place of what the JDK throws")
  void interrupt() {
    possible();
    run(() -> {
      Task<?> t = spawn("t", () -> Thread.sleep(1_000_000));
      giveWay();
      var raised = new IllegalArgumentException("raised");
      t.interrupt(raised);
      assertSame(raised, assertThrows(IllegalArgumentException.class, t::result));
      assertInstanceOf(InterruptedException.class, raised.getSuppressed()[0]);
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A task of a scope that fails ends the body that is blocked; the failure comes out")
  void scope() {
    possible();
    run(() -> {
      var e =
          assertThrows(
              IllegalStateException.class,
              () ->
                  Hub.scope(() -> {
                    spawn(
                        "fails",
                        () -> {
                          throw new IllegalStateException("failed");
                        });
                    Thread.sleep(1_000_000);
                  }));
      assertEquals("failed", e.getMessage());
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("The interrupt of the hub's thread ends the main task where that is blocked")
  void interruptOfThread() throws Throwable {
    possible();
    Thread thread = Thread.currentThread();
    CountDownLatch blocked = new CountDownLatch(1);
    Future<?> other =
        Threads.PLATFORM.start(
            "interrupts",
            () -> {
              blocked.await();
              Threads.untilWaiting(thread);
              thread.interrupt();
              return null;
            });
    assertThrows(
        InterruptedException.class,
        () ->
            run(() -> {
              blocked.countDown();
              new CountDownLatch(1).await();
            }));
    Threads.await(other);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A blocked task tells where, since when; the hub's own message of a patience that ends does, too")
  void told() {
    possible();
    Hub hub = Hub.virtualTime().patience(Duration.ofMillis(30)).cooperative();
    var e =
        assertThrows(
            Hub.LoopExit.class,
            () ->
                run(
                    hub,
                    () -> {
                      Task<?> t = spawn("blocked one", () -> new CountDownLatch(1).await());
                      giveWay();
                      assertTrue(
                          List.of(t.stackTrace()).toString().contains("CountDownLatch.await"),
                          () -> List.of(t.stackTrace()).toString());
                      t.join();
                    }));
    assertTrue(
        e.getMessage()
            .matches(
                "(?s).*Task\\[blocked one, blocked\\] is blocked in the JDK for [0-9.]+ s, in "
                    + "java.util.concurrent.CountDownLatch.await, at greenlet.hub.CooperationTest.*"),
        e.getMessage());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A link, a handler, a timer, a comparator that blocks stands still: nobody goes on meanwhile")
  void callbacksStandStill() throws Throwable {
    possible();
    ExecutorService outside = Executors.newSingleThreadExecutor();
    try {
      Executable blocks =
          () -> {
            trace.add("blocks");
            outside.submit(() -> {}).get();
            LockSupport.parkNanos(1_000_000);
            trace.add("goes on");
          };
      Executable other = () -> trace.add("other");
      run(
          Hub.realTime()
              .cooperative()
              .onFailure((task, t) -> {
                unchecked(blocks);
              }),
          () -> {
            Task<?> linked = spawn("linked", () -> {});
            linked.rawLink(t -> unchecked(blocks));
            spawn("other", other);
            Hub.current().join();
            spawn(
                "fails",
                () -> {
                  throw new IllegalStateException("failed");
                });
            spawn("other", other);
            Hub.current().join();
            Queue<Integer> queue =
                Queue.priority(
                    Comparator.comparing((Integer i) -> {
                      if (i == 2) unchecked(blocks);
                      return i;
                    }));
            queue.put(1);
            spawn("other", other);
            queue.put(2);
            Hub.current().join();
          });
    } finally {
      outside.close();
    }
    assertEquals(
        "blocks goes on other ".repeat(3).trim(), String.join(" ", trace.toArray(String[]::new)));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A plain hub begun in a task stays plain: where its task blocks, the outer task waits, and nothing of it runs")
  void plainWithin() {
    possible();
    run(() -> {
      Hub outer = Hub.current();
      CountDownLatch latch = new CountDownLatch(1);
      spawn(
          "outer task",
          () -> {
            List<Runnable> turns = new ArrayList<>();
            Hub inner = Hub.on(turns::add);
            inner.spawn(
                "inner task",
                () -> {
                  trace.add("inner blocks");
                  latch.await();
                  assertSame(inner, Hub.current());
                  return trace.add("inner goes on");
                });
            inner.spawn("inner other", () -> trace.add("inner other"));
            while (!turns.isEmpty()) turns.removeFirst().run();
          });
      spawn(
          "opens",
          () -> {
            assertSame(outer, Hub.current());
            trace.add("opens");
            latch.countDown();
          });
      outer.join();
    });
    assertEquals(List.of("inner blocks", "opens", "inner goes on", "inner other"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "The thread's other greenlets and the hub's are out of reach for each other, by a message")
  void trees() {
    possible();
    Greenlet outside = Greenlet.of(args -> "outside");
    List<Greenlet> inside = new ArrayList<>();
    run(() -> {
      String message = assertThrows(WrongThreadException.class, outside::switchTo).getMessage();
      assertTrue(message.contains("neither side reaches those of the other"), message);
      inside.add(Greenlet.of(args -> Greenlet.current().parent().switchTo()));
      inside.getFirst().switchTo();
      inside.getFirst().close();
    });
    assertEquals("outside", outside.switchTo());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "At the end of a run a blocked task is waited for, and told from time to time; with grace it is given up")
  @NothingSuspended.Except("a task that is given up")
  void end() throws Throwable {
    possible();
    ReentrantLock lock = new ReentrantLock();
    ReentrantLock given = new ReentrantLock();
    CountDownLatch held = new CountDownLatch(1);
    CountDownLatch over = new CountDownLatch(1);
    Future<?> holder =
        Threads.PLATFORM.start(
            "holder",
            () -> {
              lock.lock();
              given.lock();
              held.countDown();
              over.await();
              lock.unlock();
              return null;
            });
    held.await();
    List<String> log = new CopyOnWriteArrayList<>();
    Handler handler = logging(log);
    try {
      Executable leavesOne =
          () -> {
            spawn("stuck", given::lock);
            giveWay();
          };
      run(Hub.realTime().cooperative().grace(SHORT), leavesOne);
      assertTrue(
          log.getFirst().contains("gives up") && log.getFirst().contains("stuck"), log::toString);
      Hub patient = Hub.realTime().cooperative();
      patient.scheduler.setReports(SHORT);
      run(
          patient,
          () -> {
            spawn("not stuck", lock::lockInterruptibly);
            spawn(
                "stuck, too",
                () -> {
                  lock.lock();
                  lock.unlock();
                });
            giveWay();
            Hub.current()
                .spawn(
                    "watches",
                    () -> {
                      try {
                        Hub.sleep(LONG);
                      } finally {
                        while (log.size() < 2) Thread.sleep(1);
                        over.countDown();
                      }
                      return null;
                    });
            giveWay();
          });
      assertTrue(log.get(1).contains("waits for tasks"), log::toString);
      assertTrue(log.get(1).contains("Task[stuck, too, blocked]"), log::toString);
    } finally {
      unlog(handler);
      over.countDown();
      Threads.await(holder);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What is not to give way tells where it did, by a hub's wait or in the JDK, and what its body throws comes first")
  void noSwitch() {
    possible();
    run(() -> {
      assertEquals("v", Hub.noSwitch(() -> "v"));
      for (Executable gives : List.<Executable>of(() -> giveWay(), () -> Thread.sleep(1))) {
        var e =
            assertThrows(IllegalStateException.class, () -> Hub.noSwitch(Threads.callable(gives)));
        assertTrue(
            List.of(e.getCause().getStackTrace()).toString().contains("CooperationTest"),
            () -> List.of(e.getCause().getStackTrace()).toString());
      }
      var thrown = new IllegalArgumentException();
      var e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  Hub.noSwitch(() -> {
                    Thread.sleep(1);
                    throw thrown;
                  }));
      assertInstanceOf(IllegalStateException.class, e.getSuppressed()[0]);
      Hub.sleep(Duration.ZERO);
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "In virtual time a lock or a monitor held over a sleep excludes the others, at the right times")
  void virtualTime() {
    possible();
    ReentrantLock lock = new ReentrantLock();
    Object monitor = new Object();
    Executable hold = () -> Hub.sleep(Duration.ofSeconds(10));
    List<Consumer<Executable>> sections = new ArrayList<>();
    sections.add(body -> {
      lock.lock();
      unchecked(body);
      lock.unlock();
    });
    if (Runtime.version().feature() >= 24)
      sections.add(body -> {
        synchronized (monitor) {
          unchecked(body);
        }
      });
    for (Consumer<Executable> section : sections) {
      for (int round = 0; round < 20; round++) {
        trace.clear();
        run(
            Hub.virtualTime().cooperative(),
            () -> {
              Task<?> ticks =
                  spawn(
                      "ticks",
                      () -> {
                        while (true) Hub.sleep(Duration.ofSeconds(1));
                      });
              List<Task<?>> tasks = new ArrayList<>();
              for (String name : List.of("a", "b", "c")) {
                tasks.add(
                    spawn(
                        name,
                        () ->
                            section.accept(() -> {
                              hold.execute();
                              trace.add(Hub.current().time().toSeconds());
                            })));
              }
              for (Task<?> task : tasks) task.join();
              ticks.kill();
            });
        assertEquals(List.of(10L, 20L, 30L), trace);
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "As a guest, a hub whose tasks block lets its host go on; inHost runs in the host's thread")
  void guest() throws Throwable {
    possible();
    BlockingQueue<Runnable> events = new LinkedBlockingQueue<>();
    Thread host = Thread.currentThread();
    Hub hub = Hub.on(events::add).cooperative();
    CountDownLatch latch = new CountDownLatch(1);
    Task<?> t =
        hub.spawn(
            "t",
            () -> {
              trace.add("blocks");
              latch.await();
              assertSame(host, Hub.inHost(() -> Thread.currentThread()));
              assertNull(Hub.inHost(() -> Task.current()));
              return trace.add("goes on");
            });
    boolean[] opened = {false};
    while (!t.isDone()) {
      Runnable event = opened[0] ? events.take() : events.poll();
      if (event != null) event.run();
      else {
        assertThrows(IllegalStateException.class, t::join);
        trace.add("the host opens");
        latch.countDown();
        opened[0] = true;
      }
    }
    assertEquals(List.of("blocks", "the host opens", "goes on"), trace);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A server and its clients, by plain sockets, are tasks of one hub; a kill closes who reads")
  void sockets() {
    possible();
    run(() -> {
      try (var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
        Task<?> accepts =
            spawn(
                "accepts",
                () -> {
                  while (true) {
                    Socket s = server.accept();
                    spawn(
                        "echo",
                        () -> {
                          try (s) {
                            s.getInputStream().transferTo(s.getOutputStream());
                          }
                        });
                  }
                });
        List<Task<?>> clients = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
          int n = i;
          clients.add(
              spawn(
                  "client " + i,
                  () -> {
                    try (Socket s = new Socket(server.getInetAddress(), server.getLocalPort())) {
                      for (int k = 0; k < 5; k++) {
                        s.getOutputStream().write(n);
                        assertEquals(n, s.getInputStream().read());
                      }
                    }
                  }));
        }
        for (Task<?> client : clients) client.result();
        try (Socket s = new Socket(server.getInetAddress(), server.getLocalPort())) {
          InputStream in = s.getInputStream();
          Task<?> reads = spawn("reads", () -> in.read());
          giveWay();
          reads.kill();
          assertInstanceOf(GreenletExit.class, reads.exception());
          assertTrue(
              s.isClosed(),
              "who leaves a read otherwise than by its own timeout closes the socket");
        }
        accepts.kill();
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A hub that is run again, in another thread, has a tree there; one that is forgotten is collected")
  void again() throws Throwable {
    possible();
    Hub hub = Hub.realTime().cooperative();
    run(hub, () -> Thread.sleep(1));
    Future<?> other =
        Threads.PLATFORM.start(
            "other",
            () -> {
              run(hub, () -> Thread.sleep(1));
              return null;
            });
    Threads.await(other);
  }

  /** Two tasks that take two locks in turn, each the other's first. */
  private static List<Task<?>> crossed(Runnable... locks) {
    List<Task<?>> tasks = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      int first = i;
      tasks.add(
          spawn(
              "crossed " + i,
              () -> {
                locks[first].run();
                giveWay();
                locks[1 - first].run();
              }));
    }
    return tasks;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A deadlock of tasks in locks is found where the JVM tells their owners, on demand and by the watchdog")
  @NothingSuspended.Except("tasks that are given up")
  void deadlocks() throws Throwable {
    possible();
    if (!LockOwners.canBeKnown()) {
      run(() -> {
        String message =
            assertThrows(IllegalStateException.class, () -> Hub.current().deadlocks()).getMessage();
        assertTrue(
            message.contains("--add-opens java.base/java.util.concurrent.locks=ALL-UNNAMED"),
            message);
      });
      return;
    }
    List<String> log = new ArrayList<>();
    Handler handler = logging(log);
    try {
      ReentrantLock a = new ReentrantLock();
      ReentrantLock b = new ReentrantLock();
      run(
          Hub.realTime().cooperative().grace(SHORT).watchdog(SHORT),
          () -> {
            Task<?> outside = spawn("outside", () -> Thread.sleep(1_000_000));
            List<Task<?>> tasks = crossed(a::lock, b::lock);
            giveWay();
            giveWay();
            Task<?> waits = spawn("waits for one of them", a::lock);
            giveWay();
            assertEquals(List.of(tasks), Hub.current().deadlocks());
            while (log.isEmpty()) Hub.sleep(SHORT);
            assertTrue(log.getFirst().contains("are in a deadlock"), log::toString);
            assertTrue(log.getFirst().contains("crossed 1, blocked] is blocked"), log::toString);
            assertFalse(log.getFirst().contains("waits for one"), log::toString);
          });
    } finally {
      unlog(handler);
    }
  }

  /** In a JVM of its own: it keeps a virtual thread that waits for a monitor. */
  static final class OfMonitors {
    public static void main(String[] args) {
      Object[] monitors = {new Object(), new Object()};
      run(
          Hub.realTime().cooperative().grace(SHORT),
          () -> {
            for (int i = 0; i < 2; i++) {
              int first = i;
              spawn(
                  "task " + i,
                  () -> {
                    synchronized (monitors[first]) {
                      giveWay();
                      synchronized (monitors[1 - first]) {
                        System.out.println("never");
                      }
                    }
                  });
            }
            giveWay();
            giveWay();
            System.out.println(Hub.current().deadlocks());
          });
      System.exit(0);
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("So is one in monitors, on JDK 25 and later")
  void deadlocksOfMonitors() throws Throwable {
    possible();
    assumeTrue(Runtime.version().feature() >= 25, "a JDK that tells");
    List<String> options =
        List.of(
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
            "--add-opens=java.base/jdk.internal.vm=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            OfMonitors.class.getName());
    assertEquals(
        "[[Task[task 0, blocked], Task[task 1, blocked]]]",
        new Program("").launch(options).getFirst());
  }

  private static Handler logging(List<String> log) {
    Logger logger = Logger.getLogger("greenlet.hub");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            log.add(record.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    return handler;
  }

  private static void unlog(Handler handler) {
    Logger logger = Logger.getLogger("greenlet.hub");
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Patience that ends while no interrupt ends the main task raises one exception, and the hub sleeps")
  void impatient() throws Throwable {
    possible();
    ReentrantLock lock = new ReentrantLock();
    CountDownLatch held = new CountDownLatch(1);
    Future<?> holder =
        Threads.PLATFORM.start(
            "holder",
            () -> {
              lock.lock();
              held.countDown();
              Thread.sleep(100);
              lock.unlock();
              return null;
            });
    held.await();
    run(
        Hub.virtualTime().patience(Duration.ofMillis(1)).cooperative(),
        () -> {
          lock.lock();
          assertThrows(Hub.LoopExit.class, () -> giveWay());
          giveWay();
          lock.unlock();
        });
    Threads.await(holder);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A failure is told while another task is blocked in printing to what a task reads")
  void toldWhilePrinting() throws Throwable {
    possible();
    PrintStream before = System.err;
    BlockingQueue<Integer> printed = new ArrayBlockingQueue<>(4);
    var isOver = new AtomicBoolean();
    OutputStream into =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            try {
              if (!isOver.get()) printed.put(b);
            } catch (InterruptedException e) {
              throw new InterruptedIOException();
            }
          }
        };
    System.setErr(new PrintStream(into, true));
    try {
      run(() -> {
        spawn("prints", () -> System.err.println("x".repeat(500)));
        spawn(
            "fails",
            () -> {
              throw new IllegalStateException("failed");
            });
        StringBuilder read = new StringBuilder();
        while (read.indexOf("failed") < 0) read.append((char) (int) printed.take());
      });
    } finally {
      System.setErr(before);
      isOver.set(true);
      printed.clear(); // who prints still has room for one more, and then need not wait
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Who lets a task of a guest go on whose executor is over is not bothered")
  @NothingSuspended.Except("the task")
  void executorIsOver() throws Throwable {
    possible();
    List<Throwable> told = new CopyOnWriteArrayList<>();
    Thread.currentThread().setUncaughtExceptionHandler((thread, t) -> told.add(t));
    ExecutorService host = Executors.newSingleThreadExecutor();
    CountDownLatch latch = new CountDownLatch(1);
    CountDownLatch blocks = new CountDownLatch(1);
    Hub.on(host)
        .cooperative()
        .spawn(() -> {
          blocks.countDown();
          latch.await();
          return null;
        });
    blocks.await();
    host.submit(() -> {}).get();
    host.close();
    latch.countDown();
    assertInstanceOf(RejectedExecutionException.class, told.getFirst().getCause());
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("What another thread completes is waited for by get and join")
  void futures() throws InterruptedException, ExecutionException {
    possible();
    try (ExecutorService outside = Executors.newSingleThreadExecutor()) {
      run(() -> {
        spawn("other", () -> trace.add("other"));
        trace.add(outside.submit(() -> "value").get(10, TimeUnit.SECONDS));
      });
    }
    assertTrue(trace.contains("value") && trace.contains("other"));
  }
}
