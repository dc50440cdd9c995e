package greenlet.bench;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compares the core in a JAR, the old version, with that of the working tree, the new one. Forks of both take turns, so that
 * a machine that becomes slower does so for both, and each pair of them gives one ratio.
 */
final class Against {
  private static final String USAGE =
      "bench --against JAR [--quick] [--recording] [--forks N] [--limit RATIO] [PATTERN]";

  private static final List<String> ROWS =
      List.of("switch", "root", "pull", "seq", "spawn", "yield", "tasklet", "channel");

  /** Records nothing, which costs the JVM something at each mount of a virtual thread, and prints nothing of that. */
  private static final List<String> RECORDING_NOTHING =
      List.of("-Xlog:jfr+startup=off", "-XX:StartFlightRecording:settings=none");

  /** Records the library's events but switches. */
  private static final List<String> RECORDING =
      List.of(
          RECORDING_NOTHING.get(0),
          Stream.of("Task", "TaskWait", "IoWait", "ThreadHeld", "GeneratorRun")
              .map(event -> ",+greenlet." + event + "#enabled=true")
              .collect(Collectors.joining("", RECORDING_NOTHING.get(1), "")));

  private record Engine(String name, boolean virtual, List<String> options) {}

  /** On V a row begins in a virtual thread: how long the system takes to wake a platform thread varies more than versions do. */
  private static final List<Engine> ENGINES =
      List.of(
          new Engine("C", false, Main.C),
          new Engine("V", true, Main.V),
          new Engine("VC", false, Main.VC));

  private record Row(String work, Engine engine) {
    @Override
    public String toString() {
      return work + " " + engine.name;
    }
  }

  /** Nanoseconds an operation, in two forks that ran one after the other. */
  private record Pair(double before, double after) {}

  /** A row whose interval is wider gets more forks, up to so many times as many. */
  private static final double WIDE = 0.1;

  private static final int MOST = 4;

  private Path jar;
  private Path json;
  private boolean quick;
  private boolean isRecorded;
  private int forks = 10;
  private double limit = 1.05;
  private Pattern pattern = Pattern.compile("");

  private final List<Row> rows;
  private final Version before;
  private final Version after;
  private final List<Measurement> measurements = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();

  Against(String[] args) throws IOException {
    take(args);
    if (quick) forks = 2;
    rows =
        ROWS.stream()
            .flatMap(work -> ENGINES.stream().map(engine -> new Row(work, engine)))
            .filter(row -> pattern.matcher(row.toString()).find())
            .toList();
    if (rows.isEmpty())
      throw new IllegalArgumentException(
          "no row matches " + pattern + "; rows are " + ROWS + " on C, V, VC");
    Path tree =
        Path.of(
            URI.create(
                Against.class.getProtectionDomain().getCodeSource().getLocation().toString()));
    before = Version.of(jar, tree.resolveSibling("against/old"));
    after = Version.of(tree, tree.resolveSibling("against/new"));
  }

  private void take(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--against" -> jar = file(value(args, ++i, USAGE));
        case "--json" -> json = Path.of(value(args, ++i, USAGE));
        case "--quick" -> quick = true;
        case "--recording" -> isRecorded = true;
        case "--forks" -> forks = (int) number(value(args, ++i, USAGE), 2);
        case "--limit" -> limit = number(value(args, ++i, USAGE), 1);
        default -> pattern = Main.pattern(args[i], pattern, USAGE);
      }
    }
  }

  static String value(String[] args, int i, String usage) {
    if (i == args.length)
      throw new IllegalArgumentException(args[i - 1] + " needs a value: " + usage);
    return args[i];
  }

  private static Path file(String name) {
    Path file = Path.of(name);
    if (!Files.isRegularFile(file)) throw new IllegalArgumentException("no such file: " + name);
    return file;
  }

  static double number(String value, int least) {
    try {
      double number = Double.parseDouble(value);
      if (number >= least) return number;
    } catch (NumberFormatException e) {
      // told below
    }
    throw new IllegalArgumentException("not a number from " + least + " up: " + value);
  }

  int run() throws IOException, InterruptedException {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    System.out.println(
        "\n| row | old, ns | new, ns | new / old | from | to | width | forks | |\n"
            + "|---".repeat(9)
            + "|");
    for (Row row : rows) {
      Main.say(row.toString());
      try {
        compare(row);
      } catch (Version.Failure e) {
        failures.add(row + ": " + e.getMessage());
      }
    }
    if (json != null) Files.write(json, measurements.stream().map(Measurement::toJson).toList());
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  private void compare(Row row) throws IOException, InterruptedException {
    List<Pair> pairs = new ArrayList<>();
    Ratio ratio;
    do {
      for (int n = Math.max(forks, pairs.size()); n > 0; n--)
        pairs.add(pair(row, pairs.size() % 2 == 0));
      ratio = Ratio.of(pairs.stream().map(pair -> Math.log(pair.after / pair.before)).toList());
    } while (!quick && ratio.width() > WIDE && pairs.size() < MOST * forks);
    print(
        row,
        ratio,
        measured(row, "old", pairs, Pair::before),
        measured(row, "new", pairs, Pair::after));
  }

  /** The second of two pairs goes the other way round. */
  private Pair pair(Row row, boolean oldFirst) throws IOException, InterruptedException {
    double first = time(row, oldFirst ? before : after);
    double second = time(row, oldFirst ? after : before);
    return oldFirst ? new Pair(first, second) : new Pair(second, first);
  }

  private double time(Row row, Version version) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(row.engine.options);
    if (!quick) options.addAll(Main.HEAP);
    if (isRecorded) options.addAll(version == after ? RECORDING : RECORDING_NOTHING);
    return version.time(
        options,
        row.work,
        quick ? "0" : "2000",
        quick ? "10" : "2000",
        String.valueOf(row.engine.virtual));
  }

  private Measurement measured(
      Row row, String version, List<Pair> pairs, ToDoubleFunction<Pair> time) {
    Measurement m =
        new Measurement(
            row.engine.name + ", " + version, row.work, pairs.stream().mapToDouble(time).toArray());
    measurements.add(m);
    return m;
  }

  private void print(Row row, Ratio ratio, Measurement old, Measurement now) {
    boolean above = !quick && ratio.low() > limit;
    if (above) failures.add(row + " is above " + limit);
    String remark = above ? "**above " + limit + "**" : ratio.width() > WIDE ? "wide" : "";
    System.out.printf(
        Locale.ROOT,
        "| %s | %.0f | %.0f | %.3f | %.3f | %.3f | %.3f | %d | %s |%n",
        row,
        old.median(),
        now.median(),
        ratio.estimate(),
        ratio.low(),
        ratio.high(),
        ratio.width(),
        old.samples().length,
        remark);
  }
}
