package greenlet.trace;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.SwitchListener;
import greenlet.hub.Hub;
import greenlet.hub.Queue;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** What happens between two points, recorded and drawn. */
@ExtendWith(LeakCheck.class)
class TraceTest {
  private static List<String> sentences(Trace trace) {
    return trace.events().stream().map(Drawing::sentence).toList();
  }

  private static Trace pingPong(boolean withValues, int most) {
    var clock = new AtomicLong();
    Greenlet main = Greenlet.current();
    Greenlet g =
        Greenlet.of(
            args -> {
              Object got = main.switchTo("pong", "again");
              throw new IllegalStateException("" + got);
            },
            main,
            "g");
    Trace trace = Trace.ofThread(most, withValues, () -> clock.getAndAdd(1500));
    g.switchTo("ping");
    assertThrows(IllegalStateException.class, () -> g.switchTo(7));
    trace.close();
    return trace;
  }

  @RootTest
  @DisplayName("The switches of a thread, with values and exceptions if they are asked for")
  void switches() {
    assertEquals(
        List.of(
            "root switches to g: ping",
            "g switches to root: [pong, again]",
            "root switches to g: 7",
            "g ends",
            "g throws into root: java.lang.IllegalStateException: 7"),
        sentences(pingPong(true, 100)));
    assertEquals("root switches to g", sentences(pingPong(false, 100)).getFirst());
    assertEquals(1500, pingPong(false, 100).events().getFirst().nanos());
  }

  @RootTest
  @DisplayName("It keeps the latest events alone, and says how many were before")
  void bounded() {
    Trace trace = pingPong(false, 2);
    assertEquals(3, trace.dropped());
    assertEquals(
        List.of("g ends", "g throws into root: java.lang.IllegalStateException: 7"),
        sentences(trace));
    assertRefused(
        IllegalArgumentException.class, () -> Trace.ofThread(0, false), "1 event or more");
  }

  @RootTest
  @DisplayName("The listener of the thread goes on hearing, and is the thread's again")
  void otherListener() {
    List<String> heard = new ArrayList<>();
    SwitchListener mine = (event, from, to) -> heard.add(from.name() + " " + to.name());
    Greenlet.setListener(mine);
    Trace trace = Trace.ofThread(10, false);
    Greenlet.of(args -> null, Greenlet.current(), "g").switchTo();
    trace.close();
    trace.close();
    assertEquals(List.of("root g", "g root"), heard);
    assertSame(mine, Greenlet.setListener(null));
  }

  @RootTest
  @DisplayName("What is pulled from generators")
  void pulls() {
    Generator<String> letters = Generator.of(y -> List.of("a", "b").forEach(y::yield));
    try (Trace trace = Trace.ofThread(100, true);
        Cursor<String> cursor = letters.cursor()) {
      while (cursor.hasNext()) cursor.next();
      String name = trace.events().getFirst().whom();
      assertEquals(
          List.of(
              "root pulls from " + name,
              name + " yields to root: a",
              "root pulls from " + name,
              name + " yields to root: b",
              "root pulls from " + name,
              name + " ends"),
          sentences(trace));
    }
  }

  private static Trace ofHub() {
    Hub hub = Hub.virtualTime();
    Trace[] trace = new Trace[1];
    hub.run(() -> {
      hub.spawn(
              "main",
              () -> {
                Queue<Integer> orders = Queue.<Integer>fifo().named("orders");
                trace[0] = Trace.ofHub(hub, 1000);
                Task<?> cook =
                    hub.spawn(
                        "cook",
                        () -> {
                          orders.take();
                          Hub.sleep(Duration.ofSeconds(2));
                          throw new IllegalStateException("burnt");
                        });
                Hub.sleep(Duration.ofSeconds(1));
                orders.put(1);
                assertThrows(IllegalStateException.class, cook::result);
                trace[0].close();
              })
          .join();
    });
    return trace[0];
  }

  @RootTest
  @DisplayName("The tasks of a hub: as text, by its own clock")
  void hub() {
    assertEquals(
        """
        0.000000 main spawns cook
        0.000000 main waits for the time 1 s
        0.000000 cook begins
        0.000000 cook waits for an item of the queue orders
        1.000000 outside wakes main
        1.000000 main goes on
        1.000000 main wakes cook
        1.000000 main waits for Task[cook, suspended]
        1.000000 cook goes on
        1.000000 cook waits for the time 3 s
        3.000000 outside wakes cook
        3.000000 cook goes on
        3.000000 cook ends: java.lang.IllegalStateException: burnt
        3.000000 cook wakes main
        3.000000 main goes on\
        """,
        ofHub().text());
  }

  @RootTest
  @DisplayName("As sequence diagrams of Mermaid and PlantUML")
  void diagrams() {
    String mermaid = ofHub().mermaid();
    assertTrue(
        mermaid.startsWith(
            """
            sequenceDiagram
              participant p1 as main
              participant p2 as cook
              participant p3 as outside
              p1->>p2: spawns
              Note over p1: waits for the time 1 s
              Note over p2: waits for an item of the queue orders
              p3-->>p1: wakes
              p1-->>p2: wakes
            """),
        mermaid);
    String plantUml = ofHub().plantUml();
    assertTrue(
        plantUml.startsWith(
            """
            @startuml
            participant "main" as p1
            participant "cook" as p2
            participant "outside" as p3
            p1 -> p2 : spawns
            hnote over p1 : waits for the time 1 s
            """),
        plantUml);
    assertTrue(plantUml.endsWith("@enduml\n"));
  }

  @RootTest
  @DisplayName("As a timeline: a track for each, with what it does and waits for")
  void timeline() {
    String json = ofHub().json();
    for (String part :
        List.of(
            "{\"name\":\"waits for an item of the queue orders\",\"ph\":\"X\",\"pid\":1,\"tid\":2,\"ts\":0.000,\"dur\":1000000.000}",
            "{\"name\":\"waits for the time 3 s\",\"ph\":\"X\",\"pid\":1,\"tid\":2,\"ts\":1000000.000,\"dur\":2000000.000}",
            "{\"name\":\"main spawns cook\",\"ph\":\"i\"",
            "\"args\":{\"name\":\"cook\"}}")) assertTrue(json.contains(part), json);
    String switches = pingPong(true, 100).json();
    assertTrue(
        switches.contains(
            "{\"name\":\"runs\",\"ph\":\"X\",\"pid\":1,\"tid\":2,\"ts\":1.500,\"dur\":1.500}"),
        switches);
  }

  @RootTest
  @DisplayName("Of a hub that nobody looks at nothing is told any longer")
  void over() {
    Hub hub = Hub.virtualTime();
    Trace trace = Trace.ofHub(hub, 10);
    trace.close();
    hub.run(() -> {});
    assertEquals(List.of(), trace.events());
    assertEquals("", trace.text());
    assertNull(Greenlet.setListener(null));
    assertRefused(IllegalArgumentException.class, () -> Trace.ofHub(null, 1), "a hub is needed");
  }
}
