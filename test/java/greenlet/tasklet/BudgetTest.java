package greenlet.tasklet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Account;
import greenlet.Greenlet;
import greenlet.Snapshot;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Runs bounded by turns and time, accounts, snapshots, buffers and error handlers of tasklets. */
@ExtendWith(LeakCheck.class)
class BudgetTest {
  private final List<Object> trace = new ArrayList<>();

  /** Notes its name and the number of each of its turns. */
  private void notes(String name, int turns) {
    Tasklet.of(
            () -> {
              for (int i = 1; i <= turns; i++) {
                trace.add(name + i);
                if (i < turns) Tasklet.schedule();
              }
            },
            name)
        .insert();
  }

  @RootTest
  @DisplayName("So many turns at most; the next frame goes on where the last has ended")
  void turns() {
    for (String name : List.of("a", "b", "c")) notes(name, 2);
    assertEquals(3, Tasklet.runN(2));
    assertEquals(List.of("a1", "b1"), trace);
    assertEquals(2, Tasklet.runN(2));
    assertEquals(List.of("a1", "b1", "c1", "a2"), trace);
    assertEquals(0, Tasklet.runN(100));
    assertEquals(List.of("a1", "b1", "c1", "a2", "b2", "c2"), trace);
    assertEquals(0, Tasklet.runN(1));
    assertEquals(1, Tasklet.runCount());
  }

