package greenlet.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Runs the benchmarks, those of greenlets on every engine, and prints one table. Each column of it, and each measurement
 * of memory, has JVMs of its own, which print their measurements as lines of JSON.
 */
final class Main {
  static final String EXPORT = "--add-exports=java.base/jdk.internal.vm=ALL-UNNAMED";
  static final String OPEN = "--add-opens=java.base/java.lang=ALL-UNNAMED";

  /** What has a JVM take each engine. */
  static final List<String> C = List.of("-Dgreenlet.engine=continuation", EXPORT, OPEN);

  static final List<String> V = List.of("-Dgreenlet.engine=virtual-thread");
  static final List<String> VC = List.of("-Dgreenlet.engine=virtual-thread", OPEN);
  // for JRuby, and the profiler
  private static final String NATIVE = "--enable-native-access=ALL-UNNAMED";
  private static final List<String> TELL_INLINED =
      List.of("-XX:+UnlockDiagnosticVMOptions", "-XX:+DebugNonSafepoints");

  /** Touched beforehand: the first touch of a page can cost more than what is measured. */
  static final List<String> HEAP = List.of("-Xms1g", "-Xmx1g", "-XX:+AlwaysPreTouch");

  // for 5,000 calls, which HotSpot needs as much again for to put aside
  private static final String STACK = "-Xss8m";

  /** 5,000 calls of the interpreter's take more than 512 KB, and G1 takes no stack above half a region, of 1 MB with this heap. */
  static final String DEEP = "-XX:G1HeapRegionSize=4m";

  private static final String PEER = "Raw|HandOff|Peer|Fiber|Pipe";
  private static final String PEERS = "\\.(" + PEER + ")Benchmark\\.";
  private static final String OURS = "\\.(?!" + PEER + ")\\w+Benchmark\\.";
  private static final String USAGE =
      "bench [--quick | --profile] [--python] [--json FILE] [PATTERN]";

  /** What makes no switch is not measured again where virtual threads are carried. */
  private static final String SWITCHLESS = PEERS + "|\\.(forEach|clojureReduce)";

  private record Engine(String column, String heap, String excluded, List<String> options) {}

  private static final List<Engine> ENGINES =
      List.of(
          new Engine(
              Table.CONTINUATION,
              "600m",
              PEERS,
              List.of("-Dgreenlet.engine=continuation", EXPORT, OPEN, STACK)),
          new Engine(
              Table.VIRTUAL_THREAD,
              "2g",
              PEERS,
              List.of("-Dgreenlet.engine=virtual-thread", STACK)),
          new Engine(
              Table.CARRIED,
              "2g",
              SWITCHLESS,
              List.of("-Dgreenlet.engine=virtual-thread", OPEN, STACK)));

  private static final List<String> MEMORY =
      List.of(
          "Memory.suspendedGreenlet",
          "Memory.suspendedIterator",
          "Memory.abandonedIterators",
          "Memory.abandonedSeqs",
          Table.PROCESSES);

  private Timing.Mode mode = Timing.Mode.MEASURE;
  private boolean python;
  private Path json;
  private Pattern pattern = Pattern.compile("");

