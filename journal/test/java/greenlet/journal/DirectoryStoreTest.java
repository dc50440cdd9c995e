package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.Threads;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** What a directory does when it is damaged, full, or owned by another; {@code -Dgreenlet.random.factor} times as many random cases. */
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "a store knows of no engine")
class DirectoryStoreTest {
  private static final int FACTOR = Integer.getInteger("greenlet.random.factor", 1);
  private static final int SMALL = 600;

  @TempDir Path temporary;

  /** Forces nothing, which makes a test with thousands of stores fast. */
  private static class Lazy extends Disk {
    @Override
    void force(FileChannel file) throws IOException {}

    @Override
    void forceDirectory(Path directory) throws IOException {}
  }

  /** Fails at its n-th operation, and at all after it. Of what it was to write it has written half. */
  private static final class Failing extends Lazy {
    private final AtomicInteger left;

    Failing(int n) {
      left = new AtomicInteger(n);
    }

    private void use() throws IOException {
      if (left.decrementAndGet() <= 0) throw new IOException("No space left on device");
    }

    @Override
    void write(FileChannel file, ByteBuffer bytes) throws IOException {
      try {
        use();
      } catch (IOException e) {
        super.write(file, bytes.slice(0, bytes.remaining() / 2));
        throw e;
      }
      super.write(file, bytes);
    }

    @Override
    void force(FileChannel file) throws IOException {
      use();
    }

    @Override
    void forceDirectory(Path directory) throws IOException {
      use();
    }

    @Override
    void delete(Path file) throws IOException {
      use();
      super.delete(file);
    }

    @Override
    void forced() throws IOException {
      use();
    }
  }

  /** Lets a force go on only when it is told to. */
  private static final class Held extends Disk {
    final AtomicInteger forces = new AtomicInteger();
    private CountDownLatch gate = new CountDownLatch(0);

    synchronized void shut() {
      gate = new CountDownLatch(1);
    }

    synchronized CountDownLatch gate() {
      return gate;
    }

    @Override
    void force(FileChannel file) throws IOException {
      forces.incrementAndGet();
      try {
        Threads.await(gate());
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      super.force(file);
    }
  }

  private static Entry entry(long number, Entry.Kind kind, String value) {
    return new Entry(number, number, kind, "k", 0, value);
  }

  private static Append begin(String id) {
    return new Append(id, 0, 0, List.of(entry(0, Entry.Kind.BEGIN, id)), List.of(), null);
  }

  private static Append outcome(String id, long number) {
    return new Append(
        id, 0, number, List.of(entry(number, Entry.Kind.OUTCOME, id + number)), List.of(), null);
  }

  private static Map<Path, byte[]> files(Path directory) throws IOException {
    Map<Path, byte[]> files = new TreeMap<>();
    try (Stream<Path> all = Files.list(directory)) {
      for (Path file : all.toList())
        if (!file.endsWith(Owner.LOCK)) files.put(file, Files.readAllBytes(file));
    }
    return files;
  }

  private static void write(Map<Path, byte[]> files, Path directory) throws IOException {
    for (Path there : files(directory).keySet()) if (!files.containsKey(there)) Files.delete(there);
    for (var file : files.entrySet()) write(file.getKey(), file.getValue());
  }

  /** In place: that is fast, and to truncate a file and write it is not. */
  private static void write(Path file, byte[] bytes) throws IOException {
    try (var raw = new RandomAccessFile(file.toFile(), "rw")) {
      raw.write(bytes);
      raw.setLength(bytes.length);
    }
  }

  /** Fills a store; what it was after each durable change. */
  private static List<String> fill(Path directory, int operations, int segment) throws IOException {
    List<String> states = new ArrayList<>();
    var model = new MemoryStore();
    var random = new RandomOperations(17, model);
    try (Store store = DirectoryStore.open(directory, new Lazy(), segment)) {
      states.add(programs(store));
      for (int i = 0; i < operations; i++) {
        RandomOperations.Operation operation = random.next();
        assertEquals(operation.outcome(model), operation.outcome(store));
        states.add(programs(store));
      }
      assertEquals(RandomOperations.state(model), RandomOperations.state(store));
    }
    return states;
  }

  private interface Seen {
    String of(String id) throws IOException;
  }

  private static String programs(Seen seen) throws IOException {
    var all = new StringBuilder();
    for (int i = 0; i < RandomOperations.PROGRAMS; i++) all.append(seen.of("p" + i)).append('\n');
    return all.toString();
  }