  @RootTest
  @DisplayName(
      "Frames over 10,000 tasklets end after the one that uses the time up; order and fairness by a clock of the test's")
  void frames() {
    int many = 10_000;
    var clock = new AtomicLong();
    int[] runs = new int[many];
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < many; i++) {
      int me = i;
      Tasklet.of(
              () -> {
                while (runs[me] < 3) {
                  runs[me]++;
                  order.add(me);
                  clock.addAndGet(1 + me % 7);
                  Tasklet.schedule();
                }
              })
          .insert();
    }
    List<Integer> expected = new ArrayList<>();
    for (int round = 0; round < 3; round++) IntStream.range(0, many).forEach(expected::add);
    int left = many;
    int frames = 0;
    while (left > 0) {
      int from = order.size();
      long begin = clock.get();
      left = Tasklet.runFor(Duration.ofNanos(1000), clock::get);
      frames++;
      long took = clock.get() - begin;
      // a turn in which a tasklet ends takes no time
      if (left > 0) assertTrue(took >= 1000 && took < 1007, took + " in frame " + frames);
      if (left > 0) assertTrue(took - (1 + order.getLast() % 7) < 1000, "the last one used it up");
      assertTrue(order.size() > from || left == 0);
      int spread = IntStream.of(runs).max().orElseThrow() - IntStream.of(runs).min().orElseThrow();
      assertTrue(spread <= 1, "nobody is ahead of others by more than a turn");
    }
    assertEquals(expected, order);
    assertEquals(120, frames, 1);
  }

  @RootTest
  @DisplayName("A tasklet that is alone and gives way comes to its end of the frame, too")
  void alone() {
    Tasklet t =
        Tasklet.of(
                () -> {
                  while (true) Tasklet.schedule();
                })
            .insert();
    assertEquals(1, Tasklet.runN(5));
    assertEquals(1, Tasklet.runN(5));
    t.kill();
    assertEquals(0, Tasklet.runN(5));
  }

  @RootTest
  @DisplayName("A partner that a channel would switch to is the first in the next frame")
  void channels() {
    Channel<Integer> ch = Channel.confined();
    Tasklet.of(
            () -> {
              for (int n : ch) trace.add(n);
            })
        .insert();
    Tasklet.of(
            () -> {
              for (int i = 1; i <= 3; i++) ch.send(i);
              trace.add("sent");
              ch.close();
            })
        .insert();
    assertEquals(2, Tasklet.runN(2));
    assertEquals(List.of(), trace);
    assertEquals(1, Tasklet.runN(1));
    assertEquals(List.of(1), trace);
    assertEquals(0, Tasklet.runN(100));
    assertEquals(List.of(1, 2, 3, "sent"), trace);
  }

  @RootTest
  @DisplayName(
      "Within a frame a tasklet may run others to their end; an inner frame has a budget of its own")
  void nested() {
    Tasklet.of(
            () -> {
              notes("a", 3);
              Tasklet.runAll();
              trace.add("all");
              notes("b", 2);
              trace.add(Tasklet.runN(1));
            })
        .insert();
    Tasklet.runN(1);
    while (Tasklet.runN(3) > 0) trace.add("-");
    assertEquals(
        List.of("a1", "a2", "a3", "all", "b1", 1, "b2"),
        trace.stream().filter(each -> !each.equals("-")).toList());
  }

  @RootTest
  @DisplayName("What a tasklet throws comes out of the frame, and the others go on in the next one")
  void exceptions() {
    Tasklet.of(
            () -> {
              throw new IllegalStateException("broken");
            })
        .insert();
    notes("a", 1);
    assertEquals(
        "broken", assertThrows(IllegalStateException.class, () -> Tasklet.runN(5)).getMessage());
    assertEquals(0, Tasklet.runN(5));
    assertEquals(List.of("a1"), trace);
    for (Duration wrong : List.of(Duration.ZERO, Duration.ofSeconds(-1)))
      assertRefused(IllegalArgumentException.class, () -> Tasklet.runFor(wrong), "above zero");
    assertRefused(IllegalArgumentException.class, () -> Tasklet.runN(0), "1 turn or more");
  }

  // Accounts and snapshots

  @RootTest
  @DisplayName("Accounts of tasklets, by a clock of the test's")
  void accounts() {
    var clock = new AtomicLong();
    Tasklet.accounting(true, true);
    Tasklet t =
        Tasklet.of(
                () -> {
                  clock.addAndGet(5);
                  Tasklet.schedule();
                  clock.addAndGet(9);
                  Tasklet.schedule();
                  clock.addAndGet(2);
                },
                "t")
            .insert();
    notes("other", 3);
    Tasklet.runFor(Duration.ofSeconds(1), clock::get);
    Account account = t.account();
    assertEquals(
        List.of(Duration.ofNanos(16), 3L, Duration.ofNanos(9), "main"),
        List.of(account.runTime(), account.switches(), account.longestHold(), account.spawnedBy()));
    assertTrue(
        account.spawnedAt().stream().anyMatch(frame -> frame.getMethodName().equals("accounts")));
    Tasklet.accounting(false, false);
    assertNull(Tasklet.of(() -> {}).account());
  }

  @RootTest
  @DisplayName("The tasklets of a thread are a part of its tree, with what they wait for")
  void tree() {
    Channel<Integer> ch = Channel.confined("orders");
    var clock = new AtomicLong();
    Tasklet.accounting(true, false);
    Tasklet waits = Tasklet.of(ch::receive, "waits").insert();
    Tasklet.runFor(Duration.ofSeconds(1), clock::get);
    clock.addAndGet(2_000_000_000);
    notes("ready", 1);
    assertEquals(
        List.of(
            "thread, running",
            "main, current",
            "ready, scheduled",
            "waits, blocked, waits for a sender on orders since 2s ago"),
        Snapshot.ofThread(Greenlet.current()).stream()
            .filter(each -> !each.kind().equals("hub"))
            .map(each ->
                (each.kind().equals("thread") ? "thread" : each.name())
                    + ", "
                    + each.state()
                    + (each.waiting() == null ? "" : ", " + each.waiting()))
            .toList());
    assertEquals("tasklet", waits.snapshot().kind());
    Tasklet.accounting(false, false);
    waits.kill();
    Tasklet.runAll();
  }

  // Buffers

  @RootTest
  @DisplayName(
      "A sender waits only while the buffer is full, a receiver only while it is empty, and nobody switches")
  void buffer() {
    Channel<Integer> ch = Channel.confined("buffer", 2);
    Tasklet sender =
        Tasklet.of(
                () -> {
                  for (int i = 1; i <= 4; i++) {
                    ch.send(i);
                    trace.add("sent " + i);
                  }
                })
            .insert();
    Tasklet.runAll();
    assertEquals(List.of("sent 1", "sent 2"), trace);
    assertEquals(List.of(2, 1), List.of(ch.buffered(), ch.balance()));
    assertEquals("Channel[buffer, 2 buffered, 1 sending]", ch.toString());
    assertEquals(1, ch.receive());
    assertEquals(2, ch.buffered());
    assertEquals(List.of("sent 1", "sent 2"), trace, "nobody switches");
    Tasklet.runAll();
    assertEquals(List.of("sent 1", "sent 2", "sent 3"), trace);
    assertEquals(List.of(2, 3, 4), List.of(ch.receive(), ch.receive(), ch.receive()));
    Tasklet.runAll();
    assertFalse(sender.isAlive());
    assertRefused(IllegalStateException.class, ch::receive, "deadlock");
  }

  @RootTest
  @DisplayName(
      "A receiver that waits is served at once; null and exceptions go through a buffer; a closed one is emptied first")
  void bufferOfAll() {
    Channel<Integer> ch = Channel.confined(null, 10);
    Tasklet.of(() -> trace.add("got " + ch.receive())).insert();
    Tasklet.runAll();
    ch.send(1);
    assertEquals(List.of("got 1"), trace);
    ch.send(null);
    ch.sendException(new IllegalStateException("sent"));
    ch.send(3);
    ch.close();
    assertFalse(ch.isClosed());
    assertRefused(IllegalStateException.class, () -> ch.send(4), "closed");
    assertNull(ch.receive());
    assertEquals("sent", assertThrows(IllegalStateException.class, ch::receive).getMessage());
    List<Integer> rest = new ArrayList<>();
    ch.forEach(rest::add);
    assertEquals(List.of(3), rest);
    assertTrue(ch.isClosed());
    assertRefused(
        IllegalArgumentException.class, () -> Channel.confined(null, -1), "0 values or more");
  }

  @RootTest
  @DisplayName("A callback is told whether an operation on a buffered channel will block")
  void bufferCallback() {
    Channel<Integer> ch = Channel.confined(null, 1);
    Channel.setCallback(
        (c, t, sending, willBlock) -> trace.add((sending ? "send " : "receive ") + willBlock));
    ch.send(1);
    Tasklet.of(() -> ch.send(2)).insert();
    Tasklet.schedule();
    ch.receive();
    ch.receive();
    Channel.setCallback(null);
    Tasklet.runAll();
    assertEquals(List.of("send false", "send true", "receive false", "receive false"), trace);
  }

  // Errors

  @RootTest
  @DisplayName(
      "An error handler gets what would end its tasklet, and nobody else hears of it; what it throws does")
  void errorHandler() {
    RuntimeException broken = new RuntimeException("broken");
    Tasklet t =
        Tasklet.of(
            (Tasklet.Action)
                () -> {
                  throw broken;
                });
    t.setErrorHandler(e -> trace.add(e));
    t.insert();
    notes("a", 1);
    Tasklet.runAll();
    assertSame(broken, trace.getFirst());
    assertEquals("a1", trace.getLast());

    Tasklet again =
        Tasklet.of(
            (Tasklet.Action)
                () -> {
                  throw broken;
                });
    again.setErrorHandler(e -> {
      throw new IllegalStateException("handler", e);
    });
    again.insert();
    assertEquals(
        "handler", assertThrows(IllegalStateException.class, Tasklet::runAll).getMessage());

    Tasklet killed = Tasklet.of(Tasklet::scheduleRemove).insert();
    killed.setErrorHandler(e -> trace.add("not told"));
    Tasklet.runAll();
    killed.kill();
    assertEquals(2, new HashSet<>(trace).size());
    assertEquals(0, Collections.frequency(trace, "not told"));
  }
}
