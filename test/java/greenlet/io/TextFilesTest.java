package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;

/** Files as generators. */
class TextFilesTest {
  @TempDir Path directory;

  private static boolean isOpen(Path file) {
    try (var all = Files.list(Path.of("/proc/self/fd"))) {
      for (Path fd : all.toList()) if (Files.exists(fd) && Files.isSameFile(fd, file)) return true;
      return false;
    } catch (IOException e) { // one was closed meanwhile
      return true;
    }
  }

  @RootTest
  @DisplayName(
      "Lines and chunks are those of the file, which is closed at the end and when left early")
  void read() throws IOException {
    Path file = directory.resolve("lines");
    List<String> lines = IntStream.range(0, 600).mapToObj(i -> "line " + i).toList();
    Files.write(file, lines);
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              var seen = new ArrayList<String>();
              TextFiles.lines(file).forEach(seen::add);
              assertEquals(lines, seen);
              try (var cursor = TextFiles.lines(file).cursor()) {
                assertEquals("line 0", cursor.next());
                assertEquals(true, isOpen(file));
              }
              var sizes = new ArrayList<Integer>();
              TextFiles.chunks(file, 4096).forEach(chunk -> sizes.add(chunk.length));
              assertEquals(Files.size(file), sizes.stream().mapToInt(n -> n).sum());
              assertEquals(4096, Collections.max(sizes));
              assertThrows(
                  IOException.class,
                  () -> TextFiles.lines(directory.resolve("none")).cursor().next());
            }));
    Threads.until(() -> !isOpen(file));
  }
}