  private static String programs(Store store) throws IOException {
    return programs(id -> {
      Standing standing = store.standing(id);
      return standing == null
          ? ""
          : standing.next() + " " + standing.park() + store.read(id) + store.messages(id);
    });
  }

  /** What is there, read without a store and its thread: that is fast. */
  private static String recovered(Path directory) throws IOException {
    var index = new Index();
    var log = new Log(directory, new Lazy(), SMALL);
    try {
      var recovery = new Recovery(index);
      log.open(recovery);
      log.drop(recovery.end(log.firstNumber()));
      return programs(id -> {
        Kept kept = index.get(id);
        return kept == null
            ? ""
            : kept.next + " " + kept.park() + log.entries(kept) + log.messages(kept);
      });
    } finally {
      log.close();
    }
  }

  private static String reopened(Path directory) throws IOException {
    try (Store store = DirectoryStore.open(directory, new Lazy(), SMALL)) {
      return RandomOperations.state(store);
    }
  }

  @Test
  @DisplayName("Random calls do what they do in memory, and are there when it is opened again")
  void random() throws Throwable {
    for (int seed = 0; seed < 6 * FACTOR; seed++) {
      Path directory = temporary.resolve("random" + seed);
      var model = new MemoryStore();
      var random = new RandomOperations(seed, model);
      for (int round = 0; round < 8; round++) {
        try (Store store = DirectoryStore.open(directory, new Lazy(), SMALL * (1 + seed % 3))) {
          assertEquals(RandomOperations.state(model), RandomOperations.state(store), "" + seed);
          for (int i = 0; i < 60; i++) {
            RandomOperations.Operation operation = random.next();
            assertEquals(operation.outcome(model), operation.outcome(store), "" + seed);
          }
          assertEquals(RandomOperations.state(model), RandomOperations.state(store), "" + seed);
        }
      }
    }
  }

  @Test
  @DisplayName("Cut anywhere, a file is a prefix; an earlier one that is cut is corrupt")
  void cut() throws Throwable {
    Path directory = temporary.resolve("cut");
    List<String> states = fill(directory, 25, 1500);
    Map<Path, byte[]> files = files(directory);
    assertTrue(files.size() > 1, files::toString);
    Path last = ((TreeMap<Path, byte[]>) files).lastKey();
    for (Path file : files.keySet()) {
      int latest = 0;
      byte[] all = files.get(file);
      for (int length = 0; length < all.length; length++) {
        var damaged = new TreeMap<>(files);
        damaged.put(file, java.util.Arrays.copyOf(all, length));
        write(damaged, directory);
        if (!file.equals(last)) {
          assertThrows(Corrupt.class, () -> recovered(directory), file + " at " + length);
          assertEquals(length, Files.size(file), "nothing is cut");
          continue;
        }
        int state = states.lastIndexOf(recovered(directory));
        assertTrue(state >= latest, file + " at " + length);
        latest = state;
      }
    }
    write(files, directory);
    assertEquals(states.get(states.size() - 1), recovered(directory));
  }

  @Test
  @DisplayName(
      "Each flipped bit is found; what was written last is cut, of everything else nothing")
  void flipped() throws Throwable {
    Path directory = temporary.resolve("flipped");
    List<String> states = fill(directory, 4, 700);
    Map<Path, byte[]> files = files(directory);
    assertTrue(files.size() > 1, files::toString);
    Path last = ((TreeMap<Path, byte[]>) files).lastKey();
    int cut = 0;
    int found = 0;
    for (Path file : files.keySet()) {
      byte[] bytes = files.get(file);
      for (int i = 0; i < bytes.length; i++) {
        int step =
            FACTOR > 1 || i < 60 ? 1 : 4; // all bits of what a file and its first batch begin with
        for (int bit = i % step; bit < 8; bit += step) {
          byte[] damaged = bytes.clone();
          damaged[i] ^= (byte) (1 << bit);
          write(file, damaged);
          String where = "%s, byte %d, bit %d".formatted(file, i, bit);
          try {
            String state = recovered(directory);
            assertEquals(last, file, where);
            assertEquals(states.get(states.size() - 2), state, where);
            cut++;
          } catch (Corrupt e) {
            if (file.equals(last)) found++;
            assertEquals(bytes.length, Files.size(file), "nothing is cut");
          }
          write(file, bytes);
        }
      }
    }
    assertTrue(cut > 0 && found > 8 * 60, "bits found in the last file: " + found);
  }

