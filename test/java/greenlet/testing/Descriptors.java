package greenlet.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The open file descriptors of this process. */
public final class Descriptors {
  /** How many more the JDK may have opened for itself: pollers of virtual threads, say. */
  private static final int TOLERANCE = 6;

  static {
    // a class loader opens its JARs as late as it looks for what the earlier ones lack, and keeps
    // them open
    ClassLoader.getSystemClassLoader().resources("in/none/of/them").count();
  }

  private Descriptors() {}

  /** How many are open. */
  public static int count() {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return (int) all.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until no more are open than {@code before}, but for a few of the JDK's. */
  public static void awaitGivenBack(int before) {
    try {
      Threads.until(() -> count() <= before + TOLERANCE);
    } catch (AssertionError e) {
      throw new AssertionError(
          "%d descriptors were open, now %d are: %s".formatted(before, count(), open()), e);
    }
  }

  private static List<Path> open() {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.flatMap(Descriptors::target).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Stream<Path> target(Path descriptor) {
    try {
      return Stream.of(Files.readSymbolicLink(descriptor));
    } catch (IOException e) { // closed meanwhile
      return Stream.of();
    }
  }
}
