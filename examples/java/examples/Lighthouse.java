package examples;

import greenlet.hub.Hub;
import greenlet.hub.Pool;
import greenlet.hub.Task;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The Java part of doc/hub.md. Prints what its comments say. */
public final class Lighthouse {
  static void blink(String light, int times, Duration period) {
    for (int i = 0; i < times; i++) {
      Hub.sleep(period);
      System.out.println(light + " at " + Hub.current().time().toSeconds());
    }
  }

  static String hail(String ship) {
    Hub.sleep(Duration.ofMillis(100));
    return ship + " answers";
  }

  static void night() throws Exception {
    Hub hub = Hub.current();
    Task<String> red = hub.spawn("red", () -> {
      blink("red", 2, Duration.ofSeconds(3)); // prints red at 3
      return "red is out";
    });
    hub.spawn("white", () -> {
      try {
        blink("white", 100, Duration.ofSeconds(4)); // prints white at 4
        return "never";
      } finally {
        System.out.println("white is switched off");
      }
    });
    System.out.println(red.result()); // prints red at 6
    // prints red is out

    CompletableFuture<String> ship = new CompletableFuture<>();
    hub.spawn("harbour", () -> ship.complete("a ship")); // or a thread
    System.out.println(Hub.await(ship)); // prints a ship

    CompletableFuture<String> rescue = new CompletableFuture<>();
    System.out.println(Hub.timeout(Duration.ofSeconds(1), () -> Hub.await(rescue), () -> "nobody came")); // prints nobody came

    Pool boats = new Pool(2); // so many at a time
    for (String reply : boats.map(Lighthouse::hail, List.of("Ada", "Bea", "Cid"))) System.out.println(reply);
    // prints Ada answers
    // prints Bea answers
    // prints Cid answers
    // prints white is switched off
  }

  public static void main(String[] args) {
    Hub.virtualTime().run(() -> {
      night();
      return null;
    });
  }
}