  private final List<Measurement> measurements = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    Callable<Integer> command = null;
    try {
      List<String> all = List.of(args);
      command =
          all.contains("--against")
              ? new Against(args)::run
              : Echo.isAsked(all)
                  ? new Echo(args)::run
                  : all.contains("--jobs")
                      ? new Jobs(args)::run
                      : all.contains("--journal")
                          ? new Journals(args)::run
                          : all.contains("--looking")
                              ? new Looking(args)::run
                              : new Main(args)::run;
    } catch (IllegalArgumentException e) {
      say(e.getMessage());
      System.exit(2);
    }
    System.exit(command.call());
  }

  static void say(String what) {
    System.err.println("bench: " + what);
  }

  private Main(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--quick" -> mode = Timing.Mode.QUICK;
        case "--profile" -> mode = Timing.Mode.PROFILE;
        case "--python" -> python = true;
        case "--json" -> {
          if (++i == args.length)
            throw new IllegalArgumentException("--json needs a file: " + USAGE);
          json = Path.of(args[i]);
        }
        default -> pattern = pattern(args[i], pattern, USAGE);
      }
    }
  }

  /** The argument as a pattern, where there has been none yet. */
  static Pattern pattern(String regex, Pattern before, String usage) {
    if (regex.startsWith("-"))
      throw new IllegalArgumentException("unknown option " + regex + ": " + usage);
    if (!before.pattern().isEmpty())
      throw new IllegalArgumentException("one pattern at most: " + usage);
    try {
      return Pattern.compile(regex);
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          "not a regular expression: " + regex + ": " + e.getDescription());
    }
  }

  private int run() throws IOException, InterruptedException {
    time(Table.NO_GREENLETS, List.of(EXPORT, STACK), OURS, "RawBenchmark\\.roundTrip$");
    for (Engine engine : engines()) time(engine.column, engine.options, engine.excluded);
    for (String what : mode == Timing.Mode.PROFILE ? List.<String>of() : MEMORY) {
      if (!pattern.matcher(what).find()) continue;
      for (Engine engine : engines()) weigh(engine, what);
    }
    if (python) runPython();
    if (failures.isEmpty()
        && measurements.stream().noneMatch(m -> pattern.matcher(m.benchmark()).find())) {
      say("no benchmark matches " + pattern);
      return 2;
    }
    new Table(measurements, mode).print(System.out);
    if (json != null) Files.write(json, measurements.stream().map(Measurement::toJson).toList());
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  /** Those measured: that benchmarks work with the first two tells that they do with the third. */
  private List<Engine> engines() {
    return ENGINES.subList(
        0,
        switch (mode) {
          case PROFILE -> 1;
          case QUICK -> 2;
          case MEASURE -> 3;
        });
  }

  private void time(String column, List<String> options, String excluded, String... always)
      throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(options);
    all.addAll(HEAP);
    all.add(NATIVE);
    if (mode == Timing.Mode.PROFILE) all.addAll(TELL_INLINED);
    List<String> args = new ArrayList<>(List.of(column, mode.name(), excluded, pattern.pattern()));
    args.addAll(List.of(always));
    measure("timing of " + column, java(all, Timing.class, args));
  }

  private void weigh(Engine engine, String what) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(engine.options);
    String heap = what.equals(Table.PROCESSES) ? "2g" : engine.heap;
    options.addAll(List.of("-Xmx" + heap, "-XX:+ExitOnOutOfMemoryError"));
    String count = mode == Timing.Mode.QUICK ? "10000" : "1000000";
    measure(
        what + " on " + engine.column,
        java(options, Memory.class, List.of(engine.column, what, count)));
  }

  private void runPython() throws IOException, InterruptedException {
    if (!hasModule("python3", "greenlet")) {
      say("there is no python3 with the package greenlet on the path; its column is left out");
      return;
    }
    String script = Path.of(URI.create(Main.class.getResource("peers.py").toString())).toString();
    measure(
        Table.PYTHON,
        List.of("python3", script, String.valueOf(mode == Timing.Mode.QUICK), pattern.pattern()));
  }

  /** Whether there is such a Python, and it has the module. */
  static boolean hasModule(String python, String module) throws InterruptedException {
    try {
      return new ProcessBuilder(python, "-c", "import " + module)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  static List<String> java(List<String> options, Class<?> main, List<String> args) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(args);
    return command;
  }

  private void measure(String what, List<String> command) throws IOException, InterruptedException {
    say(what);
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader lines = process.inputReader()) {
      lines.lines().map(Measurement::fromJson).forEach(measurements::add);
    }
    int status = process.waitFor();
    if (status != 0) failures.add(what + " failed, exit code " + status);
  }
}
