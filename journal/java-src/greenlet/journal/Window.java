package greenlet.journal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** A part of a segment in memory, which moves to where it is read. For one thread. */
final class Window {
  /** Before each record: its length, and its checksum. */
  static final int FRAME = 8;

  private static final int SMALL = 1 << 9;
  private static final int SCAN = 1 << 18;

  final Segment segment;
  private final @Nullable Blocks blocks;
  private byte[] bytes = new byte[0];
  private ByteBuffer view = ByteBuffer.wrap(bytes);
  private long start;
  private int filled;

  /** To read from one end to the other. */
  Window(Segment segment) {
    this(segment, null);
  }

  /** To read here and there. */
  Window(Segment segment, @Nullable Blocks blocks) {
    this.segment = segment;
    this.blocks = blocks;
  }

  /** Whether there are {@code length} bytes at {@code offset}, which are in the window then; if not yet, it begins there. */
  private boolean has(long offset, int length, int ahead) throws IOException {
    if (offset >= start && offset + length <= start + filled) return true;
    long room = Math.max(0, segment.size() - offset);
    return move(offset, (int) Math.max(length, Math.min(ahead, room))) >= length;
  }

  private int move(long from, int length) throws IOException {
    if (bytes.length < length) {
      bytes = new byte[length];
      view = ByteBuffer.wrap(bytes);
    }
    start = from;
    filled = 0;
    filled =
        blocks == null
            ? segment.read(from, bytes, 0, length)
            : blocks.read(segment, from, bytes, length);
    return filled;
  }

  /** The length of the batch with that number, or one after it, which begins at {@code offset}; -1 if there is none, or it is bad. */
  int batchAt(long offset, long lowest, long highest) throws IOException {
    long end = segment.size();
    if (offset + Segment.BATCH_HEADER > end || !has(offset, Segment.BATCH_HEADER, SCAN)) return -1;
    int at = (int) (offset - start);
    int length = view.getInt(at);
    long number = view.getLong(at + 4);
    int checksum = view.getInt(at + 12);
    if (number < lowest || number > highest) return -1;
    if (length <= 0 || length > end - offset - Segment.BATCH_HEADER) return -1;
    if (!has(offset, Segment.BATCH_HEADER + length, SCAN)) return -1;
    return segment.batchChecksum(bytes, (int) (offset - start), length) == checksum ? length : -1;
  }

  /** The record that begins at {@code offset}. If the window has to move for it, it is made so large. */
  private byte[] recordAt(long offset, int ahead) throws IOException {
    if (!has(offset, FRAME, ahead)) throw corrupt(offset, "the file ends before it");
    int length = view.getInt((int) (offset - start));
    if (length <= 0 || length > segment.size() - offset - FRAME)
      throw corrupt(offset, "its length cannot be " + length);
    if (!has(offset, FRAME + length, ahead)) throw corrupt(offset, "the file ends within it");
    int at = (int) (offset - start);
    var crc = new CRC32C();
    crc.update(bytes, at + FRAME, length);
    if ((int) crc.getValue() != view.getInt(at + 4)) throw corrupt(offset, "its checksum is wrong");
    return Arrays.copyOfRange(bytes, at + FRAME, at + FRAME + length);
  }

  /** For records that are read one after the other, forwards. */
  byte[] nextRecordAt(long offset) throws IOException {
    return recordAt(offset, SCAN);
  }

  /** For a record that is anywhere. */
  byte[] anyRecordAt(long offset) throws IOException {
    return recordAt(offset, SMALL);
  }

  Records.Record decode(long offset, byte[] record) throws Corrupt {
    try {
      return Records.decode(record);
    } catch (IndexOutOfBoundsException
        | IllegalArgumentException
        | NullPointerException
        | ArithmeticException e) {
      throw corrupt(offset, "it cannot be decoded: " + e);
    }
  }

  Corrupt corrupt(long offset, @Nullable String why) {
    return new Corrupt(
        "what is at byte %d of %s is not what was written: %s"
            .formatted(offset, segment.path, why));
  }
}
