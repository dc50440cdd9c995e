package greenlet.tasklet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.GreenletExit;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Channels between tasklets of one thread, row by row of what Stackless promises; each on confined and shared ones. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ChannelTest {
  private final List<Object> trace = new ArrayList<>();

  private static List<Channel<Object>> both() {
    return List.of(Channel.confined(), Channel.shared());
  }

  private Tasklet saying(String name) {
    return Tasklet.of(args -> trace.add(name), name);
  }

  private Tasklet sender(Channel<Object> channel, Object value) {
    return Tasklet.of(
        args -> {
          channel.send(value);
          return trace.add("sent " + value);
        },
        "sender of " + value);
  }

  private Tasklet receiver(Channel<Object> channel, String name) {
    return Tasklet.of(args -> trace.add(name + " received " + channel.receive()), name);
  }

  /** What runs, in order, when main sends or receives on a channel with a partner waiting, and two others can run. */
  private List<Object> meeting(Channel<Object> channel, boolean mainSends) {
    trace.clear();
    (mainSends ? receiver(channel, "partner") : sender(channel, "x")).insert();
    Tasklet.schedule();
    saying("a").insert();
    saying("b").insert();
    if (mainSends) channel.send("x");
    else trace.add("main received " + channel.receive());
    trace.add("main");
    Tasklet.runAll();
    return List.copyOf(trace);
  }

  @RootTest
  @DisplayName("preference: who runs next when a partner waits")
  void preference() {
    for (Channel<Object> channel : both()) {
      assertEquals(-1, channel.preference());
      assertEquals(List.of("partner received x", "a", "b", "main"), meeting(channel, true));
      assertEquals(List.of("main received x", "main", "a", "b", "sent x"), meeting(channel, false));
      channel.setPreference(17);
      assertEquals(1, channel.preference());
      assertEquals(List.of("main", "a", "b", "partner received x"), meeting(channel, true));
      assertEquals(List.of("sent x", "a", "b", "main received x", "main"), meeting(channel, false));
      channel.setPreference(0);
      assertEquals(List.of("main", "a", "b", "partner received x"), meeting(channel, true));
      assertEquals(List.of("main received x", "main", "a", "b", "sent x"), meeting(channel, false));
      channel.setPreference(-3);
      assertEquals(-1, channel.preference());
    }
  }

  @RootTest
  @DisplayName(
      "preference: without a partner whoever comes waits, and the next runs, whatever it is")
  void noPartner() {
    for (Channel<Object> channel : both()) {
      for (int preference : new int[] {-1, 0, 1}) {
        channel.setPreference(preference);
        trace.clear();
        receiver(channel, "r").insert();
        saying("a").insert();
        Tasklet.schedule();
        trace.add(channel.balance());
        channel.send("x");
        Tasklet.runAll();
        sender(channel, "y").insert();
        saying("b").insert();
        Tasklet.schedule();
        trace.add(channel.balance());
        channel.receive();
        Tasklet.runAll();
        assertEquals(List.of("a", -1, "r received x", "b", 1, "sent y"), trace);
      }
    }
  }

  @RootTest
  @DisplayName("schedule_all: the partner is appended, the actor yields to the next")
  void scheduleAll() {
    for (Channel<Object> channel : both()) {
      channel.setScheduleAll(true);
      assertTrue(channel.scheduleAll());
      for (int preference : new int[] {-1, 0, 1}) {
        channel.setPreference(preference);
        assertEquals(List.of("a", "b", "partner received x", "main"), meeting(channel, true));
        assertEquals(
            List.of("a", "b", "sent x", "main received x", "main"), meeting(channel, false));
      }
    }
  }

  @RootTest
  @DisplayName("balance and queue: first come, first served")
  void balance() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      assertEquals(0, channel.balance());
      assertNull(channel.queue());
      List<Tasklet> senders = Stream.of(1, 2, 3).map(i -> sender(channel, i).insert()).toList();
      Tasklet.schedule();
      assertEquals(3, channel.balance());
      assertSame(senders.get(0), channel.queue());
      for (int i = 1; i <= 3; i++) trace.add(channel.receive());
      assertEquals(0, channel.balance());
      Tasklet.runAll();
      for (String name : List.of("r1", "r2", "r3")) receiver(channel, name).insert();
      Tasklet.schedule();
      assertEquals(-3, channel.balance());
      for (int i = 1; i <= 3; i++) channel.send(i);
      assertEquals(0, channel.balance());
      assertEquals(
          List.of(
              1,
              2,
              3,
              "sent 1",
              "sent 2",
              "sent 3",
              "r1 received 1",
              "r2 received 2",
              "r3 received 3"),
          trace);
    }
  }

  @RootTest
  @DisplayName("one in the middle of the queue can be killed")
  void killInQueue() {
    for (Channel<Object> channel : both()) {
      for (int killed = 0; killed < 3; killed++) {
        trace.clear();
        List<Tasklet> all =
            Stream.of("r0", "r1", "r2").map(name -> receiver(channel, name).insert()).toList();
        Tasklet.schedule();
        all.get(killed).kill(killed == 1);
        Tasklet.runAll();
        assertEquals(-2, channel.balance());
        channel.send("x");
        channel.send("y");
        assertEquals(0, channel.balance());
        List<String> rest = new ArrayList<>(List.of("r0", "r1", "r2"));
        rest.remove(killed);
        assertEquals(List.of(rest.get(0) + " received x", rest.get(1) + " received y"), trace);
      }
    }
  }

  @RootTest
  @DisplayName("null and everything else can be sent, as it is")
  void values() {
    for (Channel<Object> channel : both()) {
      Object same = new Object();
      Tasklet.of(
              args -> {
                channel.send(null);
                channel.send(same);
                channel.send(new IOException());
                return null;
              })
          .insert();
      assertNull(channel.receive());
      assertSame(same, channel.receive());
      assertSame(IOException.class, channel.receive().getClass());
      Tasklet.runAll();
    }
  }

  @RootTest
  @DisplayName("send_exception: the receiver gets it raised, whoever comes first; the same object")
  void sendException() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      IOException e = new IOException();
      Tasklet.of(
              args -> {
                channel.sendException(e);
                return trace.add("sent");
              })
          .insert();
      assertSame(e, assertThrows(IOException.class, channel::receive));
      Tasklet.runAll();
      Tasklet.of(
              args -> {
                assertSame(e, assertThrows(IOException.class, channel::receive));
                return trace.add("received");
              })
          .insert();
      Tasklet.schedule();
      channel.sendException(e);
      assertEquals(List.of("sent", "received"), trace);
      assertThrows(IllegalArgumentException.class, () -> channel.sendException(null));
    }
  }

  @RootTest
  @DisplayName("send_exception that nobody catches comes out of main, a GreenletExit ends quietly")
  void sendExceptionUncaught() {
    Channel<Object> channel = Channel.confined();
    Tasklet t = receiver(channel, "r").insert();
    Tasklet.schedule();
    assertThrows(IOException.class, () -> channel.sendException(new IOException()));
    assertFalse(t.isAlive());
    Tasklet u = receiver(channel, "u").insert();
    Tasklet.schedule();
    channel.sendException(new GreenletExit());
    assertFalse(u.isAlive());
  }

  @RootTest
  @DisplayName("send_sequence: every element; returns the count")
  void sendSequence() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      Tasklet.of(args -> trace.add(channel.sendSequence(List.of(1, 2, 3)))).insert();
      for (int i = 0; i < 3; i++) trace.add(channel.receive());
      Tasklet.runAll();
      assertEquals(List.of(1, 2, 3, 3), trace);
      assertEquals(0, channel.sendSequence(List.of()));
    }
  }

  @RootTest
  @DisplayName("iteration: until closed and nobody waits to send; not a value ahead")
  void iteration() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      Tasklet.of(
              args -> {
                for (int i = 1; i <= 3; i++) {
                  trace.add("sending " + i);
                  channel.send(i);
                }
                channel.close();
                return null;
              })
          .insert();
      for (Object o : channel) trace.add(o);
      assertEquals(List.of("sending 1", 1, "sending 2", 2, "sending 3", 3), trace);
      Iterator<Object> over = channel.iterator();
      assertFalse(over.hasNext());
      assertFalse(over.hasNext());
      assertThrows(NoSuchElementException.class, over::next);
    }
  }

  @RootTest
  @DisplayName(
      "iteration: values of those who wait when it is closed still come; next without hasNext; null")
  void iterationOfClosing() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      sender(channel, 1).insert();
      sender(channel, 2).insert();
      Tasklet.of(
              args -> {
                channel.send(null);
                return null;
              })
          .insert();
      Tasklet.schedule();
      channel.close();
      Iterator<Object> all = channel.iterator();
      assertEquals(1, all.next());
      assertEquals(2, all.next());
      assertTrue(all.hasNext());
      assertNull(all.next());
      assertFalse(all.hasNext());
      Tasklet.runAll();
    }
  }

  @RootTest
  @DisplayName(
      "iteration: those that wait when it is closed come to their end, and of the others nobody")
  void iterationWaiting() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      for (int i = 1; i <= 2; i++) {
        int n = i;
        receiver(channel, "r" + n).insert();
        Tasklet.of(
                args -> {
                  for (Object o : channel) trace.add(o);
                  return trace.add("end " + n);
                })
            .insert();
      }
      Tasklet.schedule();
      assertEquals(-4, channel.balance());
      channel.close();
      assertEquals(-2, channel.balance());
      Tasklet.schedule();
      channel.send("x");
      channel.send("y");
      assertEquals(List.of("end 1", "end 2", "r1 received x", "r2 received y"), trace);
    }
  }

  @RootTest
  @DisplayName(
      "iteration: a NoSuchElementException that is sent ends it, also for one that waits; other exceptions come out")
  void iterationEndedBySender() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      Tasklet.of(
              args -> {
                for (Object o : channel) trace.add(o);
                trace.add("end");
                assertThrows(IOException.class, () -> channel.iterator().hasNext());
                return trace.add("out");
              })
          .insert();
      Tasklet.schedule();
      channel.send(1);
      channel.sendException(new NoSuchElementException());
      channel.sendException(new IOException());
      assertEquals(List.of(1, "end", "out"), trace);
      sender(channel, 2).insert();
      Tasklet.schedule();
      assertEquals(2, channel.iterator().next(), "it is not closed");
      Tasklet.runAll();
      Tasklet.of(
              args -> { // thrown into it, it is no end
                channel.forEach(trace::add);
                return null;
              })
          .insert();
      Tasklet.schedule();
      Tasklet waiting = channel.queue();
      assertThrows(
          NoSuchElementException.class, () -> waiting.throwInto(new NoSuchElementException()));
    }
  }

  @RootTest
  @DisplayName(
      "close: no new waiting, a waiting partner is served, nobody is woken; open takes it back")
  void close() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      assertFalse(channel.isClosing() || channel.isClosed());
      receiver(channel, "r1").insert();
      receiver(channel, "r2").insert();
      Tasklet.schedule();
      channel.close();
      assertTrue(channel.isClosing());
      assertFalse(channel.isClosed());
      Tasklet.runAll();
      assertEquals(-2, channel.balance(), "not woken");
      channel.send("x");
      assertRefused(IllegalStateException.class, channel::receive, channel.name(), "closed");
      channel.send("y");
      assertTrue(channel.isClosed());
      assertRefused(
          IllegalStateException.class, () -> channel.send("z"), channel.name(), "main", "closed");
      assertRefused(
          IllegalStateException.class, () -> channel.sendException(new IOException()), "closed");
      assertEquals(0, channel.balance());
      channel.open();
      assertFalse(channel.isClosing() || channel.isClosed());
      receiver(channel, "r3").insert();
      channel.send("z");
      Tasklet.runAll();
      assertEquals(List.of("r1 received x", "r2 received y", "r3 received z"), trace);
    }
  }

  @RootTest
  @DisplayName("block trap: what would wait is refused, what would not works")
  void blockTrap() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      Tasklet main = Tasklet.current();
      main.setBlockTrap(true);
      assertTrue(main.blockTrap());
      sender(channel, "x").insert();
      assertRefused(
          IllegalStateException.class, channel::receive, "main", channel.name(), "block trap");
      assertRefused(
          IllegalStateException.class, () -> channel.send(1), "main", channel.name(), "block trap");
      assertEquals(0, channel.balance());
      Tasklet.schedule();
      assertEquals("x", channel.receive());
      main.setBlockTrap(false);
      Tasklet.runAll();
      assertEquals(List.of("sent x"), trace);
    }
  }

  @RootTest
  @DisplayName(
      "channel callback: every operation before it happens; recursion is refused; what it throws undoes")
  void callback() {
    for (Channel<Object> channel : both()) {
      trace.clear();
      assertNull(
          Channel.setCallback((c, t, sending, willBlock) -> {
            assertSame(channel, c);
            trace.add(
                t.name() + (sending ? " sends" : " receives") + (willBlock ? " and waits" : ""));
          }));
      receiver(channel, "r").insert();
      Tasklet.schedule();
      channel.send("x");
      sender(channel, "y").insert();
      channel.receive();
      Tasklet.runAll();
      assertEquals(
          List.of(
              "r receives and waits",
              "main sends",
              "r received x",
              "main receives and waits",
              "sender of y sends",
              "sent y"),
          trace);
      Channel.setCallback((c, t, sending, willBlock) -> c.receive());
      assertRefused(IllegalStateException.class, () -> channel.send("x"), "a callback is running");
      Channel.setCallback((c, t, sending, willBlock) -> Tasklet.schedule());
      Tasklet other = saying("other").insert();
      assertRefused(IllegalStateException.class, channel::receive, "a callback is running");
      Channel.setCallback((c, t, sending, willBlock) -> {
        throw new IOException();
      });
      assertThrows(IOException.class, channel::receive);
      assertEquals(0, channel.balance());
      Channel.setCallback(null);
      other.kill();
    }
  }

  @RootTest
  @DisplayName(
      "an operation that fails is undone: those that wait stay in their order, with what they send")
  void undone() {
    for (Channel<Object> channel : both()) {
      for (boolean scheduleAll : new boolean[] {false, true}) {
        trace.clear();
        channel.setScheduleAll(scheduleAll);
        for (int i = 1; i <= 3; i++) sender(channel, i).insert();
        Tasklet.schedule();
        channel.setPreference(1);
        Tasklet first = channel.queue();
        Tasklet.setScheduleCallback((from, to) -> {
          throw new IllegalStateException("refused");
        });
        assertRefused(IllegalStateException.class, channel::receive, "refused");
        assertRefused(
            IllegalStateException.class, () -> first.throwInto(new IOException()), "refused");
        assertEquals(3, channel.balance());
        assertEquals(1, Tasklet.runCount());
        assertSame(first, channel.queue());
        assertTrue(first.isBlocked());
        Tasklet.setScheduleCallback(null);
        for (int i = 1; i <= 3; i++) assertEquals(i, channel.receive());
        Tasklet.runAll();
        assertEquals(List.of("sent 1", "sent 2", "sent 3"), trace);
      }
    }
  }

  private static void assertDeadlock(
      org.junit.jupiter.api.function.Executable call, Object... parts) {
    assertRefused(
        IllegalStateException.class,
        call,
        Stream.concat(Stream.of("deadlock", "\"test\"", "shared channel"), Stream.of(parts))
            .toArray());
  }

  @RootTest
  @DisplayName("deadlock: main would wait and nobody can run; it is undone")
  void deadlockOfMain() {
    Channel<Object> channel = Channel.confined("words");
    assertDeadlock(channel::receive, "main receiving from words");
    assertDeadlock(() -> channel.send(1), "main sending on words");
    assertEquals(0, channel.balance());
    assertTrue(Tasklet.current().isCurrent());
    receiver(channel, "r").insert();
    channel.send("usable");
    assertEquals(List.of("r received usable"), trace);
  }

  @RootTest
  @DisplayName(
      "deadlock: the last tasklet that can run would wait, and so does main; it is undone, and all are listed")
  void deadlockOfLast() {
    Channel<Object> a = Channel.confined("a");
    Channel<Object> b = Channel.confined("b");
    receiver(b, "other").insert();
    Tasklet.of(
            args -> {
              assertDeadlock(
                  () -> b.receive(),
                  "main receiving from a, other receiving from b, last receiving from b");
              assertEquals(-1, b.balance());
              assertTrue(Tasklet.current().isCurrent());
              a.send("usable");
              return null;
            },
            "last")
        .insert();
    assertEquals("usable", a.receive());
    b.send("x");
    assertEquals(List.of("other received x"), trace);
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest
  @DisplayName("deadlock: main waits and all others have ended: raised in main, and undone")
  void deadlockAtEnd() {
    Channel<Object> channel = Channel.confined("words");
    Channel<Object> nothing = Channel.confined("nothing");
    receiver(nothing, "b").insert();
    saying("a").insert();
    assertDeadlock(() -> channel.send(1), "main sending on words, b receiving from nothing");
    saying("c").insert();
    assertDeadlock(channel::receive, "main receiving from words, b receiving from nothing");
    assertEquals(0, channel.balance());
    assertEquals(List.of("a", "c"), trace);
    assertEquals(1, Tasklet.runCount());
    assertEquals(-1, nothing.balance());
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest
  @DisplayName("no deadlock: runAll returns, and those that wait go on waiting")
  void quiescence() {
    Channel<Object> channel = Channel.confined();
    receiver(channel, "r").insert();
    Tasklet.runAll();
    Tasklet.runAll(true);
    assertEquals(-1, channel.balance());
    assertEquals(1, Tasklet.runCount());
  }

  @NothingSuspended.Except("what is blocked for ever is left so")
  @RootTest
  @DisplayName("deadlock: a long list is cut, and has those with names of their own and the newest")
  void longDeadlock() {
    Channel<Object> channel = Channel.confined();
    receiver(channel, "named").insert();
    String newest = "";
    for (int i = 0; i < 100; i++) {
      Tasklet receiver = Tasklet.of(args -> channel.receive()).setup();
      newest = receiver.name();
    }
    Tasklet.runAll();
    assertDeadlock(
        Channel.confined()::receive, "main receiving", "named receiving", newest, "and 82 more");
  }

  @RootTest
  @DisplayName("texts")
  void texts() {
    Channel<Object> channel = Channel.confined("words");
    assertEquals("Channel[words]", channel.toString());
    receiver(channel, "r").insert();
    Tasklet.schedule();
    assertEquals("Channel[words, 1 receiving]", channel.toString());
    channel.close();
    assertEquals("Channel[words, 1 receiving, closed]", channel.toString());
    channel.send(1);
    assertTrue(Channel.shared().toString().startsWith("Channel[channel-"));
  }

  @NothingSuspended.Except("the sieve goes on for ever")
  @RootTest
  @DisplayName("a pipeline of a thousand stages: the primes up to 7919, the thousandth")
  void sieve() {
    Channel<Object> numbers = Channel.confined();
    Tasklet.of(
            args -> {
              for (int i = 2; ; i++) numbers.send(i);
            })
        .insert();
    Channel<Object> in = numbers;
    for (int n = 1; n <= 1000; n++) {
      int prime = (Integer) in.receive();
      trace.add(prime);
      Channel<Object> from = in;
      Channel<Object> to = Channel.confined();
      Tasklet.of(
              args -> {
                while (true) {
                  int i = (Integer) from.receive();
                  if (i % prime != 0) to.send(i);
                }
              })
          .insert();
      in = to;
    }
    assertEquals(7919, trace.get(999));
    assertEquals(List.of(2, 3, 5, 7, 11), trace.subList(0, 5));
  }
}
