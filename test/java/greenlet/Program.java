package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.Threads;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;

/** A program in a JVM of its own, which has to end by itself, with code 0. */
public record Program(String scenario) {
  static final int MEASUREMENTS = 5;

  /** Runs it with this JVM's engine, and {@code options} for the JVM besides; returns the lines that it printed. */
  List<String> run(String... options) throws Exception {
    Stream<String> engine =
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(option ->
                option.matches("(-Dgreenlet\\.|--add-exports|--add-opens|--enable-preview).*"));
    return launch(
        Stream.of(
                engine,
                Stream.of(options),
                Stream.of("-cp", System.getProperty("java.class.path"), Program.class.getName()))
            .flatMap(all -> all)
            .toList());
  }

  /** Runs it with nothing but {@code options} for the JVM, of which the last names the main class. */
  public List<String> launch(List<String> options) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.add(scenario);
    Path out = Files.createTempFile("program", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(out.toFile())
              .start();
      Threads.await(process);
      List<String> lines = Files.readAllLines(out);
      assertEquals(0, process.exitValue(), () -> String.join("\n", lines));
      return lines;
    } finally {
      Files.delete(out);
    }
  }

  public static void main(String[] args) throws Throwable {
    switch (args[0]) {
      case "one" -> suspend(1);
      case "ten" -> suspend(10);
      case "fifty" -> suspend(50);
      case "chain" -> nest(Greenlet.current(), 3);
      case "deep chain" -> nest(Greenlet.current(), 10);
      case "in catch" -> suspendInCatch();
      case "ended threads" -> inEndedThreads(3);
      case "live threads" -> inLiveThreads();
      case "iterators" -> pull();
      case "hook" -> atExit(0);
      case "hook, suspended" -> atExit(10);
      case "hook, ended threads" -> {
        inEndedThreads(20);
        atExit(10);
      }
      case "engine" -> useEngine();
      case "class initialiser" -> initialise();
      case "abandon" -> Threads.VIRTUAL.run("main", Program::abandon);
      default -> throw new IllegalArgumentException(args[0]);
    }
    if (!args[0].equals("abandon")) System.out.println("main ends");
  }

  /** Its initialiser waits for a body whose code is in it. */
  private static final class Near {
    static final int ELEMENT = Generator.<Integer>of(out -> out.yield(2)).iterator().next();
  }

  /** In a thread that nobody waits for longer than it may take, or for ever. */
  private static void initialise() throws InterruptedException {
    boolean ends = Greenlet.engine().startsWith("continuation") || VirtualThreads.canBeCarried();
    Thread.ofPlatform()
        .daemon()
        .start(() -> System.out.println(Near.ELEMENT))
        .join(Duration.ofSeconds(ends ? 30 : 1));
  }

  private static void suspend(int count) {
    Greenlet main = Greenlet.current();
    for (int i = 0; i < count; i++) {
      Greenlet.of(
              args -> {
                try {
                  return main.switchTo();
                } finally {
                  System.out.println("finally");
                }
              })
          .switchTo();
    }
  }

  private static Object nest(Greenlet main, int depth) {
    return depth == 0 ? main.switchTo() : Greenlet.of(args -> nest(main, depth - 1)).switchTo();
  }

  private static void suspendInCatch() {
    Greenlet main = Greenlet.current();
    Greenlet.of(
            args -> {
              try {
                throw new IllegalStateException();
              } catch (IllegalStateException e) {
                return List.of(e, main.switchTo());
              }
            })
        .switchTo();
  }

  private static void inEndedThreads(int count) throws Throwable {
    for (int i = 0; i < count; i++) Threads.values()[i % 2].run("thread-" + i, () -> suspend(1));
  }

  /** Threads that are alive, daemons as virtual ones are, with greenlets that wait for something that never comes. */
  private static void inLiveThreads() throws InterruptedException {
    var inside = new CountDownLatch(2);
    for (Threads kind : Threads.values()) {
      kind.start(
          "blocked",
          () ->
              Greenlet.of(
                      args -> {
                        inside.countDown();
                        new CountDownLatch(1).await();
                        return null;
                      })
                  .switchTo());
    }
    Threads.await(inside);
  }

  private static void pull() {
    Generator<Integer> g =
        Generator.of(out -> {
          try {
            for (int i = 0; ; i++) out.yield(i);
          } finally {
            System.out.println("finally");
          }
        });
    for (int i = 0; i < 10; i++) {
      g.iterator().next();
      g.stream().iterator().next();
    }
  }

  /** Uses everything in a shutdown hook, whose thread has a root of its own. */
  private static void atExit(int count) {
    Greenlet main = Greenlet.current();
    suspend(count);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(() -> {
              Greenlet root = Greenlet.current();
              System.out.println(
                  "root of its own " + (root != main && root.parent() == null && root.isActive()));
              List<Object> events = new ArrayList<>();
              System.out.println(
                  "no listener "
                      + (Greenlet.setListener((event, origin, target) -> events.add(event))
                          == null));
              System.out.println(Greenlet.of(args -> "result " + root.switchTo("sent")).switchTo());
              System.out.println(Generator.of(out -> out.yield("element")).iterator().next());
              System.out.println(events);
            }));
  }

  /** Each use twice, and what comes of it. */
  private static void useEngine() {
    List<Callable<Object>> uses = List.of(Greenlet::engine, Program::exchange, Program::pullInTurn);
    for (Callable<Object> use : uses) {
      for (int i = 0; i < 2; i++) {
        try {
          System.out.println(use.call());
        } catch (Throwable t) {
          System.out.println(t);
        }
      }
    }
  }

  private static List<Object> exchange() {
    Greenlet main = Greenlet.current();
    Greenlet g = Greenlet.of(args -> List.of("result", main.switchTo(args[0])));
    return List.of(g.switchTo("one"), g.switchTo("two"), g.isDead());
  }

  private static List<Object> pullInTurn() {
    Generator<Integer> naturals =
        Generator.of(out -> {
          for (int i = 0; ; i++) out.yield(i);
        });
    List<Object> trace = new ArrayList<>();
    for (Cursor<Integer> c : List.of(naturals.cursor(), naturals.sharedCursor())) {
      for (int i = 0; i < 2; i++) trace.add(c.next());
    }
    return trace;
  }

  private static void abandon() {
    Generator<Integer> naturals =
        Generator.of(out -> {
          for (int i = 0; ; i++) out.yield(i);
        });
    for (int measurement = 0; measurement < MEASUREMENTS; measurement++) {
      for (int i = 0; i < 1_000_000 / MEASUREMENTS; i++) naturals.iterator().next();
      for (int i = 0; i < 10_000; i++) Greenlet.of(args -> null).switchTo();
      System.out.println(usedAfterCollection());
    }
  }

  private static long usedAfterCollection() {
    long used = Long.MAX_VALUE;
    for (int i = 0; i < 4; i++) {
      System.gc();
      used = Math.min(used, Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
    }
    return used;
  }
}
