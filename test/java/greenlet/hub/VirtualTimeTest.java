package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Virtual time and what is outside of the hub. */
@ExtendWith(LeakCheck.class)
class VirtualTimeTest {
  @RootTest
  @DisplayName("What was to wake a waiter that nobody waits for does not hold the clock")
  void neverAwaited() {
    assertEquals(
        1,
        Hub.virtualTime()
            .run(() -> {
              new Waiter<String>("nobody").wakeWith(() -> "complete", () -> true);
              Hub.sleep(Duration.ofSeconds(1));
              return Hub.current().time().toSeconds();
            }));
  }

  @RootTest
  @DisplayName("What a waiter that is over was polled for is not polled any longer")
  void notPolledOnceOver() {
    var polls = new AtomicInteger();
    Hub.virtualTime()
        .run(() -> {
          var w = new Waiter<String>("nobody");
          w.wakeWith(
              () -> "complete",
              () -> {
                polls.incrementAndGet();
                return false;
              });
          w.wake("before");
          for (int i = 0; i < 100; i++) Hub.sleep(Duration.ofSeconds(1));
          return null;
        });
    assertEquals(0, polls.get());
  }
}
