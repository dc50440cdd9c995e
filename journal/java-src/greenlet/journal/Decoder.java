package greenlet.journal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Reads what an {@link Encoder} has made. What it cannot read is an {@code IndexOutOfBoundsException} or {@code IllegalArgumentException}. */
final class Decoder {
  private final byte[] bytes;
  private int at;

  Decoder(byte[] bytes) {
    this.bytes = bytes;
  }

  int readByte() {
    return bytes[at++];
  }

  long readLong() {
    long l = ByteBuffer.wrap(bytes).getLong(at);
    at += 8;
    return l;
  }

  long readNumber() {
    long l = 0;
    for (int shift = 0; ; shift += 7) {
      byte b = bytes[at++];
      l |= (b & 0x7FL) << shift;
      if (b >= 0) return l;
    }
  }

  int readCount() {
    long count = readNumber();
    if (count < 0 || count > bytes.length)
      throw new IllegalArgumentException("there cannot be " + count + " here");
    return (int) count;
  }

  String readText() {
    return Objects.requireNonNull(readNullableText());
  }

  @Nullable String readNullableText() {
    long head = readNumber();
    if (head == 0) return null;
    int length = Math.toIntExact(head >>> 2);
    boolean isWide = (head & 2) != 0;
    int from = at;
    at = Objects.checkFromIndexSize(at, isWide ? 2 * length : length, bytes.length);
    at += isWide ? 2 * length : length;
    return isWide
        ? ByteBuffer.wrap(bytes, from, 2 * length).asCharBuffer().toString()
        : new String(bytes, from, length, StandardCharsets.ISO_8859_1);
  }
}
