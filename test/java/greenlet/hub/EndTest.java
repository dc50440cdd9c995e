package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.GreenletExit;
import greenlet.LeakDetector;
import greenlet.testing.Hubs;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Refusal;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What is left when a hub has run. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class EndTest {
  private final List<Object> trace = new ArrayList<>();

  private static Task<?> spawn(Executable body) {
    return Hub.current().spawn(Threads.callable(body));
  }

  private static void virtually(Executable body) {
    Hubs.virtualTime().run(Threads.callable(body));
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

  @RootTest
  @DisplayName("A hub that has run takes nothing more, and says so, until it is run again")
  void hasRun() throws Exception {
    Hub hub = Hubs.realTime();
    Task<String> before = hub.spawn(() -> "spawned before");
    Task<String> main =
        hub.run(() -> {
          assertEquals("spawned before", before.result());
          return hub.spawn(() -> {
            sleep(1000);
            return "value";
          });
        });
    for (Executable use :
        List.<Executable>of(
            () -> hub.spawn(() -> "never"),
            () -> hub.execute(() -> trace.add("never")),
            () -> hub.spawnLater(Duration.ZERO, null, () -> "never"))) {
      Refusal.assertRefused(RejectedExecutionException.class, use, "has ended its run");
    }
    assertTrue(main.toCompletableFuture().isCancelled(), "was killed, and its future knows");
    main.rawLink(ended -> trace.add("at once"));
    main.interrupt(new GreenletExit());
    main.join();
    assertEquals("again", hub.run(() -> hub.spawn(() -> "again").result()));
    assertEquals(List.of("at once"), trace);
  }

  @RootTest
  @DisplayName(
      "What another thread sends while a hub ends is done, killed or refused, and never lost")
  void racesWithTheEnd() throws Throwable {
    for (int i = 0; i < 2_000; i++) {
      Hub hub = Hubs.realTime();
      var begun = new CompletableFuture<Object>();
      var over = new AtomicBoolean();
      var sender =
          Threads.PLATFORM.start(
              "sender",
              () -> {
                List<CompletableFuture<String>> sent = new ArrayList<>();
                begun.get();
                try {
                  for (int n = 0; n < 20; n++)
                    sent.add(hub.spawn(() -> "done").toCompletableFuture());
                } catch (RejectedExecutionException e) {
                  over.set(true);
                }
                return sent;
              });
      hub.run(() -> begun.complete("begun"));
      for (var future : Threads.await(sender)) {
        try {
          assertEquals("done", Threads.await(future));
        } catch (java.util.concurrent.CancellationException killed) {
          over.set(true);
        }
      }
    }
  }

  @RootTest
  @DisplayName("A hub that has run has left nothing suspended")
  void nothingIsLeft() {
    try (var leaks = new LeakDetector()) {
      Hubs.realTime()
          .run(() -> {
            Hub.sleep(Duration.ofMillis(1));
            return null;
          });
    }
  }

  @RootTest
  @DisplayName("The thread's own hub has left nothing suspended where no task is left")
  void nothingIsLeftOutside() {
    try (var leaks = new LeakDetector()) {
      assertEquals(
          "slept",
          Hub.current()
              .spawn(() -> {
                Hub.sleep(Duration.ofMillis(1));
                return "slept";
              })
              .result());
      Hub.sleep(Duration.ofMillis(1));
    }
    var e =
        assertThrows(
            AssertionError.class,
            () -> {
              try (var leaks = new LeakDetector()) {
                spawn(() -> sleep(1000));
                Hub.sleep(Duration.ofMillis(1));
              }
            });
    assertTrue(e.getMessage().contains("lambda$nothingIsLeftOutside"), e::getMessage);
    for (Task<?> left : Hub.current().tasks()) left.kill();
  }
}
