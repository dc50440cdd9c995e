package greenlet.journal;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Makes the {@link Index} of what a directory's records say, one after the other. */
final class Recovery implements Log.Reader {
  private final Index index;
  private final Map<String, @Nullable Kept> programs = new HashMap<>();
  private int dropped;

  /** Programs whose beginning is in no segment any more: what they were written as once more has to come yet, or their deletion. */
  private final Map<String, String> headless = new HashMap<>();

  Recovery(Index index) {
    this.index = index;
  }

  @Override
  public void read(Records.Record record, long position, int size) throws Corrupt {
    switch (record) {
      case Records.Appended appended -> append(appended.append(), position, size);
      case Records.Sent sent -> send(sent.id(), sent.message(), position, size);
      case Records.Deleted deleted -> {
        programs.remove(deleted.id());
        headless.remove(deleted.id());
      }
      case Records.Whole whole -> begin(whole, position, size);
      case Records.Dropped segment -> dropped = Math.max(dropped, segment.segment());
    }
  }

  private void append(Append append, long position, int size) throws Corrupt {
    Kept kept = programs.get(append.id());
    if (kept == null) {
      if (append.number() != 0) {
        miss(append.id(), position);
        return;
      }
      kept = new Kept(append.id(), (int) (position >>> 32));
      programs.put(append.id(), kept);
    }
    if (append.number() != kept.next)
      throw new Corrupt(
          "entry %d of %s is here, and %d would be the next one"
              .formatted(append.number(), append.id(), kept.next));
    kept.append(append, position, size);
    kept.park(append.park(), index.share(append.park()));
  }

  private void send(String id, Message message, long position, int size) {
    Kept kept = programs.get(id);
    if (kept == null) miss(id, position);
    else kept.send(message, position, size);
  }

  private void miss(String id, long position) {
    headless.putIfAbsent(
        id, "byte %d of segment %d".formatted(position & 0xFFFFFFFFL, position >>> 32));
  }

  private void begin(Records.Whole whole, long position, int size) {
    headless.remove(whole.id());
    var kept = new Kept(whole.id(), (int) (position >>> 32));
    kept.next = whole.next();
    kept.sent = whole.sent();
    kept.keys = whole.keys();
    programs.put(whole.id(), kept);
  }

  /**
   * All was read, from segment {@code first} on.
   *
   * @return the segments up to this one count no longer
   */
  int end(int first) throws Corrupt {
    if (first > dropped + 1)
      throw new Corrupt("segment %d is not there, and is still of use".formatted(first - 1));
    for (var missing : headless.entrySet())
      throw new Corrupt(
          "the beginning of program %s is not there, and %s goes on with it"
              .formatted(missing.getKey(), missing.getValue()));
    index.putAll(programs);
    return dropped;
  }
}
