package greenlet.bench;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/** A version of the core, in a JAR or a directory of classes, and the rows compiled against it. */
record Version(Path core, Path rows) {
  static final class Failure extends IOException {
    private static final long serialVersionUID = 1;

    Failure(String message) {
      super(message);
    }
  }

  /** Compiles the rows into a directory, which is made. */
  static Version of(Path core, Path rows) throws IOException {
    Path source = Files.createDirectories(rows).resolve("Rows.java");
    Files.writeString(source, source(core));
    JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
    int status =
        javac.run(
            null,
            System.err,
            System.err,
            "-proc:none",
            "-nowarn",
            "-cp",
            core.toString(),
            "-d",
            rows.toString(),
            source.toString());
    if (status != 0) throw new IllegalArgumentException("the rows do not compile against " + core);
    return new Version(core, rows);
  }

  private static String source(Path core) throws IOException {
    String source;
    try (var in = Version.class.getResourceAsStream("Rows.java")) {
      source = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    if (has(core, "greenlet/hub/Hub.class")) return source;
    if (!has(core, "greenlet/Hub.class"))
      throw new IllegalArgumentException("no core of greenlet-clj: " + core);
    // 0.1.0 had one package
    return source.replaceAll("(?m)^import greenlet\\.[a-z]+\\.", "import greenlet.");
  }

  private static boolean has(Path core, String entry) throws IOException {
    try (var loader = new URLClassLoader(new URL[] {core.toUri().toURL()}, null)) {
      return loader.findResource(entry) != null;
    }
  }

  /** Nanoseconds an operation, measured in a JVM of its own. */
  double time(List<String> options, String... arguments) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(options);
    command.addAll(
        List.of("-cp", rows + System.getProperty("path.separator") + core, "greenlet.bench.Rows"));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    if (status != 0) throw new Failure(core + " failed, exit code " + status);
    return Double.parseDouble(printed.trim());
  }
}
