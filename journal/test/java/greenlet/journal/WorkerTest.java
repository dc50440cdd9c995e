package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Workers that share a store. */
@ExtendWith(LeakCheck.class)
class WorkerTest {
  private static final Program<String, String> ORDER =
      customer -> {
        String items = Journal.receive("items");
        return Journal.step("charge", () -> customer + " pays for " + items, customer, items);
      };

  private static final WorkerOptions OPTIONS = WorkerOptions.DEFAULT.poll(Duration.ofMillis(50));
  private static final AtomicInteger NUMBER = new AtomicInteger();

  @TempDir java.nio.file.Path directory;

  private DataSource source;
  private String prefix;
  private JdbcStore store;
  private Host client;

  private void shared(Executable test) throws Throwable {
    shared(Databases.h2("workers"), test);
  }

  private void shared(DataSource from, Executable test) throws Throwable {
    source = from;
    prefix = "workers_" + NUMBER.incrementAndGet() + "_";
    store = JdbcStore.open(source, JdbcStore.Options.DEFAULT.prefix(prefix));
    client = Host.client(store, Codec.STRINGS, "");
    try {
      test.execute();
    } finally {
      client.close();
      store.close();
    }
  }

  private Worker worker(String name, Program<String, String> program) throws Exception {
    return worker(program, OPTIONS.name(name));
  }

  private Worker worker(Program<String, String> program, WorkerOptions options) throws Exception {
    return new Worker(store, Codec.STRINGS, Map.of("order", program), options);
  }

  private void start(String id) {
    client.start(id, "order", ORDER, "Ada");
  }

  private static void until(Callable<Boolean> condition) {
    Threads.until(() -> {
      try {
        return condition.call();
      } catch (Exception e) {
        throw Sneaky.unchecked(e);
      }
    });
  }

