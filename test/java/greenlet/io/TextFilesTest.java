package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
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

  /** Has some bytes, {@code most} at a time, and then fails. */
  private static InputStream failing(byte[] bytes, int most) {
    var in = new ByteArrayInputStream(bytes);
    return new InputStream() {
      @Override
      public int read() {
        throw new AssertionError("byte by byte");
      }

      @Override
      public int read(byte[] to, int from, int count) throws IOException {
        int n = in.read(to, from, Math.min(count, most));
        if (n < 0) throw new IOException("broken");
        return n;
      }
    };
  }

  @RootTest
  @DisplayName("What was read before an error comes out before it")
  void errors() {
    byte[] bytes = "one\ntwo\nthr".getBytes(StandardCharsets.UTF_8);
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              var seen = new StringBuilder();
              assertThrows(
                  IOException.class,
                  () ->
                      TextFiles.chunks(() -> failing(bytes, 3), 8)
                          .forEach(chunk ->
                              seen.append(new String(chunk, StandardCharsets.UTF_8)).append('|')));
              assertEquals("one\ntwo\n|thr|", seen.toString());
              var lines = new ArrayList<String>();
              assertThrows(
                  IOException.class,
                  () ->
                      TextFiles.lines(() -> failing(bytes, 3), StandardCharsets.UTF_8)
                          .forEach(lines::add));
              assertEquals(List.of("one", "two"), lines);
            }));
  }

  @RootTest
  @DisplayName("Malformed input is an error after the lines before it; the charset can be chosen")
  void charsets() throws IOException {
    Path latin = directory.resolve("latin");
    Files.write(latin, "a\nb\nkäse\nc".getBytes(StandardCharsets.ISO_8859_1));
    Path cut = directory.resolve("cut");
    Files.write(cut, new byte[] {'a', '\n', 'b', (byte) 0xC3});
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              for (Path malformed : List.of(latin, cut)) {
                var lines = new ArrayList<String>();
                assertThrows(
                    MalformedInputException.class,
                    () -> TextFiles.lines(malformed).forEach(lines::add));
                assertEquals(malformed == latin ? List.of("a", "b") : List.of("a"), lines);
              }
              var lines = new ArrayList<String>();
              TextFiles.lines(latin, StandardCharsets.ISO_8859_1).forEach(lines::add);
              assertEquals(List.of("a", "b", "käse", "c"), lines);
            }));
    assertThrows(IllegalArgumentException.class, () -> TextFiles.lines(latin, null));
  }

  @RootTest
  @DisplayName("Lines are those of the JDK's reader, wherever their ends and characters are cut")
  void ends() {
    var random = new Random(1);
    String[] parts = {"\r", "\n", "\r\n", "x", "ä", "€", "\uD83D\uDE00", "y".repeat(9000)};
    Hubs.realTime()
        .run(
            Threads.callable(() -> {
              for (int i = 0; i < 100; i++) {
                var text = new StringBuilder();
                for (int j = random.nextInt(30); j > 0; j--)
                  text.append(parts[random.nextInt(parts.length)]);
                byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
                int most = 1 + random.nextInt(5000);
                var lines = new ArrayList<String>();
                TextFiles.lines(() -> slow(bytes, most), StandardCharsets.UTF_8)
                    .forEach(lines::add);
                assertEquals(
                    new BufferedReader(new StringReader(text.toString())).lines().toList(), lines);
              }
            }));
  }

  private static InputStream slow(byte[] bytes, int most) {
    return new ByteArrayInputStream(bytes) {
      @Override
      public int read(byte[] to, int from, int count) {
        return super.read(to, from, Math.min(count, most));
      }
    };
  }
}