  @Test
  @DisplayName("What goes bad while the store is open is corrupt when it is read")
  void rot() throws Throwable {
    Path directory = temporary.resolve("rot");
    try (Store store = DirectoryStore.open(directory)) {
      store.append(List.of(begin("a"), begin("b")));
      Path file = directory.resolve("0000000001.segment");
      try (var raw = new RandomAccessFile(file.toFile(), "rw")) {
        raw.seek(97);
        int b = raw.read();
        raw.seek(97);
        raw.write(b ^ 4);
      }
      Corrupt e = assertThrows(Corrupt.class, () -> store.read("a"));
      assertTrue(e.getMessage().contains("byte 56 of " + file), e::getMessage);
      assertEquals(1, store.read("b").size());
    }
    assertEquals("[]", reopened(directory).lines().findFirst().orElse("")); // the last batch
  }

  @Test
  @DisplayName(
      "Wherever the disk is full or fails: all that was durable is there, and nothing half")
  void failing() throws Throwable {
    int survived = 0;
    for (int n = 1; survived < 3; n += FACTOR > 1 ? 1 : 3) {
      Path directory = temporary.resolve("failing" + n);
      var model = new MemoryStore();
      var random = new RandomOperations(n % 5, model);
      String before = RandomOperations.state(model);
      String after = before;
      try (Store store = DirectoryStore.open(directory, new Failing(n), SMALL)) {
        try {
          for (int i = 0; i < 100; i++) {
            before = RandomOperations.state(model);
            RandomOperations.Operation operation = random.next();
            String outcome = operation.outcome(model);
            after = RandomOperations.state(model);
            assertEquals(outcome, operation.outcome(store));
          }
          survived++;
        } catch (IOException e) {
          requireOver(store, e);
        }
      } catch (IOException e) {
        assertTrue(e.getMessage().contains("No space"), e::toString);
      }
      requireOneOf(before, after, directory, n);
    }
  }

  private static void requireOver(Store store, IOException e) {
    assertTrue(
        e.getMessage().contains("is over") && e.getMessage().contains("No space"), e::toString);
    assertThrows(IOException.class, () -> store.read("p1"));
    assertThrows(IOException.class, () -> store.append(List.of()));
    assertThrows(IOException.class, () -> store.nextDue());
    IOException again =
        assertThrows(IOException.class, () -> store.send("p1", new Message(0, 0, "m", null, "v")));
    assertTrue(again.getMessage().contains("close it, and open it again"), again::toString);
  }

  /** Of a group that has failed each append is there or not, on its own: then the programs have one state or the other. */
  private static void requireOneOf(String before, String after, Path directory, int n)
      throws IOException {
    String state = reopened(directory);
    if (state.equals(before) || state.equals(after)) return;
    throw new AssertionError(
        "%d: %s%nwas before, %s%nwas to be, and there is %s".formatted(n, before, after, state));
  }

  @Test
  @DisplayName("On a disk that is really full, too")
  void full() throws Throwable {
    Path mount = Files.createDirectory(temporary.resolve("mount"));
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Assumptions.assumeTrue(exit("unshare", "-m", "true") == 0, "no mount namespace of our own");
    Process process =
        new ProcessBuilder(
                "unshare",
                "-m",
                "sh",
                "-c",
                "mount -t tmpfs -o size=1m,mode=700 none \"$1\" && exec \"$2\" -cp \"$3\" \"$4\" \"$1\"",
                "sh",
                mount.toString(),
                java,
                System.getProperty("java.class.path"),
                Full.class.getName())
            .inheritIO()
            .start();
    Threads.await(process);
    assertEquals(0, process.exitValue());
  }

  private static int exit(String... command) throws Exception {
    try {
      Process process = new ProcessBuilder(command).start();
      Threads.await(process);
      return process.exitValue();
    } catch (IOException e) {
      return -1;
    }
  }

