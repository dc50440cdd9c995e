package greenlet.io;

import greenlet.Generator;
import greenlet.hub.Hub;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Files as generators that read by {@link Hub#offload}, so that only the current task waits. A file is opened when a traversal begins,
 * and closed when that ends, fails or is closed early. Errors come out where the next element is asked for.
 */
public final class TextFiles {
  private static final int LINES = 256;
  private static final Object GIVEN_UP = new Object();

  private TextFiles() {}

  /**
   * The lines of a file in UTF-8, read 256 at a time.
   *
   * @param file the file
   * @return the generator; a traversal throws IOException
   */
  public static Generator<String> lines(Path file) {
    require(file);
    return Generator.of(out -> {
      BufferedReader in = open(() -> Files.newBufferedReader(file, StandardCharsets.UTF_8));
      try {
        while (true) {
          var some = new ArrayList<String>();
          IOException failure = Hub.offload(() -> readLines(in, some));
          for (String line : List.copyOf(some)) out.yield(line);
          if (failure != null) throw failure;
          if (some.size() < LINES) return;
        }
      } finally {
        close(in);
      }
    });
  }

  /** Adds the next lines; what has failed after them, or null. */
  private static @Nullable IOException readLines(BufferedReader in, List<String> to) {
    try {
      for (String line; to.size() < LINES && (line = in.readLine()) != null; ) to.add(line);
      return null;
    } catch (IOException e) {
      return e;
    }
  }

  /**
   * The bytes of a file, in arrays.
   *
   * @param file the file
   * @param size how many bytes an array has at most, 1 or more
   * @return the generator; a traversal throws IOException
   */
  public static Generator<byte[]> chunks(Path file, int size) {
    require(file);
    if (size < 1) throw new IllegalArgumentException("a chunk has 1 byte or more: got " + size);
    return Generator.of(out -> {
      InputStream in = open(() -> Files.newInputStream(file));
      try {
        while (true) {
          byte[] chunk = Hub.offload(() -> in.readNBytes(size));
          if (chunk.length > 0) out.yield(chunk);
          if (chunk.length < size) return;
        }
      } finally {
        close(in);
      }
    });
  }

  private static void require(Path file) {
    if (file == null) throw new IllegalArgumentException("a file to read is needed: got null");
  }

  /** What is opened after the wait has been given up is closed at once. */
  private static <T extends Closeable> T open(Callable<T> how) {
    var opened = new AtomicReference<@Nullable Object>();
    try {
      return Hub.offload(() -> {
        T in = how.call();
        if (!opened.compareAndSet(null, in)) in.close();
        return in;
      });
    } catch (Throwable t) {
      if (opened.getAndSet(GIVEN_UP) instanceof Closeable in) close(in);
      throw t;
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
