package greenlet.bridge;

import static greenlet.testing.Refusal.assertRefused;
import static java.nio.file.FileVisitResult.CONTINUE;
import static java.nio.file.FileVisitResult.SKIP_SIBLINGS;
import static java.nio.file.FileVisitResult.SKIP_SUBTREE;
import static java.nio.file.FileVisitResult.TERMINATE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.RootTest;
import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Walks of a file tree, visit by visit. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class FileVisitsTest {
  private @TempDir Path root;

  @BeforeEach
  void plant() throws IOException {
    for (String directory : List.of("a/deep/er", "b", "c"))
      Files.createDirectories(root.resolve(directory));
    for (String file : List.of("a/1", "a/deep/2", "a/deep/er/3", "b/4", "b/5", "b/6", "7")) {
      Files.writeString(root.resolve(file), file);
    }
  }

  @AfterEach
  void nothingIsOpen() throws IOException { // Linux tells
    Path open = Path.of("/proc/self/fd");
    if (!Files.isDirectory(open)) return;
    try (Stream<Path> descriptors = Files.list(open)) {
      assertFalse(descriptors.anyMatch(this::isOurs));
    }
  }

  private boolean isOurs(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).startsWith(root);
    } catch (IOException e) {
      return false; // closed meanwhile
    }
  }

  private String describe(Bridge.Visit visit) {
    String path = root.relativize(visit.path()).toString();
    return switch (visit) {
      case Bridge.Visit.PreDirectory v -> "> " + path;
      case Bridge.Visit.File v -> path + (v.attributes().isSymbolicLink() ? "@" : "");
      case Bridge.Visit.Failed v -> path + " " + v.failure().getClass().getSimpleName();
      case Bridge.Visit.PostDirectory v ->
          "< " + path + (v.failure() == null ? "" : " " + v.failure());
    };
  }

  /** What a visitor is called for, and answers. */
  private final class Recorder extends SimpleFileVisitor<Path> {
    private final List<String> calls = new ArrayList<>();
    private final Map<String, FileVisitResult> answers;

    Recorder(Map<String, FileVisitResult> answers) {
      this.answers = answers;
    }

    private FileVisitResult call(Bridge.Visit visit) {
      calls.add(describe(visit));
      return answers.getOrDefault(calls.getLast(), CONTINUE);
    }

    @Override
    public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
      return call(new Bridge.Visit.PreDirectory(directory, attributes));
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      return call(new Bridge.Visit.File(file, attributes));
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException failure) {
      return call(new Bridge.Visit.Failed(file, failure));
    }

    @Override
    public FileVisitResult postVisitDirectory(Path directory, IOException failure) {
      return call(new Bridge.Visit.PostDirectory(directory, failure));
    }
  }

  private List<String> walked(
      Set<FileVisitOption> options, int depth, Map<String, FileVisitResult> answers)
      throws IOException {
    Recorder recorder = new Recorder(answers);
    Files.walkFileTree(root, options, depth, recorder);
    return recorder.calls;
  }

  /** Pulls with a cursor and sends each answer. */
  private List<String> sent(Generator<Bridge.Visit> visits, Map<String, FileVisitResult> answers) {
    List<String> got = new ArrayList<>();
    try (Cursor<Bridge.Visit> c = visits.cursor()) {
      for (boolean more = c.hasNext(); more; ) {
        got.add(describe(c.next()));
        FileVisitResult answer = answers.get(got.getLast());
        more = answer != null ? c.send(answer) : c.hasNext();
      }
    }
    return got;
  }

  private static final List<Map<String, FileVisitResult>> ANSWERS =
      List.of(
          Map.of(),
          Map.of("> a/deep", SKIP_SUBTREE),
          Map.of("> a", SKIP_SIBLINGS),
          Map.of("b/4", SKIP_SIBLINGS, "b/5", SKIP_SIBLINGS, "b/6", SKIP_SIBLINGS),
          Map.of("< a/deep/er", SKIP_SIBLINGS, "> b", SKIP_SUBTREE),
          Map.of("a/deep/2", TERMINATE),
          Map.of("7", TERMINATE, "> c", CONTINUE));

  @RootTest
  @DisplayName("The visits are those of Files.walkFileTree: the visitor answers, or the consumer")
  void visits() throws IOException {
    for (int depth : new int[] {0, 1, 2, Integer.MAX_VALUE}) {
      for (Map<String, FileVisitResult> answers : ANSWERS) {
        List<String> expected = walked(Set.of(), depth, answers);
        Recorder visitor = new Recorder(answers);
        Generator<Bridge.Visit> visits = Bridge.fileVisits(root, Set.of(), depth, visitor);
        for (int i = 0; i < 2; i++) { // push and pull
          List<String> got = new ArrayList<>();
          if (i == 0) visits.forEach(visit -> got.add(describe(visit)));
          else visits.iterator().forEachRemaining(visit -> got.add(describe(visit)));
          assertEquals(expected, got);
          assertEquals(expected, visitor.calls);
          visitor.calls.clear();
        }
        assertEquals(
            expected,
            sent(Bridge.fileVisits(root, Set.of(), depth, new Recorder(Map.of())), answers));
        Recorder overruled = new Recorder(Map.of("> a", TERMINATE, "> b", TERMINATE));
        assertEquals(
            expected,
            sent(Bridge.fileVisits(root, Set.of(), depth, overruled), overruling(answers)));
      }
    }
  }

  /** What is sent has precedence over what the visitor answered. */
  private static Map<String, FileVisitResult> overruling(Map<String, FileVisitResult> answers) {
    Map<String, FileVisitResult> all = new HashMap<>(answers);
    all.putIfAbsent("> a", CONTINUE);
    all.putIfAbsent("> b", CONTINUE);
    return all;
  }

  @RootTest
  @DisplayName("A walk is lazy, and closes its directories when it is ended early")
  void lazy() {
    Recorder visitor = new Recorder(Map.of());
    for (Consumer<Generator<Bridge.Visit>> takeTwo :
        List.<Consumer<Generator<Bridge.Visit>>>of(
            visits -> {
              try (Cursor<Bridge.Visit> c = visits.cursor()) {
                c.next();
                c.next();
              }
            },
            visits -> {
              try (Stream<Bridge.Visit> s = visits.stream()) {
                assertEquals(2, s.limit(2).toList().size());
              }
            },
            visits -> visits.forEachWhile(visit -> visit.path().equals(root)))) {
      visitor.calls.clear();
      takeTwo.accept(Bridge.fileVisits(root, Set.of(), Integer.MAX_VALUE, visitor));
      assertEquals(2, visitor.calls.size());
    }
  }

  @RootTest
  @DisplayName("What cannot be read is a visit; a visitor may have it as an exception instead")
  void failures() throws IOException {
    Path missing = root.resolve("missing");
    Generator<Bridge.Visit> visits = Bridge.fileVisits(missing);
    assertEquals(
        List.of("missing NoSuchFileException"), visits.stream().map(this::describe).toList());
    Cursor<Bridge.Visit> thrown =
        Bridge.fileVisits(missing, Set.of(), 1, new SimpleFileVisitor<>() {}).cursor();
    assertEquals(
        missing.toString(), assertThrows(NoSuchFileException.class, thrown::hasNext).getMessage());

    Files.createSymbolicLink(root.resolve("c/circle"), root);
    assertTrue(Bridge.fileVisits(root).stream().map(this::describe).toList().contains("c/circle@"));
    Set<FileVisitOption> options = Set.of(FileVisitOption.FOLLOW_LINKS);
    List<Bridge.Visit> following =
        Bridge.fileVisits(root, options, Integer.MAX_VALUE, new Recorder(Map.of())).stream()
            .toList();
    assertEquals(
        walked(options, Integer.MAX_VALUE, Map.of()),
        following.stream().map(this::describe).toList());
    assertTrue(
        following.stream()
            .anyMatch(v ->
                v instanceof Bridge.Visit.Failed failed
                    && failed.failure() instanceof FileSystemLoopException));
    Files.delete(root.resolve("c/circle"));
  }

  @RootTest
  @DisplayName("What the visitor throws comes out of the pull")
  void visitorThrows() {
    IOException failure = new IOException();
    Cursor<Bridge.Visit> c =
        Bridge.fileVisits(
                root,
                Set.of(),
                Integer.MAX_VALUE,
                new SimpleFileVisitor<>() {
                  @Override
                  public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                      throws IOException {
                    throw failure;
                  }
                })
            .cursor();
    assertSame(
        failure,
        assertThrows(
            IOException.class,
            () -> {
              while (c.hasNext()) assertInstanceOf(Bridge.Visit.PreDirectory.class, c.next());
            }));
    assertTrue(c.isOver());
  }

  @RootTest
  @DisplayName("Bad arguments and answers are refused")
  void refused() {
    Cursor<Bridge.Visit> c = Bridge.fileVisits(root).cursor();
    c.next();
    assertRefused(
        IllegalArgumentException.class,
        () -> c.send("skip"),
        "FileVisitResult",
        "skip",
        "PreDirectory");
    assertTrue(c.isOver());
    for (Executable call :
        List.<Executable>of(
            () -> Bridge.fileVisits(null),
            () -> Bridge.fileVisits(root, Set.of(), 1, null),
            () -> Bridge.fileVisits(root, Set.of(), -1, new Recorder(Map.of())))) {
      assertRefused(IllegalArgumentException.class, call);
    }
  }
}
