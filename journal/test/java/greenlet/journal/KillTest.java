package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.Threads;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Kills of a process whose programs go on in the next one; {@code -Dgreenlet.journal.kills} is how many, on each engine. */
@ExtendWith(LeakCheck.class)
class KillTest {
  private static final int KILLS = Integer.getInteger("greenlet.journal.kills", 17);
  private static final long SEED = Long.getLong("greenlet.random.seed", System.nanoTime());
  private static final int MOST_EVENTS = 100;

  /** Where a process stops, and waits to be killed. */
  enum Point {
    /** It does not stop. */
    ANYWHERE,
    HALF_WRITTEN,
    WRITTEN,
    FORCED,
    /** By the store, and not yet delivered. */
    ACKNOWLEDGED,
    /** To the program, which has done nothing by it yet. */
    DELIVERED,
    BEGUN,
    /** Its effect has happened, its outcome is not written. */
    EFFECT,
    /** Its programs have ended. */
    ENDED
  }

  /** Five tasks, each of which does forty things: which is a function of the program's id. */
  record Plan(String id, Outside outside) implements Program<String, String> {
    static final int TASKS = 5, THINGS = 40;
    private static final int RECEIVE = 0, KINDS = 7, LIMITED = 9;

    /** What it reaches, and what looks on. */
    interface Outside {
      String effect(String step) throws Exception;

      void asked(String step);

      void delivered();
    }

    private boolean hasLimits() {
      return id.startsWith("limits");
    }

    private int[] things(int task) {
      return new Random(id.hashCode() * 31L + task)
          .ints(THINGS, 0, hasLimits() ? LIMITED : KINDS)
          .toArray();
    }

    int messages(int task) {
      return (int) IntStream.of(things(task)).filter(kind -> kind == RECEIVE).count();
    }

    @Override
    public String run(String argument) {
      return Hub.joiningScope(() -> {
        List<Task<String>> tasks = new ArrayList<>();
        for (int t = 0; t < TASKS; t++) {
          int task = t;
          tasks.add(Hub.current().spawn("t" + t, () -> task(task)));
        }
        var results = new StringBuilder();
        for (Task<String> task : tasks) results.append(task.result()).append(' ');
        return results.toString();
      });
    }

    private String task(int task) {
      String sum = "";
      int[] things = things(task);
      for (int i = 0; i < THINGS; i++)
        sum = hash(sum + act(things[i], task + "." + i + ".", task, sum));
      return sum;
    }

    private String act(int kind, String name, int task, String sum) {
      switch (kind) {
        case RECEIVE:
          String message = Journal.receive("m" + task);
          outside.delivered();
          return message;
        case 1:
          return Hub.scope(() -> {
            Task<String> a = Hub.current().spawn(() -> step(name + "a", sum));
            Task<String> b = Hub.current().spawn(() -> step(name + "b", sum));
            return a.result() + b.result();
          });
        case 2: // what its scope gives up
          return Hub.scope(() -> {
            Hub.current().spawn(() -> step(name + "vain", sum));
            return step(name, sum);
          });
        case 3:
          try {
            return step(name + "fails", sum);
          } catch (StepFailed e) {
            return e.reason();
          } finally {
            step(name + "undo", sum);
          }
        case 4:
          Hub.sleep(Duration.ofMillis(task));
          return step(name, sum);
        case 7, 8:
          return Hub.timeout(
              Duration.ofMillis(1 + (name.hashCode() & 7)), () -> step(name, sum), () -> "late");
        default:
          return step(name, sum);
      }
    }

    private String step(String name, String sum) {
      outside.asked(name);
      try {
        return Journal.step(name, () -> outside.effect(name), sum);
      } finally {
        outside.delivered();
      }
    }

    static String outcome(String step) throws IOException {
      if (step.endsWith("fails")) throw new IOException("no " + step);
      return hash(step);
    }

    private static String hash(String text) {
      return Long.toHexString(Hash.of(text));
    }
  }

  // In the process that is killed

  /** Hosts two programs at a time, one of them with limits, and sends them what they receive. */
  static final class Hosting implements Plan.Outside {
    private final Path directory;
    private final Point point;
    private final AtomicInteger left;
    private final FileOutputStream log;
    private volatile boolean isOpen;

    public static void main(String[] args) throws Exception {
      new Hosting(Path.of(args[0]), Point.valueOf(args[1]), Integer.parseInt(args[2])).run();
    }

    private Hosting(Path directory, Point point, int count) throws IOException {
      this.directory = directory;
      this.point = point;
      left = new AtomicInteger(count);
      log = new FileOutputStream(directory.resolve("log").toFile(), true);
    }

