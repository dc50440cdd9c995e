package greenlet.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Measures durable programs: how many steps a second they do in a directory, beside DBOS Transact on PostgreSQL, each beside what the
 * disk, or the database, does without them; how fast journals are replayed; and what a program holds that waits. Each in processes of
 * their own, which take turns.
 */
final class Journals {
  static final String ALONE = "steps a second, one program alone";
  static final String MANY = "steps a second, 1,000 programs";
  static final String CPU = "µs of CPU a step";
  static final String BEGUN = "programs without steps a second";
  static final String BYTES = "bytes an entry";
  static final String DELIVERED = "delivered, values that are text";
  static final String DECODED = "values decoded by the EDN reader alone";
  static final String READ = "read from a directory, decoded and delivered";
  static final String IDLE = "bytes of an idle program";
  static final String PARKED = "begun and forgotten a second";
  static final String OPENED = "seconds to open";
  static final String FORGOTTEN = "bytes of heap each";
  static final List<String> WORKERS = List.of("1 worker", "2 workers", "4 workers");
  static final String WOKEN = "woken and ended a second";

  /** What the plain file has of each step. */
  static final int ENTRY_BYTES = 100;

  private static final String USAGE = "bench --journal [--quick] [--forks N] [PATTERN]";
  private static final int QUICK = 100;

  private record Row(
      String name, String work, boolean isInDatabase, String baseline, List<String> options) {}

  private static final String FILE = "a file, append and force";
  private static final String TABLE = "a table, insert and commit";

  private static final List<Row> STEPS =
      List.of(
          new Row(FILE, "file", false, FILE, List.of()),
          new Row("journal on C", "journal", false, FILE, Main.C),
          new Row("journal on V", "journal", false, FILE, Main.V),
          new Row("journal on VC", "journal", false, FILE, Main.VC),
          new Row(TABLE, "insert", true, TABLE, List.of()),
          new Row("DBOS Transact", "dbos", true, TABLE, List.of()));

  private static final List<Row> REPLAYS =
      List.of(
          new Row("replay on C", "replay", false, DECODED, Main.C),
          new Row("replay on V", "replay", false, DECODED, Main.V),
          new Row("replay on VC", "replay", false, DECODED, Main.VC));

  private static final List<Row> IDLES =
      List.of(
          new Row("idle on C", "idle", false, "", Main.C),
          new Row("idle on V", "idle", false, "", Main.V),
          new Row("idle on VC", "idle", false, "", Main.VC));

  private static final Row ALL_FORGOTTEN =
      new Row(
          "1,000,000 forgotten in 512 MB",
          "forgotten",
          false,
          "",
          Stream.concat(Main.C.stream(), Stream.of("-Xmx512m", "-XX:+ExitOnOutOfMemoryError"))
              .toList());

  private static final Row SHARED =
      new Row("PostgreSQL, workers on C", "shared", true, TABLE, Main.C);

  private static final Row ALL_PARKED =
      new Row("1,000,000 parked in PostgreSQL, a worker in 512 MB", "parked", true, "", Main.C);

  private static final List<Row> ALL =
      Stream.of(STEPS, REPLAYS, IDLES, List.of(ALL_FORGOTTEN, SHARED, ALL_PARKED))
          .flatMap(List::stream)
          .toList();

  private boolean quick;
  private int forks = 3;
  private Path json;
  private Pattern pattern = Pattern.compile("");
  private final List<Row> rows;

  /** By row and what was measured: one for each fork. */
  private final Map<String, Map<String, List<Double>>> samples = new LinkedHashMap<>();

