package greenlet.journal;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** Bytes that numbers and texts are added to, as the files of a {@link DirectoryStore} have them. {@link Decoder} reads them. */
final class Encoder {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);

  private byte[] bytes = new byte[128];
  private int size;

  int size() {
    return size;
  }

  void addByte(int b) {
    reserve(1);
    bytes[size++] = (byte) b;
  }

  void addInt(int i) {
    reserve(4);
    INT.set(bytes, size, i);
    size += 4;
  }

  void addLong(long l) {
    reserve(8);
    LONG.set(bytes, size, l);
    size += 8;
  }

  /** A number that is mostly small, and not negative, in as few bytes as it needs. */
  void addNumber(long l) {
    reserve(10);
    for (; (l & ~0x7FL) != 0; l >>>= 7) bytes[size++] = (byte) (l & 0x7F | 0x80);
    bytes[size++] = (byte) l;
  }

  /** Any text, also one that is no Unicode: in one byte for each character if they allow that, else in two. */
  void addText(@Nullable String s) {
    if (s == null) {
      addNumber(0);
      return;
    }
    boolean isWide = isWide(s);
    addNumber((long) s.length() << 2 | (isWide ? 2 : 1));
    if (isWide) {
      reserve(2L * s.length());
      ByteBuffer.wrap(bytes, size, 2 * s.length()).asCharBuffer().put(s);
      size += 2 * s.length();
    } else addBytes(s.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static boolean isWide(String s) {
    for (int i = 0; i < s.length(); i++) if (s.charAt(i) > 0xFF) return true;
    return false;
  }

  void addBytes(byte[] more) {
    reserve(more.length);
    System.arraycopy(more, 0, bytes, size, more.length);
    size += more.length;
  }

  void addBytes(Encoder more) {
    reserve(more.size);
    System.arraycopy(more.bytes, 0, bytes, size, more.size);
    size += more.size;
  }

  void setLong(int at, long l) {
    LONG.set(bytes, at, l);
  }

  void setInt(int at, int i) {
    INT.set(bytes, at, i);
  }

  int checksum(int from) {
    var crc = new CRC32C();
    crc.update(bytes, from, size - from);
    return (int) crc.getValue();
  }

  /** Its bytes, as long as nothing is added. */
  ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes, 0, size);
  }

  private void reserve(long more) {
    if (size + more <= bytes.length) return;
    if (size + more > 1 << 30)
      throw new IllegalArgumentException("this takes more than 1 GB: write it in smaller parts");
    bytes = Arrays.copyOf(bytes, (int) Math.max(size + more, 2L * bytes.length));
  }
}
