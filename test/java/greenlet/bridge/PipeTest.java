package greenlet.bridge;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Reader;
import java.io.StringReader;
import java.io.StringWriter;
import java.io.Writer;
import java.lang.ref.WeakReference;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import javax.xml.stream.XMLStreamException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What is written is what is read: streams, readers and lines from producers. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class PipeTest {
  private final List<Object> trace = new ArrayList<>();

  private static final List<Function<Bridge.Producer<? super OutputStream>, InputStream>> STREAMS =
      List.of(Bridge::inputStream, Bridge::confinedInputStream);
  private static final List<Function<Bridge.Producer<? super Writer>, Reader>> READERS =
      List.of(Bridge::reader, Bridge::confinedReader);

  /** Then streams of the JDK that are synchronized cannot be suspended; tests run on JVMs with both flags or none. */
  private static final boolean SYNCHRONIZED_IS_REFUSED =
      Runtime.version().feature() < 24 && !Greenlet.engine().contains("not carried");

  private static InputStream oneByOne(int count) {
    return Bridge.inputStream(out -> {
      for (int i = 0; i < count; i++) out.write(i);
    });
  }

  // Random writes, random reads

  private static byte[] randomBytes(Random random) {
    byte[] bytes = new byte[random.nextInt(5000)];
    random.nextBytes(bytes);
    return bytes;
  }

  /** Writes all of {@code bytes}, in pieces of any length, by any method. */
  private static void writeAnyhow(Random random, byte[] bytes, OutputStream out)
      throws IOException {
    for (int at = 0, n; at < bytes.length; at += n) {
      n = Math.min(bytes.length - at, anyLength(random));
      switch (random.nextInt(4)) {
        case 0 -> {
          out.write(bytes[at]);
          n = 1;
        }
        case 1 -> out.write(Arrays.copyOfRange(bytes, at, at + n));
        case 2 -> out.write(bytes, at, n);
        default -> {
          out.flush();
          n = 0;
        }
      }
    }
  }

  private static int anyLength(Random random) {
    return random.nextInt(new int[] {1, 3, 20, 300}[random.nextInt(4)]);
  }

  /** Reads on, by any method; false at the end. */
  private static boolean readAnyhow(Random random, InputStream in, ByteArrayOutputStream got)
      throws IOException {
    int available = in.available();
    switch (random.nextInt(5)) {
      case 0 -> {
        int b = in.read();
        if (b < 0) return false;
        got.write(b);
      }
      case 1 -> {
        byte[] buffer = new byte[anyLength(random)];
        int n = in.read(buffer);
        if (n < 0) return false;
        assertEquals(buffer.length == 0, n == 0);
        assertTrue(n >= Math.min(available, buffer.length));
        got.write(buffer, 0, n);
      }
      case 2 -> {
        byte[] buffer = new byte[300];
        int n = in.read(buffer, 100, anyLength(random) % 200);
        if (n < 0) return false;
        for (int i = 0; i < 100; i++) assertEquals(0, buffer[i]);
        got.write(buffer, 100, n);
      }
      case 3 -> got.write(in.readNBytes(anyLength(random)));
      default -> {
        if (random.nextInt(50) > 0) return true;
        in.transferTo(got);
        return false;
      }
    }
    return true;
  }

  @RootTest
  @DisplayName("Bytes written by random calls are what random calls read: in one thread")
  void bytes() throws IOException {
    for (int seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      byte[] bytes = randomBytes(random);
      Random writes = new Random(seed + 1000);
      InputStream in = STREAMS.get(seed % 2).apply(out -> writeAnyhow(writes, bytes, out));
      ByteArrayOutputStream got = new ByteArrayOutputStream();
      boolean more = true;
      while (more) more = readAnyhow(random, in, got);
      assertArrayEquals(bytes, got.toByteArray(), "seed " + seed);
      assertEquals(-1, in.read());
      assertEquals(-1, in.read(new byte[1]));
      assertEquals(0, in.skip(1));
      assertEquals(0, in.available());
      assertEquals(0, in.transferTo(got));
    }
  }

  @RootTest
  @DisplayName(
      "Bytes written by random calls are what random calls read: several threads of each kind in turn")
  void bytesByThreadsInTurn() throws Throwable {
    for (int seed = 0; seed < 20; seed++) {
      Random random = new Random(seed);
      byte[] bytes = randomBytes(random);
      Random writes = new Random(seed + 1000);
      InputStream in = Bridge.inputStream(out -> writeAnyhow(writes, bytes, out));
      ByteArrayOutputStream got = new ByteArrayOutputStream();
      boolean more = true;
      for (int turn = random.nextInt(2); more; turn++) {
        int reads = random.nextInt(1, 30);
        Executable read =
            () -> {
              for (int i = 0; i < reads; i++) if (!readAnyhow(random, in, got)) return;
              throw new More();
            };
        try {
          if (turn % 3 == 0) read.execute();
          else Threads.values()[turn % 3 - 1].run("reader " + turn, read);
          more = false;
        } catch (More e) {
          more = true;
        }
      }
      assertArrayEquals(bytes, got.toByteArray(), "seed " + seed);
    }
  }

  private static final class More extends Exception {
    private static final long serialVersionUID = 1L;
  }

  private static void writeAnyhow(Random random, String text, Writer out) throws IOException {
    for (int at = 0, n; at < text.length(); at += n) {
      n = Math.min(text.length() - at, anyLength(random));
      switch (random.nextInt(6)) {
        case 0 -> {
          out.write(text.charAt(at));
          n = 1;
        }
        case 1 -> out.write(text.toCharArray(), at, n);
        case 2 -> out.write(text, at, n);
        case 3 -> out.append(text, at, at + n);
        case 4 -> out.append(new StringBuilder(text), at, at + n);
        default -> {
          out.flush();
          n = 0;
        }
      }
    }
  }

  private static boolean readAnyhow(Random random, Reader in, StringBuilder got)
      throws IOException {
    boolean ready = in.ready();
    switch (random.nextInt(4)) {
      case 0 -> {
        int c = in.read();
        assertFalse(ready && c < 0);
        if (c < 0) return false;
        got.append((char) c);
      }
      case 1 -> {
        char[] buffer = new char[anyLength(random)];
        int n = in.read(buffer);
        if (n < 0) return false;
        got.append(buffer, 0, n);
      }
      case 2 -> {
        char[] buffer = new char[300];
        int n = in.read(buffer, 100, anyLength(random) % 200);
        if (n < 0) return false;
        got.append(buffer, 100, n);
      }
      default -> {
        if (random.nextInt(50) > 0) return true;
        StringWriter rest = new StringWriter();
        in.transferTo(rest);
        got.append(rest);
        return false;
      }
    }
    return true;
  }

  private static String randomText(Random random, String alphabet) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(3000); i > 0; i--)
      text.append(alphabet.charAt(random.nextInt(alphabet.length())));
    return text.toString();
  }

  @RootTest
  @DisplayName("Characters written by random calls are what random calls read")
  void chars() throws IOException {
    for (int seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      String text = randomText(random, "ab\n\u20ac\ud83d\ude00");
      Random writes = new Random(seed + 1000);
      Reader in = READERS.get(seed % 2).apply(out -> writeAnyhow(writes, text, out));
      StringBuilder got = new StringBuilder();
      boolean more = true;
      while (more) more = readAnyhow(random, in, got);
      assertEquals(text, got.toString(), "seed " + seed);
      assertEquals(-1, in.read());
      assertEquals(0, in.skip(1));
      assertFalse(in.ready());
    }
  }

  @RootTest
  @DisplayName("Lines written by random calls are those that a BufferedReader finds: push and pull")
  void lines() {
    for (int seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      String text = randomText(random, "abc\n\r");
      Generator<String> lines =
          Bridge.lines(out -> writeAnyhow(new Random(text.length()), text, out));
      List<String> expected = new BufferedReader(new StringReader(text)).lines().toList();
      assertEquals(expected, lines.stream().toList(), "seed " + seed);
      List<String> pulled = new ArrayList<>();
      for (String line : lines) pulled.add(line);
      assertEquals(expected, pulled, "seed " + seed);
    }
  }

  @RootTest
  @DisplayName(
      "A line is there as soon as it has been ended, and what was begun is lost when the producer fails")
  void linesAreLazy() {
    IOException failure = new IOException();
    Cursor<String> lines =
        Bridge.lines(
                out -> {
                  out.write("one\rtw");
                  trace.add("within");
                  out.write("o\nth");
                  throw failure;
                })
            .cursor();
    assertEquals("one", lines.next());
    assertEquals(List.of(), trace);
    assertEquals("two", lines.next());
    assertEquals(List.of("within"), trace);
    assertSame(failure, assertThrows(IOException.class, lines::hasNext));
    if (SYNCHRONIZED_IS_REFUSED) return;
    trace.clear();
    Cursor<String> endless =
        Bridge.lines(
                out -> {
                  try (PrintWriter print = new PrintWriter(out)) {
                    while (true) print.println("line");
                  } finally {
                    trace.add("finally");
                  }
                })
            .cursor();
    assertEquals("line", endless.next());
    endless.close();
    assertEquals(List.of("finally"), trace);
  }

  // Laziness

  @RootTest
  @DisplayName(
      "A producer runs as far as it is read, and a write is in flight until it is used up: its own array")
  void lazy() throws IOException {
    for (var inputStream : STREAMS) {
      trace.clear();
      byte[] own = {1, 2, 3, 4};
      InputStream in =
          inputStream.apply(out -> {
            trace.add("begins");
            out.write(own, 1, 3);
            trace.add("goes on");
            out.write(own, 0, 0);
            out.flush();
            out.write(7);
            trace.add("ends");
          });
      assertEquals(0, in.available());
      assertEquals(0, in.read(new byte[0]));
      assertEquals(List.of(), trace);
      assertEquals(2, in.read());
      assertEquals(2, in.available());
      own[2] = 33;
      assertEquals(33, in.read());
      assertEquals(1, in.skip(1));
      assertEquals(0, in.available());
      assertEquals(List.of("begins"), trace);
      byte[] buffer = new byte[10];
      assertEquals(1, in.read(buffer, 5, 5));
      assertEquals(7, buffer[5]);
      assertEquals(List.of("begins", "goes on"), trace);
      assertEquals(-1, in.read(buffer));
      assertEquals(List.of("begins", "goes on", "ends"), trace);
    }
  }

  @RootTest
  @DisplayName("skip goes over several writes, as far as it is asked to")
  void skip() throws IOException {
    InputStream in =
        Bridge.inputStream(out -> {
          for (int i = 0; i < 10; i++) out.write(new byte[] {(byte) i, (byte) i});
        });
    assertEquals(0, in.skip(0));
    assertEquals(0, in.skip(-1));
    assertEquals(5, in.skip(5));
    assertEquals(2, in.read());
    in.skipNBytes(10);
    assertEquals(8, in.read());
    assertEquals(3, in.skip(Long.MAX_VALUE));
    assertEquals(-1, in.read());
    Reader chars = Bridge.reader(out -> out.write("abc"));
    assertThrows(IllegalArgumentException.class, () -> chars.skip(-1));
    assertEquals(2, chars.skip(2));
    assertEquals('c', chars.read());
    assertEquals(-1, chars.read());
  }

  @RootTest
  @DisplayName(
      "transferTo first of all runs the producer on the caller's stack; later it goes on where it is")
  void transferTo() throws IOException {
    for (boolean begun : new boolean[] {false, true}) {
      InputStream in =
          Bridge.inputStream(out -> {
            Thread runner = Thread.currentThread();
            out.write(1);
            trace.add(runner);
            out.write(new byte[] {2, 3});
          });
      ByteArrayOutputStream got = new ByteArrayOutputStream();
      if (begun) got.write(in.read());
      assertEquals(begun ? 2 : 3, in.transferTo(got));
      assertArrayEquals(new byte[] {1, 2, 3}, got.toByteArray());
      assertEquals(!begun, trace.removeFirst() == Thread.currentThread());
      assertEquals(-1, in.read());
      in.close();
      assertThrows(IOException.class, in::read);
    }
    Reader chars = Bridge.reader(out -> out.append("text").append('c').write("x".toCharArray()));
    StringWriter got = new StringWriter();
    assertEquals(6, chars.transferTo(got));
    assertEquals("textcx", got.toString());
  }

  @RootTest
  @DisplayName(
      "Where the target of transferTo fails, its exception comes out, and a producer that was pushed is unwound")
  void transferToFails() throws IOException {
    IOException full = new IOException("full");
    OutputStream target =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            if (b == 2) throw full;
          }
        };
    for (boolean begun : new boolean[] {false, true}) {
      trace.clear();
      InputStream in =
          Bridge.inputStream(out -> {
            try {
              for (int i = 0; i < 4; i++) out.write(i);
            } finally {
              trace.add("finally");
            }
          });
      if (begun) assertEquals(0, in.read());
      assertSame(full, assertThrows(IOException.class, () -> in.transferTo(target)));
      if (!begun) assertSame(full, assertThrows(IOException.class, in::read).getCause());
      in.close();
      assertEquals(List.of("finally"), trace);
    }
  }

  // Ends

  @RootTest
  @DisplayName(
      "Closing at each position raises GreenletExit in the producer's write: finally runs once, reading is over")
  void close() throws Throwable {
    for (var inputStream : STREAMS) {
      for (int position = 0; position <= 5; position++) {
        trace.clear();
        InputStream in =
            inputStream.apply(out -> {
              try {
                for (int i = 0; i < 5; i++) out.write(i);
              } catch (GreenletExit e) {
                trace.add("exit");
                throw e;
              } finally {
                trace.add("finally");
              }
            });
        for (int i = 0; i < position; i++) assertEquals(i, in.read());
        if (position == 5) assertEquals(-1, in.read());
        for (int i = 0; i < 2; i++) in.close();
        assertEquals(
            position == 0
                ? List.of()
                : position == 5 ? List.of("finally") : List.of("exit", "finally"),
            trace);
        assertReadsRefused(in);
      }
    }
    Reader reader = oneWrite();
    assertEquals('t', reader.read());
    reader.close();
    reader.close();
    for (Executable call :
        List.<Executable>of(
            reader::read,
            reader::ready,
            () -> reader.read(new char[0]),
            () -> reader.skip(0),
            () -> reader.transferTo(Writer.nullWriter()))) {
      assertThrows(IOException.class, call);
    }
  }

  private static Reader oneWrite() {
    return Bridge.reader(out -> out.write("text"));
  }

  private static void assertReadsRefused(InputStream in) {
    for (Executable call :
        List.<Executable>of(
            in::read,
            in::available,
            () -> in.read(new byte[0]),
            () -> in.read(new byte[1]),
            () -> in.skip(1),
            () -> in.transferTo(OutputStream.nullOutputStream()))) {
      assertTrue(assertThrows(IOException.class, call).getMessage().contains("has been closed"));
    }
  }

  @RootTest
  @DisplayName("Another thread may close a stream")
  void closedElsewhere() throws Throwable {
    for (Threads kind : Threads.values()) {
      trace.clear();
      InputStream in =
          Bridge.inputStream(out -> {
            try {
              out.write(1);
            } finally {
              trace.add("finally");
            }
          });
      assertEquals(1, in.read());
      kind.run("other", in::close);
      assertEquals(List.of("finally"), trace);
      assertReadsRefused(in);
    }
  }

  @RootTest
  @DisplayName(
      "Streams around the producer's may write when they are closed, also when the reader closes")
  void wrapped() throws Throwable {
    if (SYNCHRONIZED_IS_REFUSED) return;
    byte[] zeros = new byte[100_000];
    for (var inputStream : STREAMS) {
      InputStream all = inputStream.apply(out -> zip(zeros, out));
      assertArrayEquals(zeros, new GZIPInputStream(all).readAllBytes());
      InputStream some =
          inputStream.apply(out -> {
            try {
              zip(zeros, out);
            } finally {
              trace.add("finally");
            }
          });
      assertEquals(0x1f, some.read());
      some.close();
      assertEquals(List.of("finally"), trace);
      trace.clear();
    }
    Reader lines =
        Bridge.reader(out -> {
          try (PrintWriter print = new PrintWriter(new BufferedWriter(out))) {
            print.println("line");
          }
        });
    assertEquals("line", new BufferedReader(lines).readLine());
    lines.close();
  }

  private static void zip(byte[] bytes, OutputStream out) throws IOException {
    try (OutputStream zip = new GZIPOutputStream(out)) {
      zip.write(bytes);
    }
  }

  @RootTest
  @DisplayName("A producer that has closed its stream cannot write, and the end is when it returns")
  void closedByProducer() throws IOException {
    InputStream in =
        Bridge.inputStream(out -> {
          out.write(1);
          out.close();
          out.close();
          out.flush();
          for (Executable write :
              List.<Executable>of(() -> out.write(2), () -> out.write(new byte[0]))) {
            trace.add(assertThrows(IOException.class, write).getMessage());
          }
        });
    assertEquals(1, in.read());
    assertEquals(List.of(), trace);
    assertEquals(-1, in.read());
    assertEquals(
        List.of(
            "the producer has closed what it writes to",
            "the producer has closed what it writes to"),
        trace);
    Bridge.Producer<Writer> closes =
        out -> {
          out.close();
          for (Executable call :
              List.<Executable>of(() -> out.write("x"), out::flush, () -> out.write(new char[0]))) {
            trace.add(assertThrows(IOException.class, call).getMessage());
          }
        };
    trace.clear();
    assertEquals(-1, Bridge.reader(closes).read());
    assertEquals(List.of(), Bridge.lines(closes).stream().toList());
    assertEquals(6, trace.size());
  }

  @RootTest
  @DisplayName(
      "An exception of the producer comes out of the read that runs into it: IOException and unchecked as they are")
  void fails() throws IOException {
    for (Throwable failure :
        List.of(
            new IOException(),
            new IllegalStateException(),
            new StackOverflowError(),
            new XMLStreamException())) {
      for (var inputStream : STREAMS) {
        for (int position = 0; position < 3; position++) {
          int writes = position;
          InputStream in =
              inputStream.apply(out -> {
                for (int i = 0; i < writes; i++) out.write(i);
                throw failure;
              });
          for (int i = 0; i < writes; i++) assertEquals(i, in.read());
          assertFails(failure, in::read);
          for (Executable later :
              List.<Executable>of(in::read, () -> in.skip(1), in::readAllBytes)) {
            assertSame(failure, assertThrows(IOException.class, later).getCause());
          }
          in.close();
          assertReadsRefused(in);
          assertFails(
              failure,
              () ->
                  inputStream
                      .apply(out -> {
                        throw failure;
                      })
                      .transferTo(OutputStream.nullOutputStream()));
        }
      }
    }
  }

  private static void assertFails(Throwable failure, Executable call) {
    Throwable thrown = assertThrows(Throwable.class, call);
    if (failure instanceof XMLStreamException)
      thrown = assertInstanceOf(IOException.class, thrown).getCause();
    assertSame(failure, thrown);
  }

  @RootTest
  @DisplayName(
      "What the producer throws when it is closed comes out of close, and the stream is closed")
  void failsWhileClosed() throws IOException {
    for (Throwable failure :
        List.of(new IOException(), new IllegalStateException(), new XMLStreamException())) {
      InputStream in =
          Bridge.inputStream(out -> {
            try {
              out.write(1);
            } finally {
              sneak(failure);
            }
          });
      assertEquals(1, in.read());
      assertFails(failure, in::close);
      assertReadsRefused(in);
      in.close();
    }
  }

  private static void sneak(Throwable t) {
    throw Threads.<RuntimeException>unchecked(t);
  }

  @NothingSuspended.Except("it is about what has been forgotten")
  @RootTest
  @DisplayName(
      "A stream that is forgotten half way is collected with the producer's stack, and nothing of it runs")
  void forgotten() throws IOException {
    List<WeakReference<?>> references = new ArrayList<>();
    for (var inputStream : STREAMS) forget(references, inputStream);
    Threads.collect(() -> references.stream().allMatch(reference -> reference.get() == null));
    assertEquals(List.of(), trace);
  }

  private void forget(
      List<WeakReference<?>> references,
      Function<Bridge.Producer<? super OutputStream>, InputStream> inputStream)
      throws IOException {
    InputStream in =
        inputStream.apply(out -> {
          byte[] onStack = new byte[10];
          references.add(new WeakReference<>(onStack));
          try {
            out.write(onStack);
          } finally {
            trace.add("finally");
          }
        });
    references.add(new WeakReference<>(in));
    in.read();
  }

  // Threads

  @RootTest
  @DisplayName("A confined stream refuses other threads, at each read, and goes on")
  void confined() throws Throwable {
    for (Threads kind : Threads.values()) {
      InputStream in =
          Bridge.confinedInputStream(out -> {
            out.write(new byte[] {1, 2});
            out.write(3);
          });
      assertEquals(1, in.read());
      for (Executable call : List.<Executable>of(in::read, () -> in.skip(1), in::close)) {
        kind.run(
            "other", () -> assertRefused(WrongThreadException.class, call, "generator-", "other"));
      }
      assertEquals(2, in.read());
      assertEquals(3, in.read());
      in.close();
    }
  }

  @RootTest
  @DisplayName("A producer that reads or closes its own stream is refused, and goes on")
  void ownStream() throws IOException {
    for (var inputStream : STREAMS) {
      InputStream[] self = new InputStream[1];
      self[0] =
          inputStream.apply(out -> {
            for (Executable call :
                List.<Executable>of(self[0]::read, self[0]::close, self[0]::available)) {
              assertRefused(
                  IllegalStateException.class,
                  call,
                  "stream of generator-",
                  Greenlet.current(),
                  "not the producer");
            }
            out.write(1);
          });
      assertArrayEquals(new byte[] {1}, self[0].readAllBytes());
    }
  }

  @RootTest
  @DisplayName(
      "A second thread that reads at the same time is refused, and so is a close, and the first goes on")
  void twoAtOnce() throws Throwable {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch refused = new CountDownLatch(1);
    InputStream in =
        Bridge.inputStream(out -> {
          inside.countDown();
          Threads.await(refused);
          out.write(1);
        });
    Future<Integer> first = Threads.PLATFORM.start("first", in::read);
    Threads.await(inside);
    for (Executable call : List.<Executable>of(in::read, in::close)) {
      assertRefused(
          IllegalStateException.class,
          call,
          "stream of generator-",
          Greenlet.current(),
          "first",
          "one can read");
    }
    refused.countDown();
    assertEquals(1, Threads.await(first));
    assertEquals(-1, in.read());
  }

  @RootTest
  @DisplayName(
      "A write from another thread is refused there, and so is one after the producer's end")
  void writesElsewhere() throws IOException {
    OutputStream[] kept = new OutputStream[1];
    InputStream in =
        Bridge.inputStream(out -> {
          kept[0] = out;
          Threads.PLATFORM.run(
              "other",
              () ->
                  assertRefused(
                      IllegalStateException.class, () -> out.write(1), "is not running there"));
          out.write(2);
        });
    assertArrayEquals(new byte[] {2}, in.readAllBytes());
    assertRefused(IllegalStateException.class, () -> kept[0].write(3), "is over");
  }

  @RootTest
  @DisplayName(
      "The producer runs as part of the greenlet that reads, which a switch in it suspends")
  void switches() throws IOException {
    Greenlet main = Greenlet.current();
    for (var inputStream : STREAMS) {
      InputStream in =
          inputStream.apply(out -> {
            out.write((int) main.switchTo("asks"));
            trace.add(Greenlet.current());
          });
      Greenlet reader = Greenlet.of(args -> in.read() + in.read());
      assertEquals("asks", reader.switchTo());
      assertRefused(IllegalStateException.class, in::read, "one can read at a time");
      assertEquals(5 - 1, reader.switchTo(5));
      assertEquals(List.of(reader), trace);
      trace.clear();
    }
  }

  @RootTest
  @DisplayName("Streams can be chained, and producers can be the bodies of generators in between")
  void chained() throws IOException {
    BiFunction<InputStream, Integer, InputStream> plus =
        (from, n) ->
            Bridge.inputStream(out -> {
              for (int b; (b = from.read()) >= 0; ) out.write(b + n);
            });
    InputStream in = oneByOne(5);
    for (int i = 0; i < 10; i++) in = plus.apply(in, 1);
    assertArrayEquals(new byte[] {10, 11, 12, 13, 14}, in.readAllBytes());
    InputStream nested =
        Bridge.inputStream(out -> {
          for (int i :
              Generator.<Integer>of(inner -> {
                out.write(100); // to the outer one, from the body of the inner
                inner.yield(1);
              })) {
            out.write(i);
          }
        });
    assertArrayEquals(new byte[] {100, 1}, nested.readAllBytes());
  }

  @RootTest
  @DisplayName("Writers of the JDK write through: encoders, print streams, big and small")
  void jdk() throws IOException {
    for (var inputStream : STREAMS) {
      InputStream in =
          inputStream.apply(out -> {
            try (Writer text = new OutputStreamWriter(out, StandardCharsets.UTF_8)) {
              for (int i = 0; i < 10_000; i++) text.write("\u20ac" + i + "\n");
            }
          });
      BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (int i = 0; i < 10_000; i++) assertEquals("\u20ac" + i, lines.readLine());
      assertEquals(null, lines.readLine());
      InputStream printed =
          inputStream.apply(out -> new PrintStream(out, true).printf("%d-%s", 1, "a"));
      assertEquals("1-a", new String(printed.readAllBytes(), StandardCharsets.US_ASCII));
    }
  }

  @RootTest
  @DisplayName("Bad arguments are refused at the call")
  void badArguments() {
    for (Executable call :
        List.<Executable>of(
            () -> Bridge.inputStream(null),
            () -> Bridge.confinedInputStream(null),
            () -> Bridge.reader(null),
            () -> Bridge.confinedReader(null),
            () -> Bridge.lines(null),
            () -> Bridge.callbacks(null))) {
      assertRefused(IllegalArgumentException.class, call, "producer", "null");
    }
    InputStream in = oneByOne(3);
    assertThrows(IndexOutOfBoundsException.class, () -> in.read(new byte[2], 1, 2));
    assertThrows(NullPointerException.class, () -> in.read(null, 0, 0));
    assertThrows(NullPointerException.class, () -> in.transferTo(null));
    assertThrows(IndexOutOfBoundsException.class, () -> oneWrite().read(new char[2], 1, 2));
    for (Bridge.Producer<OutputStream> wrong :
        List.<Bridge.Producer<OutputStream>>of(
            out -> out.write(new byte[2], 1, 2), out -> out.write(new byte[2], -1, 1))) {
      assertThrows(IndexOutOfBoundsException.class, () -> Bridge.inputStream(wrong).read());
    }
    assertThrows(
        IndexOutOfBoundsException.class, () -> Bridge.reader(out -> out.write("ab", 1, 2)).read());
    assertThrows(
        IndexOutOfBoundsException.class,
        () -> Bridge.lines(out -> out.write(new char[2], 1, 2)).iterator().next());
  }

  @RootTest
  @DisplayName(
      "Callbacks: any method that takes one, and what calls from another thread is refused there")
  void callbacks() {
    assertEquals(List.of(1, 2, 3), Bridge.callbacks(List.of(1, 2, 3)::forEach).stream().toList());
    Cursor<Integer> c =
        Bridge.<Integer>callbacks(
                each -> {
                  try {
                    for (int i = 0; ; i++) each.accept(i);
                  } finally {
                    trace.add("finally");
                  }
                })
            .cursor();
    assertEquals(0, c.next());
    c.close();
    assertEquals(List.of("finally"), trace);
    Generator<Integer> elsewhere =
        Bridge.callbacks(each -> Threads.VIRTUAL.run("other", () -> each.accept(1)));
    assertRefused(
        IllegalStateException.class, () -> elsewhere.iterator().next(), "is not running there");
  }
}
