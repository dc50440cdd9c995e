package greenlet.journal;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Gives back the room of what counts no longer, if that is more than what does. The oldest segment is read; the programs that have
 * something in it are written once more, to the tail; it is deleted when that is durable. A step of this does a bounded part, so that
 * nobody waits long for the writer. For the writer alone.
 */
final class Compactor {
  private static final int STEP = 1 << 19; // bytes written
  private static final int READ_STEP = 1 << 22; // bytes read
  private static final int LARGEST = 1 << 29; // a journal that cannot be in one batch

  private final Log log;
  private final Index index;
  private final int slack;
  private Log.@Nullable Cursor cursor;
  private boolean isStuck;

  Compactor(Log log, Index index, int slack) {
    this.log = log;
    this.index = index;
    this.slack = slack;
  }

  boolean isNeeded() {
    if (isStuck) return false;
    return cursor != null || (log.oldest() != null && log.size() > 2 * index.bytes() + slack);
  }

  void step() throws IOException {
    Log.Cursor from = cursor;
    if (from == null) {
      Segment oldest = log.oldest();
      if (oldest == null) return;
      cursor = from = log.new Cursor(oldest);
    }
    log.roll();
    var batch = new Batch(log, index);
    boolean isRead = copy(from, batch);
    if (isRead) batch.drop(from.segment);
    if (isStuck) return;
    batch.write();
    if (!isRead) return;
    log.drop(from.segment.number);
    cursor = null;
  }

  /** Returns whether all of the segment was read. */
  private boolean copy(Log.Cursor from, Batch batch) throws IOException {
    long until = from.offset() + READ_STEP;
    while (batch.size() < STEP && from.offset() < until) {
      Records.Record record = from.next();
      if (record == null) return true;
      Kept kept = record.id() == null ? null : batch.find(record.id());
      if (kept == null || kept.firstSegment > from.segment.number) continue;
      if (kept.bytes > LARGEST) {
        isStuck = true;
        return false;
      }
      batch.rewrite(kept);
    }
    return false;
  }
}
