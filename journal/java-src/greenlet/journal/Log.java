package greenlet.journal;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The segments of a directory, the last of which, the tail, is written. Batches are numbered through all of them. All threads may
 * read, one alone does everything else.
 */
final class Log {
  static final Pattern NAME = Pattern.compile("\\d{10}\\.segment");

  private static final int LARGEST = 1 << 30; // of a segment

  /** Who hears of each record when the directory is opened. */
  interface Reader {
    void read(Records.Record record, long position, int size) throws Corrupt;
  }

  private final Path directory;
  private final Disk disk;
  private final int smallest;
  private final NavigableMap<Integer, Segment> segments = new ConcurrentSkipListMap<>();
  private final Blocks blocks = new Blocks();
  private long nextBatch = 1;

  /** With segments of about {@code smallest} bytes at least. */
  Log(Path directory, Disk disk, int smallest) {
    this.directory = directory;
    this.disk = disk;
    this.smallest = smallest;
  }

  /** Reads all there is, cuts a last batch that is torn, and makes the tail ready to be written. */
  void open(Reader reader) throws IOException {
    openSegments();
    Segment last = segments.isEmpty() ? null : segments.lastEntry().getValue();
    boolean isFirst = true;
    for (Segment segment : segments.values()) {
      if (!isFirst && segment.firstBatch != nextBatch)
        throw new Corrupt(
            "%s begins with batch %d, and the segment before it does not end with the one before that"
                .formatted(segment.path, segment.firstBatch));
      isFirst = false;
      nextBatch = segment.firstBatch;
      read(segment, segment == last, reader);
    }
    if (last == null) {
      Segment first = Segment.create(directory, 1, nextBatch, disk);
      segments.put(1, first);
    }
    disk.forceDirectory(directory);
  }

