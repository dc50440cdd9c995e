package greenlet.journal;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Keeps journals in the files of a directory, which has one owner at a time. What many threads write meanwhile is forced to the disk
 * at once. An index of all programs is in memory, about 200 bytes for one that has been forgotten; of the entries, 4 MB that were read last. Room of what
 * counts no longer is given back by and by: the files take about twice what is in them, and 32 MB, at most.
 *
 * <p>The files, and the format of what is in them, are described in the documentation of the library.
 */
public final class DirectoryStore implements Store {
  private static final int VALUE_LIMIT = 1 << 24;
  private static final int APPEND_LIMIT = 1 << 29;
  private static final int SEGMENT = 1 << 24;
  private static final int PRUNED_AT_ONCE = 10_000;

  private final Path directory;
  private final Index index = new Index();
  private final Log log;
  private final Writer writer;
  private final Listeners listeners = new Listeners();
  private final ReentrantReadWriteLock calls = new ReentrantReadWriteLock();
  private @Nullable Owner owner;
  private boolean isClosed;

  private DirectoryStore(Path directory, Disk disk, int segment) {
    this.directory = directory;
    log = new Log(directory, disk, segment);
    var compactor = new Compactor(log, index, 2 * segment);
    writer = new Writer("the store " + directory, log, index, compactor, disk);
  }

  /**
   * Opens the store of a directory, which is made if it is not there, for its user alone. Reads all files, which takes a second for
   * some hundred thousand entries. If the process or the machine has stopped while the store was written, what was being written then
   * is there or not, append for append.
   *
   * @param directory where the files are, and nothing else
   * @return to be closed
   * @throws Corrupt if what is there is not what was written; nothing was changed
   * @throws IOException if the directory is open already, in this process or another; is not for its user alone; has other files;
   *     was written by a later version of this library; or cannot be read or written
   */
  public static DirectoryStore open(Path directory) throws IOException {
    return open(directory, new Disk(), SEGMENT);
  }

  /** With a disk of a test, and segments of about {@code segment} bytes. */
  static DirectoryStore open(Path directory, Disk disk, int segment) throws IOException {
    directory = directory.toAbsolutePath();
    makeDirectory(directory, disk);
    requireOwn(directory);
    var store = new DirectoryStore(directory, disk, segment);
    try {
      store.writer.start(store::recover);
    } catch (Throwable t) {
      store.release();
      throw t;
    }
    return store;
  }