    private void run() throws Exception {
      Store store = DirectoryStore.open(directory.resolve("store"), new StoppingDisk(), 100_000);
      var host = new Host(acknowledging(store), Codec.STRINGS);
      isOpen = true;
      for (int pair = 0; ; pair++) {
        List<String> ids = List.of("limits " + pair, "no limits " + pair);
        boolean isNew = false;
        for (String id : ids) isNew |= !hasEnded(host.status(id));
        if (!isNew) {
          for (String id : ids)
            say("ended", id, host.result(id)); // it may have been killed before it said so
          continue;
        }
        for (String id : ids) host.start(id, "plan", new Plan(id, this), id);
        for (int task = 0; task < Plan.TASKS; task++) for (String id : ids) send(host, id, task);
        for (String id : ids) say("ended", id, host.result(id));
        at(Point.ENDED);
      }
    }

    private static boolean hasEnded(Status status) {
      return status != null && status.state() == Status.State.ENDED;
    }

    private void send(Host host, String id, int task) throws IOException {
      for (int i = 0; i < new Plan(id, this).messages(task); i++) {
        String message = task + "." + i;
        host.send(id, "m" + task, message, message);
        say("sent", id, message);
      }
    }

    /** Calls of a store, which has written what was appended before this goes on. */
    private Store acknowledging(Store store) {
      return (Store)
          Proxy.newProxyInstance(
              Store.class.getClassLoader(),
              new Class<?>[] {Store.class},
              (proxy, method, args) -> {
                Object result;
                try {
                  result = method.invoke(store, args);
                } catch (InvocationTargetException e) {
                  throw e.getCause();
                }
                if (method.getName().equals("append")) at(Point.ACKNOWLEDGED);
                return result;
              });
    }

    /** A line that the kernel has, whatever becomes of this process. */
    private void say(String... words) throws IOException {
      byte[] line = (String.join("\t", words) + "\n").getBytes();
      synchronized (log) {
        log.write(line);
      }
    }

    private boolean isAt(Point here) {
      return isOpen && here == point && left.decrementAndGet() == 0;
    }

    private void at(Point here) {
      if (isAt(here)) stop();
    }

    private static void stop() {
      tellOfPoint();
      while (true) LockSupport.park();
    }

    private static void tellOfPoint() {
      System.out.print("at the point\n");
      System.out.flush();
    }

    @Override
    public String effect(String step) throws Exception {
      String[] key = Journal.stepKey().split("/", 2);
      say("begun", key[0], step);
      if (isAt(Point.ANYWHERE)) tellOfPoint();
      at(Point.BEGUN);
      if (key[0].startsWith("limits")) Thread.sleep(ThreadLocalRandom.current().nextInt(6));
      if (step.endsWith("vain")) Thread.sleep(ThreadLocalRandom.current().nextInt(20));
      say("effect", key[0], step);
      at(Point.EFFECT);
      return Plan.outcome(step);
    }

    @Override
    public void asked(String step) {}

    @Override
    public void delivered() {
      at(Point.DELIVERED);
    }

    private final class StoppingDisk extends Disk {
      @Override
      void write(FileChannel file, ByteBuffer bytes) throws IOException {
        if (isAt(Point.HALF_WRITTEN)) {
          super.write(file, bytes.slice(0, bytes.remaining() / 2));
          stop();
        }
        super.write(file, bytes);
        at(Point.WRITTEN);
      }

      @Override
      void forced() {
        at(Point.FORCED);
      }
    }
  }

  // In the process that kills

  /** What is known of a program. */
  private static final class Known {
    List<Entry> entries = List.of();

    /** What it asks for no longer: it has the outcome, or has given up. */
    Set<String> settled = Set.of();

    final Set<String> effects = new HashSet<>();
    final Set<String> sent = new HashSet<>();
    String result;
    boolean isChecked;
  }

  @TempDir Path directory;

  private final Map<String, Known> programs = new HashMap<>();

  @Test
  @DisplayName(
      "Wherever it is killed, programs go on to the same end, and no step begins that has its outcome or was given up")
  void killed() throws Throwable {
    var random = new Random(SEED);
    Files.createFile(directory.resolve("log"));
    Point[] points = Point.values();
    for (int kill = 0; kill < KILLS; kill++) {
      Point point = points[(kill + (int) (SEED & 7)) % (points.length - 1)];
      kill(point, 1 + random.nextInt(MOST_EVENTS), "%s, kill %d".formatted(point, kill));
    }
    kill(Point.ENDED, 1, "the last one");
    assertTrue(programs.size() >= 2);
    for (var each : programs.entrySet())
      assertNotNull(each.getValue().result, each.getKey() + " has not ended, seed " + SEED);
  }

