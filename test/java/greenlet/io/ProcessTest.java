package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.function.Executable;

/** Processes that end with their task. */
class ProcessTest {
  /** As an argument of sleep it marks the processes of this test. */
  private static final String LONG = "61.625";

  private static void run(Executable body) {
    Hubs.realTime().run(Threads.callable(body));
  }

  private static ProcessBuilder shell(String script) {
    return new ProcessBuilder("sh", "-c", script);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** Also one that has ended and that nobody has waited for does not run. */
  private static boolean runs(long pid) {
    try {
      String status = Files.readString(Path.of("/proc/" + pid + "/stat"));
      return !status.substring(status.lastIndexOf(')')).startsWith(") Z");
    } catch (IOException e) {
      return false;
    }
  }

  private static boolean anyRuns() {
    return ProcessHandle.current()
        .descendants()
        .anyMatch(p -> p.info().commandLine().orElse("").contains(LONG) && runs(p.pid()));
  }

  private static long descriptors() {
    try (var all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @RootTest
  @DisplayName("A process is fed, read and waited for; one that cannot start is an IOException")
  void cat() {
    run(() -> {
      try (var cat = HubProcess.start(new ProcessBuilder("cat"))) {
        cat.write(bytes("fed"));
        assertEquals("fe", text(cat.read(2)));
        assertEquals("d", text(cat.read(2)));
        cat.write(bytes("more"));
        cat.closeInput();
        assertEquals("more", text(cat.readAll()));
        assertEquals(0, cat.read(1).length);
        assertEquals(0, cat.await());
      }
      assertThrows(IOException.class, () -> HubProcess.start(new ProcessBuilder("/no/such")));
    });
  }

  @RootTest
  @DisplayName("The standard error is read, by pieces and to the end")
  void errors() {
    run(() -> {
      try (var process = HubProcess.start(shell("echo wrong >&2; exit 3"))) {
        assertEquals("wr", text(process.readErrors(2)));
        assertEquals("ong\n", text(process.readAllErrors()));
        assertEquals(3, process.await());
      }
    });
  }

  @RootTest
  @DisplayName("Communicate feeds and reads both outputs at once, each larger than its pipe")
  void communicate() {
    run(() -> {
      byte[] input = new byte[1_000_000];
      for (int i = 0; i < input.length; i++) input[i] = (byte) i;
      try (var process =
          HubProcess.start(
              shell("head -c 1000000 /dev/zero >&2; cat; head -c 500000 /dev/zero; exit 7"))) {
        HubProcess.Result result = process.communicate(input);
        assertEquals(1_000_000, result.errors().length);
        assertEquals(1_500_000, result.output().length);
        assertArrayEquals(input, java.util.Arrays.copyOf(result.output(), input.length));
        assertEquals(7, result.exitCode());
      }
    });
  }

  @RootTest
  @DisplayName(
      "Communicate drops what the process does not read; it takes none of offload's places")
  void communicateUnread() {
    Hubs.realTime()
        .offloadBound(1)
        .run(
            Threads.callable(() -> {
              try (var process = HubProcess.start(shell("exit 4"))) {
                HubProcess.Result result = process.communicate(new byte[1_000_000]);
                assertEquals(0, result.output().length);
                assertEquals(4, result.exitCode());
              }
            }));
  }

  @RootTest
  @DisplayName("A limit ends the process with the body, in a read, in communicate and in a wait")
  void limit() {
    run(() -> {
      limit(HubProcess::await);
      limit(HubProcess::readAll);
      limit(process -> process.communicate(new byte[1_000_000]));
    });
  }

  private static void limit(HubProcess.Body<?> wait) {
    var process = new Process[1];
    assertThrows(
        TimeoutException.class,
        () ->
            Hub.timeout(
                Duration.ofMillis(20),
                () ->
                    HubProcess.run(
                        new ProcessBuilder("sleep", LONG),
                        p -> {
                          process[0] = p.process();
                          return wait.use(p);
                        })));
    if (process[0] != null) assertFalse(process[0].isAlive());
  }

  @RootTest
  @DisplayName("A kill of the task ends the process and its descendants")
  void kill() {
    run(() -> {
      var descendant = new CompletableFuture<Long>();
      var process = new CompletableFuture<Process>();
      Task<?> task =
          Hub.current()
              .spawn(() ->
                  HubProcess.run(
                      shell("sleep " + LONG + " & echo $!; wait"),
                      p -> {
                        process.complete(p.process());
                        descendant.complete(Long.valueOf(text(p.read(100)).strip()));
                        return p.await();
                      }));
      long pid = Hub.await(descendant);
      assertTrue(runs(pid));
      task.kill();
      task.join();
      assertFalse(process.join().isAlive());
      Threads.until(() -> !runs(pid));
    });
  }

  @RootTest
  @DisplayName("A process whose task is killed while it starts is destroyed")
  void killDuringStart() {
    long before = descriptors();
    run(() -> {
      for (int i = 0; i < 20; i++) {
        Task<?> task =
            Hub.current()
                .spawn(() -> HubProcess.run(new ProcessBuilder("sleep", LONG), HubProcess::await));
        Hub.sleep(Duration.ofNanos(i * 100_000L));
        task.kill();
        task.join();
      }
    });
    Threads.until(() -> !anyRuns());
    Threads.until(() -> descriptors() <= before);
  }

  private static final String STUBBORN =
      "trap '' TERM; echo ready; while :; do sleep 0.05; done # " + LONG;
  private static final String POLITE = "trap 'exit 3' TERM; echo ready; sleep " + LONG + " & wait";

  private static int closed(String script, Duration grace) throws IOException {
    HubProcess process = HubProcess.start(shell(script)).grace(grace);
    assertEquals("ready\n", text(process.read(6)));
    process.close();
    assertFalse(process.process().isAlive());
    process.close();
    return process.process().exitValue();
  }

  @RootTest
  @DisplayName("What ends in its grace ends by itself; what does not is destroyed by force")
  void grace() {
    Executable body =
        () -> {
          assertEquals(3, closed(POLITE, Duration.ofSeconds(60)));
          assertEquals(137, closed(STUBBORN, Duration.ofMillis(30)));
          assertEquals(137, closed(POLITE, Duration.ZERO));
          try (var process = HubProcess.start(shell("exit 0"))) {
            assertThrows(
                IllegalArgumentException.class, () -> process.grace(Duration.ofMillis(-1)));
          }
        };
    run(body);
    Hubs.virtualTime()
        .run(
            Threads.callable(() -> {
              Task<?> clock =
                  Hub.current()
                      .spawn(() -> {
                        while (true) Hub.sleep(Duration.ofSeconds(1));
                      });
              body.execute();
              clock.kill();
            }));
  }

  @RootTest
  @DisplayName("Giving up the wait of a close destroys the process by force")
  void closeGivenUp() {
    run(() -> {
      HubProcess process = HubProcess.start(shell(STUBBORN)).grace(Duration.ofSeconds(600));
      assertEquals("ready\n", text(process.read(6)));
      Hub.timeout(Duration.ofMillis(20), process::close, () -> {});
      assertEquals(137, process.await());
    });
  }

  @RootTest
  @DisplayName("No descriptor is left by runs, failed starts and kills")
  void descriptorsAreGivenBack() {
    run(() -> {
      round();
      long before = descriptors();
      for (int i = 0; i < 20; i++) round();
      Threads.until(() -> descriptors() <= before);
    });
    assertFalse(anyRuns());
  }

  private static void round() throws Exception {
    assertEquals(
        "x",
        text(HubProcess.run(new ProcessBuilder("cat"), p -> p.communicate(bytes("x"))).output()));
    assertThrows(IOException.class, () -> HubProcess.start(new ProcessBuilder("/no/such")));
    var started = new CompletableFuture<Boolean>();
    Task<?> task =
        Hub.current()
            .spawn(() ->
                HubProcess.run(
                    new ProcessBuilder("sleep", LONG),
                    p -> {
                      started.complete(true);
                      return p.readAll();
                    }));
    Hub.await(started);
    task.kill();
    task.join();
  }

  @RootTest
  @DisplayName("Outside of any task the thread's own hub waits")
  void outside() throws IOException {
    assertEquals(
        "y",
        text(HubProcess.run(new ProcessBuilder("cat"), p -> p.communicate(bytes("y"))).output()));
  }

  @RootTest
  @DisplayName("Arguments are checked")
  void arguments() {
    run(() -> {
      assertThrows(IllegalArgumentException.class, () -> HubProcess.start(null));
      try (var cat = HubProcess.start(new ProcessBuilder("cat"))) {
        assertThrows(IllegalArgumentException.class, () -> cat.read(0));
        assertThrows(IllegalArgumentException.class, () -> cat.write(null));
        assertThrows(IllegalArgumentException.class, () -> cat.communicate(null));
        assertThrows(IllegalArgumentException.class, () -> cat.grace(null));
      }
    });
  }
}
