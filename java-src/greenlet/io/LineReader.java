package greenlet.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Exact reads from any stream of bytes, as that of a {@link HubSocket}: a line, or so many bytes. Itself a stream, so that a protocol can
 * change from lines to bytes and back: what has been read ahead is what comes next, by whatever method.
 *
 * <p>What ends a read before it is complete loses nothing: after a {@link java.net.SocketTimeoutException}, a line that was too long,
 * or the end of the stream, all that had come is there for the next read. A wait is that of the stream underneath: the task's, if that is a
 * {@link HubSocket}'s. May be used from any thread, but by one task or thread at a time: another is refused by an
 * {@code IllegalStateException} that names both.
 */
public final class LineReader extends InputStream {
  /** The bound on the length of a line, in bytes, unless another is given. */
  public static final int DEFAULT_MOST = 8192;

  private static final int BUFFER = 8192;

  private final InputStream in;
  private final int most;
  private final Exclusion exclusion = new Exclusion("read from");

  /** What has been read ahead is in it, between {@link #from} and {@link #to}. */
  private byte[] buffer = new byte[BUFFER];

  private int from;
  private int to;

  /**
   * Reads from {@code in}; a line has at most {@link #DEFAULT_MOST} bytes.
   *
   * @param in the stream underneath, which nobody else is to read from now on
   */
  public LineReader(InputStream in) {
    this(in, DEFAULT_MOST);
  }

  /**
   * Reads from {@code in}.
   *
   * @param in the stream underneath, which nobody else is to read from now on
   * @param most how many bytes a line may have, its end not counted
   * @throws IllegalArgumentException if {@code most} is not positive
   */
  public LineReader(InputStream in, int most) {
    this.in = Objects.requireNonNull(in, "in");
    if (most <= 0)
      throw new IllegalArgumentException("a line needs a bound of 1 byte or more; got " + most);
    this.most = most;
  }

  /**
   * Reads a line in UTF-8; what is no UTF-8 becomes U+FFFD. Otherwise as {@link #readLineBytes}.
   *
   * @return the line without its end, or null at the end of the stream
   * @throws EndOfStreamException if the stream ends in the midst of the line
   * @throws IOException if the line is too long, or what the stream underneath throws
   */
  public @Nullable String readLine() throws IOException {
    byte[] line = readLineBytes();
    return line == null ? null : new String(line, StandardCharsets.UTF_8);
  }

  /**
   * Reads a line, which ends with a line feed, or a carriage return and a line feed. A carriage return elsewhere is part of the line.
   *
   * @return the line without its end, or null if the stream has ended where the line would begin
   * @throws EndOfStreamException if the stream ends in the midst of the line
   * @throws IOException if the line is too long, or what the stream underneath throws
   */
  public byte @Nullable [] readLineBytes() throws IOException {
    exclusion.begin(in);
    try {
      int length = untilLineFeed();
      if (length < 0) return null;
      boolean hasReturn = length > 0 && buffer[from + length - 1] == '\r';
      byte[] line = take(hasReturn ? length - 1 : length);
      from += hasReturn ? 2 : 1;
      return line;
    } finally {
      exclusion.end();
    }
  }

  /** The number of bytes before the next line feed, which is in the buffer then; -1 if the stream has ended. */
  private int untilLineFeed() throws IOException {
    for (int seen = 0; ; ) {
      for (; from + seen < to; seen++) {
        if (buffer[from + seen] == '\n') return requireShort(seen);
      }
      requireShort(seen);
      if (fill()) continue;
      if (seen == 0) return -1;
      throw new EndOfStreamException("a line", Arrays.copyOfRange(buffer, from, to));
    }
  }

  /** {@code length}: of what comes before a line feed, or of what is there without one; its last byte may be a carriage return. */
  private int requireShort(int length) throws IOException {
    if (length > most && (length > most + 1 || buffer[from + most] != '\r'))
      throw new IOException(
          "a line is longer than %d bytes, the bound of this reader".formatted(most));
    return length;
  }

  /**
   * Reads exactly so many bytes. Memory is taken as they come, not before.
   *
   * @param count how many; 0 waits for nothing
   * @return the bytes
   * @throws EndOfStreamException if the stream ends before
   * @throws IllegalArgumentException if {@code count} is negative
   * @throws IOException what the stream underneath throws
   */
  public byte[] readBytes(int count) throws IOException {
    if (count < 0)
      throw new IllegalArgumentException("cannot read %d bytes: 0 or more".formatted(count));
    exclusion.begin(in);
    try {
      while (to - from < count) {
        if (!fill())
          throw new EndOfStreamException(count + " bytes", Arrays.copyOfRange(buffer, from, to));
      }
      return take(count);
    } finally {
      exclusion.end();
    }
  }

  @Override
  public int read() throws IOException {
    exclusion.begin(in);
    try {
      return from < to || fill() ? buffer[from++] & 0xff : -1;
    } finally {
      exclusion.end();
    }
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, bytes.length);
    if (length == 0) return 0;
    exclusion.begin(in);
    try {
      if (from == to) return in.read(bytes, offset, length);
      int count = Math.min(length, to - from);
      System.arraycopy(buffer, from, bytes, offset, count);
      from += count;
      return count;
    } finally {
      exclusion.end();
    }
  }

  @Override
  public int available() throws IOException {
    return to - from + in.available();
  }

  /** Closes the stream underneath, also while another reads. */
  @Override
  public void close() throws IOException {
    in.close();
  }

  private byte[] take(int count) {
    byte[] taken = Arrays.copyOfRange(buffer, from, from + count);
    from += count;
    return taken;
  }

  /** Reads more into the buffer; false at the end of the stream. */
  private boolean fill() throws IOException {
    if (from == to) {
      from = to = 0;
      if (buffer.length > BUFFER) buffer = new byte[BUFFER];
    } else if (to == buffer.length) {
      makeRoom();
    }
    int count = in.read(buffer, to, buffer.length - to);
    if (count > 0) to += count;
    return count >= 0;
  }

  private void makeRoom() {
    int length = to - from;
    byte[] roomy = length > buffer.length / 2 ? new byte[longer(length)] : buffer;
    System.arraycopy(buffer, from, roomy, 0, length);
    buffer = roomy;
    from = 0;
    to = length;
  }

  private static int longer(int length) {
    return (int) Math.min(Integer.MAX_VALUE - 8, Math.max(BUFFER, 2L * length));
  }
}
