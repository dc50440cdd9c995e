package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Body;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.RootLocal;
import greenlet.Scheduler;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a thread's root offers to schedulers: a variable, and a place where two of them meet. */
@ExtendWith(LeakCheck.class)
class SchedulerTest {
  private static final RootLocal<List<Object>> TRACE = new RootLocal<>(ArrayList::new);
  private static final RootLocal<Object> UNSET = new RootLocal<>();

  private static void pause() {
    Scheduler.registered().await("a turn", false, Runnable::run);
  }

  @RootTest
  @DisplayName(
      "A variable of the root is the same in all greenlets of the thread and in the bodies of generators")
  void variable() throws Throwable {
    assertNull(UNSET.get());
    List<Object> mine = TRACE.get();
    Greenlet.of(args -> TRACE.get().add("greenlet")).switchTo();
    Generator<Object> body = Generator.of(out -> out.yield(TRACE.get().add("body")));
    body.cursor().next();
    body.sharedCursor().next();
    body.forEach(added -> TRACE.get().add("consumer"));
    assertEquals(List.of("greenlet", "body", "body", "body", "consumer"), mine);
    Threads.PLATFORM.run("other", () -> assertEquals(List.of(), TRACE.get()));
    TRACE.set(null);
    assertEquals(List.of(), TRACE.get());
  }

  @RootTest
  @DisplayName("A scheduler of ten lines lets greenlets take turns")
  void tenLines() {
    new RoundRobin().run(args -> talk("a"), args -> talk("b"), args -> talk("c"));
    assertEquals(List.of("a0", "b0", "c0", "a1", "b1", "c1"), TRACE.get());
    assertNull(Scheduler.registered());
  }

  private static Object talk(String name) {
    for (int i = 0; i < 2; i++) {
      TRACE.get().add(name + i);
      pause();
    }
    return null;
  }

  @RootTest
  @DisplayName("It can be woken by another thread, before it waits and after")
  void wokenFromOutside() throws Throwable {
    CountDownLatch waits = new CountDownLatch(1);
    List<Runnable> wakers = new ArrayList<>();
    Future<Void> waker =
        Threads.PLATFORM.start(
            "waker",
            () -> {
              Threads.await(waits);
              wakers.getFirst().run();
              return null;
            });
    boolean[] over = {false};
    new RoundRobin()
        .run(
            args -> {
              Scheduler.registered()
                  .await(
                      "the waker",
                      true,
                      wake -> {
                        wakers.add(wake);
                        waits.countDown();
                      });
              over[0] = true;
              return null;
            },
            args -> {
              while (!over[0]) pause();
              return TRACE.get().add("over");
            });
    Threads.await(waker);
    assertEquals(List.of("over"), TRACE.get());
  }

  @RootTest
  @DisplayName(
      "A greenlet's successor gets the control at its end, once; the parent stays the parent")
  void successor() throws Throwable {
    List<Object> trace = TRACE.get();
    Greenlet root = Greenlet.root();
    Greenlet waiting = Greenlet.of(args -> trace.add("waiting got " + root.switchTo("suspended")));
    waiting.switchTo();
    Greenlet bystander = Greenlet.of(args -> "to the parent");
    Greenlet ending =
        Greenlet.of(args -> {
          Scheduler.setSuccessor(waiting);
          assertEquals("to the parent", bystander.switchTo());
          return "result";
        });
    bystander.setParent(ending);
    ending.switchTo();
    assertEquals(List.of("waiting got result"), trace);
    assertSame(root, ending.parent());
    assertTrue(ending.isDead() && waiting.isDead());
    Greenlet foreign = Threads.PLATFORM.call("other", Greenlet::current);
    assertThrows(WrongThreadException.class, () -> Scheduler.setSuccessor(foreign));
    assertThrows(IllegalArgumentException.class, () -> Scheduler.setSuccessor(null));
  }

  // Tasklets within another scheduler

  @RootTest
  @DisplayName("M13 Tasks of a hub that talk through a confined channel wait for each other")
  void tasksTalk() {
    assertEquals(
        List.of(1, 2, 3),
        Hub.virtualTime()
            .run(() -> {
              Channel<Integer> numbers = Channel.confined();
              List<Integer> got = new ArrayList<>();
              Task<Object> receiver =
                  Hub.current()
                      .spawn(() -> {
                        for (int n : numbers) got.add(n);
                        return null;
                      });
              for (int n = 1; n <= 3; n++) {
                numbers.send(n);
                Hub.sleep(Duration.ofSeconds(1));
              }
              numbers.close();
              receiver.join();
              return got;
            }));
  }

