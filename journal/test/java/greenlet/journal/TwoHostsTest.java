package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Programs that two hosts run at the same time, each in its thread, on one store. */
@ExtendWith(LeakCheck.class)
class TwoHostsTest {
  private static final int PROGRAMS = 300;
  private static final List<Entry.Kind> KINDS =
      List.of(
          Entry.Kind.BEGIN,
          Entry.Kind.OUTCOME,
          Entry.Kind.OUTCOME,
          Entry.Kind.MESSAGE,
          Entry.Kind.RESULT);

  /** Counted down by each of the two hosts that are in the first step of a program. */
  private final Map<String, CountDownLatch> both = new ConcurrentHashMap<>();

  private final Collection<String> finallies = new ConcurrentLinkedQueue<>();
  private final Collection<WeakReference<Object>> held = new ConcurrentLinkedQueue<>();

  private Program<String, String> program(String host) {
    return id -> {
      Object mine = new Object();
      held.add(new WeakReference<>(mine));
      try {
        String first = Journal.step("first", () -> inBoth(id, host), id);
        String second = Journal.step("second", () -> host, first);
        return first + second + Journal.receive("go");
      } finally {
        finallies.add(host + id);
        Reference.reachabilityFence(mine);
      }
    };
  }

  private String inBoth(String id, String host) throws InterruptedException {
    CountDownLatch latch = both.computeIfAbsent(id, key -> new CountDownLatch(2));
    latch.countDown();
    Threads.await(latch);
    return host;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Each program ends once, in one of them; in the other it runs no finally, appends nothing, and is collected")
  void each() throws Throwable {
    try (var store = new MemoryStore();
        var a = new Host(store, Codec.STRINGS);
        var b = new Host(store, Codec.STRINGS)) {
      Map<String, List<CompletableFuture<Object>>> results = new HashMap<>();
      for (int i = 0; i < PROGRAMS; i++) {
        String id = "p" + i;
        a.start(id, "program", program("a"), id);
        b.start(id, "program", program("b"), id);
        results.put(id, List.of(a.resultLater(id), b.resultLater(id)));
      }
      for (String id : results.keySet()) a.send(id, "go", "!", null);
      List<String> ended = new ArrayList<>();
      for (var each : results.entrySet()) ended.add(winner(each.getValue()) + each.getKey());
      for (String one : ended) {
        String host = one.substring(0, 1);
        String id = one.substring(1);
        List<Entry> entries = store.read(id);
        assertEquals(KINDS, entries.stream().map(Entry::kind).toList(), one);
        assertEquals("\"" + host, entries.get(1).value(), one);
        assertEquals("\"" + host + host + "!", entries.get(4).value(), one);
      }
      assertEquals(ended.stream().sorted().toList(), finallies.stream().sorted().toList());
      assertEquals(2 * PROGRAMS, held.size());
      Threads.collect(() -> held.stream().allMatch(mine -> mine.refersTo(null)));
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "One that still runs in another host appends nothing to what has begun with its id since it was deleted")
  void incarnations() throws Throwable {
    var isInStep = new CountDownLatch(1);
    var late = new CountDownLatch(1);
    try (var store = new MemoryStore();
        var a = new Host(store, Codec.STRINGS);
        var b = new Host(store, Codec.STRINGS)) {
      Program<String, String> first =
          argument ->
              Journal.step(
                  "first",
                  () -> {
                    isInStep.countDown();
                    Threads.await(late);
                    return "a";
                  });
      a.start("p", "program", first, "x");
      Threads.await(isInStep);
      assertEquals(
          "b", b.execute("p", "program", argument -> Journal.step("first", () -> "b"), "x"));
      assertTrue(b.delete("p"));
      b.start("p", "program", argument -> Journal.receive("go"), "x");
      var old = a.resultLater("p");
      late.countDown();
      assertThrows(Superseded.class, () -> Threads.await(old));
      b.send("p", "go", "gone", null);
      assertEquals("gone", b.result("p"));
      assertEquals(
          List.of(Entry.Kind.BEGIN, Entry.Kind.MESSAGE, Entry.Kind.RESULT),
          store.read("p").stream().map(Entry::kind).toList());
    }
  }

  /** In which host it has ended; in the other it has not. */
  private static String winner(List<CompletableFuture<Object>> results) throws Throwable {
    List<Object> all = new ArrayList<>();
    for (var each : results) {
      try {
        all.add(Threads.await(each));
      } catch (Superseded e) {
        assertTrue(e.getMessage().contains("goes on in another host"), e.getMessage());
        all.add("superseded");
      }
    }
    if (all.get(0).equals("superseded")) {
      assertEquals("bb!", all.get(1));
      return "b";
    }
    assertEquals(List.of("aa!", "superseded"), all);
    return "a";
  }
}
