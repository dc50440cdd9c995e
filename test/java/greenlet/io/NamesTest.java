package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.function.Executable;

/** Look-ups of names. */
class NamesTest {
  private final CompletableFuture<InetAddress[]> answer = new CompletableFuture<>();
  private final List<String> trace = new ArrayList<>();

  private static void run(Executable body) {
    Hubs.realTime().run(Threads.callable(body));
  }

  /** As the system's, it is not to be interrupted. */
  private InetAddress[] slow(String host) {
    return answer.join();
  }

  @RootTest
  @DisplayName("The system's results and errors")
  void system() {
    run(() -> {
      assertEquals("127.0.0.1", Names.lookup("127.0.0.1").getHostAddress());
      assertEquals(List.of(InetAddress.getAllByName("localhost")), Names.lookupAll("localhost"));
      assertEquals(InetAddress.getByName(""), Names.lookup(""));
      var e = assertThrows(UnknownHostException.class, () -> Names.lookup("no-such.invalid"));
      assertTrue(e.getMessage().startsWith("no-such.invalid"), e::getMessage);
      assertThrows(IllegalArgumentException.class, () -> Names.lookup(null));
    });
    assertThrows(UnknownHostException.class, () -> Names.lookup("no-such.invalid"));
  }

  @RootTest
  @DisplayName("The other tasks of the hub run while a name is looked up")
  void free() {
    run(() -> {
      Task<?> lookup =
          Hub.current()
              .spawn(() -> trace.add("found " + Names.lookupAll("slow", this::slow).size()));
      Task<?> other =
          Hub.current()
              .spawn(() -> {
                for (int i = 0; i < 3; i++) {
                  Hub.sleep(Duration.ofMillis(1));
                  trace.add("other");
                }
                answer.complete(new InetAddress[] {InetAddress.getLoopbackAddress()});
              });
      lookup.join();
      other.join();
    });
    assertEquals(List.of("other", "other", "other", "found 1"), trace);
  }

  @RootTest
  @DisplayName("A limit or a kill ends the wait, although the look-up goes on")
  void limit() {
    run(() -> {
      assertThrows(
          TimeoutException.class,
          () -> Hub.timeout(Duration.ofMillis(5), () -> Names.lookupAll("slow", this::slow)));
      Task<?> killed = Hub.current().spawn(() -> Names.lookupAll("slow", this::slow));
      Hub.sleep(Duration.ofMillis(1));
      killed.kill();
      killed.join();
      assertEquals("127.0.0.1", Names.lookup("127.0.0.1").getHostAddress());
      answer.complete(new InetAddress[0]);
    });
  }
}
