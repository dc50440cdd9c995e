package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Queues between tasks. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class QueueTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  private final List<Object> trace = new ArrayList<>();

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
  }

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
  }

  private void note(Object what) {
    trace.add(what + "@" + Hub.current().time().toSeconds());
  }

  private static <T> List<T> rest(Queue<T> queue) {
    queue.close();
    List<T> all = new ArrayList<>();
    queue.forEach(all::add);
    return all;
  }

  @RootTest
  @DisplayName("Items come out by the order of the queue, null among them")
  void orders() {
    virtually(() -> {
      Queue<Integer> fifo = Queue.fifo();
      Queue<Integer> lifo = Queue.lifo();
      Queue<String> priority = Queue.priority(Comparator.comparing(String::length));
      for (Integer i : Arrays.asList(1, null, 3)) {
        fifo.put(i);
        lifo.put(i);
      }
      for (String s : List.of("two", "a", "six", "b")) priority.put(s);
      assertEquals(3, fifo.size());
      assertEquals(1, fifo.peek(0));
      assertEquals(Arrays.asList(1, null, 3), rest(fifo));
      assertEquals(Arrays.asList(3, null, 1), rest(lifo));
      assertEquals(List.of("a", "b", "two", "six"), rest(priority));
      assertEquals("none", priority.peek("none"));
    });
  }

  @RootTest
  @DisplayName("Who waits is served in the order of coming")
  void turns() {
    virtually(() -> {
      Queue<Integer> queue = Queue.fifo();
      for (String name : List.of("a", "b")) spawn(() -> note(name + queue.take()));
      sleep(1);
      queue.put(1);
      queue.put(2);
      assertEquals(0, queue.size());
      sleep(0);
      Queue<Integer> small = Queue.fifo(1);
      spawn(() -> {
        for (int i = 0; i < 4; i++) {
          small.put(i);
          note("put" + i);
        }
      });
      for (int i = 0; i < 4; i++) {
        sleep(1);
        assertEquals(i, small.take());
      }
      sleep(0);
    });
    assertEquals(List.of("a1@1", "b2@1", "put0@1", "put1@2", "put2@3", "put3@4"), trace);
  }

  @RootTest
  @DisplayName("A bounded queue keeps its order when room comes for who waits to put")
  void refilled() {
    virtually(() -> {
      Queue<Integer> lifo = Queue.lifo(2);
      Queue<Integer> priority = Queue.priority(Comparator.naturalOrder(), 2);
      for (Queue<Integer> queue : List.of(lifo, priority)) {
        for (int i : List.of(5, 4, 1, 9)) spawn(() -> queue.put(i));
      }
      sleep(0);
      List<Integer> taken = new ArrayList<>();
      for (int i = 0; i < 4; i++) taken.add(lifo.take());
      assertEquals(List.of(4, 1, 9, 5), taken);
      taken.clear();
      for (int i = 0; i < 4; i++) taken.add(priority.take());
      assertEquals(List.of(4, 1, 5, 9), taken);
    });
  }

  @RootTest
  @DisplayName("A queue of size 0 hands over")
  void rendezvous() {
    virtually(() -> {
      Queue<String> queue = Queue.fifo(0);
      assertFalse(queue.offer("nobody takes it"));
      assertEquals("none", queue.poll("none"));
      spawn(() -> {
        queue.put("item");
        note("put");
      });
      sleep(1);
      assertEquals("item", queue.take());
      note("taken");
      sleep(0);
      spawn(() -> note(queue.take()));
      sleep(0);
      assertTrue(queue.offer("offered"));
      sleep(0);
    });
    assertEquals(List.of("taken@1", "put@1", "offered@1"), trace);
  }

  @RootTest
  @DisplayName("Who gives up takes no item along and leaves none")
  void limits() {
    virtually(() -> {
      Queue<Integer> queue = Queue.fifo(1);
      assertEquals(-1, queue.poll(-1, SECOND));
      assertTrue(queue.offer(1, SECOND));
      assertFalse(queue.offer(2, SECOND));
      note("late");
      assertEquals(1, queue.take());
      assertEquals(-1, queue.poll(-1));
      Task<?> killed = spawn(queue::take);
      Task<?> next = spawn(() -> note(queue.take()));
      sleep(0);
      killed.kill();
      queue.put(3);
      next.result();
      queue.put(4);
      Task<?> putter = spawn(() -> queue.put(5));
      sleep(0);
      putter.kill();
      assertEquals(4, queue.take());
      assertEquals(0, queue.size());
    });
    assertEquals(List.of("late@2", "3@2"), trace);
  }

  @RootTest
  @DisplayName(
      "A task that is killed as its item comes has it, and the kill comes out of its next wait")
  void killedWithItem() {
    virtually(() -> {
      Queue<Integer> queue = Queue.fifo();
      Task<?> taker =
          spawn(() -> {
            int item = queue.take();
            note(item);
            sleep(1);
          });
      sleep(0);
      queue.put(1);
      taker.kill();
      assertEquals(0, queue.size());
    });
    assertEquals(List.of("1@0"), trace);
  }

  @RootTest
  @DisplayName("A closed queue gives what lies in it, and refuses more")
  void closed() {
    virtually(() -> {
      Queue<Integer> full = Queue.fifo(1);
      full.put(1);
      Task<?> putter =
          spawn(() ->
              Refusal.assertRefused(
                  IllegalStateException.class,
                  () -> full.put(2),
                  "while this was waiting for room"));
      Queue<String> empty = Queue.fifo();
      Task<?> taker = spawn(() -> note(empty.take("end")));
      Task<?> thrower = spawn(() -> assertThrows(NoSuchElementException.class, empty::take));
      sleep(0);
      full.close();
      empty.close();
      empty.close();
      assertTrue(full.isClosed());
      putter.result();
      taker.result();
      thrower.result();
      Refusal.assertRefused(IllegalStateException.class, () -> full.put(3), "has been closed");
      Refusal.assertRefused(IllegalStateException.class, () -> full.offer(3), "has been closed");
      assertEquals("a closed queue of 1 item", full.toString());
      assertEquals(1, full.take());
      assertEquals(-1, full.take(-1));
      assertEquals(-1, full.poll(-1, SECOND));
    });
    assertEquals(List.of("end@0"), trace);
  }

  @RootTest
  @DisplayName("To go through a queue is to take its items until it is closed")
  void iteration() {
    virtually(() -> {
      Queue<Integer> queue = Queue.fifo(2);
      spawn(() -> {
        for (int i = 0; i < 5; i++) queue.put(i);
        queue.close();
      });
      for (int item : queue) {
        note(item);
        if (item == 1) break;
      }
      Iterator<Integer> rest = queue.iterator();
      assertEquals(2, rest.next());
      assertTrue(rest.hasNext() && rest.hasNext());
      assertEquals(3, rest.next());
      assertEquals(4, rest.next());
      assertFalse(rest.hasNext());
      assertThrows(NoSuchElementException.class, rest::next);
    });
    assertEquals(List.of("0@0", "1@0"), trace);
  }

  @RootTest
  @DisplayName("Who waits for the work on the items waits until as many are done as were put")
  void work() {
    virtually(() -> {
      Queue<Integer> queue = Queue.fifo();
      queue.join();
      spawn(() -> {
        for (int item : queue) {
          sleep(1);
          queue.taskDone();
        }
      });
      for (int i = 0; i < 3; i++) queue.put(i);
      assertEquals(3, queue.unfinished());
      assertFalse(queue.join(SECOND));
      queue.join();
      note("done");
      assertTrue(queue.join(SECOND));
      Refusal.assertRefused(
          IllegalStateException.class, queue::taskDone, "more often", "put into the queue");
    });
    assertEquals(List.of("done@3"), trace);
  }

  @RootTest
  @DisplayName(
      "Random tasks that put, take, give up and are killed lose nothing and double nothing")
  void random() {
    for (int seed = 0; seed < 200; seed++) {
      var random = new Random(seed);
      List<Integer> put = new ArrayList<>();
      List<Integer> taken = new ArrayList<>();
      virtually(() -> {
        Queue<Integer> queue =
            switch (random.nextInt(3)) {
              case 0 -> Queue.fifo(random.nextInt(3));
              case 1 -> Queue.lifo(random.nextInt(3));
              default -> Queue.priority(Comparator.naturalOrder(), random.nextInt(3));
            };
        List<Task<?>> tasks = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
          int n = i;
          Duration limit = Duration.ofSeconds(1 + random.nextInt(5));
          tasks.add(
              Hub.current()
                  .spawnLater(
                      Duration.ofSeconds(random.nextInt(5)),
                      null,
                      Threads.callable(
                          n % 2 == 0
                              ? () -> {
                                if (queue.offer(n, limit)) put.add(n);
                              }
                              : () -> {
                                int item = queue.poll(-1, limit);
                                if (item >= 0) taken.add(item);
                              })));
        }
        for (int i = 0; i < 5; i++) {
          sleep(1);
          tasks.get(random.nextInt(tasks.size())).interrupt(new greenlet.GreenletExit());
        }
        Hub.current().join();
        taken.addAll(rest(queue));
      });
      put.sort(null);
      taken.sort(null);
      assertEquals(put, taken, "seed " + seed);
    }
  }

  @RootTest
  @DisplayName("Wrong sizes and comparators are refused; other threads are, too")
  void refused() {
    virtually(() -> {
      Refusal.assertRefused(IllegalArgumentException.class, () -> Queue.fifo(-1), "0 items", "-1");
      Refusal.assertRefused(
          IllegalArgumentException.class, () -> Queue.priority(null), "comparator", "null");
      Queue<Integer> empty = Queue.fifo();
      Queue<Integer> full = Queue.fifo(0);
      spawn(empty::take);
      spawn(() -> full.put(1));
      sleep(0);
      for (Executable call :
          List.<Executable>of(() -> empty.put(1), empty::close, full::take, () -> full.poll(0))) {
        Hub.offload(
            Threads.callable(() ->
                Refusal.assertRefused(
                    WrongThreadException.class, call, "a queue is for the tasks of one hub")));
      }
      assertEquals("a queue of 0 items", empty.toString());
    });
  }
}