  @RootTest
  @DisplayName(
      "Tasklets of a task take turns among themselves, and the task waits when none of them can run")
  void taskletsOfTasks() {
    List<Object> trace = TRACE.get();
    Hub.virtualTime()
        .run(() -> {
          Channel<String> channel = Channel.confined();
          Task<Object> other =
              Hub.current()
                  .spawn(
                      "other",
                      () -> {
                        trace.add("other receives");
                        Tasklet.of(args -> trace.add("other's tasklet")).setup();
                        trace.add("other got " + channel.receive());
                        return null;
                      });
          Tasklet sender =
              Tasklet.of(
                      args -> {
                        trace.add("tasklet sleeps");
                        Hub.sleep(Duration.ofSeconds(1));
                        channel.send("hello");
                        return trace.add("sent");
                      })
                  .setup();
          Tasklet.runAll();
          trace.add("main after its tasklets");
          assertTrue(!sender.isAlive());
          other.join();
          return null;
        });
    assertEquals(
        List.of(
            "tasklet sleeps",
            "other receives",
            "other's tasklet",
            "sent",
            "main after its tasklets",
            "other got hello"),
        trace);
  }

  @RootTest
  @DisplayName(
      "A limit, a kill and the hub's own report of a deadlock reach who waits on a channel")
  void raised() {
    Hub.virtualTime()
        .run(() -> {
          Channel<String> channel = Channel.confined("never");
          assertThrows(
              TimeoutException.class, () -> Hub.timeout(Duration.ofSeconds(1), channel::receive));
          assertEquals(0, channel.balance());
          Task<String> killed = Hub.current().spawn("killed", channel::receive);
          Hub.sleep(Duration.ZERO);
          assertEquals(-1, channel.balance());
          killed.kill();
          assertEquals(0, channel.balance());
          Hub.LoopExit exit = assertThrows(Hub.LoopExit.class, channel::receive);
          assertTrue(exit.getMessage().contains("receiving from never"), exit::getMessage);
          assertEquals("usable", Hub.current().spawn(() -> "usable").result());
          return null;
        });
  }

  @RootTest
  @DisplayName(
      "A limit that runs out just as the value comes is forgotten; an interrupt is raised in the task's next wait")
  void served() {
    List<Object> trace = TRACE.get();
    Hub.virtualTime()
        .run(() -> {
          Channel<String> channel = Channel.confined();
          Hub.current()
              .spawn(
                  "sender",
                  () -> {
                    Hub.sleep(Duration.ofSeconds(1));
                    channel.send("x");
                    Hub.sleep(Duration.ofSeconds(5));
                    channel.send("y");
                    return null;
                  });
          Hub.current()
              .spawn(
                  "receiver",
                  () -> { // its limit is set after the sender's sleep
                    trace.add(Hub.timeout(Duration.ofSeconds(1), channel::receive));
                    return trace.add(channel.receive());
                  })
              .join();
          Task<Object> interrupted =
              Hub.current()
                  .spawn(
                      "interrupted",
                      () -> {
                        trace.add(channel.receive());
                        Hub.sleep(Duration.ofHours(1));
                        return trace.add("not raised");
                      });
          Hub.sleep(Duration.ZERO);
          interrupted.interrupt(new GreenletExit());
          channel.send("z");
          interrupted.join();
          return trace.add(Hub.current().time().toSeconds());
        });
    assertEquals(List.of("x", "y", "z", 6L), trace);
  }

  @RootTest
  @DisplayName("A kill is raised once in a task one of whose tasklets waits, too")
  void killedOnce() {
    List<Object> trace = TRACE.get();
    Hub.virtualTime()
        .run(() -> {
          Channel<String> channel = Channel.confined();
          Task<String> victim =
              Hub.current()
                  .spawn(
                      "victim",
                      () -> {
                        Tasklet.of(args -> channel.receive()).setup();
                        try {
                          return channel.receive();
                        } finally {
                          Hub.sleep(Duration.ofSeconds(1));
                          trace.add("waited in finally");
                        }
                      });
          Hub.sleep(Duration.ZERO);
          victim.kill();
          return null;
        });
    assertEquals(List.of("waited in finally"), trace);
  }

