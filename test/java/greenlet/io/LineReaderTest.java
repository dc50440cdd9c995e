package greenlet.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Exact reads: lines and so many bytes. */
@NothingSuspended
class LineReaderTest {
  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Comes in pieces of at most so many bytes. */
  private static InputStream pieces(byte[] bytes, int most) {
    return new ByteArrayInputStream(bytes) {
      @Override
      public int read(byte[] to, int from, int length) {
        return super.read(to, from, Math.min(length, most));
      }
    };
  }

  @Test
  @DisplayName("Lines end with LF or CRLF; a lone CR does not end one; null at the end")
  void lines() throws IOException {
    for (int most : new int[] {1, 2, 3, 100}) {
      var reader = new LineReader(pieces(bytes("a\r\n\nü\rb\n\r\n\r\r\n"), most));
      assertEquals("a", reader.readLine());
      assertEquals("", reader.readLine());
      assertEquals("ü\rb", reader.readLine());
      assertEquals("", reader.readLine());
      assertEquals("\r", reader.readLine());
      assertNull(reader.readLine());
      assertNull(reader.readLineBytes());
      assertEquals(-1, reader.read());
    }
  }

  @Test
  @DisplayName("What is behind a line is kept, for lines, bytes and whatever reads the stream")
  void kept() throws IOException {
    var reader = new LineReader(pieces(bytes("5\r\nhelloab\ncdefg\n"), 9));
    assertEquals("5", reader.readLine());
    assertEquals("hello", text(reader.readBytes(5)));
    assertEquals('a', reader.read());
    assertArrayEquals(bytes("b"), reader.readLineBytes());
    assertEquals(0, reader.readBytes(0).length);
    assertEquals("cd", text(reader.readNBytes(2)));
    assertEquals(4, reader.available());
    assertEquals("efg\n", text(reader.readAllBytes()));
    assertEquals(0, reader.readBytes(0).length);
  }

  @Test
  @DisplayName("The end of the stream in the midst is an error of its own, with what had come")
  void endInTheMidst() throws IOException {
    var reader = new LineReader(pieces(bytes("abc"), 2));
    var e = assertThrows(EndOfStreamException.class, reader::readLine);
    assertEquals("abc", text(e.received()));
    assertTrue(e instanceof EOFException && e.getMessage().contains("a line"), e.getMessage());
    e = assertThrows(EndOfStreamException.class, () -> reader.readBytes(4));
    assertEquals("abc", text(e.received()));
    assertTrue(e.getMessage().contains("4 bytes"), e.getMessage());
    assertEquals("abc", text(reader.readBytes(3)));
    e = assertThrows(EndOfStreamException.class, () -> reader.readBytes(1));
    assertEquals(0, e.received().length);
  }

  @Test
  @DisplayName(
      "A line that is too long is an error and stays; the bound does not count the line's end")
  void bound() throws IOException {
    for (int most : new int[] {1, 100}) {
      assertEquals("abc", new LineReader(pieces(bytes("abc\n"), most), 3).readLine());
      assertEquals("abc", new LineReader(pieces(bytes("abc\r\n"), most), 3).readLine());
      for (String tooLong : new String[] {"abcd\n", "abcd\r\n", "abc\r\r\n", "abc\rd\n", "abcd"}) {
        var reader = new LineReader(pieces(bytes(tooLong), most), 3);
        var e = assertThrows(IOException.class, reader::readLine);
        assertTrue(e.getMessage().contains("3 bytes"), e.getMessage());
        assertThrows(IOException.class, reader::readLine);
        assertEquals(tooLong, text(reader.readAllBytes()));
      }
    }
    var endless =
        new LineReader(
            new InputStream() {
              @Override
              public int read() {
                return 'x';
              }
            });
    assertThrows(IOException.class, endless::readLine);
    assertThrows(IllegalArgumentException.class, () -> new LineReader(endless, 0));
    assertThrows(IllegalArgumentException.class, () -> endless.readBytes(-1));
  }

  @Test
  @DisplayName("Any pieces give the same lines and bytes, also long ones")
  void random() throws IOException {
    var random = new Random(17);
    byte[] all = new byte[300_000];
    random.nextBytes(all);
    var reader = new LineReader(pieces(all, 1000), all.length);
    for (int at = 0; at < all.length; ) {
      int end = Math.min(all.length, at + random.nextInt(50_000));
      assertArrayEquals(Arrays.copyOfRange(all, at, end), reader.readBytes(end - at));
      for (at = end; at < all.length && all[at] != '\n'; ) at++;
      if (at == all.length) break;
      int length = at > end && all[at - 1] == '\r' ? at - 1 - end : at - end;
      assertEquals(length, reader.readLineBytes().length);
      at++;
    }
  }

  @RootTest
  @DisplayName("After a read that timed out, the next one goes on where it began; a limit ends any")
  void timeout() {
    SocketPair.run(
        Transport.PLAIN,
        pair -> {
          var reader = new LineReader(pair.near().getInputStream());
          pair.near().setSoTimeout(5);
          pair.far().getOutputStream().write(bytes("ab"));
          assertThrows(SocketTimeoutException.class, reader::readLine);
          pair.far().getOutputStream().write(bytes("c\nde"));
          assertEquals("abc", reader.readLine());
          assertThrows(SocketTimeoutException.class, () -> reader.readBytes(3));
          pair.far().getOutputStream().write(bytes("f"));
          assertEquals("def", text(reader.readBytes(3)));
          pair.near().setSoTimeout(0);
          assertThrows(
              java.util.concurrent.TimeoutException.class,
              () -> Hub.timeout(Duration.ofMillis(5), reader::readLine));
          assertEquals(-1, pair.far().getInputStream().read());
        });
  }

  @RootTest
  @DisplayName("A second reader is refused and named, and the first one's line is whole")
  void second() {
    SocketPair.run(
        Transport.PLAIN,
        pair -> {
          var reader = new LineReader(pair.near().getInputStream());
          pair.far().getOutputStream().write(bytes("a"));
          Task<String> first = Hub.current().spawn("first", reader::readLine);
          Hub.sleep(Duration.ZERO);
          var e = assertThrows(IllegalStateException.class, reader::read);
          assertTrue(e.getMessage().contains("first"), e.getMessage());
          pair.far().getOutputStream().write(bytes("b\n"));
          assertEquals("ab", first.result());
          reader.close();
          assertTrue(pair.near().isClosed());
        });
  }
}
