package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Which engine a JVM gets by its options, and what is said of it; that a program does the same on each. */
class EngineTest {
  private static final String EXPORTS = "--add-exports=java.base/jdk.internal.vm=ALL-UNNAMED";
  private static final String OPENS = "--add-opens=java.base/java.lang=ALL-UNNAMED";
  private static final String NOT_CONTINUATION =
      "not continuation: the JVM was started without --add-exports java.base/jdk.internal.vm=ALL-UNNAMED";
  private static final String NOT_CARRIED =
      "virtual threads not carried by the thread that waits for them: the JVM was started without --add-opens java.base/java.lang=ALL-UNNAMED";

  /** What each use prints once the engine is there. */
  private static final List<String> TRACES = List.of("[one, [result, two], true]", "[0, 1, 0, 1]");

  private static List<String> run(String... options) throws Exception {
    List<String> all = new ArrayList<>(List.of(options));
    all.addAll(List.of("-cp", System.getProperty("java.class.path"), Program.class.getName()));
    return new Program("engine").launch(all);
  }

  private static void assertRuns(String engine, List<String> lines) {
    List<String> twice =
        Stream.concat(Stream.of(engine), TRACES.stream())
            .flatMap(line -> Collections.nCopies(2, line).stream())
            .toList();
    assertEquals(Stream.concat(twice.stream(), Stream.of("main ends")).toList(), lines);
  }

  /** Every use is refused in the same words, the first time and later, and they contain all {@code parts}. */
  private static void assertRefuses(List<String> lines, String... parts) {
    assertEquals(7, lines.size(), lines::toString);
    String refusal = lines.getFirst();
    assertEquals(Collections.nCopies(6, refusal), lines.subList(0, 6));
    assertTrue(refusal.startsWith("java.lang.IllegalStateException: "), refusal);
    for (String part : parts)
      assertTrue(refusal.contains(part), () -> part + " is not in: " + refusal);
  }

  @Test
  @DisplayName("Without options: virtual-thread, and which flags would make it faster")
  void plain() throws Exception {
    assertRuns("virtual-thread (" + NOT_CONTINUATION + "; " + NOT_CARRIED + ")", run());
  }

  @Test
  @DisplayName("With both flags: continuation, with no reservation")
  void bothFlags() throws Exception {
    assertRuns("continuation", run(EXPORTS, OPENS));
    assertRuns("continuation", run(EXPORTS, OPENS, "-Dgreenlet.engine=continuation"));
  }

  @Test
  @DisplayName("With one of the flags: what the other one would make faster")
  void oneFlag() throws Exception {
    assertRuns("continuation (" + NOT_CARRIED + ")", run(EXPORTS));
    assertRuns("virtual-thread (" + NOT_CONTINUATION + ")", run(OPENS));
  }

  @Test
  @DisplayName("The property takes virtual-thread where continuation could be had")
  void virtualThread() throws Exception {
    assertRuns("virtual-thread", run(EXPORTS, OPENS, "-Dgreenlet.engine=virtual-thread"));
    assertRuns("virtual-thread (" + NOT_CARRIED + ")", run("-Dgreenlet.engine=virtual-thread"));
  }

  @Test
  @DisplayName(
      "The property asks for continuation without its flag: an error that names the flag, at every use")
  void continuationRefused() throws Exception {
    assertRefuses(
        run("-Dgreenlet.engine=continuation"),
        "-Dgreenlet.engine=continuation",
        "--add-exports java.base/jdk.internal.vm=ALL-UNNAMED");
  }

  @Test
  @DisplayName(
      "The property asks for an engine that there is not: an error that names those that there are, at every use")
  void unknown() throws Exception {
    assertRefuses(
        run(EXPORTS, OPENS, "-Dgreenlet.engine=steam"),
        "-Dgreenlet.engine=steam",
        "there is no such engine",
        "continuation",
        "virtual-thread");
  }

  @Test
  @DisplayName("On the module path the flags name the module")
  void modulePath() throws Exception {
    String module = moduleName();
    assertRuns(
        "continuation",
        runAsModule(
            module,
            "--add-exports=java.base/jdk.internal.vm=" + module,
            "--add-opens=java.base/java.lang=" + module));
    List<String> without = runAsModule(module);
    assertTrue(without.getFirst().startsWith("virtual-thread ("), without::toString);
    assertTrue(without.getFirst().contains("=" + module), without::toString);
    assertRuns(without.getFirst(), without);
  }

  private static Path classesOf(Class<?> c) throws Exception {
    return Path.of(c.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  private static String moduleName() throws Exception {
    return ModuleFinder.of(classesOf(Greenlet.class))
        .findAll()
        .iterator()
        .next()
        .descriptor()
        .name();
  }

  /** The library as a module, which the tests patch, as they are of its package. */
  private static List<String> runAsModule(String module, String... options) throws Exception {
    Path tests = classesOf(Program.class);
    String others =
        String.join(
            File.pathSeparator,
            Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.endsWith(".jar"))
                .toList());
    List<String> all = new ArrayList<>(List.of(options));
    all.addAll(
        List.of(
            "--module-path",
            classesOf(Greenlet.class).toString(),
            "--patch-module",
            module + "=" + tests,
            "--add-reads",
            module + "=ALL-UNNAMED",
            "-cp",
            others,
            "--module",
            module + "/" + Program.class.getName()));
    return new Program("engine").launch(all);
  }
}
