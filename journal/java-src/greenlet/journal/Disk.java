package greenlet.journal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** What a {@link DirectoryStore} does to its files. Tests have a disk of their own, which is full, fails or stops where they say. */
class Disk {
  /** Appends all of {@code bytes}. */
  void write(FileChannel file, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) file.write(bytes);
  }

  /** Returns when what was written to the file is durable. */
  void force(FileChannel file) throws IOException {
    file.force(false);
  }

  /** Returns when it is durable which files there are in {@code directory}. */
  void forceDirectory(Path directory) throws IOException {
    if (!isPosix(directory)) return; // Windows cannot open one
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  void delete(Path file) throws IOException {
    Files.delete(file);
  }

  /** What was forced is about to be told to those who wait for it. */
  void forced() throws IOException {}

  static boolean isPosix(Path path) {
    return path.getFileSystem().supportedFileAttributeViews().contains("posix");
  }
}
