package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.ref.Reference;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** A host whose programs would take several times the heap of its process. */
class HostMemoryTest {
  private static final int PROGRAMS = 6_000;
  private static final int HELD = 30_000;

  @Test
  @DisplayName("Programs that only wait are forgotten where they would fill the heap, and go on")
  void memory() throws Exception {
    Stream<String> engine =
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(option -> option.matches("(-Dgreenlet\\.|--add-exports|--add-opens).*"));
    Stream<String> options =
        Stream.of("-Xmx64m", "-cp", System.getProperty("java.class.path"), Waiting.class.getName());
    List<String> lines = new greenlet.Program("").launch(Stream.concat(engine, options).toList());
    assertEquals("they have gone on", lines.get(lines.size() - 1));
  }

  static final class Waiting {
    public static void main(String[] args) throws Exception {
      Program<String, String> program =
          argument -> {
            byte[] held = new byte[HELD];
            try {
              return Journal.receive("go") + argument;
            } finally {
              Reference.reachabilityFence(held);
            }
          };
      try (var store = new MemoryStore();
          var host = new Host(store, Codec.STRINGS)) {
        for (int i = 0; i < PROGRAMS; i++) host.start("p" + i, "program", program, "" + i);
        long forgotten = host.programs().stream().filter(s -> s.park() != null).count();
        System.out.println(forgotten + " are forgotten");
        assertTrue(forgotten > PROGRAMS / 2);
        for (int i = 0; i < PROGRAMS; i += 10) {
          host.send("p" + i, "go", "!", null);
          assertEquals("!" + i, host.result("p" + i));
        }
      }
      System.out.println("they have gone on");
    }
  }
}
