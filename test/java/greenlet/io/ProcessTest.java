package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.hub.Hub;
import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;

/** Processes and names. */
class ProcessTest {
  @RootTest
  @DisplayName("A process is fed, read and waited for; one that cannot start is an IOException")
  void cat() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              try (var cat = HubProcess.start(new ProcessBuilder("cat"))) {
                cat.write("fed".getBytes(StandardCharsets.UTF_8));
                cat.closeInput();
                assertEquals("fed", new String(cat.readAll(), StandardCharsets.UTF_8));
                assertEquals(0, cat.await());
              }
              assertThrows(
                  IOException.class, () -> HubProcess.start(new ProcessBuilder("/no/such")));
            }));
  }

  @RootTest
  @DisplayName("A limit ends the process with the body")
  void limit() {
    Process[] left = new Process[1];
    Hubs.realTime()
        .run(
            Threads.callable(() ->
                assertThrows(
                    TimeoutException.class,
                    () ->
                        Hub.timeout(
                            Duration.ofMillis(50),
                            () -> {
                              try (var p = HubProcess.start(new ProcessBuilder("sleep", "60"))) {
                                left[0] = p.process();
                                p.await();
                              }
                            }))));
    assertFalse(left[0].isAlive());
  }

  @RootTest
  @DisplayName("Names: the system's results and errors")
  void names() {
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              assertEquals("127.0.0.1", Names.lookup("127.0.0.1").getHostAddress());
              assertThrows(UnknownHostException.class, () -> Names.lookup("no-such.invalid"));
            }));
  }
}
