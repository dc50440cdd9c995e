package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Servers;
import greenlet.testing.Threads;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/** A store in PostgreSQL that loses its connection at each request to the database. */
@ExtendWith(LeakCheck.class)
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "a store knows of no engine")
class LostConnectionTest {
  private static final long SEED = 42;

  /** One of so many requests. */
  private static final int STRIDE = Integer.getInteger("greenlet.journal.cuts", 3);

  private JdbcStore open(int port, Duration patience) throws IOException {
    return JdbcStore.open(
        Databases.postgresql(port),
        JdbcStore.Options.DEFAULT.prefix("lost_").connections(1).patience(patience));
  }

  private static Append append(
      String id, long number, Park park, List<Long> taken, Entry... entries) {
    return new Append(id, SEED, number, List.of(entries), taken, park);
  }

  private static Entry entry(long number, Entry.Kind kind) {
    return new Entry(
        number, number, kind, "f", kind == Entry.Kind.BEGIN ? SEED : 0, "value " + number);
  }

  private static Message message(String key) {
    return new Message(0, 1, "m", key, "v");
  }

  /** All that a store does for a program; what each says is what it says where nothing is lost. */
  private static void live(JdbcStore store, String id) throws IOException {
    assertEquals(
        Set.of(),
        store.append(List.of(append(id, 0, null, List.of(), entry(0, Entry.Kind.BEGIN)))));
    assertEquals(
        Set.of(),
        store.append(
            List.of(
                append(
                    id,
                    1,
                    null,
                    List.of(),
                    entry(1, Entry.Kind.OUTCOME),
                    entry(2, Entry.Kind.OUTCOME)),
                append(id + " two", 0, null, List.of(), entry(0, Entry.Kind.BEGIN)))));
    assertTrue(store.send(id, message("k")));
    assertFalse(store.send(id, message("k")));
    assertTrue(store.send(id, message(null)));
    assertEquals(List.of(0L, 1L), store.messages(id).stream().map(Message::number).toList());
    assertEquals(
        Set.of(), store.append(List.of(append(id, 3, new Park(5, Set.of("m")), List.of(0L)))));
    assertTrue(store.due(Long.MAX_VALUE - 1, 1000).contains(id));
    assertEquals(
        Set.of(id),
        store.append(List.of(append(id, 2, null, List.of(), entry(2, Entry.Kind.OUTCOME)))));
    assertEquals(3, Objects.requireNonNull(store.standing(id)).next());
    assertEquals(
        Set.of(),
        store.append(List.of(append(id, 3, null, List.of(1L), entry(3, Entry.Kind.RESULT)))));
    assertEquals(4, store.read(id).size());
    store.enter("worker of " + id, Duration.ofMinutes(1));
    assertTrue(store.renew("worker of " + id, Duration.ofMinutes(1)));
    var share = new SharedStore.Share(Set.of("f"), "", Set.of(""), 10);
    assertEquals(List.of(id + " two"), store.take("worker of " + id, share, 10, 10));
    assertEquals(
        Set.of(),
        store.append(
            "worker of " + id,
            "",
            List.of(append(id + " two", 1, null, List.of(), entry(1, Entry.Kind.RESULT)))));
    store.leave("worker of " + id);
    assertTrue(store.delete(id));
    assertEquals(1, store.prune(Long.MAX_VALUE));
    assertEquals(List.of(), store.read(id));
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A request is lost, or its answer: what each call says is what is durable")
  void each() throws Throwable {
    var proxy = new CuttingProxy(Servers.running().postgresqlPort());
    try (proxy;
        JdbcStore store = open(proxy.port(), Duration.ofMinutes(1))) {
      live(store, "warm");
      proxy.cut(Integer.MAX_VALUE, false);
      live(store, "counted");
      int requests = proxy.requests();
      assertTrue(requests > 30, "requests: " + requests);
      for (boolean after : new boolean[] {false, true}) {
        for (int at = 1; at <= requests; at += STRIDE) {
          proxy.cut(at, after);
          live(store, (after ? "after " : "before ") + at);
        }
      }
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Without a server for longer than its patience, the store is over, and says why; opened again, it has what was durable")
  void gone() throws Throwable {
    var proxy = new CuttingProxy(Servers.running().postgresqlPort());
    try (proxy) {
      try (JdbcStore store = open(proxy.port(), Duration.ofMillis(300))) {
        store.append(List.of(append("gone", 0, null, List.of(), entry(0, Entry.Kind.BEGIN))));
        proxy.refuse(true);
        var reading = assertThrows(IOException.class, () -> store.read("gone"));
        assertTrue(reading.getMessage().contains("cannot be read"), reading::getMessage);
        Append more = append("gone", 1, null, List.of(), entry(1, Entry.Kind.OUTCOME));
        var writing = assertThrows(IOException.class, () -> store.append(List.of(more)));
        assertTrue(writing.getMessage().contains("is over"), writing::getMessage);
        proxy.refuse(false);
        assertThrows(IOException.class, () -> store.read("gone"));
      }
      try (JdbcStore again = open(proxy.port(), Duration.ofMinutes(1))) {
        assertEquals(1, again.read("gone").size());
        again.append(List.of(append("gone", 1, null, List.of(), entry(1, Entry.Kind.RESULT))));
        assertTrue(again.delete("gone"));
      }
    }
  }
}
