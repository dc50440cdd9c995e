package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What is left when a hub has run. */
@ExtendWith(LeakCheck.class)
class EndTest {
  private final List<Object> trace = new ArrayList<>();

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void virtually(Executable body) {
    Hub.virtualTime().run(Threads.callable(body));
  }

  private static void sleep(long seconds) {
    Hub.sleep(Duration.ofSeconds(seconds));
  }

  @RootTest
  @DisplayName("Several may wait until all others have ended, run among them")
  void severalJoin() {
    virtually(() -> {
      spawn(() -> {
        try {
          sleep(1000);
        } finally {
          Hub.current().join();
          trace.add("last");
        }
      });
      spawn(() -> {
        try {
          sleep(1000);
        } finally {
          sleep(1);
          trace.add("first");
        }
      });
      sleep(1);
    });
    assertEquals(List.of("first", "last"), trace);
  }
}
