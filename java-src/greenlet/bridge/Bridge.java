package greenlet.bridge;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.GreenletExit;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.FileVisitor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Push turned into pull: what a producer writes, visits or calls back with becomes something that is read, element by
 * element. The producer has a stack of its own, and is suspended in the middle of its write or callback until the consumer
 * asks for more.
 *
 * <pre>{@code
 * InputStream zipped = Bridge.inputStream(out -> {
 *   try (var zip = new GZIPOutputStream(out)) {
 *     Files.copy(path, zip);
 *   }
 * });
 * }</pre>
 *
 * <p>Nothing runs before the consumer asks for the first element, and nothing is computed ahead: there is no buffer but for
 * the write or element in flight, and so the producer cannot outrun the consumer. What ends the producer, as it should or by
 * an exception, the consumer sees; where the consumer ends early, a {@link GreenletExit} is raised at the producer's pending
 * write or callback, so that {@code finally} runs. One that is only forgotten is collected, and nothing of it runs.
 *
 * <p>A producer pushes on the stack that it was called on. To write or call back from another thread is an {@code
 * IllegalStateException} there; only a {@linkplain #elements publisher} may do that.
 */
public final class Bridge {
  /**
   * Code that pushes: it writes to a stream or writer, or calls a callback back, as long as it likes, from any depth.
   *
   * @param <S> what it pushes into
   */
  @FunctionalInterface
  public interface Producer<S> {
    /**
     * Runs once for each traversal, as part of whoever pulls.
     *
     * @param sink what to push into
     * @throws Throwable anything: it comes out of the call that pulls
     */
    void produce(S sink) throws Throwable;
  }

  /** What {@link Files#walkFileTree} calls its visitor for. */
  public sealed interface Visit {
    /**
     * The file or directory.
     *
     * @return its path, as it was found
     */
    Path path();

    /**
     * A directory, before what is in it.
     *
     * @param path the directory
     * @param attributes its attributes
     */
    record PreDirectory(Path path, BasicFileAttributes attributes) implements Visit {}

    /**
     * A file, or a directory at the greatest depth.
     *
     * @param path the file
     * @param attributes its attributes
     */
    record File(Path path, BasicFileAttributes attributes) implements Visit {}

    /**
     * A file whose attributes, or a directory whose entries, could not be read.
     *
     * @param path the file or directory
     * @param failure why
     */
    record Failed(Path path, IOException failure) implements Visit {}

    /**
     * A directory, after what is in it.
     *
     * @param path the directory
     * @param failure what ended the reading of its entries too early; null as a rule
     */
    record PostDirectory(Path path, @Nullable IOException failure) implements Visit {}
  }

  private Bridge() {}

  private static void require(@Nullable Object argument, String what) {
    if (argument == null) throw new IllegalArgumentException(what + " is needed: got null");
  }

  // Streams

  /**
   * A stream of what a producer writes. A write is suspended until it has been read, in as many parts as the reads ask for,
   * straight from the producer's own array. A read returns what is left of one write, so it can be less than was asked for;
   * what writes byte by byte is better given a {@code BufferedOutputStream} around its stream. To flush does nothing. When
   * the producer closes its stream, it cannot write any more, and the end comes when it returns.
   *
   * <p>Any thread may read, one at a time; another one at the same time gets an {@code IllegalStateException}, and so does
   * the producer itself. The producer has a virtual thread of its own; but where {@code transferTo} is what is called first,
   * it runs on the caller's stack, without a switch.
   *
   * <p>An {@code IOException} or an unchecked exception of the producer comes out of the read as it is, any other exception
   * as the cause of an {@code IOException}; later reads get an {@code IOException} with the cause. Closing the stream raises
   * a {@link GreenletExit} at the producer's pending write, and at later ones; another exception that it then ends with
   * comes out of {@code close}. After that, reading is an {@code IOException}.
   *
   * @param producer writes the bytes
   * @return the stream
   */
  public static InputStream inputStream(Producer<? super OutputStream> producer) {
    return new Pipe(Pipe.bytes(producer), false).inputStream();
  }

  /**
   * As {@link #inputStream}, for the thread that first reads: the producer runs in that thread, where the engine does, and
   * sees its thread-locals. Others get a {@link WrongThreadException}.
   *
   * @param producer writes the bytes
   * @return the stream
   */
  public static InputStream confinedInputStream(Producer<? super OutputStream> producer) {
    return new Pipe(Pipe.bytes(producer), true).inputStream();
  }

  /**
   * A reader of what a producer writes: characters instead of bytes, and otherwise as {@link #inputStream}.
   *
   * @param producer writes the characters
   * @return the reader
   */
  public static Reader reader(Producer<? super Writer> producer) {
    return new Pipe(Pipe.chars(producer), false).reader();
  }

  /**
   * As {@link #reader}, for the thread that first reads: the producer runs in that thread, where the engine does, and sees
   * its thread-locals. Others get a {@link WrongThreadException}.
   *
   * @param producer writes the characters
   * @return the reader
   */
  public static Reader confinedReader(Producer<? super Writer> producer) {
    return new Pipe(Pipe.chars(producer), true).reader();
  }

  /**
   * The lines that a producer writes, without what ends them: {@code \n}, {@code \r} or both, as for a {@code
   * BufferedReader}. A line is there as soon as it has been ended; what follows the last end is a line too, unless it is
   * empty.
   *
   * @param producer writes the text
   * @return a generator of the lines
   */
  public static Generator<String> lines(Producer<? super Writer> producer) {
    require(producer, "a producer that writes");
    return Generator.of(out -> {
      Pipe.Lines lines = new Pipe.Lines(out);
      producer.produce(lines);
      lines.end();
    });
  }

  // Callbacks

  /**
   * What a producer calls a callback back with: {@code Bridge.callbacks(library::forEach)}.
   *
   * @param producer calls what it is given, once for each element
   * @param <T> the type of the elements
   * @return a generator of the elements
   */
  public static <T extends @Nullable Object> Generator<T> callbacks(
      Producer<Consumer<T>> producer) {
    require(producer, "a producer that calls back");
    return Generator.of(out -> producer.produce(out::yield));
  }

  // Files

  /**
   * The visits of a walk of a file tree, lazily. What cannot be read is a {@link Visit.Failed} visit, and the walk goes on.
   *
   * @param start where to begin
   * @return a generator of the visits
   * @see #fileVisits(Path, Set, int, FileVisitor)
   */
  public static Generator<Visit> fileVisits(Path start) {
    return fileVisits(start, Set.of(), Integer.MAX_VALUE, new Visits.GoOn());
  }

  /**
   * The visits of a walk of a file tree, as {@link Files#walkFileTree(Path, Set, int, FileVisitor)} makes them: the visitor
   * is called first, then the visit is an element. The walk goes on as the consumer says, who {@linkplain Cursor#send sends}
   * a {@link FileVisitResult}; or, where nothing is sent, as the visitor has answered. What the visitor throws comes out of
   * the call that pulls; a {@code SimpleFileVisitor} throws where something cannot be read. Open directories are closed when
   * the traversal ends, early or not.
   *
   * @param start where to begin
   * @param options how to walk
   * @param maxDepth how many levels of directories to visit
   * @param visitor answers where the consumer does not
   * @return a generator of the visits; anything but null or a {@code FileVisitResult} that is sent to it ends it by an
   *     {@code IllegalArgumentException}
   */
  public static Generator<Visit> fileVisits(
      Path start, Set<FileVisitOption> options, int maxDepth, FileVisitor<? super Path> visitor) {
    require(start, "a path to begin at");
    require(visitor, "a visitor");
    if (maxDepth < 0)
      throw new IllegalArgumentException(
          "the greatest depth is not to be negative: got " + maxDepth);
    Set<FileVisitOption> fixed = Set.copyOf(options);
    return Generator.of(
        out -> Files.walkFileTree(start, fixed, maxDepth, new Visits(out, visitor)));
  }

  private record Visits(Generator.Yielder<Visit> out, FileVisitor<? super Path> visitor)
      implements FileVisitor<Path> {
    /** A visitor that minds nothing. */
    private static final class GoOn implements FileVisitor<Path> {
      @Override
      public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFileFailed(Path file, IOException failure) {
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure) {
        return FileVisitResult.CONTINUE;
      }
    }

    private FileVisitResult visit(Visit visit, FileVisitResult answer) {
      Object sent = out.yield(visit);
      if (sent == null) return answer;
      if (sent instanceof FileVisitResult result) return result;
      throw new IllegalArgumentException(
          "a walk of files takes a FileVisitResult, or null for the visitor's answer; "
              + sent
              + " was sent, after "
              + visit);
    }

    @Override
    public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
        throws IOException {
      return visit(
          new Visit.PreDirectory(directory, attributes),
          visitor.preVisitDirectory(directory, attributes));
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
      return visit(new Visit.File(file, attributes), visitor.visitFile(file, attributes));
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException failure) throws IOException {
      return visit(new Visit.Failed(file, failure), visitor.visitFileFailed(file, failure));
    }

    @Override
    public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
        throws IOException {
      return visit(
          new Visit.PostDirectory(directory, failure),
          visitor.postVisitDirectory(directory, failure));
    }
  }

  // Publishers

  /**
   * The elements of a publisher, each requested when it is asked for, and waited for without limit.
   *
   * @param publisher whom each traversal subscribes to
   * @param <T> the type of the elements
   * @return a generator of the elements
   * @see #elements(Flow.Publisher, int, Duration)
   */
  public static <T> Generator<T> elements(Flow.Publisher<? extends T> publisher) {
    return elements(publisher, 1);
  }

  /**
   * The elements of a publisher, requested ahead, and waited for without limit.
   *
   * @param publisher whom each traversal subscribes to
   * @param prefetch how many elements may be under way or waiting; with 1 each is requested when it is asked for
   * @param <T> the type of the elements
   * @return a generator of the elements
   * @see #elements(Flow.Publisher, int, Duration)
   */
  public static <T> Generator<T> elements(Flow.Publisher<? extends T> publisher, int prefetch) {
    return generator(publisher, prefetch, null);
  }

  /**
   * The elements of a publisher, which may publish from any thread. Each traversal subscribes afresh, when it is first
   * pulled from. Whoever pulls blocks until the next element is there; an interrupt then gets an {@code
   * InterruptedException}, and a publisher that is silent for too long a {@code TimeoutException}. What the publisher fails
   * with comes out as it is, after the elements before it. A traversal that ends early, or by an exception, cancels the
   * subscription; one that is only forgotten does not. A publisher that sends more than was requested gets an {@code
   * IllegalStateException} to the consumer, after what was.
   *
   * @param publisher whom each traversal subscribes to
   * @param prefetch how many elements may be under way or waiting; with 1 each is requested when it is asked for
   * @param timeout how long to wait for one of them at most
   * @param <T> the type of the elements
   * @return a generator of the elements
   */
  public static <T> Generator<T> elements(
      Flow.Publisher<? extends T> publisher, int prefetch, Duration timeout) {
    require(timeout, "a timeout");
    if (!timeout.isPositive())
      throw new IllegalArgumentException("a timeout has to be positive: got " + timeout);
    return generator(publisher, prefetch, timeout);
  }

  private static <T> Generator<T> generator(
      Flow.Publisher<? extends T> publisher, int prefetch, @Nullable Duration timeout) {
    require(publisher, "a publisher");
    if (prefetch < 1)
      throw new IllegalArgumentException(
          "at least one element has to be requested ahead: got " + prefetch);
    return Generator.of(out -> new SignalQueue<T>(prefetch, timeout).yieldAll(publisher, out));
  }

  /**
   * A publisher of the elements of a generator. Each subscriber has a traversal of its own, which runs as far as elements
   * are requested, in the thread that requests them; where several do at once, in one of those. To cancel the subscription
   * unwinds the body. What a subscriber throws, and what the body throws when it is unwound by {@code cancel}, goes to the
   * uncaught exception handler of that thread.
   *
   * @param generator yields the elements; null among them is a {@code NullPointerException} to the subscriber
   * @param <T> the type of the elements
   * @return the publisher
   */
  public static <T> Flow.Publisher<T> publisher(Generator<? extends T> generator) {
    require(generator, "a generator");
    return subscriber ->
        subscriber.onSubscribe(new CursorSubscription<T>(generator.sharedCursor(), subscriber));
  }
}
