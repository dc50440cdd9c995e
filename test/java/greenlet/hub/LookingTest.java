package greenlet.hub;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Account;
import greenlet.Greenlet;
import greenlet.Snapshot;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is seen of the tasks of a hub: snapshots, figures, accounts and what happens. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class LookingTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();

  /** The lines of a tree but for the places. */
  private static List<String> lines(List<Snapshot> tree) {
    return tree.stream()
        .map(each ->
            " ".repeat(each.depth())
                + each.name()
                + ", "
                + each.state().replaceAll("in thread.*, ", "")
                + (each.waiting() == null ? "" : ", " + each.waiting()))
        .toList();
  }

  @RootTest
  @DisplayName("A hub is a tree of its tasks: what each waits for, and since when")
  void tree() {
    Hub hub = Hubs.virtualTime().named("bank").known();
    Queue<String> orders = Queue.<String>fifo().named("orders");
    Lock accounts = new Lock().named("accounts");
    hub.run(() -> {
      Task<?> clerk =
          hub.spawn(
              "clerk",
              () ->
                  Hub.scope(() -> {
                    hub.spawn("copy", () -> Hub.sleep(Duration.ofSeconds(30)));
                    orders.take();
                  }));
      hub.spawn(
          "auditor",
          () -> {
            accounts.acquire();
            Hub.sleep(Duration.ofSeconds(10));
          });
      hub.spawn("teller", () -> accounts.acquire());
      hub.spawnLater(Duration.ofSeconds(5), "late", () -> {});
      Hub.sleep(SECOND);
      hub.spawn("new", () -> {});
      assertEquals(
          List.of(
              "bank, 7 tasks",
              " " + Task.current().name() + ", running",
              " clerk, suspended, waits for an item of the queue orders since 1s ago",
              "  copy, suspended, waits for the time 30 s since 1s ago",
              " auditor, suspended, waits for the time 10 s since 1s ago",
              " teller, suspended, waits for the lock accounts of Task[auditor, suspended] since 1s ago",
              " late, unstarted",
              " new, unstarted"),
          lines(Snapshot.of(hub)));
      assertEquals(
          "clerk",
          Snapshot.of(hub).stream()
              .filter(s -> s.name().equals("copy"))
              .findFirst()
              .orElseThrow()
              .parent());
      assertTrue(Snapshot.ofKnown().stream().anyMatch(each -> each.name().equals("bank")));
      assertEquals(
          new Hub.Stats(7, 1, 3, 2, 0, 3, hub.stats().rounds(), Duration.ZERO, Duration.ZERO),
          hub.stats());
      clerk.kill();
    });
    assertEquals(List.of("bank, not running"), lines(Snapshot.of(hub)));
  }

  @RootTest
  @DisplayName("Of a wait that began when nobody looked it is known how long it has been seen")
  void sinceItWasSeen() {
    Hub hub = Hubs.virtualTime();
    hub.run(() -> {
      Task<?> waits = hub.spawn("waits", () -> new Event().await());
      Hub.sleep(SECOND);
      Snapshot.Waiting first = waits.snapshot().waiting();
      Hub.sleep(SECOND);
      Snapshot.Waiting second = waits.snapshot().waiting();
      assertEquals(List.of(Duration.ZERO, SECOND), List.of(first.time(), second.time()));
      assertTrue(first.isAtLeast() && second.isAtLeast());
      waits.kill();
    });
  }

  @RootTest
  @DisplayName("The place is that of the user's code, of the greenlet that waits")
  void places() {
    Hub hub = Hubs.virtualTime();
    hub.run(() -> {
      Task<?> own = hub.spawn("own", LookingTest::waitsHere);
      Task<?> child =
          hub.spawn(
              "child",
              () ->
                  Greenlet.of(
                          args -> {
                            waitsHere();
                            return null;
                          })
                      .switchTo());
      Hub.sleep(SECOND);
      for (Task<?> task : List.of(own, child))
        assertEquals("waitsHere", task.snapshot().place().frame().getMethodName());
      own.kill();
      child.kill();
      assertNull(own.snapshot().place());
    });
  }

  private static void waitsHere() {
    new Event().await();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Another thread sees the tasks, also while one of them holds the thread; of that it sees the last place at risk of the JVM")
  void fromAnotherThread() throws Throwable {
    Hub hub = Hubs.realTime().named("busy");
    var holds = new CountDownLatch(1);
    var looked = new AtomicLong();
    Future<Void> run =
        Threads.PLATFORM.start(
            "hub",
            Threads.callable(() ->
                hub.run(() -> {
                  hub.spawn("waits", LookingTest::waitsHere);
                  Task<?> holder =
                      hub.spawn(
                          "holds",
                          () -> {
                            Hub.sleep(Duration.ZERO);
                            holds.countDown();
                            holdUntil(looked);
                          });
                  Hub.sleep(Duration.ZERO);
                  holder.snapshot();
                  holder.join();
                })));
    Threads.await(holds);
    List<Snapshot> tree = Snapshot.of(hub);
    looked.set(1);
    Threads.await(run);
    Snapshot holder = tree.stream().filter(s -> s.name().equals("holds")).findFirst().orElseThrow();
    assertEquals("running", holder.state());
    boolean isOnThread =
        !hub.scheduler.isCooperative() && Greenlet.engine().startsWith("continuation");
    assertEquals(!isOnThread, holder.place().isOld());
    if (isOnThread) assertEquals("holdUntil", holder.place().frame().getMethodName());
    Snapshot waits = tree.stream().filter(s -> s.name().equals("waits")).findFirst().orElseThrow();
    assertEquals("waitsHere", waits.place().frame().getMethodName());
  }

  private static void holdUntil(AtomicLong over) {
    while (over.get() == 0) Thread.onSpinWait();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "100,000 tasks: tree and text within a second or so, again and again in the same memory")
  void many() {
    int many = 100_000;
    Hub hub = Hub.virtualTime().named("many").known();
    hub.run(() -> {
      for (int i = 0; i < many; i++) hub.spawn(() -> Hub.sleep(SECOND));
      Hub.sleep(Duration.ZERO);
      look(hub, many);
      long before = used();
      long best = Long.MAX_VALUE;
      for (int i = 0; i < 3; i++) best = Math.min(best, look(hub, many));
      long grown = used() - before;
      assertTrue(grown < 4_000_000, grown + " bytes more");
      assertTrue(best < 5_000_000_000L, best / 1_000_000 + " ms");
    });
  }

  private static long look(Hub hub, int many) {
    long begin = System.nanoTime();
    List<Snapshot> tree = Snapshot.of(hub);
    String text = Snapshot.text(tree);
    long took = System.nanoTime() - begin;
    assertEquals(many + 2, tree.size());
    assertTrue(text.length() > 50 * many);
    return took;
  }

  private static long used() {
    for (int i = 0; i < 3; i++) System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  @RootTest
  @DisplayName("A hub that is known is collected, and a task of it that has ended")
  void forgotten() {
    var hub = new WeakReference<>(Hub.realTime().known());
    List<WeakReference<Task<?>>> tasks = new ArrayList<>();
    Hub other = Hub.virtualTime().known().accounting(true, true);
    other.run(() -> {
      for (int i = 0; i < 10; i++)
        tasks.add(new WeakReference<>(other.spawn(() -> Hub.sleep(SECOND))));
      Hub.sleep(SECOND);
      Snapshot.of(other);
      Hub.sleep(SECOND);
      Threads.collect(() -> tasks.stream().allMatch(task -> task.get() == null));
    });
    Threads.collect(() -> hub.get() == null);
  }

  @RootTest
  @DisplayName(
      "Accounts: run time, turns, the longest hold, who spawned it, and where if that is asked for")
  void accounts() {
    Hub hub = Hubs.virtualTime().accounting(true, true);
    var clock = new AtomicLong();
    hub.scheduler.setClock(clock::get);
    hub.run(() -> {
      Task<?> child =
          hub.spawn(
              "child",
              () -> {
                clock.addAndGet(1000);
                Hub.sleep(SECOND);
                clock.addAndGet(5000);
                Hub.sleep(Duration.ZERO);
                clock.addAndGet(2000);
              });
      Task<?> failing = hub.spawn("failing", () -> Hub.sleep(SECOND));
      clock.addAndGet(100);
      child.join();
      Account account = child.account();
      assertEquals(
          List.of(Duration.ofNanos(8000), 3L, Duration.ofNanos(5000), Task.current().name()),
          List.of(
              account.runTime(), account.switches(), account.longestHold(), account.spawnedBy()));
      assertTrue(
          account.spawnedAt().stream()
              .anyMatch(frame -> frame.getClassName().startsWith(LookingTest.class.getName())),
          () -> account.spawnedAt().toString());
      assertEquals(Task.current().name(), failing.snapshot().spawnedBy());
      hub.accounting(false, false);
      assertNull(hub.spawn(() -> {}).account());
      assertNull(hub.scheduler.observation);
      failing.kill();
    });
  }

  @RootTest
  @DisplayName("A listener sees what happens to the tasks, in its order")
  void listener() {
    Hub hub = Hubs.virtualTime();
    Task.Listener listener =
        new Task.Listener() {
          private void note(String what, Task<?> task) {
            trace.add(what + " " + task.name());
          }

          @Override
          public void onSpawn(Task<?> task, Task<?> by) {
            note(by == null ? "spawn" : by.name() + " spawns", task);
          }

          @Override
          public void onBegin(Task<?> task) {
            note("begin", task);
          }

          @Override
          public void onWait(Task<?> task, Object what) {
            note("wait for " + what + ":", task);
          }

          @Override
          public void onWake(Task<?> task) {
            note("wake", task);
          }

          @Override
          public void onResume(Task<?> task) {
            note("resume", task);
          }

          @Override
          public void onEnd(Task<?> task) {
            note("end", task);
          }
        };
    hub.run(() -> {
      Queue<Integer> queue = Queue.fifo();
      hub.spawn(
              "parent",
              () -> {
                hub.addListener(listener);
                Task<?> taker = hub.spawn("taker", () -> queue.take());
                Hub.sleep(Duration.ZERO);
                queue.put(1);
                taker.join();
                hub.removeListener(listener);
              })
          .join();
    });
    assertEquals(
        List.of(
            "parent spawns taker",
            "wait for its next turn: parent",
            "wake parent",
            "begin taker",
            "wait for an item of a queue: taker",
            "resume parent",
            "wake taker",
            "wait for Task[taker, suspended]: parent",
            "resume taker",
            "end taker",
            "wake parent",
            "resume parent"),
        trace);
    assertNull(hub.scheduler.observation);
  }

  @RootTest
  @DisplayName("A listener that throws is reported, and hears of nothing more")
  void throwingListener() {
    Hub hub = Hubs.virtualTime().onFailure((task, e) -> trace.add(e.getMessage()));
    hub.addListener(
        new Task.Listener() {
          @Override
          public void onBegin(Task<?> task) {
            throw new IllegalStateException("no");
          }
        });
    hub.run(() -> hub.spawn(() -> trace.add("ran")).join());
    assertEquals(List.of("no", "ran"), trace);
  }

  @RootTest
  @DisplayName(
      "A task that has held the thread for too long is told at its next wait, once; what that asked for has not happened")
  void maxHold() {
    Hub hub = Hubs.virtualTime().maxHold(Duration.ofMillis(8));
    var clock = new AtomicLong();
    hub.scheduler.setClock(clock::get);
    hub.run(() -> {
      Queue<Integer> full = Queue.fifo(0);
      Task<?> greedy =
          hub.spawn(
              "greedy",
              () -> {
                Hub.sleep(SECOND);
                clock.addAndGet(9_000_000);
                for (Task.Action wait :
                    List.<Task.Action>of(
                        () -> Hub.sleep(SECOND),
                        () -> full.put(1),
                        () -> Hub.sleep(Duration.ZERO))) {
                  Hub.HeldTooLong e = assertThrows(Hub.HeldTooLong.class, wait::run);
                  assertTrue(
                      e.getMessage()
                          .matches(
                              "Task\\[greedy, running\\] has held the thread of .* for 0.009 s, and may for 0.008 s; .*"),
                      e::getMessage);
                  Hub.sleep(Duration.ZERO);
                  clock.addAndGet(9_000_000);
                }
                clock.addAndGet(-9_000_000);
                assertEquals(0, full.poll(0));
                clock.addAndGet(8_000_000);
                Hub.sleep(SECOND);
                trace.add("in time");
              });
      greedy.result();
    });
    assertEquals(List.of("in time"), trace);
    assertRefused(IllegalArgumentException.class, () -> hub.maxHold(Duration.ZERO), "above zero");
  }

  @RootTest
  @DisplayName("Timers that are late are counted by how much")
  void lag() {
    Hub hub = Hubs.realTime();
    hub.run(() -> {
      Hub.sleep(Duration.ofMillis(1));
      hub.spawn(() -> Hub.sleep(Duration.ofMillis(1)));
      Hub.sleep(Duration.ZERO);
      long begin = System.nanoTime();
      while (System.nanoTime() - begin < 20_000_000) Thread.onSpinWait();
      Hub.sleep(Duration.ZERO);
      Hub.Stats stats = hub.stats();
      assertTrue(stats.mostLag().compareTo(Duration.ofMillis(15)) > 0, stats::toString);
    });
  }

  @RootTest
  @DisplayName(
      "A turn in somebody else's event loop ends after the task that uses its time up; what is left comes first in the next")
  void turnTime() {
    List<Runnable> loop = new ArrayList<>();
    Hub hub = Hubs.switched(Hub.on(loop::add)).turnTime(Duration.ofNanos(10));
    var clock = new AtomicLong();
    ((GuestLoop) hub.scheduler.loop).clock = clock::get;
    for (String name : List.of("a", "b", "c", "d", "e"))
      hub.spawn(
          name,
          () -> {
            for (int i = 0; i < 2; i++) {
              trace.add(name);
              clock.addAndGet(4);
              Hub.sleep(Duration.ZERO);
            }
          });
    while (!loop.isEmpty()) {
      loop.removeFirst().run();
      trace.add(hub.stats().ready());
    }
    assertEquals(
        List.of("a", "b", "c", 5, "d", "e", "a", 5, "b", "c", "d", 5), trace.subList(0, 12));
    assertEquals(List.of("e", 0), List.of(trace.get(12), trace.getLast()));
    assertRefused(
        IllegalStateException.class, () -> Hub.realTime().turnTime(SECOND), "thread for itself");
    assertRefused(IllegalArgumentException.class, () -> hub.turnTime(Duration.ZERO), "above zero");
  }

  @RootTest
  @DisplayName(
      "Elsewhere than in its thread a hub that runs can be looked at, but not told what to keep")
  void otherThreads() throws Throwable {
    Hub hub = Hubs.realTime();
    hub.run(() -> {
      Future<Void> other =
          Threads.PLATFORM.start(
              "other",
              Threads.callable(() -> {
                assertEquals(1, hub.stats().tasks());
                assertEquals(1, hub.seenTasks().size());
                assertThrows(
                    WrongThreadException.class, () -> hub.addListener(new Task.Listener() {}));
                assertThrows(WrongThreadException.class, () -> hub.accounting(true, false));
              }));
      Hub.awaitFuture(other);
    });
    assertSame(hub, hub.named("again"));
    assertEquals("Hub[again]", hub.toString());
  }
}