  Journals(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--journal" -> {}
        case "--quick" -> quick = true;
        case "--forks" -> forks = (int) Against.number(Against.value(args, ++i, USAGE), 1);
        case "--json" -> json = Path.of(Against.value(args, ++i, USAGE));
        default -> pattern = Main.pattern(args[i], pattern, USAGE);
      }
    }
    if (quick) forks = 1;
    rows = ALL.stream().filter(row -> pattern.matcher(row.name).find()).toList();
    if (rows.isEmpty())
      throw new IllegalArgumentException(
          "no row matches " + pattern + "; there are " + ALL.stream().map(Row::name).toList());
  }

  int run() throws IOException, InterruptedException {
    List<String> failures = new ArrayList<>();
    try {
      for (int fork = 1; fork <= forks; fork++) runAll(fork, failures);
    } catch (Database.Missing e) {
      Main.say(e.getMessage());
      return 2;
    }
    print();
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  /** The database is another one each time. */
  private void runAll(int fork, List<String> failures) throws IOException, InterruptedException {
    boolean needsDatabase = rows.stream().anyMatch(Row::isInDatabase);
    try (var database = needsDatabase ? new Database(true) : null) {
      for (Row row : rows) {
        Main.say(row.name + ", " + fork + " of " + forks);
        Path directory = Files.createTempDirectory("journal");
        try {
          measure(row, row.isInDatabase ? database.url : directory.toString());
        } catch (IOException e) {
          failures.add(row.name + ": " + e.getMessage());
        } finally {
          delete(directory);
        }
      }
    }
  }

  private void measure(Row row, String where) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(row.options);
    if (!quick && row != ALL_FORGOTTEN && row != SHARED && row != ALL_PARKED)
      options.addAll(Main.HEAP);
    List<String> args = List.of(row.work, where, String.valueOf(quick ? QUICK : 1));
    Process process =
        new ProcessBuilder(Main.java(options, JournalWorker.class, args))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader told = process.inputReader()) {
      for (String line = told.readLine(); line != null; line = told.readLine()) {
        String[] pair = line.split(" ", 2);
        samples
            .computeIfAbsent(row.name, name -> new LinkedHashMap<>())
            .computeIfAbsent(pair[1], what -> new ArrayList<>())
            .add(Double.valueOf(pair[0]));
      }
    }
    int status = process.waitFor();
    if (status != 0) throw new IOException("the process has ended with " + status);
  }

  private static void delete(Path directory) throws IOException {
    List<Path> all;
    try (Stream<Path> files = Files.walk(directory)) {
      all = files.toList();
    }
    for (Path each : all.reversed()) Files.delete(each);
  }

  // The tables

  private void print() throws IOException {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    print("durable (in what its store does without it)", STEPS, ALONE, MANY, CPU, BEGUN, BYTES);
    print("entries a second (in the reader alone)", REPLAYS, DELIVERED, DECODED, READ);
    print("that wait for a message", IDLES, IDLE);
    print("that wait for a message", List.of(ALL_FORGOTTEN), FORGOTTEN, OPENED, PARKED);
    print("durable steps a second, many programs", List.of(SHARED), WORKERS.toArray(String[]::new));
    print("that are due", List.of(ALL_PARKED), WOKEN);
    if (json == null) return;
    List<String> lines = new ArrayList<>();
    for (Row row : rows)
      for (String what : samples.getOrDefault(row.name, Map.of()).keySet())
        lines.add(measurement(row.name, what).toJson());
    Files.write(json, lines);
  }

  private void print(String title, List<Row> all, String... columns) {
    List<Row> measured = all.stream().filter(row -> samples.containsKey(row.name)).toList();
    if (measured.isEmpty()) return;
    System.out.printf("%n| %s | %s |%n", title, String.join(" | ", columns));
    System.out.println("|---".repeat(columns.length + 1) + "|");
    for (Row row : measured) {
      var line = new StringBuilder("| ").append(row.name);
      for (String column : columns) line.append(" | ").append(cell(row, column));
      System.out.println(line.append(" |"));
    }
  }

  private String cell(Row row, String what) {
    Measurement measured = measurement(row.name, what);
    if (measured == null) return "";
    String pattern = measured.median() < 1000 ? "%.1f ± %.1f" : "%,.0f ± %,.0f";
    String cell = String.format(Locale.ROOT, pattern, measured.median(), measured.spread());
    Measurement baseline =
        switch (what) {
          case ALONE, MANY -> measurement(row.baseline, what);
          case READ -> measurement(row.name, row.baseline);
          default -> null;
        };
    if (baseline == null) return cell;
    return cell + String.format(Locale.ROOT, " (%.2f)", measured.median() / baseline.median());
  }

  private Measurement measurement(String row, String what) {
    List<Double> all = samples.getOrDefault(row, Map.of()).get(what);
    if (all == null) return null;
    return new Measurement(
        row, "Journals." + what, all.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
