package greenlet.bridge;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Reader;
import java.io.Writer;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The reading end of what a producer writes: a cursor whose elements are the writes, each as long in flight as something of
 * it has not been read.
 */
final class Pipe {
  private static final VarHandle READER;

  static {
    try {
      READER = MethodHandles.lookup().findVarHandle(Pipe.class, "reader", Thread.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** What has not been read yet of one write: the producer's own array or string, which waits until it is used up. */
  static final class Slice {
    private @Nullable Object lent;
    private int from;
    private int to;

    int length() {
      return to - from;
    }

    /** The next one, alone: a byte, unsigned, or a char. */
    @SuppressWarnings("NullAway") // until it is used up, something is lent
    int take() {
      int i = from++;
      if (lent instanceof byte[] bytes) return bytes[i] & 0xff;
      return lent instanceof char[] chars ? chars[i] : ((String) lent).charAt(i);
    }

    int take(Object target, int at, int most) {
      int length = Math.min(most, length());
      if (lent instanceof String s) s.getChars(from, from + length, (char[]) target, at);
      else System.arraycopy(lent, from, target, at, length);
      from += length;
      return length;
    }

    int skip(long most) {
      int length = (int) Math.min(most, length());
      from += length;
      return length;
    }
  }

  // The writing end

  static Generator<Slice> bytes(Bridge.Producer<? super OutputStream> producer) {
    if (producer == null)
      throw new IllegalArgumentException("a producer that writes is needed: got null");
    return Generator.of(out -> producer.produce(new Bytes(out)));
  }

  static Generator<Slice> chars(Bridge.Producer<? super Writer> producer) {
    if (producer == null)
      throw new IllegalArgumentException("a producer that writes is needed: got null");
    return Generator.of(out -> producer.produce(new Chars(out)));
  }

  private static IOException closedByProducer() {
    return new IOException("the producer has closed what it writes to");
  }

  private static void lend(
      Generator.Yielder<Slice> out, Slice slice, Object array, int from, int length) {
    if (length == 0) return;
    slice.lent = array;
    slice.from = from;
    slice.to = from + length;
    try {
      out.yield(slice);
    } finally {
      slice.lent = null;
    }
  }

  private static final class Bytes extends OutputStream {
    private final Generator.Yielder<Slice> out;
    private final Slice slice = new Slice();
    private boolean closed;

    Bytes(Generator.Yielder<Slice> out) {
      this.out = out;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
      Objects.checkFromIndexSize(from, length, bytes.length);
      if (closed) throw closedByProducer();
      lend(out, slice, bytes, from, length);
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  private static final class Chars extends Writer {
    private final Generator.Yielder<Slice> out;
    private final Slice slice = new Slice();
    private boolean closed;

    Chars(Generator.Yielder<Slice> out) {
      this.out = out;
    }

    @Override
    public void write(int c) throws IOException {
      write(new char[] {(char) c}, 0, 1);
    }

    @Override
    public void write(char[] chars, int from, int length) throws IOException {
      write(chars, chars.length, from, length);
    }

    @Override
    public void write(String string, int from, int length) throws IOException {
      write(string, string.length(), from, length);
    }

    private void write(Object all, int size, int from, int length) throws IOException {
      Objects.checkFromIndexSize(from, length, size);
      if (closed) throw closedByProducer();
      lend(out, slice, all, from, length);
    }

    @Override
    public void flush() throws IOException {
      if (closed) throw closedByProducer();
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  /** Yields each line when it has been ended; like all that writes here, outside of the lock that Writer would hold. */
  static final class Lines extends Writer {
    private final Generator.Yielder<String> out;
    private final StringBuilder begun = new StringBuilder();
    private boolean afterReturn;
    private boolean closed;

    Lines(Generator.Yielder<String> out) {
      this.out = out;
    }

    @Override
    public void write(int c) throws IOException {
      write(new char[] {(char) c}, 0, 1);
    }

    @Override
    public void write(String string, int from, int length) throws IOException {
      Objects.checkFromIndexSize(from, length, string.length());
      char[] chars = new char[length];
      string.getChars(from, from + length, chars, 0);
      write(chars, 0, length);
    }

    @Override
    public void write(char[] chars, int from, int length) throws IOException {
      int to = Objects.checkFromIndexSize(from, length, chars.length) + length;
      if (closed) throw closedByProducer();
      int start = from;
      for (int i = from; i < to; i++) {
        char c = chars[i];
        boolean secondOfTwo = c == '\n' && afterReturn;
        afterReturn = c == '\r';
        if (c != '\n' && c != '\r') continue;
        begun.append(chars, start, i - start);
        start = i + 1;
        if (!secondOfTwo) yieldBegun();
      }
      begun.append(chars, start, to - start);
    }

    private void yieldBegun() {
      String line = begun.toString();
      begun.setLength(0);
      out.yield(line);
    }

    /** The producer has returned. */
    void end() {
      if (!begun.isEmpty()) yieldBegun();
    }

    @Override
    public void flush() throws IOException {
      if (closed) throw closedByProducer();
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  // The reading end

  private final Generator<Slice> writes;
  private final Cursor<Slice> cursor;
  private boolean begun;
  private boolean over;
  private boolean closed;
  private @Nullable Slice inFlight;
  private @Nullable Throwable failure;

  /** Who is reading right now. */
  private volatile @Nullable Thread reader;

  Pipe(Generator<Slice> writes, boolean confined) {
    this.writes = writes;
    cursor = confined ? writes.cursor() : writes.sharedCursor();
  }

  InputStream inputStream() {
    return new ByteInput(this);
  }

  Reader reader() {
    return new CharInput(this);
  }

  @Override
  public String toString() {
    return "the stream of " + writes;
  }

  private void enter() {
    Thread other = (Thread) READER.compareAndExchange(this, null, Thread.currentThread());
    if (other == null) return;
    throw new IllegalStateException(
        this
            + " cannot be used by "
            + Greenlet.current()
            + ": thread "
            + '"'
            + other.getName()
            + '"'
            + " is reading from it, and the producer is running or has switched away; one can read at a time, and not the "
            + "producer itself");
  }

  private void leave() {
    reader = null;
  }

  private void requireOpen() throws IOException {
    if (closed) throw new IOException(this + " has been closed");
  }

  /** The write in flight, or the next one, where that is used up; null at the end. */
  private @Nullable Slice slice() throws IOException {
    requireOpen();
    if (failure != null)
      throw new IOException(this + " was ended by an exception: " + failure, failure);
    if (over) return null;
    begun = true;
    try {
      if (inFlight != null && inFlight.length() == 0) {
        cursor.next();
        inFlight = null;
      }
      // asked for each read, because it refuses other threads
      if (cursor.hasNext()) return inFlight = cursor.peek();
      over = true;
      return null;
    } catch (Throwable t) {
      if (cursor.isOver()) failure = t; // else the call was refused
      throw asIOException(t);
    }
  }

  private static IOException asIOException(Throwable t) {
    if (t instanceof RuntimeException || t instanceof Error) throw Sneaky.unchecked(t);
    return t instanceof IOException e ? e : new IOException(t);
  }

  int read() throws IOException {
    enter();
    try {
      Slice slice = slice();
      return slice == null ? -1 : slice.take();
    } finally {
      leave();
    }
  }

  int read(Object target, int at, int most) throws IOException {
    enter();
    try {
      requireOpen();
      if (most == 0) return 0;
      Slice slice = slice();
      return slice == null ? -1 : slice.take(target, at, most);
    } finally {
      leave();
    }
  }

  long skip(long most) throws IOException {
    enter();
    try {
      requireOpen();
      long skipped = 0;
      for (Slice slice; skipped < most && (slice = slice()) != null; )
        skipped += slice.skip(most - skipped);
      return skipped;
    } finally {
      leave();
    }
  }

  int available() throws IOException {
    enter();
    try {
      requireOpen();
      return inFlight == null ? 0 : inFlight.length();
    } finally {
      leave();
    }
  }

  /** Where a slice is transferred to. */
  private interface Sink {
    void write(Object lent, int from, int length) throws IOException;
  }

  @SuppressWarnings("NullAway") // until it is used up, something is lent
  private static long transfer(Slice slice, Sink to) throws IOException {
    int length = slice.length();
    to.write(slice.lent, slice.from, length);
    return slice.skip(length);
  }

  private long transferTo(Sink to) throws IOException {
    enter();
    try {
      requireOpen();
      if (!begun) return push(to);
      long transferred = 0;
      for (Slice slice; (slice = slice()) != null; ) transferred += transfer(slice, to);
      return transferred;
    } finally {
      leave();
    }
  }

  /** Nobody has read yet, and all is wanted: runs the producer right here. */
  private long push(Sink to) throws IOException {
    long[] transferred = new long[1];
    begun = true;
    over = true;
    try {
      writes.forEach(slice -> {
        try {
          transferred[0] += transfer(slice, to);
        } catch (IOException e) {
          throw Sneaky.unchecked(e);
        }
      });
      return transferred[0];
    } catch (Throwable t) {
      failure = t;
      throw asIOException(t);
    }
  }

  void close() throws IOException {
    enter();
    try {
      cursor.close();
    } catch (Throwable t) {
      throw asIOException(t);
    } finally {
      closed |= cursor.isOver();
      leave();
    }
  }

  private static final class ByteInput extends InputStream {
    private final Pipe pipe;

    ByteInput(Pipe pipe) {
      this.pipe = pipe;
    }

    @Override
    public int read() throws IOException {
      return pipe.read();
    }

    @Override
    public int read(byte[] target, int at, int most) throws IOException {
      Objects.checkFromIndexSize(at, most, target.length);
      return pipe.read(target, at, most);
    }

    @Override
    public long skip(long most) throws IOException {
      return pipe.skip(most);
    }

    @Override
    public int available() throws IOException {
      return pipe.available();
    }

    @Override
    public long transferTo(OutputStream to) throws IOException {
      Objects.requireNonNull(to);
      return pipe.transferTo((lent, from, length) -> to.write((byte[]) lent, from, length));
    }

    @Override
    public void close() throws IOException {
      pipe.close();
    }
  }

  private static final class CharInput extends Reader {
    private final Pipe pipe;

    CharInput(Pipe pipe) {
      this.pipe = pipe;
    }

    @Override
    public int read() throws IOException {
      return pipe.read();
    }

    @Override
    public int read(char[] target, int at, int most) throws IOException {
      Objects.checkFromIndexSize(at, most, target.length);
      return pipe.read(target, at, most);
    }

    @Override
    public long skip(long most) throws IOException {
      if (most < 0) throw new IllegalArgumentException("cannot skip " + most + " characters");
      return pipe.skip(most);
    }

    @Override
    public boolean ready() throws IOException {
      return pipe.available() > 0;
    }

    @Override
    public long transferTo(Writer to) throws IOException {
      Objects.requireNonNull(to);
      return pipe.transferTo((lent, from, length) -> {
        if (lent instanceof String s) to.write(s, from, length);
        else to.write((char[]) lent, from, length);
      });
    }

    @Override
    public void close() throws IOException {
      pipe.close();
    }
  }
}