  private void openSegments() throws IOException {
    NavigableMap<Integer, Path> files = new TreeMap<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(directory, "*.segment")) {
      for (Path file : all)
        files.put(Integer.valueOf(file.getFileName().toString().substring(0, 10)), file);
    }
    int expected = files.isEmpty() ? 1 : files.firstKey();
    for (var file : files.entrySet()) {
      int number = file.getKey();
      if (number != expected++)
        throw new Corrupt(
            "there is %s in %s, and %s is not"
                .formatted(
                    file.getValue().getFileName(),
                    directory,
                    Segment.path(directory, number - 1).getFileName()));
      Segment segment = Segment.open(file.getValue(), number);
      if (segment != null) segments.put(number, segment);
      else if (number == files.lastKey() && (number == 1 || files.size() > 1))
        disk.delete(file.getValue());
      else
        throw new Corrupt("the beginning of %s is not what was written".formatted(file.getValue()));
    }
  }

  private void read(Segment segment, boolean isLast, Reader reader) throws IOException {
    var window = new Window(segment);
    long lastBatch = 0;
    long offset = Segment.HEADER;
    for (int length; offset < segment.size(); offset += Segment.BATCH_HEADER + length) {
      length = window.batchAt(offset, nextBatch, nextBatch);
      if (length < 0) {
        requireTorn(segment, isLast, window, offset);
        break;
      }
      readBatch(window, offset + Segment.BATCH_HEADER, length, reader);
      lastBatch = offset;
      nextBatch++;
    }
    if (!isLast) return;
    segment.openToWrite(offset, disk);
    segment.writeAgain(lastBatch, disk);
  }

  /** A batch that is bad was torn if nothing that was written after it is there. */
  private void requireTorn(Segment segment, boolean isLast, Window window, long offset)
      throws IOException {
    long highest = nextBatch + (segment.size() - offset) / Segment.BATCH_HEADER;
    boolean isTorn = isLast;
    for (long o = offset + 1; isTorn && o < segment.size(); o++)
      isTorn = window.batchAt(o, nextBatch + 1, highest) < 0;
    if (!isTorn)
      throw new Corrupt(
          "batch %d, at byte %d of %s, is not what was written, and a good one is after it. Nothing was cut"
              .formatted(nextBatch, offset, segment.path));
  }

  private static void readBatch(Window window, long offset, int length, Reader reader)
      throws IOException {
    long end = offset + length;
    while (offset < end) {
      byte[] record = window.nextRecordAt(offset);
      int size = Window.FRAME + record.length;
      if (offset + size > end) throw window.corrupt(offset, "it ends after its batch");
      long position = (long) window.segment.number << 32 | offset;
      try {
        reader.read(window.decode(offset, record), position, size);
      } catch (Corrupt e) {
        throw window.corrupt(offset, e.getMessage());
      }
      offset += size;
    }
  }

  Segment tail() {
    return segments.lastEntry().getValue();
  }

  /** The first segment, which is the next one to be given back; null if that is the tail. */
  @Nullable Segment oldest() {
    return segments.size() == 1 ? null : segments.firstEntry().getValue();
  }

  long size() {
    long size = 0;
    for (Segment segment : segments.values()) size += segment.size();
    return size;
  }

  /** Begins another tail if this one is large enough. To be called between batches. */
  void roll() throws IOException {
    Segment tail = tail();
    if (tail.size() < Math.max(smallest, Math.min(LARGEST, size() / 64))) return;
    Segment next = Segment.create(directory, tail.number + 1, nextBatch, disk);
    segments.put(next.number, next);
    tail.seal();
  }

  /** Returns when the batch is durable. */
  void write(Encoder batch) throws IOException {
    tail().append(nextBatch, batch, disk);
    nextBatch++;
  }

  /** Deletes all segments up to this one. */
  void drop(int number) throws IOException {
    while (segments.firstKey() <= number) {
      Segment segment = segments.remove(segments.firstKey());
      if (segment == null) return;
      segment.close();
      disk.delete(segment.path);
      disk.forceDirectory(directory);
    }
  }

  int firstNumber() {
    return segments.firstKey();
  }

  /** Reads the records of a segment that is not the tail, one at a time. */
  final class Cursor {
    final Segment segment;
    private final Window window;
    private long offset = Segment.HEADER;
    private long endOfBatch = Segment.HEADER;

    Cursor(Segment segment) {
      this.segment = segment;
      window = new Window(segment);
    }

    /** The next record; null at the end. */
    Records.@Nullable Record next() throws IOException {
      if (offset == endOfBatch) {
        if (offset == segment.size()) return null;
        int length = window.batchAt(offset, 0, Long.MAX_VALUE);
        if (length < 0) throw window.corrupt(offset, "it is no batch");
        offset += Segment.BATCH_HEADER;
        endOfBatch = offset + length;
      }
      byte[] record = window.nextRecordAt(offset);
      Records.Record decoded = window.decode(offset, record);
      offset += Window.FRAME + record.length;
      return decoded;
    }

    long offset() {
      return offset;
    }
  }

  /** The journal of a program, read from its end to its beginning. */
  List<Entry> entries(Kept kept) throws IOException {
    Deque<List<Entry>> parts = new ArrayDeque<>();
    Window window = window(kept.last);
    long next = kept.next;
    long number = next;
    for (long position = kept.last; ; ) {
      if (window.segment.number != segmentOf(position)) window = window(position);
      Records.Appended part = appended(window, position, kept.id);
      Append append = part.append();
      number -= append.entries().size();
      if (append.number() != number)
        throw window.corrupt(offsetOf(position), "entry %d is expected there".formatted(number));
      parts.addFirst(append.entries());
      if (position == kept.begin) break;
      long after = position;
      position = part.previous();
      if (position == Records.NONE || position >= after)
        throw window.corrupt(offsetOf(after), "it does not say where the entries before are");
    }
    List<Entry> entries = new ArrayList<>((int) (next - number));
    for (List<Entry> part : parts) entries.addAll(part);
    return entries;
  }

  private Records.Appended appended(Window window, long position, String id) throws IOException {
    long offset = offsetOf(position);
    if (window.decode(offset, window.anyRecordAt(offset)) instanceof Records.Appended appended
        && appended.id().equals(id)) return appended;
    throw window.corrupt(offset, "entries of %s are expected there".formatted(id));
  }

  /** What the record with a program's first entry, or its last one, has of entries. */
  List<Entry> entriesAt(long position, String id) throws IOException {
    return appended(window(position), position, id).append().entries();
  }

  List<Message> messages(Kept kept) throws IOException {
    List<Message> messages = new ArrayList<>(kept.messages.length);
    for (Kept.Waiting waiting : kept.messages) {
      Window window = window(waiting.position());
      long offset = offsetOf(waiting.position());
      if (!(window.decode(offset, window.anyRecordAt(offset)) instanceof Records.Sent sent)
          || !sent.id().equals(kept.id))
        throw window.corrupt(offset, "a message to %s is expected there".formatted(kept.id));
      messages.add(sent.message());
    }
    return messages;
  }

  private Window window(long position) throws IOException {
    Segment segment = segments.get(segmentOf(position));
    if (segment == null) throw new Segment.Gone();
    return new Window(segment, blocks);
  }

  private static int segmentOf(long position) {
    return (int) (position >>> 32);
  }

  private static long offsetOf(long position) {
    return position & 0xFFFFFFFFL;
  }

  void close() throws IOException {
    IOException failure = null;
    for (Segment segment : segments.values()) {
      try {
        segment.close();
      } catch (IOException e) {
        failure = e;
      }
    }
    if (failure != null) throw failure;
  }
}
