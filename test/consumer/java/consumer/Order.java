package consumer;

import greenlet.journal.Codec;
import greenlet.journal.Host;
import greenlet.journal.Journal;
import greenlet.journal.MemoryStore;
import greenlet.journal.Program;
import java.io.IOException;

/** Waits for a message, and runs a step. */
final class Order {
  private static final Program<String, String> ORDER =
      argument -> Journal.receive("item") + ", " + Journal.step("charge", () -> "charged");

  private Order() {}

  public static void main(String[] args) throws IOException {
    try (var store = new MemoryStore();
        var host = new Host(store, Codec.STRINGS)) {
      host.start("order", "order", ORDER, null);
      host.send("order", "item", "tea", null);
      System.out.println(host.<String>result("order"));
    }
  }
}