  static final class Full {
    public static void main(String[] args) throws Throwable {
      Path directory = Path.of(args[0], "store");
      int written = 0;
      Store store = DirectoryStore.open(directory);
      store.append(List.of(begin("a")));
      try {
        for (; written < 10_000; written++)
          store.append(
              List.of(
                  new Append(
                      "a",
                      0,
                      written + 1,
                      List.of(entry(written + 1, Entry.Kind.OUTCOME, "x".repeat(700))),
                      List.of(),
                      null)));
        throw new AssertionError("the disk is not full");
      } catch (IOException e) {
        if (!e.getMessage().contains("is over") || !e.getMessage().contains("space")) throw e;
        assertThrows(IOException.class, () -> store.read("a"));
      }
      store.close();
      try (Store again = DirectoryStore.open(directory)) {
        int there = again.read("a").size();
        if (there < written + 1 || there > written + 2)
          throw new AssertionError(
              "%d were durable, and %d are there".formatted(written + 1, there));
      }
    }
  }

  @Test
  @DisplayName("What is not durable is not seen; what comes meanwhile is forced at once")
  void durable() throws Throwable {
    var disk = new Held();
    try (Store store = DirectoryStore.open(temporary.resolve("held"), disk, 1 << 20)) {
      store.append(List.of(begin("a")));
      disk.shut();
      int before = disk.forces.get();
      String seen = RandomOperations.state(store);
      List<Future<?>> writing = new ArrayList<>();
      writing.add(
          Threads.PLATFORM.start(
              "first", () -> store.append(List.of(outcome("a", 1), begin("b")))));
      Threads.until(() -> disk.forces.get() == before + 1);
      int others = 50;
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < others; i++) {
        String id = "c" + i;
        threads.add(
            Thread.ofPlatform()
                .daemon()
                .start(() -> {
                  try {
                    store.append(List.of(begin(id)));
                    store.send(id, new Message(0, 0, "m", "k", "v"));
                  } catch (IOException e) {
                    throw new AssertionError(e);
                  }
                }));
      }
      for (Thread thread : threads) Threads.untilWaiting(thread);
      assertEquals(seen, RandomOperations.state(store));
      assertFalse(writing.get(0).isDone());
      disk.gate().countDown();
      Threads.await(writing.get(0));
      for (Thread thread : threads) thread.join();
      int forces = disk.forces.get() - before;
      assertTrue(forces < others, "forces: " + forces);
      for (int i = 0; i < others; i++) assertEquals(1, store.messages("c" + i).size());
    }
  }

  @Test
  @DisplayName("Room is given back, while nobody waits for it")
  void compacts() throws Throwable {
    Path directory = temporary.resolve("compacts");
    int segment = 20_000;
    try (Store store = DirectoryStore.open(directory, new Lazy(), segment)) {
      store.append(List.of(begin("kept")));
      store.send("kept", new Message(0, 0, "m", "k", "v"));
      for (int i = 0; i < 6_000; i++) {
        String id = "p" + i;
        store.append(List.of(begin(id)));
        store.append(
            List.of(
                new Append(
                    id,
                    0,
                    1,
                    List.of(entry(1, Entry.Kind.RESULT, "x".repeat(100))),
                    List.of(),
                    null)));
        if (i % 3 > 0) store.delete(id);
        if (i % 1000 == 999) store.prune(Long.MAX_VALUE);
        if (i % 20 == 0) store.append(List.of(outcome("kept", i / 20 + 1)));
      }
      store.prune(Long.MAX_VALUE);
      Threads.until(() -> size(directory) < 4 * segment + 2 * 40_000);
      assertEquals(301, store.read("kept").size());
      assertEquals(1, store.messages("kept").size());
      assertFalse(store.send("kept", new Message(0, 0, "m", "k", "v")));
      String state = RandomOperations.state(store);
      store.close();
      assertEquals(state, reopened(directory));
    }
  }