  private void sql(String sql) throws Exception {
    try (Connection connection = source.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql.replace("$", prefix));
    }
  }

  /** Whose it is. */
  private String owner(String id) throws Exception {
    try (Connection connection = source.getConnection();
        Statement statement = connection.createStatement();
        var found =
            statement.executeQuery(
                "select owner from " + prefix + "program where id = '" + id + "'")) {
      found.next();
      return found.getString(1);
    }
  }

  private void works() throws Exception {
    start("begun before");
    try (Worker worker = worker("w", ORDER)) {
      start("begun after");
      for (String id : List.of("begun before", "begun after")) {
        assertTrue(client.send(id, "items", "tea", null));
        assertEquals("Ada pays for tea", client.result(id));
        assertEquals("Ada pays for tea", client.execute(id, "order", ORDER, "Ada"));
        assertNull(owner(id));
      }
      WorkerStatus status = worker.status();
      assertEquals("w", status.name());
      assertEquals(Set.of("order"), status.functions());
      assertEquals(List.of(), status.stuck());
      assertEquals(0, status.lost());
      assertNull(status.problem());
    }
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A worker runs what others begin, in H2")
  void h2() throws Throwable {
    shared(this::works);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A worker runs what others begin, in PostgreSQL")
  void postgresql() throws Throwable {
    shared(Databases.postgresql(), this::works);
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("When it stops, its programs go on in another one at once")
  void stops() throws Throwable {
    shared(() -> {
      start("p");
      var inStep = new CountDownLatch(1);
      Program<String, String> first =
          customer ->
              Journal.step(
                  "charge",
                  () -> {
                    inStep.countDown();
                    Thread.sleep(Long.MAX_VALUE);
                    return "not this";
                  },
                  customer);
      Worker a = worker("a", first);
      Threads.await(inStep);
      assertEquals("a-1", owner("p"));
      assertEquals(1, a.status().programs());
      a.close();
      a.close();
      assertNull(owner("p"));
      try (Worker b = worker("b", customer -> Journal.step("charge", () -> "b", customer))) {
        assertEquals("b", client.result("p"));
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "What has lost its lease appends nothing; its programs end elsewhere, and it goes on with another lease")
  void lease() throws Throwable {
    shared(() -> {
      var inStep = new CountDownLatch(1);
      var late = new CountDownLatch(1);
      var finallies = new ConcurrentLinkedQueue<String>();
      Program<String, String> first =
          customer -> {
            try {
              return Journal.step(
                  "charge",
                  () -> {
                    inStep.countDown();
                    late.await();
                    return "a";
                  },
                  customer);
            } finally {
              finallies.add("a");
            }
          };
      Duration lease = Duration.ofSeconds(3);
      try (Worker a = worker(first, OPTIONS.name("a").lease(lease))) {
        start("p");
        Threads.await(inStep);
        sql("update $worker set lease_end = 0");
        Program<String, String> second = customer -> Journal.step("charge", () -> "b", customer);
        try (Worker b = worker(second, OPTIONS.name("b").lease(Duration.ofMinutes(1)))) {
          assertEquals("b", client.result("p"));
          late.countDown();
          until(() -> a.status().lost() == 1);
        }
        assertEquals(List.of(), List.copyOf(finallies));
        assertEquals(
            List.of(Entry.Kind.BEGIN, Entry.Kind.OUTCOME, Entry.Kind.RESULT),
            store.read("p").stream().map(Entry::kind).toList());
        start("q");
        assertEquals("a", client.result("q"));
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("What has lost its lease takes nothing, as nobody would free that")
  void lapsed() throws Throwable {
    shared(() -> {
      var share = new SharedStore.Share(Set.of("order"), "", Set.of(""), 10);
      start("p");
      for (String name : List.of("lapsed", "other")) store.enter(name, Duration.ofMinutes(1));
      sql("delete from $worker where name = 'lapsed'");
      assertEquals(List.of(), store.take("lapsed", share, Long.MAX_VALUE, 10));
      assertEquals(List.of("p"), store.take("other", share, Long.MAX_VALUE, 10));
      store.leave("other");
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A program that another worker had meanwhile goes on in the first one when it is given back")
  void givenBack() throws Throwable {
    shared(() -> {
      var inStep = new CountDownLatch(1);
      var late = new CountDownLatch(1);
      Program<String, String> program =
          customer -> {
            Journal.step(
                "charge",
                () -> {
                  inStep.countDown();
                  late.await();
                  return "charged";
                },
                customer);
            return Journal.receive("items");
          };
      start("p");
      try (Worker a = worker("a", program)) {
        Threads.await(inStep);
        var charged =
            new Entry(
                1,
                1,
                Entry.Kind.OUTCOME,
                "main:charge#0",
                Hash.add(Hash.NONE, "\"Ada"),
                "\"charged");
        store.append(
            List.of(
                new Append(
                    "p", store.read("p").get(0).mark(), 1, List.of(charged), List.of(), null)));
        late.countDown();
        client.send("p", "items", "tea", null);
        assertEquals("tea", client.result("p"));
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("It takes none whose function it does not know, and none of another version")
  void versions() throws Throwable {
    shared(() -> {
      Program<String, String> old = customer -> Journal.step("charge", () -> "old", customer);
      Program<String, String> now = customer -> Journal.step("charge", () -> "new", customer);
      try (Host one = Host.client(store, Codec.STRINGS, "1");
          Host two = Host.client(store, Codec.STRINGS, "2")) {
        one.start("begun by 1", "order", old, "Ada");
        two.start("begun by 2", "order", now, "Ada");
        one.start("another", "refund", old, "Ada");
        try (Worker b = worker(now, OPTIONS.name("b").version("2"))) {
          assertEquals("new", two.result("begun by 2"));
          assertEquals(1, store.read("begun by 1").size());
          try (Worker a = worker(old, OPTIONS.name("a").version("1"))) {
            assertEquals("old", one.result("begun by 1"));
          }
          one.start("later by 1", "order", old, "Ada");
          try (Worker both = worker(now, OPTIONS.name("both").version("2", "1"))) {
            assertEquals("new", one.result("later by 1"));
          }
        }
        assertEquals(1, store.read("another").size());
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Code that asks for a version runs journals of old code and of new")
  void version() throws Throwable {
    shared(() -> {
      Program<String, String> old =
          customer -> {
            Journal.step("charge", () -> "charged", customer);
            Journal.receive("approval");
            return Journal.receive("items");
          };
      Program<String, String> now =
          customer -> {
            Journal.step("charge", () -> "charged", customer);
            if (Journal.version("mail", 1) == 1) Journal.step("mail", () -> "mailed", customer);
            Journal.receive("approval");
            return Journal.receive("items");
          };
      start("old");
      client.send("old", "approval", "yes", null);
      try (Worker a = worker("a", old)) {
        until(() -> store.read("old").size() == 3);
      }
      start("new");
      client.send("new", "approval", "yes", null);
      try (Worker b = worker("b", now)) {
        for (String id : List.of("old", "new")) {
          client.send(id, "items", "tea", null);
          assertEquals("tea", client.result(id));
        }
      }
      List<String> kinds = new ArrayList<>();
      for (String id : List.of("old", "new"))
        kinds.add(
            store.read(id).stream()
                .map(Entry::key)
                .filter(key -> key.contains("mail"))
                .toList()
                .toString());
      assertEquals(List.of("[]", "[main?mail#0, main:mail#0]"), kinds);
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("It has no more programs than it may, in each of its threads")
  void most() throws Throwable {
    shared(() -> {
      for (int i = 0; i < 10; i++) start("p" + i);
      try (Worker a = worker(ORDER, OPTIONS.name("a").threads(2).most(2))) {
        until(() -> a.status().programs() == 4);
        Set<String> ended = new TreeSet<>();
        while (ended.size() < 10) {
          for (int i = 0; i < 10; i++) {
            String id = "p" + i;
            if (ended.contains(id) || owner(id) == null) continue;
            client.send(id, "items", "tea", "once");
            assertEquals("Ada pays for tea", client.result(id));
            ended.add(id);
          }
        }
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("What is parked is nobody's, and is taken when it is due")
  void parked() throws Throwable {
    shared(() -> {
      Program<String, String> sleeping =
          customer -> {
            Hub.sleep(Duration.ofMillis(300));
            return Journal.step("charge", () -> "charged", customer);
          };
      start("p");
      try (Worker a = worker("a", sleeping)) {
        until(() -> "a-1".equals(owner("p")));
      }
      assertNull(owner("p"));
      assertTrue(store.standing("p").park() != null);
      try (Worker b = worker("b", sleeping)) {
        assertEquals("charged", client.result("p"));
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("Bad options are refused by name, and two workers of one name")
  void refused() throws Throwable {
    shared(() -> {
      assertThrows(IllegalArgumentException.class, () -> OPTIONS.threads(0));
      assertThrows(IllegalArgumentException.class, () -> OPTIONS.most(0));
      assertThrows(IllegalArgumentException.class, () -> OPTIONS.lease(Duration.ZERO));
      assertThrows(IllegalArgumentException.class, () -> OPTIONS.poll(Duration.ZERO));
      assertThrows(
          IllegalArgumentException.class,
          () -> new Worker(store, Codec.STRINGS, Map.of(), OPTIONS));
      try (Worker a = worker("a", ORDER)) {
        var e = assertThrows(IllegalStateException.class, () -> worker("a", ORDER));
        assertTrue(e.getMessage().contains("a-1"), e::getMessage);
      }
      try (Worker again = worker("a", ORDER)) {
        assertEquals(0, again.status().programs());
      }
    });
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("A recording has the leases, and how many programs were taken")
  void recorded() throws Throwable {
    shared(() -> {
      try (var recording = new Recording()) {
        recording.enable("greenlet.journal.Lease");
        recording.enable("greenlet.journal.Taken");
        recording.start();
        start("p");
        client.send("p", "items", "tea", null);
        try (Worker a = worker("a", ORDER)) {
          client.result("p");
        }
        recording.stop();
        var file = directory.resolve("worker.jfr");
        recording.dump(file);
        List<String> events = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
          if (!event.getEventType().getName().startsWith("greenlet.journal.")) continue;
          String what =
              event.getEventType().getName().endsWith("Lease")
                  ? event.getString("what")
                  : "taken " + event.getInt("programs");
          events.add(event.getString("worker") + " " + what);
        }
        assertEquals(Set.of("a-1 begun", "a-1 taken 1", "a-1 ended"), Set.copyOf(events));
      }
    });
  }
}