  private static void makeDirectory(Path directory, Disk disk) throws IOException {
    if (Files.exists(directory)) return;
    FileAttribute<?>[] attributes =
        Disk.isPosix(directory)
            ? new FileAttribute<?>[] {
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))
            }
            : new FileAttribute<?>[0];
    Files.createDirectories(directory, attributes);
  }

  private static void requireOwn(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) throw new IOException(directory + " is no directory");
    if (Disk.isPosix(directory)) {
      String permissions = PosixFilePermissions.toString(Files.getPosixFilePermissions(directory));
      if (!permissions.endsWith("------"))
        throw new IOException(
            "%s is not for its user alone, but %s: chmod 700 it, or name a directory that is not there yet"
                .formatted(directory, permissions));
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        String name = file.getFileName().toString();
        boolean isOurs =
            (name.equals(Owner.LOCK) || Log.NAME.matcher(name).matches())
                && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
        if (!isOurs)
          throw new IOException(
              "%s is none of a store's files: give the store a directory of its own"
                  .formatted(file));
      }
    }
  }

  private void recover() throws IOException {
    owner = Owner.of(directory);
    var recovery = new Recovery(index);
    log.open(recovery);
    log.drop(recovery.end(log.firstNumber()));
  }

  private interface Call<T extends @Nullable Object> {
    T call() throws IOException;
  }

  /** Keeps the store open meanwhile. */
  private <T extends @Nullable Object> T call(Call<T> call) throws IOException {
    calls.readLock().lock();
    try {
      if (isClosed) throw new IOException("the store " + directory + " is closed");
      writer.requireAlive();
      return call.call();
    } finally {
      calls.readLock().unlock();
    }
  }

  private interface Reading<T extends @Nullable Object> {
    T read(Kept kept) throws IOException;
  }

  /** Reads of a program, which may be written elsewhere meanwhile: then once more. */
  private <T extends @Nullable Object> T reading(String id, T none, Reading<T> reading)
      throws IOException {
    return call(() -> {
      while (true) {
        Kept kept = index.get(id);
        if (kept == null) return none;
        try {
          return reading.read(kept);
        } catch (Segment.Gone e) {
          if (index.get(id) == kept) throw new Corrupt("a file with %s is gone".formatted(id));
        }
      }
    });
  }

  @Override
  public List<Entry> read(String id) throws IOException {
    return reading(id, List.of(), log::entries);
  }

  @Override
  public @Nullable Standing standing(String id) throws IOException {
    return this.<@Nullable Standing>reading(id, null, this::standing);
  }

  private Standing standing(Kept kept) throws IOException {
    List<Entry> first = log.entriesAt(kept.begin, kept.id);
    Entry end = null;
    if (kept.hasEnded()) {
      List<Entry> last = kept.last == kept.begin ? first : log.entriesAt(kept.last, kept.id);
      end = last.get(last.size() - 1);
    }
    return new Standing(kept.id, first.get(0), kept.next, end, kept.park());
  }

  @Override
  public void forEach(Consumer<? super Standing> each) throws IOException {
    for (String id : call(() -> index.ids(kept -> true))) {
      Standing standing = standing(id);
      if (standing != null) each.accept(standing);
    }
  }

  @Override
  public List<String> unparked() throws IOException {
    return call(() -> index.ids(kept -> !kept.hasEnded() && kept.awaited == null));
  }

  @Override
  public List<String> due(long time, int most) throws IOException {
    return call(() -> index.due(time, most));
  }

  @Override
  public long nextDue() throws IOException {
    return this.<Long>call(index::nextDue);
  }

  @Override
  public Set<String> append(List<Append> group) throws IOException {
    List<Appending> requests = requests(group);
    return call(() -> {
      writer.submit(requests);
      Set<String> refused = new HashSet<>();
      for (Appending request : requests) if (!request.await()) refused.add(request.append.id());
      return refused;
    });
  }

  private List<Appending> requests(List<Append> group) {
    List<Appending> requests = new ArrayList<>(group.size());
    for (Append append : group) requests.add(new Appending(append, encode(append)));
    return requests;
  }

  /**
   * As {@link #append(List)}, for one alone, and does not wait: what waits is a thread less, which would have to be woken twice.
   *
   * @return completed in the thread that writes: whether it was not refused
   */
  CompletableFuture<Boolean> appendLater(Append append) throws IOException {
    List<Appending> requests = requests(List.of(append));
    return call(() -> {
      writer.submit(requests);
      return requests.get(0).done();
    });
  }

  private Encoder encode(Append append) {
    long number = append.number();
    for (int i = 0; i < append.entries().size(); i++) {
      Entry entry = append.entries().get(i);
      requireFits(entry.value(), append.id());
      if (entry.number() != number++)
        throw new IllegalArgumentException(
            "entry %d of %s is in the place of entry %d"
                .formatted(entry.number(), append.id(), number - 1));
      if (i > 0 && entry.kind().begins() || entry.kind().ends() && i < append.entries().size() - 1)
        throw new IllegalArgumentException(
            "entry %d of %s is in the midst of what is appended, and begins or ends the journal"
                .formatted(entry.number(), append.id()));
    }
    Encoder record = Records.encode(append);
    if (record.size() > APPEND_LIMIT)
      throw new IllegalArgumentException(
          "%d bytes are to be appended to %s at once, and %d are allowed: append fewer entries"
              .formatted(record.size(), append.id(), APPEND_LIMIT));
    return record;
  }

  private static void requireFits(@Nullable String value, String id) {
    if (value != null && value.length() > VALUE_LIMIT)
      throw new IllegalArgumentException(
          "a value of %s has %d characters, and the store takes %d: keep it elsewhere, and its name here"
              .formatted(id, value.length(), VALUE_LIMIT));
  }

  private static final class Appending extends Writer.Request<Boolean> {
    final Append append;
    private final Encoder record;

    Appending(Append append, Encoder record) {
      this.append = append;
      this.record = record;
    }

    @Override
    int size() {
      return record.size();
    }

    @Override
    Boolean put(Batch batch) {
      Kept kept = batch.find(append.id());
      boolean isNext =
          kept == null
              ? append.number() == 0 && !append.entries().isEmpty()
              : append.number() == kept.next
                  && append.incarnation() == kept.incarnation
                  && !kept.hasEnded();
      if (!isNext) return false;
      batch.append(append, record);
      return true;
    }
  }

  @Override
  public boolean send(String id, Message message) throws IOException {
    requireFits(message.value(), id);
    boolean isNew = this.<Boolean>ask(new Sending(id, message));
    if (isNew) listeners.tell(id);
    return isNew;
  }

  private <T> T ask(Writer.Request<T> request) throws IOException {
    return call(() -> {
      writer.submit(List.of(request));
      return request.await();
    });
  }

  private static final class Sending extends Writer.Request<Boolean> {
    private final String id;
    private final Message message;

    Sending(String id, Message message) {
      this.id = id;
      this.message = message;
    }

    @Override
    int size() {
      return 100 + (message.value() == null ? 0 : 2 * message.value().length());
    }

    @Override
    Boolean put(Batch batch) throws Writer.Refusal {
      Kept kept = batch.find(id);
      if (kept == null)
        throw new Writer.Refusal(
            "there is no program %s to send a message to: execute it first".formatted(id));
      if (message.key() != null && kept.knows(message.key())) return false;
      if (kept.hasEnded())
        throw new Writer.Refusal("program %s has ended, and receives no message".formatted(id));
      batch.send(
          id,
          new Message(kept.sent, message.time(), message.name(), message.key(), message.value()));
      return true;
    }
  }

  @Override
  public List<Message> messages(String id) throws IOException {
    return reading(id, List.of(), log::messages);
  }

  @Override
  public boolean delete(String id) throws IOException {
    return this.<Boolean>ask(new Deletion(id));
  }

  private static final class Deletion extends Writer.Request<Boolean> {
    private final String id;

    Deletion(String id) {
      this.id = id;
    }

    @Override
    int size() {
      return id.length();
    }

    @Override
    Boolean put(Batch batch) throws Writer.Refusal {
      Kept kept = batch.find(id);
      if (kept == null) return false;
      if (!kept.hasEnded())
        throw new Writer.Refusal(
            "program %s has not ended, and is not deleted: cancel it, and wait for its end"
                .formatted(id));
      batch.delete(id);
      return true;
    }
  }

  @Override
  public long prune(long time) throws IOException {
    List<String> ids = call(() -> index.ids(kept -> kept.hasEnded() && kept.ended < time));
    long pruned = 0;
    for (int from = 0; from < ids.size(); from += PRUNED_AT_ONCE)
      pruned +=
          ask(new Pruning(ids.subList(from, Math.min(ids.size(), from + PRUNED_AT_ONCE)), time));
    return pruned;
  }

  private static final class Pruning extends Writer.Request<Long> {
    private final List<String> ids;
    private final long time;

    Pruning(List<String> ids, long time) {
      this.ids = ids;
      this.time = time;
    }

    @Override
    int size() {
      return 100 * ids.size();
    }

    @Override
    Long put(Batch batch) {
      long pruned = 0;
      for (String id : ids) {
        Kept kept = batch.find(id);
        if (kept == null || !kept.hasEnded() || kept.ended >= time) continue;
        batch.delete(id);
        pruned++;
      }
      return pruned;
    }
  }

  @Override
  public int valueLimit() {
    return VALUE_LIMIT;
  }

  @Override
  public Runnable listen(Consumer<? super String> listener) {
    return listeners.add(listener);
  }

  @Override
  public void close() throws IOException {
    calls.writeLock().lock();
    try {
      if (isClosed) return;
      isClosed = true;
      writer.stop();
      release();
    } finally {
      calls.writeLock().unlock();
    }
  }

  private void release() throws IOException {
    try {
      log.close();
    } finally {
      if (owner != null) owner.release();
    }
  }

  @Override
  public String toString() {
    return "#<DirectoryStore %s>".formatted(directory);
  }
}