  private void kill(Point point, int events, String kill) throws Throwable {
    String where = "%s at %d, seed %d".formatted(kill, events, SEED);
    long seen = Files.size(directory.resolve("log"));
    run(point, events, where);
    Map<String, Set<String>> begun = new HashMap<>();
    byte[] log = Files.readAllBytes(directory.resolve("log"));
    for (String line : new String(log, (int) seen, log.length - (int) seen).split("\n")) {
      String[] words = line.split("\t");
      if (words.length == 3) told(words, begun, where + ", " + line);
    }
    try (Store store = DirectoryStore.open(directory.resolve("store"))) {
      for (var each : programs.entrySet())
        if (!each.getValue().isChecked) check(store, each.getKey(), each.getValue(), where);
    }
  }

  private void run(Point point, int events, String where) throws Throwable {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments())
      if (option.matches("(-Dgreenlet\\.engine|--add-exports|--add-opens).*")) command.add(option);
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"));
    command.addAll(List.of(System.getProperty("java.class.path"), Hosting.class.getName()));
    command.addAll(List.of(directory.toString(), point.name(), "" + events));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    Future<List<String>> lines =
        Threads.PLATFORM.start(
            "lines",
            () -> {
              List<String> all = new ArrayList<>();
              for (String line; (line = process.inputReader().readLine()) != null; all.add(line))
                if (line.equals("at the point")) process.toHandle().destroyForcibly();
              return all;
            });
    Threads.await(process);
    assertEquals(List.of("at the point"), Threads.await(lines), where);
  }

  private void told(String[] words, Map<String, Set<String>> begun, String what) {
    Known program = programs.computeIfAbsent(words[1], id -> new Known());
    switch (words[0]) {
      case "begun" -> {
        assertTrue(
            begun.computeIfAbsent(words[1], id -> new HashSet<>()).add(words[2]),
            "begins twice: " + what);
        assertFalse(program.settled.contains(words[2]), "begins again: " + what);
      }
      case "effect" -> program.effects.add(words[2]);
      case "sent" -> program.sent.add(words[2]);
      default -> program.result = words[2];
    }
  }

  private static void check(Store store, String id, Known known, String where) throws Throwable {
    String what = where + ", program " + id;
    List<Entry> entries = store.read(id);
    assertEquals(known.entries, entries.subList(0, known.entries.size()), what);
    known.entries = entries;
    Set<String> messages = new HashSet<>();
    for (Message message : store.messages(id)) messages.add(message.value().substring(1));
    for (Entry entry : entries) {
      if (entry.kind() == Entry.Kind.MESSAGE) messages.add(entry.value().substring(1));
      if (entry.kind() == Entry.Kind.OUTCOME || entry.kind() == Entry.Kind.FAILURE)
        assertTrue(known.effects.contains(step(entry.key())), entry + " without effect: " + what);
    }
    assertTrue(messages.containsAll(known.sent), "a message is lost: " + what);
    Set<String> asked = new HashSet<>();
    Replay replay = replay(id, entries, asked::add);
    for (String wait : replay.waits()) asked.remove(step(wait));
    known.settled = asked;
    if (known.result == null) return;
    assertEquals(replay.result(), known.result, what);
    if (id.startsWith("no"))
      assertEquals(
          Threads.PLATFORM.call("without kills", () -> withoutKills(id)), known.result, what);
    known.isChecked = true;
  }

  /** The name of a step, by the key of its wait. */
  private static String step(String key) {
    return key.substring(key.indexOf(TaskPath.STEP) + 1, key.lastIndexOf('#'));
  }

  private static Plan.Outside outside(Consumer<String> asked) {
    return new Plan.Outside() {
      @Override
      public String effect(String step) throws IOException {
        return Plan.outcome(step);
      }

      @Override
      public void asked(String step) {
        asked.accept(step);
      }

      @Override
      public void delivered() {}
    };
  }

  private static Replay replay(String id, List<Entry> entries, Consumer<String> asked)
      throws Throwable {
    var plan = new Plan(id, outside(asked));
    Callable<Replay> replay = () -> Replay.of(id, plan, Codec.STRINGS, entries, Long.MAX_VALUE);
    return Threads.PLATFORM.call("replay", replay);
  }

  private static String withoutKills(String id) throws IOException {
    var plan = new Plan(id, outside(step -> {}));
    try (var store = new MemoryStore();
        var host = new Host(store, Codec.STRINGS)) {
      host.start(id, "plan", plan, id);
      for (int task = 0; task < Plan.TASKS; task++)
        for (int i = 0; i < plan.messages(task); i++)
          host.send(id, "m" + task, task + "." + i, null);
      return host.result(id);
    }
  }
}
