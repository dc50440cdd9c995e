package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.testing.Threads;
import java.io.File;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the JDK's Flight Recorder is told. */
class FlightRecordTest {
  @TempDir Path folder;

  private static void hold(Duration time) {
    long begin = System.nanoTime();
    while (System.nanoTime() - begin < time.toNanos()) Thread.onSpinWait();
  }

  private static void program() throws Exception {
    Hub hub = Hub.realTime().named("flight");
    hub.run(() -> {
      Hub.sleep(Duration.ZERO); // a round, at whose beginning the hub asks whether it is recorded
      Task<?> holder = hub.spawn("holder", () -> hold(Duration.ofMillis(30)));
      Task<?> waiter = hub.spawn("waiter", () -> Hub.sleep(Duration.ofMillis(25)));
      Task<?> brief = hub.spawn("brief", () -> Hub.sleep(Duration.ofNanos(1)));
      Pipe pipe = Pipe.open();
      pipe.source().configureBlocking(false);
      Task<?> reader =
          hub.spawn(
              "reader",
              () -> Hub.awaitReady(pipe.source(), SelectionKey.OP_READ, Duration.ofMillis(25)));
      Task<?> failing =
          hub.spawn(
              "failing",
              () -> {
                throw new IllegalStateException();
              });
      hub.onFailure((task, e) -> {});
      for (Task<?> task : List.of(holder, waiter, brief, reader, failing)) task.join();
      pipe.source().close();
      pipe.sink().close();
      try (Cursor<Integer> cursor = Generator.<Integer>of(y -> y.yield(1)).cursor()) {
        while (cursor.hasNext()) cursor.next();
      }
      Greenlet.of(args -> null, Greenlet.current(), "switched").switchTo();
      assertTrue(hub.scheduler.observation != null);
    });
  }

  private List<RecordedEvent> record(boolean switches) throws Throwable {
    Path file = folder.resolve("flight.jfr");
    try (var recording = new Recording()) {
      if (switches) recording.enable("greenlet.Switch");
      recording.enable("greenlet.GeneratorRun");
      recording.enable("greenlet.Task");
      recording.enable("greenlet.TaskWait");
      recording.enable("greenlet.IoWait");
      recording.enable("greenlet.ThreadHeld");
      recording.start();
      Threads.PLATFORM.run("recorded", FlightRecordTest::program);
      recording.stop();
      recording.dump(file);
    }
    List<RecordedEvent> events = new ArrayList<>();
    try (var recorded = new RecordingFile(file)) {
      while (recorded.hasMoreEvents()) events.add(recorded.readEvent());
    }
    return events;
  }

  private static List<String> texts(List<RecordedEvent> events, String name, String... fields) {
    return events.stream()
        .filter(e -> e.getEventType().getName().equals(name))
        .map(e ->
            String.join(
                " ",
                Stream.of(fields)
                    .map(field -> String.valueOf((Object) e.getValue(field)))
                    .toList()))
        .toList();
  }

  @Test
  @DisplayName(
      "A recording is read back: lives of tasks, long waits and holds, waits for channels, generators; switches on demand")
  void recording() throws Throwable {
    List<RecordedEvent> events = record(true);
    assertTrue(
        texts(events, "greenlet.Task", "hub", "task", "outcome")
            .containsAll(
                List.of(
                    "flight holder successful",
                    "flight waiter successful",
                    "flight reader successful",
                    "flight failing failed")));
    assertTrue(texts(events, "greenlet.ThreadHeld", "task").contains("holder"));
    assertFalse(texts(events, "greenlet.ThreadHeld", "task").contains("waiter"));
    assertTrue(
        texts(events, "greenlet.TaskWait", "task", "what").stream()
            .anyMatch(text -> text.startsWith("waiter the time ")));
    assertTrue(
        texts(events, "greenlet.IoWait", "task").contains("reader"), () -> events.toString());
    assertEquals(1, texts(events, "greenlet.GeneratorRun", "generator").size());
    assertTrue(texts(events, "greenlet.Switch", "target").contains("switched"), "asked for");
    assertEquals(List.of(), texts(record(false), "greenlet.Switch", "target"));
  }

  @Test
  @DisplayName("Without a recording nobody looks at a hub")
  void nobodyLooks() throws Throwable {
    Threads.PLATFORM.run(
        "plain",
        () -> {
          Hub hub = Hub.realTime();
          hub.run(() -> {
            hub.spawn(() -> Hub.sleep(Duration.ofNanos(1))).join();
            assertNull(hub.scheduler.observation);
          });
        });
  }

  /** Run without the module. */
  public static final class Program {
    public static void main(String[] args) {
      Hub hub = Hub.realTime();
      int sum = hub.run(() -> hub.spawn(() -> 1).result() + hub.spawn(() -> 2).result());
      Greenlet.of(none -> null).switchTo();
      try (Cursor<Integer> cursor = Generator.<Integer>of(y -> y.yield(1)).cursor()) {
        sum += cursor.next();
      }
      System.out.println(
          "sum " + sum + ", " + ModuleLayer.boot().findModule("jdk.jfr").isPresent());
    }
  }

  @Test
  @DisplayName("All works in a JVM that has no Flight Recorder")
  void withoutModule() throws Exception {
    assertEquals("sum 4, false", run("--limit-modules", "java.base"));
  }

  @Test
  @DisplayName(
      "The command line begins a recording, and says what it wants of the library's events")
  void commandLine() throws Exception {
    Path file = folder.resolve("started.jfr");
    String settings = "+greenlet.Switch#enabled=true,+greenlet.Task#enabled=false";
    assertEquals("sum 4, true", run("-XX:StartFlightRecording:filename=" + file + "," + settings));
    List<RecordedEvent> events = RecordingFile.readAllEvents(file);
    assertEquals(1, texts(events, "greenlet.GeneratorRun").size());
    assertEquals(0, texts(events, "greenlet.Task").size());
    assertFalse(texts(events, "greenlet.Switch").isEmpty());
  }

  /** What {@link Program} prints last, in a JVM of its own. */
  private String run(String... options) throws Exception {
    Path output = folder.resolve("output");
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "-cp",
            Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(path -> Files.isDirectory(Path.of(path)))
                .reduce((a, b) -> a + File.pathSeparator + b)
                .orElseThrow(),
            Program.class.getName()));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    Threads.await(process);
    return Files.readAllLines(output).getLast();
  }
}
