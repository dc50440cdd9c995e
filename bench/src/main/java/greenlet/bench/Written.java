package greenlet.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** What is written, and read elsewhere: always as many writes, by a producer that does nothing else. */
final class Written {
  static final int WRITES = 16_384;
  static final int BIG = 8192;
  static final int SMALL = 80;

  private Written() {}

  static void produce(int size, OutputStream out) throws IOException {
    byte[] bytes = new byte[size];
    for (int i = 0; i < WRITES; i++) out.write(bytes);
  }

  /** Reads to the end, 8 KB at most at once. */
  static void consume(int size, InputStream in) throws IOException {
    byte[] buffer = new byte[BIG];
    long read = 0;
    for (int n; (n = in.read(buffer)) >= 0; ) read += n;
    check(size, read);
  }

  static void check(int size, long read) {
    if (read != (long) size * WRITES)
      throw new AssertionError(read + " bytes were read, not " + (long) size * WRITES);
  }
}
