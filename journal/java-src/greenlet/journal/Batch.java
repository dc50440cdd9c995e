package greenlet.journal;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What is going to be written at once, and what the programs in it will be when that is durable. For the writer alone. */
final class Batch {
  private static final int REWRITTEN = 1 << 18; // bytes of values in one record

  private final Log log;
  private final Index index;
  private final Encoder bytes = new Encoder();
  private final Map<String, @Nullable Kept> changed = new HashMap<>();

  Batch(Log log, Index index) {
    this.log = log;
    this.index = index;
    for (int i = 0; i < Segment.BATCH_HEADER; i++) bytes.addByte(0);
  }

  int size() {
    return bytes.size();
  }

  /** The program as it is after what is in this batch already; null if there is none. */
  @Nullable Kept find(String id) {
    return changed.containsKey(id) ? changed.get(id) : index.get(id);
  }

  private Kept change(String id) {
    Kept own = changed.get(id);
    if (own != null) return own;
    Kept kept = find(id);
    own = kept == null ? new Kept(id, log.tail().number) : kept.copy();
    changed.put(id, own);
    return own;
  }

  void append(Append append, Encoder record) {
    Kept kept = change(append.id());
    boolean begins = !append.entries().isEmpty() && append.entries().get(0).kind().begins();
    Records.setPrevious(record, begins ? Records.NONE : kept.last);
    long position = add(record);
    kept.append(append, position, Window.FRAME + record.size());
    kept.park(append.park(), index.share(append.park()));
  }

  void send(String id, Message message) {
    Kept kept = change(id);
    Encoder record = Records.encode(id, message);
    kept.send(message, add(record), Window.FRAME + record.size());
  }

  void delete(String id) {
    add(Records.encode(new Records.Deleted(id)));
    changed.put(id, null);
  }

  void drop(Segment segment) {
    add(Records.encode(new Records.Dropped(segment.number)));
  }

  /** Writes all of a program once more, so that nothing before counts. */
  void rewrite(Kept old) throws IOException {
    List<Entry> entries = log.entries(old);
    List<Message> messages = log.messages(old);
    long next = entries.get(0).number();
    var kept = new Kept(old.id, log.tail().number);
    kept.next = next;
    kept.sent = old.sent;
    kept.keys = old.keys;
    changed.put(old.id, kept);
    Encoder whole = Records.encode(new Records.Whole(old.id, next, old.sent, old.keys));
    add(whole);
    for (int from = 0, to; from < entries.size(); from = to) {
      to = from + 1;
      for (int room = size(entries.get(from)); to < entries.size() && room < REWRITTEN; to++)
        room += size(entries.get(to));
      var part =
          new Append(
              old.id,
              old.incarnation,
              entries.get(from).number(),
              entries.subList(from, to),
              List.of(),
              to == entries.size() ? old.park() : null);
      append(part, Records.encode(part));
    }
    for (Message message : messages) send(old.id, message);
    kept.bytes += Window.FRAME + whole.size();
  }

  private static int size(Entry entry) {
    return 32 + entry.key().length() + (entry.value() == null ? 0 : entry.value().length());
  }

  private long add(Encoder record) {
    long position = (long) log.tail().number << 32 | log.tail().size() + bytes.size();
    bytes.addInt(record.size());
    bytes.addInt(record.checksum(0));
    bytes.addBytes(record);
    return position;
  }

  /** Has it be durable, and then be seen. */
  void write() throws IOException {
    if (bytes.size() > Segment.BATCH_HEADER) log.write(bytes);
    index.putAll(changed);
  }
}
