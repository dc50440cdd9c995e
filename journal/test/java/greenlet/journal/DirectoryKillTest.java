package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Kills of a process that writes a directory; {@code -Dgreenlet.journal.kills} is how many. */
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "a store knows of no engine")
class DirectoryKillTest {
  private static final int KILLS = Integer.getInteger("greenlet.journal.kills", 8);
  private static final long SEED = Long.getLong("greenlet.random.seed", System.nanoTime());
  private static final int THREADS = 4;
  private static final int GROUP = 3;

  /** Where a process stops, and waits to be killed. */
  enum Point {
    ANYWHERE,
    HALF_WRITTEN,
    WRITTEN,
    FORCED,
    ACKNOWLEDGED,
    DELETED
  }

  @TempDir Path directory;

  @Test
  @DisplayName("Wherever it is killed: what was acknowledged is there, and nothing half")
  void killed() throws Throwable {
    var random = new Random(SEED);
    Map<String, Long> acknowledged = new HashMap<>();
    for (int kill = 0; kill < KILLS; kill++) {
      Point point = Point.values()[kill % Point.values().length];
      String where = "%s, kill %d, seed %d".formatted(point, kill, SEED);
      kill(point, 1 + random.nextInt(point == Point.DELETED ? 2 : 150), acknowledged, where);
      try (Store store = DirectoryStore.open(directory.resolve("store"))) {
        for (var one : acknowledged.entrySet()) check(store, one.getKey(), one.getValue(), where);
      }
    }
    assertTrue(acknowledged.size() > 0);
  }

  private void kill(Point point, int count, Map<String, Long> acknowledged, String where)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Appending.class.getName(),
                directory.resolve("store").toString(),
                point.name(),
                "" + count)
            .redirectErrorStream(true)
            .start();
    try (BufferedReader lines = process.inputReader()) {
      int acks = 0;
      for (String line; (line = lines.readLine()) != null; ) {
        if (line.equals("at the point")) process.toHandle().destroyForcibly();
        else {
          String[] words = line.split(" ");
          assertEquals("ack", words[0], where + ": " + line);
          acknowledged.put(words[1], Long.valueOf(words[2]));
          if (++acks == count && point == Point.ANYWHERE) process.toHandle().destroyForcibly();
        }
      }
    } finally {
      process.toHandle().destroyForcibly(); // which leaves what it has printed
      process.waitFor();
    }
    assertEquals(137, process.exitValue(), where);
  }

  private static void check(Store store, String id, long next, String where) throws IOException {
    List<Entry> entries = store.read(id);
    String what = where + ", " + id;
    assertTrue(!entries.isEmpty(), what);
    Entry first = entries.get(0);
    long number = first.number();
    for (Entry entry : entries) {
      assertEquals(number++, entry.number(), what);
      if (entry != first) assertEquals(Appending.entry(id, entry.number()), entry, what);
    }
    assertTrue(number >= next, () -> "%s: %d was acknowledged".formatted(what, next));
    assertEquals(0, (entries.size() - 1) % GROUP, what + ": a group is half there");
  }

  /** Appends groups of entries to programs of each thread, and restarts them now and then. */
  static final class Appending {
    private static final int PROGRAMS = 5;

    static Entry entry(String id, long number) {
      return new Entry(
          number,
          number,
          Entry.Kind.OUTCOME,
          "k",
          number,
          id + ":" + "x".repeat((int) (number % 50)));
    }

    public static void main(String[] args) throws Throwable {
      var disk = new Stopping(Point.valueOf(args[1]), Integer.parseInt(args[2]));
      Store store = DirectoryStore.open(Path.of(args[0]), disk, 4_000);
      disk.isOpen = true;
      for (int t = 0; t < THREADS; t++) {
        int thread = t;
        Thread.ofPlatform()
            .start(() -> {
              try {
                for (int i = 0; ; i++) append(store, thread + "-" + i % PROGRAMS);
              } catch (IOException e) {
                throw new AssertionError(e);
              }
            });
      }
    }

    private static void append(Store store, String id) throws IOException {
      Standing standing = store.standing(id);
      long next = standing == null ? 0 : standing.next();
      List<Entry> entries = new ArrayList<>();
      if (next == 0) entries.add(new Entry(0, 0, Entry.Kind.BEGIN, "f", 0, id));
      else if (next - standing.begin().number() > 30)
        entries.add(new Entry(next, 0, Entry.Kind.RESTART, "f", 0, id));
      while (entries.size() < GROUP
          || (entries.size() - (entries.get(0).kind() == Entry.Kind.OUTCOME ? 0 : 1)) % GROUP > 0)
        entries.add(entry(id, next + entries.size()));
      if (!store.append(List.of(new Append(id, 0, next, entries, List.of(), null))).isEmpty())
        throw new AssertionError(id + " was refused");
      String ack = "ack %s %d\n".formatted(id, next + entries.size());
      synchronized (System.out) {
        System.out.print(ack);
        System.out.flush();
      }
    }
  }

  private static final class Stopping extends Disk {
    private final Point point;
    private final AtomicInteger left;
    volatile boolean isOpen;

    Stopping(Point point, int count) {
      this.point = point;
      left = new AtomicInteger(count);
    }

    private boolean isAt(Point here) {
      return isOpen && here == point && left.decrementAndGet() == 0;
    }

    private static void stop() {
      System.out.print("at the point\n");
      System.out.flush();
      while (true) java.util.concurrent.locks.LockSupport.park();
    }

    @Override
    void write(FileChannel file, ByteBuffer bytes) throws IOException {
      if (isAt(Point.ACKNOWLEDGED)) stop(); // all that was written before
      if (isAt(Point.HALF_WRITTEN)) {
        super.write(file, bytes.slice(0, bytes.remaining() / 2));
        stop();
      }
      super.write(file, bytes);
      if (isAt(Point.WRITTEN)) stop();
    }

    @Override
    void forced() {
      if (isAt(Point.FORCED)) stop();
    }

    @Override
    void delete(Path file) throws IOException {
      super.delete(file);
      if (isAt(Point.DELETED)) stop();
    }
  }
}
