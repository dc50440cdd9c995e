package greenlet.io;

import greenlet.Generator;
import greenlet.hub.Hub;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Files as generators that read by {@link Hub#offload}, so that only the current task waits. A file is opened when a traversal begins,
 * and closed when that ends, fails or is closed early. Errors come out where the next element is asked for.
 */
public final class TextFiles {
  private TextFiles() {}

  /**
   * The lines of a file in UTF-8; see {@link #lines(Path, Charset)}.
   *
   * @param file the file
   * @return the generator; a traversal throws IOException
   */
  public static Generator<String> lines(Path file) {
    return lines(file, StandardCharsets.UTF_8);
  }

  /**
   * The lines of a file, without their ends, read some hundreds at a time. Bytes that are none of the charset's are a {@link
   * java.nio.charset.CharacterCodingException}, after the lines before.
   *
   * @param file the file
   * @param charset how its characters are encoded
   * @return the generator; a traversal throws IOException
   */
  public static Generator<String> lines(Path file, Charset charset) {
    Resources.require(file, "a file to read is needed");
    Resources.require(charset, "lines need a charset");
    return lines(() -> Files.newInputStream(file), charset);
  }

  static Generator<String> lines(Callable<InputStream> file, Charset charset) {
    return Generator.of(out -> {
      InputStream in = Resources.offload(file, TextFiles::close);
      try {
        var decoder = new LineDecoder(in, charset);
        while (true) {
          var some = new ArrayList<String>();
          IOException failure = Hub.offload(() -> decoder.read(some));
          for (String line : some) out.yield(line);
          if (failure != null) throw failure;
          if (decoder.isAtEnd) return;
        }
      } finally {
        close(in);
      }
    });
  }

  /**
   * The bytes of a file, in arrays. If reading fails, the bytes before come first.
   *
   * @param file the file
   * @param size how many bytes an array has at most, 1 or more
   * @return the generator; a traversal throws IOException
   */
  public static Generator<byte[]> chunks(Path file, int size) {
    Resources.require(file, "a file to read is needed");
    if (size < 1) throw new IllegalArgumentException("a chunk has 1 byte or more: got " + size);
    return chunks(() -> Files.newInputStream(file), size);
  }

  static Generator<byte[]> chunks(Callable<InputStream> file, int size) {
    return Generator.of(out -> {
      InputStream in = Resources.offload(file, TextFiles::close);
      try {
        while (true) {
          Chunk chunk = Hub.offload(() -> Chunk.read(in, size));
          if (chunk.count > 0) out.yield(Arrays.copyOf(chunk.bytes, chunk.count));
          if (chunk.failure != null) throw chunk.failure;
          if (chunk.count < size) return;
        }
      } finally {
        close(in);
      }
    });
  }

  private record Chunk(byte[] bytes, int count, @Nullable IOException failure) {
    /** As many bytes as are left, {@code size} at most, and what has failed after them. */
    static Chunk read(InputStream in, int size) {
      byte[] bytes = new byte[size];
      int count = 0;
      try {
        while (count < size) {
          int more = in.read(bytes, count, size - count);
          if (more < 0) break;
          count += more;
        }
        return new Chunk(bytes, count, null);
      } catch (IOException e) {
        return new Chunk(bytes, count, e);
      }
    }
  }

  /** Decodes lines; the JDK's reader drops those that it has read already when malformed input follows. */
  private static final class LineDecoder {
    private final InputStream in;
    private final CharsetDecoder decoder;
    private final ByteBuffer bytes = ByteBuffer.allocate(16384).limit(0);
    private final CharBuffer chars = CharBuffer.allocate(16384);
    private final StringBuilder line = new StringBuilder();
    private boolean isAfterReturn;
    boolean isAtEnd;

    LineDecoder(InputStream in, Charset charset) {
      this.in = in;
      decoder = charset.newDecoder();
    }

    /** Adds the next lines, which can be none; what has failed after them, or null. */
    @Nullable IOException read(List<String> to) {
      try {
        readSome(to);
        return null;
      } catch (IOException e) {
        return e;
      }
    }

    private void readSome(List<String> to) throws IOException {
      bytes.compact();
      int count = in.read(bytes.array(), bytes.position(), bytes.remaining());
      bytes.position(bytes.position() + Math.max(count, 0)).flip();
      isAtEnd = count < 0;
      CoderResult result;
      do {
        result = decoder.decode(bytes, chars, isAtEnd);
        if (isAtEnd && result.isUnderflow()) result = decoder.flush(chars);
        split(to);
      } while (result.isOverflow());
      if (result.isError()) result.throwException();
      if (isAtEnd && !line.isEmpty()) to.add(line.toString());
    }

    private void split(List<String> to) {
      chars.flip();
      while (chars.hasRemaining()) {
        char c = chars.get();
        if (c == '\r' || (c == '\n' && !isAfterReturn)) {
          to.add(line.toString());
          line.setLength(0);
        } else if (c != '\n') {
          line.append(c);
        }
        isAfterReturn = c == '\r';
      }
      chars.clear();
    }
  }

  /** In a thread of its own: a call that was given up may hold the lock. */
  private static void close(Closeable in) {
    CompletableFuture.runAsync(
        () -> {
          try {
            in.close();
          } catch (IOException e) {
            // nothing was written
          }
        },
        Thread::startVirtualThread);
  }
}
