package examples;

import greenlet.Cursor;
import greenlet.Generator;
import greenlet.bridge.Bridge;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/** The Java parts of doc/bridges.md. Prints what its comments say. */
public final class Bridges {
  static void streams() throws IOException {
    InputStream zipped = Bridge.inputStream(out -> {
      try (var text = new OutputStreamWriter(new GZIPOutputStream(out), StandardCharsets.UTF_8)) {
        for (int i = 0; i < 100_000; i++) text.write("line " + i + "\n");
      }
    });
    try (var text = new BufferedReader(new InputStreamReader(new GZIPInputStream(zipped), StandardCharsets.UTF_8))) {
      System.out.println(text.lines().skip(99_999).findFirst().orElseThrow()); // prints line 99999
    }

    Exception toPrint = new Exception("to print");
    Generator<String> trace = Bridge.lines(out -> toPrint.printStackTrace(new PrintWriter(out)));
    System.out.println(trace.iterator().next()); // prints java.lang.Exception: to print
  }

  static void files() throws IOException {
    Path root = Files.createTempDirectory("bridges");
    Files.createDirectories(root.resolve("src/deep"));
    Files.createFile(root.resolve("src/deep/Main.java"));

    try (Cursor<Bridge.Visit> visits = Bridge.fileVisits(root).cursor()) {
      for (boolean more = visits.hasNext(); more; ) {
        Bridge.Visit visit = visits.next();
        System.out.println(told(visit));
        more = visit.path().endsWith("deep") ? visits.send(FileVisitResult.SKIP_SUBTREE) : visits.hasNext();
      }
    }
    // prints into bridges
    // prints into src
    // prints into deep
    // prints out of src
    // prints out of bridges

    for (Bridge.Visit visit : Bridge.fileVisits(root)) {
      if (!(visit instanceof Bridge.Visit.PreDirectory)) Files.delete(visit.path());
    }
    System.out.println(Files.exists(root)); // prints false
  }

  static String told(Bridge.Visit visit) {
    String name = visit.path().getFileName().toString().replaceAll("\\d", "");
    return switch (visit) {
      case Bridge.Visit.PreDirectory directory -> "into " + name;
      case Bridge.Visit.File file -> "file " + name + ", " + file.attributes().size() + " bytes";
      case Bridge.Visit.Failed failed -> "cannot read " + name + ": " + failed.failure();
      case Bridge.Visit.PostDirectory directory -> "out of " + name;
    };
  }

  static void publishers() {
    Generator<Integer> squares = Generator.of(out -> {
      for (int i = 1; ; i++) out.yield(i * i);
    });
    Flow.Publisher<Integer> published = Bridge.publisher(squares);
    try (Stream<Integer> elements = Bridge.elements(published, 8).stream()) {
      System.out.println(elements.limit(4).toList()); // prints [1, 4, 9, 16]
    }
  }

  static void callbacks() {
    Generator<String> parts = Bridge.callbacks(List.of("a", "b", "c")::forEach);
    System.out.println(parts.stream().skip(1).toList()); // prints [b, c]
  }

  public static void main(String[] args) throws IOException {
    streams();
    files();
    publishers();
    callbacks();
  }
}