  @RootTest
  @DisplayName("With a task end its tasklets: what is sent goes to those who live")
  void taskletsEndWithTheirTask() {
    List<Object> trace = TRACE.get();
    Hub.virtualTime()
        .run(() -> {
          Channel<String> channel = Channel.confined();
          Tasklet[] left = new Tasklet[1];
          Hub.current()
              .spawn(() -> {
                left[0] = Tasklet.of(args -> channel.receive()).setup();
                Tasklet.schedule();
                return null;
              })
              .join();
          assertFalse(left[0].isAlive());
          Task<Object> other = Hub.current().spawn(() -> trace.add(channel.receive()));
          Hub.sleep(Duration.ZERO);
          assertEquals(-1, channel.balance());
          channel.send("precious");
          other.join();
          return null;
        });
    assertEquals(List.of("precious"), trace);
  }

  @RootTest
  @DisplayName(
      "A hub puts back the scheduler that it finds, and none of its own takes a stranger's place")
  void putBack() {
    Scheduler mine = (what, fromOutside, start) -> {};
    Scheduler.register(mine);
    Hub.realTime().run(() -> TRACE.get().add("run"));
    assertSame(mine, Scheduler.registered());
    Hub.sleep(Duration.ZERO); // in the thread's own hub, which is made here
    assertSame(mine, Scheduler.registered());
    Hub.on(Runnable::run).spawn(() -> TRACE.get().add("turn"));
    assertSame(mine, Scheduler.registered());
    Scheduler.register(null);
    Hub.on(Runnable::run).spawn(() -> TRACE.get().add("turn"));
    assertNull(Scheduler.registered());
    assertEquals(List.of("run", "turn", "turn"), TRACE.get());
  }

  @RootTest
  @DisplayName(
      "Tasklets in two greenlets of a scheduler that has no tasks are refused, and it is said why")
  void noTasks() {
    Channel<String> channel = Channel.confined();
    new RoundRobin()
        .run(
            args -> channel.receive(),
            args -> {
              String message =
                  assertThrows(IllegalStateException.class, () -> channel.send("hello"))
                      .getMessage();
              assertTrue(message.contains("taskLocals"), message);
              return null;
            });
    assertEquals(-1, channel.balance());
  }

  @RootTest
  @DisplayName(
      "A task waits on a shared channel for another thread, and the other tasks run meanwhile")
  void sharedChannel() throws Throwable {
    Channel<String> channel = Channel.shared();
    CountDownLatch told = new CountDownLatch(1);
    Future<Void> sender =
        Threads.PLATFORM.start(
            "sender",
            () -> {
              Threads.await(told);
              channel.send("from outside");
              return null;
            });
    assertEquals(
        "from outside",
        Hub.realTime()
            .run(() -> {
              Hub.current()
                  .spawn(() -> {
                    told.countDown(); // only where this task runs while the other waits
                    return null;
                  });
              return channel.receive();
            }));
    Threads.await(sender);
  }

  @RootTest
  @DisplayName("Tasklets wait in a scheduler that neither they nor the hub have ever heard of")
  void taskletsInStranger() {
    Channel<String> channel = Channel.confined();
    new Separate()
        .run(
            args -> TRACE.get().add("got " + channel.receive()),
            args -> {
              TRACE.get().add("sends");
              channel.send("hello");
              return null;
            });
    assertEquals(List.of("sends", "got hello"), TRACE.get());
  }

  /** As {@link RoundRobin}, with tasks that have variables of their own. */
  private static final class Separate implements Scheduler {
    private record Ready(Greenlet greenlet, Map<Object, Object> locals) {}

    private final Queue<Ready> ready = new ConcurrentLinkedQueue<>();
    private Map<Object, Object> current;

    void run(Body... bodies) {
      for (Body body : bodies) ready.add(new Ready(Greenlet.of(body), new HashMap<>()));
      Scheduler outer = Scheduler.register(this);
      for (Ready r = ready.poll(); r != null; r = ready.poll()) {
        current = r.locals;
        r.greenlet.switchTo();
      }
      assertSame(this, Scheduler.register(outer));
    }

    @Override
    public void await(Object what, boolean fromOutside, Consumer<Runnable> start) {
      Ready waiting = new Ready(Greenlet.current(), current);
      start.accept(() -> ready.add(waiting));
      waiting.greenlet.parent().switchTo();
    }

    @Override
    public Map<Object, Object> taskLocals() {
      return current;
    }
  }
}
