package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import greenlet.testing.BlockingOperations;
import greenlet.testing.BlockingOperations.Operation;
import greenlet.testing.BlockingOperations.Prepared;
import greenlet.testing.BlockingOperations.Scene;
import greenlet.testing.Threads;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * What gives way in a cooperative hub and what stands still. The operations run one after the other in a JVM of their own: what the
 * JDK starts for them, pollers of sockets above all, stays until a JVM ends.
 */
class BlockingOperationsTest {
  private static final Path PAGE = Path.of("doc", "ledgers", "blocking.md");
  private static final int RELEASE = Runtime.version().feature();
  private static final Duration LIMIT = Duration.ofSeconds(10);

  private static final String GIVES_WAY = "gives way";
  private static final String STANDS_STILL = "stands still";

  private static String expected(Operation operation, int release) {
    return operation.givesWay(release) ? GIVES_WAY : STANDS_STILL;
  }

  @TestFactory
  @DisplayName("operation")
  Stream<DynamicTest> operations() throws Exception {
    assumeTrue(isPossible(), "a cooperative hub");
    Map<String, String> outcomes = runAll();
    return BlockingOperations.all().stream()
        .map(each ->
            dynamicTest(
                each.name(),
                () -> assertEquals(expected(each, RELEASE), outcomes.get(each.name()))));
  }

  @Test
  @DisplayName("the page has the table of these operations")
  void page() throws Exception {
    List<String> page = Files.readAllLines(PAGE);
    int first = page.indexOf("| operation | JDK 25 | JDK 21 | why, if it stands still |") + 2;
    assertEquals(
        table(),
        page.subList(first, page.size()).stream().filter(row -> row.startsWith("|")).toList());
  }

  @Test
  @DisplayName("at least fifty give way on JDK 25; for each that does not, a reason is given")
  void count() {
    List<Operation> all = BlockingOperations.all();
    assertTrue(all.stream().filter(each -> each.givesWay(25)).count() >= 50);
    for (Operation each : all) assertEquals(each.givesWay(21), each.why().isEmpty(), each.name());
    assertEquals(all.size(), all.stream().map(Operation::name).distinct().count());
  }

  private static List<String> table() {
    return BlockingOperations.all().stream()
        .map(each ->
            "| %s | %s | %s | %s |"
                .formatted(each.name(), expected(each, 25), expected(each, 21), each.why()))
        .toList();
  }

  // In a JVM of their own

  /** By its name, what each operation did. */
  private static Map<String, String> runAll() throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of(
            "-cp", System.getProperty("java.class.path"), BlockingOperationsTest.class.getName()));
    Path out = Files.createTempFile("operations", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(out.toFile())
              .start();
      try {
        Threads.await(process);
      } catch (AssertionError e) {
        e.addSuppressed(new AssertionError(Files.readString(out)));
        throw e;
      }
      Map<String, String> outcomes = new LinkedHashMap<>();
      for (String line : Files.readAllLines(out)) {
        String[] parts = line.split("\t");
        if (line.matches("\\S.*\t.*")) outcomes.put(parts[0], parts[1]);
        else System.err.println(line);
      }
      return outcomes;
    } finally {
      Files.delete(out);
    }
  }

  /**
   * Runs the operations whose names contain one of {@code args}, or all. Prints what each did; with {@code --table}, the rows of the
   * page instead. Exits with 1 if one did something else than the page says.
   */
  public static void main(String[] args) throws Exception {
    if (List.of(args).contains("--table")) {
      table().forEach(System.out::println);
      return;
    }
    boolean right = true;
    for (Operation each : BlockingOperations.all()) {
      if (args.length > 0 && Arrays.stream(args).noneMatch(each.name()::contains)) continue;
      String outcome = outcome(each);
      System.out.println(each.name() + "\t" + outcome);
      right &= outcome.equals(expected(each, RELEASE));
    }
    System.exit(right ? 0 : 1);
  }

  private static String outcome(Operation operation) throws Exception {
    try (Scene scene = new Scene()) {
      return new Trial(operation, scene).outcome();
    }
  }

  /** An operation in a task, and another task that is ready meanwhile. */
  private static final class Trial {
    private final Operation operation;
    private final Scene scene;
    private final Prepared prepared;
    private final List<String> trace = new ArrayList<>();
    private final CountDownLatch begun = new CountDownLatch(1);
    private Thread hub;

    Trial(Operation operation, Scene scene) throws Exception {
      this.operation = operation;
      this.scene = scene;
      prepared = operation.preparation().prepare(scene);
    }

    private synchronized void note(String what) {
      trace.add(what);
    }

    private synchronized boolean noteUnless(String before, String what) {
      return !trace.contains(before) && trace.add(what);
    }

    /** Either of the two words, or what happened instead. */
    String outcome() throws Exception {
      hub = Thread.ofPlatform().daemon().name("hub").start(() -> run(this::block, this::meanwhile));
      if (!operation.givesWay(RELEASE)) {
        long end = System.nanoTime() + LIMIT.toNanos();
        begun.await(LIMIT.toSeconds(), TimeUnit.SECONDS);
        while (hub.isAlive() && !isBlocked() && System.nanoTime() < end) Thread.onSpinWait();
        release("released");
      }
      if (!hub.join(LIMIT)) {
        dump();
        release("released late");
        hub.join(LIMIT);
      }
      synchronized (this) {
        if (trace.equals(List.of("begins", "meanwhile", "ends"))) return GIVES_WAY;
        if (trace.equals(List.of("begins", "released", "ends", "meanwhile"))) return STANDS_STILL;
        return trace.toString();
      }
    }

    /** From outside of the hub. */
    private void release(String note) throws Exception {
      if (noteUnless("meanwhile", note)) prepared.release().run();
    }

    private void block() {
      scene.blocked = Thread.currentThread();
      note("begins");
      begun.countDown();
      try {
        prepared.block().run();
        note("ends");
      } catch (Throwable t) {
        t.printStackTrace();
        note("fails: " + t);
      }
    }

    private void meanwhile() {
      try {
        if (noteUnless("ends", "meanwhile")) prepared.release().run();
        else note("meanwhile");
      } catch (Throwable t) {
        t.printStackTrace();
        note("release fails: " + t);
      }
    }

    /** Whether the hub's thread has used no processor time for a while. Too early, it would let an operation end that has just begun. */
    private boolean isBlocked() throws InterruptedException {
      if (prepared.isBlocked() != null) return prepared.isBlocked().getAsBoolean();
      long before = processorTime();
      TimeUnit.MILLISECONDS.sleep(20);
      return processorTime() == before;
    }

    private long processorTime() {
      return ManagementFactory.getThreadMXBean().getThreadCpuTime(hub.threadId());
    }

    private void dump() {
      System.out.println(operation.name() + " takes too long; the platform threads:");
      Thread.getAllStackTraces()
          .forEach((thread, stack) -> System.out.println(thread + " " + Arrays.toString(stack)));
    }
  }

  // The hub

  private static boolean isPossible() {
    try {
      Hub.realTime().cooperative();
      return true;
    } catch (IllegalStateException e) {
      return false;
    }
  }

  private static void run(Runnable first, Runnable second) {
    Hub.realTime()
        .cooperative()
        .run(() -> {
          Hub.current().spawn((Task.Action) first::run);
          Hub.current().spawn((Task.Action) second::run);
          Hub.current().join();
          return null;
        });
  }
}
