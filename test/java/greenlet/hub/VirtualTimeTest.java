package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** Virtual time and what is outside of the hub. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class VirtualTimeTest {
  @RootTest
  @DisplayName("What was to wake a waiter that nobody waits for does not hold the clock")
  void neverAwaited() {
    assertEquals(
        1,
        Hubs.virtualTime()
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
    Hubs.virtualTime()
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

  @RootTest
  @DisplayName(
      "Patience with what is outside comes to an end in real time, and begins anew with each wait")
  void patience() {
    Hub hub = Hubs.virtualTime().patience(Duration.ofMillis(5));
    assertEquals(
        "in time",
        Hubs.virtualTime().patience(Duration.ofMinutes(1)).run(() -> Hub.offload(() -> "in time")));
    var never = new CompletableFuture<String>();
    Hub.LoopExit e =
        assertThrows(
            Hub.LoopExit.class,
            () ->
                hub.run(() -> {
                  Hub.sleep(Duration.ofHours(1));
                  return Hub.await(never);
                }));
    assertTrue(e.getMessage().contains("has waited for 0.005 s of real time"), e::getMessage);
    assertTrue(e.getMessage().contains("waits for java.util.concurrent.Comp"), e::getMessage);
    Hub holding = Hub.virtualTime(true).patience(Duration.ofMillis(5));
    assertThrows(
        Hub.LoopExit.class,
        () -> holding.run(() -> Hub.timeout(Duration.ofSeconds(1), () -> Hub.await(never))));
    assertThrows(IllegalStateException.class, () -> Hubs.realTime().patience(Duration.ofMillis(5)));
  }
}
