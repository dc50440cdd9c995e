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

/**
 * Measures a job queue on PostgreSQL: how many jobs a second a hundred workers do, and the CPU time that their process takes for
 * each. The workers, of each kind in a process of its own, take turns.
 */
final class Jobs {
  private static final String USAGE = "bench --jobs [--quick] [--forks N] [PATTERN]";
  private static final String FASTER = "Jobs.a second";
  private static final String CPU = "Jobs.µs of CPU a job";

  private record Workers(String name, String kind, List<String> options) {}

  private static final List<Workers> ALL =
      List.of(
          new Workers("tasks of a hub on C", "hub", Main.C),
          new Workers("tasks of a hub on V", "hub", Main.V),
          new Workers("tasks of a hub on VC", "hub", Main.VC),
          new Workers("virtual threads, HikariCP", "threads", List.of()));

  private static final int WARM_UP = 20_000;
  private static final int MEASURED = 20_000;
  private static final int QUICK = 200;

  private boolean quick;
  private int forks = 5;
  private Path json;
  private Pattern pattern = Pattern.compile("");
  private final List<Workers> workers;

  /** One for each fork, by workers: jobs a second, and microseconds a job. */
  private final Map<Workers, List<double[]>> samples = new LinkedHashMap<>();

  Jobs(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--jobs" -> {}
        case "--quick" -> quick = true;
        case "--forks" -> forks = (int) Against.number(Against.value(args, ++i, USAGE), 1);
        case "--json" -> json = Path.of(Against.value(args, ++i, USAGE));
        default -> pattern = Main.pattern(args[i], pattern, USAGE);
      }
    }
    if (quick) forks = 1;
    workers = ALL.stream().filter(w -> pattern.matcher(w.name).find()).toList();
    if (workers.isEmpty())
      throw new IllegalArgumentException(
          "no workers match "
              + pattern
              + "; there are "
              + ALL.stream().map(Workers::name).toList());
  }

  int run() throws IOException, InterruptedException {
    List<String> failures = new ArrayList<>();
    try (var database = new Database(false)) {
      for (int fork = 1; fork <= forks; fork++) {
        for (Workers each : workers) {
          Main.say(each.name + ", " + fork + " of " + forks);
          try {
            samples.computeIfAbsent(each, w -> new ArrayList<>()).add(measure(each, database.url));
          } catch (IOException e) {
            failures.add(each.name + ": " + e.getMessage());
          }
        }
      }
    } catch (Database.Missing e) {
      Main.say(e.getMessage());
      return 2;
    }
    print();
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  private double[] measure(Workers workers, String url) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(workers.options);
    if (!quick) options.addAll(Main.HEAP);
    String warmUp = String.valueOf(quick ? QUICK : WARM_UP);
    String measured = String.valueOf(quick ? QUICK : MEASURED);
    List<String> command =
        Main.java(options, JobWorker.class, List.of(workers.kind, url, warmUp, measured));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader told = process.inputReader()) {
      String line = told.readLine();
      if (line == null) throw new IOException("the process has ended with " + process.waitFor());
      String[] numbers = line.split(" ");
      return new double[] {Double.parseDouble(numbers[0]), Double.parseDouble(numbers[1])};
    }
  }

  private void print() throws IOException {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    System.out.println(
        "\n| a hundred workers, ten connections | jobs a second | µs of CPU a job |");
    System.out.println("|---|---|---|");
    List<Measurement> measured = new ArrayList<>();
    samples.forEach((workers, all) -> {
      if (all.isEmpty()) return;
      Measurement faster = measurement(workers, FASTER, all, 0);
      Measurement cpu = measurement(workers, CPU, all, 1);
      measured.addAll(List.of(faster, cpu));
      System.out.printf(
          Locale.ROOT,
          "| %s | %.0f ± %.0f | %.1f ± %.1f |%n",
          workers.name,
          faster.median(),
          faster.spread(),
          cpu.median(),
          cpu.spread());
    });
    if (json != null) Files.write(json, measured.stream().map(Measurement::toJson).toList());
  }

  private static Measurement measurement(
      Workers workers, String what, List<double[]> all, int column) {
    return new Measurement(
        workers.name, what, all.stream().mapToDouble(sample -> sample[column]).toArray());
  }
}
