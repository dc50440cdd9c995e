package greenlet.journal;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A file of batches. One thread writes it, and is never interrupted; any thread may read, and may be interrupted: so not by a
 * channel, which that would close.
 */
final class Segment {
  static final int HEADER = 40;
  static final int BATCH_HEADER = 16;

  private static final long MAGIC = 0x677265656e6c6574L; // greenlet
  private static final int VERSION = 1;
  private static final int PREFIX =
      16; // which all versions have: magic, version, and their checksum

  /** The segment is gone: what was in it has been written elsewhere. */
  static final class Gone extends IOException {
    private static final long serialVersionUID = 1L;
  }

  final int number;
  final Path path;
  final long firstBatch;
  private final long salt;
  private final ReentrantLock lock = new ReentrantLock();
  private final RandomAccessFile in;
  private @Nullable FileChannel out;
  private boolean isClosed;
  private volatile long size;

  private Segment(int number, Path path, long firstBatch, long salt) throws IOException {
    this.number = number;
    this.path = path;
    this.firstBatch = firstBatch;
    this.salt = salt;
    in = new RandomAccessFile(path.toFile(), "r");
    size = in.length();
  }

  static Path path(Path directory, int number) {
    return directory.resolve("%010d.segment".formatted(number));
  }

  /** Makes the file, which is durable when this returns. */
  static Segment create(Path directory, int number, long firstBatch, Disk disk) throws IOException {
    Path path = path(directory, number);
    long salt = new SecureRandom().nextLong();
    FileChannel out = createFile(path);
    try {
      disk.write(out, header(number, firstBatch, salt));
      disk.force(out);
      disk.forceDirectory(directory);
      var segment = new Segment(number, path, firstBatch, salt);
      segment.out = out;
      return segment;
    } catch (Throwable t) {
      out.close();
      throw t;
    }
  }

  static FileChannel createFile(Path path) throws IOException {
    FileAttribute<?>[] attributes =
        Disk.isPosix(path)
            ? new FileAttribute<?>[] {
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
            }
            : new FileAttribute<?>[0];
    return FileChannel.open(
        path,
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE),
        attributes);
  }

  private static ByteBuffer header(int number, long firstBatch, long salt) {
    ByteBuffer header = ByteBuffer.allocate(HEADER).putLong(MAGIC).putInt(VERSION);
    header.putInt(checksum(header, PREFIX - 4));
    header.putInt(number).putLong(firstBatch).putLong(salt);
    return header.putInt(checksum(header, HEADER - 4)).flip();
  }

  private static int checksum(ByteBuffer bytes, int length) {
    var crc = new CRC32C();
    crc.update(bytes.array(), 0, length);
    return (int) crc.getValue();
  }

  /**
   * Opens a segment to read it.
   *
   * @return null if the process, or the machine, has stopped while it was made: nothing was in it then
   */
  static @Nullable Segment open(Path path, int number) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(HEADER);
    long length;
    try (var file = new RandomAccessFile(path.toFile(), "r")) {
      length = file.length();
      file.readFully(header.array(), 0, (int) Math.min(length, HEADER));
    }
    if (length >= PREFIX
        && header.getLong(0) == MAGIC
        && header.getInt(PREFIX - 4) == checksum(header, PREFIX - 4)
        && header.getInt(8) != VERSION)
      throw new IOException(
          "%s is of version %d, and this library knows version %d: use the version of the library that has written it"
              .formatted(path, header.getInt(8), VERSION));
    long firstBatch = header.getLong(20);
    long salt = header.getLong(28);
    if (header.equals(header(number, firstBatch, salt)))
      return new Segment(number, path, firstBatch, salt);
    if (length <= HEADER) return null;
    throw new Corrupt("the first %d bytes of %s are not what was written".formatted(HEADER, path));
  }

  long size() {
    return size;
  }

  /** From now on, {@link #append} may be called. What is beyond {@code length} is cut. */
  void openToWrite(long length, Disk disk) throws IOException {
    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    out = channel;
    if (length < size) {
      channel.truncate(length);
      disk.force(channel);
    }
    channel.position(length);
    size = length;
  }

  /**
   * Writes what is there from {@code offset} on once more, and forces it. If a force of it has failed, it can be read, and nobody knows
   * whether the disk has it.
   */
  void writeAgain(long offset, Disk disk) throws IOException {
    byte[] bytes = new byte[(int) (size - offset)];
    read(offset, bytes, 0, bytes.length);
    FileChannel channel = channel();
    channel.position(offset);
    disk.write(channel, ByteBuffer.wrap(bytes));
    disk.force(channel);
  }

  /** Appends a batch, which is durable when this returns, and whose first bytes are left for its header. */
  void append(long batch, Encoder bytes, Disk disk) throws IOException {
    int length = bytes.size() - BATCH_HEADER;
    bytes.setInt(0, length);
    bytes.setLong(4, batch);
    ByteBuffer buffer = bytes.buffer();
    bytes.setInt(12, batchChecksum(buffer.array(), 0, length));
    FileChannel channel = channel();
    disk.write(channel, buffer);
    disk.force(channel);
    size += bytes.size();
  }

  private FileChannel channel() {
    if (out == null) throw new IllegalStateException(path + " is not open to be written");
    return out;
  }

  /** Of the batch that begins at {@code at}: of the salt, so that no copy in a value passes for one, and all but the checksum itself. */
  int batchChecksum(byte[] bytes, int at, int length) {
    var crc = new CRC32C();
    crc.update(ByteBuffer.allocate(8).putLong(salt).flip());
    crc.update(bytes, at, 12);
    crc.update(bytes, at + BATCH_HEADER, length);
    return (int) crc.getValue();
  }

  /** Reads as much as there is. */
  int read(long offset, byte[] into, int from, int length) throws IOException {
    lock.lock();
    try {
      if (isClosed) throw new Gone();
      in.seek(offset);
      int filled = 0;
      for (int n; filled < length; filled += n) {
        n = in.read(into, from + filled, length - filled);
        if (n < 0) break;
      }
      return filled;
    } finally {
      lock.unlock();
    }
  }

  /** Nothing is written to it any longer. */
  void seal() throws IOException {
    if (out != null) out.close();
    out = null;
  }

  void close() throws IOException {
    lock.lock();
    try {
      isClosed = true;
      in.close();
    } finally {
      lock.unlock();
    }
    seal();
  }
}
