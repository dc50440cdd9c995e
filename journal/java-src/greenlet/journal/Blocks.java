package greenlet.journal;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The parts of segments that were read last. Journals that were written at the same time lie side by side, and are read one after
 * the other when a host begins: without a call of the system for each record. For any thread.
 */
final class Blocks {
  /*
   * What is in a segment below its size never changes, so a block is right for as long as it is kept, also if it is less than whole,
   * or the segment is gone. Two that fall on the same slot push each other out.
   */

  private static final int SIZE = 1 << 13;
  private static final int SLOTS = 1 << 9;

  /** What is longer would push too much out. */
  private static final int LONG = SIZE << 3;

  private record Block(Segment segment, long number, byte[] bytes) {
    boolean has(Segment in, long at, int end) {
      return segment == in && number == at && end <= bytes.length;
    }
  }

  private final AtomicReferenceArray<@Nullable Block> slots = new AtomicReferenceArray<>(SLOTS);

  /** Reads as much as there is. */
  int read(Segment segment, long offset, byte[] into, int length) throws IOException {
    if (length > LONG) return segment.read(offset, into, 0, length);
    int available = (int) Math.min(length, segment.size() - offset);
    for (int filled = 0; filled < available; ) {
      long number = (offset + filled) / SIZE;
      int from = (int) ((offset + filled) % SIZE);
      int to = Math.min(SIZE, from + available - filled);
      System.arraycopy(block(segment, number, to), from, into, filled, to - from);
      filled += to - from;
    }
    return Math.max(0, available);
  }

  /** With so many bytes at least. */
  private byte[] block(Segment segment, long number, int least) throws IOException {
    int slot = (int) ((number + segment.number * 31L) % SLOTS);
    Block kept = slots.get(slot);
    if (kept != null && kept.has(segment, number, least)) return kept.bytes;
    byte[] bytes = new byte[(int) Math.min(SIZE, segment.size() - number * SIZE)];
    if (segment.read(number * SIZE, bytes, 0, bytes.length) < bytes.length)
      throw new Corrupt("%s is shorter than it was".formatted(segment.path));
    slots.set(slot, new Block(segment, number, bytes));
    return bytes;
  }
}
