package greenlet.journal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;

/** That a directory is this store's alone: by a lock on a file of it, which says whose it is, and which ends with the process. */
final class Owner {
  static final String LOCK = "lock";

  private final String property;
  private final FileChannel channel;

  private Owner(String property, FileChannel channel) {
    this.property = property;
    this.channel = channel;
  }

  /**
   * Takes possession of a directory.
   *
   * @throws IOException if another store has it, in this process or another one
   */
  static Owner of(Path directory) throws IOException {
    // A process that opens and closes a locked file has lost the lock, so whether it has it is to
    // be known before. Known to all
    // classes of the JVM, as there may be several of this name.
    String property = "greenlet.journal.owner of " + directory.toRealPath();
    String me =
        "process %d, since %s"
            .formatted(
                ProcessHandle.current().pid(), Instant.now().truncatedTo(ChronoUnit.SECONDS));
    Object other = System.getProperties().putIfAbsent(property, me);
    if (other != null) throw refused(directory, "this process, " + other);
    try {
      return new Owner(property, lock(directory, me));
    } catch (Throwable t) {
      System.clearProperty(property);
      throw t;
    }
  }

  private static FileChannel lock(Path directory, String me) throws IOException {
    FileChannel channel = Segment.createFile(directory.resolve(LOCK));
    try {
      if (channel.tryLock() == null)
        throw refused(directory, Files.readString(directory.resolve(LOCK)).strip());
      channel.truncate(0);
      channel.write(ByteBuffer.wrap((me + "\n").getBytes(StandardCharsets.UTF_8)));
      return channel;
    } catch (Throwable t) {
      channel.close();
      throw t;
    }
  }

  private static IOException refused(Path directory, @Nullable Object holder) {
    return new IOException(
        "%s is open already, and has one owner at a time: %s. Close that store, or use it from here"
            .formatted(directory, holder));
  }

  void release() throws IOException {
    try {
      channel.close();
    } finally {
      System.clearProperty(property);
    }
  }
}