  private static long size(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.mapToLong(file -> file.toFile().length()).sum();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  @DisplayName("A directory has one owner, whose process the error names")
  void owner() throws Throwable {
    Path directory = temporary.resolve("owned");
    String me = "process " + ProcessHandle.current().pid();
    try (Store store = DirectoryStore.open(directory)) {
      IOException e = assertThrows(IOException.class, () -> DirectoryStore.open(directory));
      assertTrue(
          e.getMessage().contains(directory + " is open already") && e.getMessage().contains(me),
          e::getMessage);
      IOException link =
          assertThrows(
              IOException.class,
              () ->
                  DirectoryStore.open(
                      Files.createSymbolicLink(temporary.resolve("link"), directory)));
      assertTrue(link.getMessage().contains(me), link::getMessage);
      for (int i = 0; i < 2; i++) { // that this process has asked has not lost it the lock
        String other =
            new greenlet.Program(directory.toString())
                .launch(
                    List.of("-cp", System.getProperty("java.class.path"), Other.class.getName()))
                .get(0);
        assertTrue(other.contains(directory + " is open already") && other.contains(me), other);
      }
      store.append(List.of(begin("a")));
    }
    DirectoryStore.open(directory).close();
  }

  static final class Other {
    public static void main(String[] args) {
      try (Store store = DirectoryStore.open(Path.of(args[0]))) {
        System.out.println("opened " + store);
      } catch (IOException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  @Test
  @DisplayName("The files are for their user alone, and so is the directory")
  void permissions() throws Throwable {
    Path directory = temporary.resolve("new/private");
    try (Store store = DirectoryStore.open(directory)) {
      store.append(List.of(begin("a")));
      assertEquals(
          "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)));
      try (Stream<Path> files = Files.list(directory)) {
        for (Path file : files.toList())
          assertEquals(
              "rw-------",
              PosixFilePermissions.toString(Files.getPosixFilePermissions(file)),
              "" + file);
      }
    }
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-x---"));
    IOException e = assertThrows(IOException.class, () -> DirectoryStore.open(directory));
    assertTrue(e.getMessage().contains("rwxr-x---: chmod 700"), e::getMessage);
  }

  @Test
  @DisplayName("What is no store is refused, and nothing is changed")
  void foreign() throws Throwable {
    Path directory = temporary.resolve("foreign");
    DirectoryStore.open(directory).close();
    Path file = Files.writeString(directory.resolve("notes.txt"), "tea");
    IOException e = assertThrows(IOException.class, () -> DirectoryStore.open(directory));
    assertTrue(e.getMessage().contains(file + " is none of a store's files"), e::getMessage);
    IOException no = assertThrows(IOException.class, () -> DirectoryStore.open(file));
    assertTrue(no.getMessage().contains("is no directory"), no::getMessage);
    assertEquals("tea", Files.readString(file));
  }

  @Test
  @DisplayName("A later version is named; segments that are missing are")
  void versions() throws Throwable {
    Path directory = temporary.resolve("versions");
    fill(directory, 60, SMALL);
    Map<Path, byte[]> files = files(directory);
    List<Path> paths = List.copyOf(files.keySet());
    assertTrue(paths.size() > 2, paths::toString);
    for (Path missing : paths.subList(0, paths.size() - 1)) {
      var fewer = new TreeMap<>(files);
      fewer.remove(missing);
      write(fewer, directory);
      Corrupt e = assertThrows(Corrupt.class, () -> reopened(directory));
      assertTrue(e.getMessage().contains(" is not"), e::getMessage);
    }
    byte[] later = files.get(paths.get(1));
    ByteBuffer header = ByteBuffer.wrap(later).putInt(8, 2);
    var crc = new CRC32C();
    crc.update(later, 0, 12);
    header.putInt(12, (int) crc.getValue());
    write(files, directory);
    IOException e = assertThrows(IOException.class, () -> reopened(directory));
    assertTrue(e.getMessage().contains(paths.get(1) + " is of version 2"), e::getMessage);
  }

  @Test
  @DisplayName("What is too large, or out of order, is refused, and the store goes on")
  void arguments() throws Throwable {
    try (Store store = DirectoryStore.open(temporary.resolve("arguments"))) {
      store.append(List.of(begin("a")));
      String large = "x".repeat(store.valueLimit() + 1);
      var entry =
          new Append("a", 0, 1, List.of(entry(1, Entry.Kind.OUTCOME, large)), List.of(), null);
      var e = assertThrows(IllegalArgumentException.class, () -> store.append(List.of(entry)));
      assertTrue(e.getMessage().contains("a value of a has 16777217 characters"), e::getMessage);
      assertThrows(
          IllegalArgumentException.class,
          () -> store.send("a", new Message(0, 0, "m", null, large)));
      var order =
          new Append("a", 0, 1, List.of(entry(2, Entry.Kind.OUTCOME, "v")), List.of(), null);
      var o = assertThrows(IllegalArgumentException.class, () -> store.append(List.of(order)));
      assertTrue(o.getMessage().contains("entry 2 of a is in the place of entry 1"), o::getMessage);
      assertEquals(1, store.read("a").size());
      store.append(List.of(outcome("a", 1)));
      assertEquals(2, store.read("a").size());
    }
  }
}
