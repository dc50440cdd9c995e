package greenlet.bench;

import greenlet.Snapshot;
import greenlet.hub.Hub;
import greenlet.tasklet.Tasklet;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Queue;

/**
 * Measures how long it takes to look at 100,000 tasks, and by how much frames of tasklets and turns of a hub exceed their budgets. Each
 * engine has processes of its own, which take turns.
 */
final class Looking {
  private static final String USAGE = "bench --looking [--quick] [--forks N]";

  private record Engine(String name, List<String> options) {}

  private static final List<Engine> ENGINES =
      List.of(new Engine("C", Main.C), new Engine("V", Main.V), new Engine("VC", Main.VC));

  private static final List<String> ROWS =
      List.of(
          "100,000 tasks: the first tree and its text, ms",
          "the same, later, ms",
          "heap that five looks leave, KB",
          "a frame of 10,000 tasklets, beyond its 5 ms: half of them by, µs",
          "the same, 99 of 100 by, µs",
          "a turn of a hub with 10,000 tasks, beyond its 5 ms: half of them by, µs",
          "the same, 99 of 100 by, µs");

  private static final Duration BUDGET = Duration.ofMillis(5);
  private static final int WARM_UP = 200;
  private static final int FRAMES = 400;

  private boolean quick;
  private int forks = 5;
  private Path json;

  Looking(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--looking" -> {}
        case "--quick" -> quick = true;
        case "--forks" -> forks = (int) Against.number(Against.value(args, ++i, USAGE), 1);
        case "--json" -> json = Path.of(Against.value(args, ++i, USAGE));
        default -> throw new IllegalArgumentException("not understood: " + args[i] + ": " + USAGE);
      }
    }
    if (quick) forks = 1;
  }

  int run() throws IOException, InterruptedException {
    double[][][] samples = new double[ROWS.size()][ENGINES.size()][forks];
    for (int fork = 0; fork < forks; fork++) {
      for (int engine = 0; engine < ENGINES.size(); engine++) {
        Main.say(ENGINES.get(engine).name + ", " + (fork + 1) + " of " + forks);
        double[] measured = measure(ENGINES.get(engine));
        for (int row = 0; row < measured.length; row++) samples[row][engine][fork] = measured[row];
      }
    }
    print(samples);
    return 0;
  }

  private double[] measure(Engine engine) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(engine.options);
    if (!quick) options.addAll(Main.HEAP);
    Process process =
        new ProcessBuilder(
                Main.java(
                    options,
                    Looking.class,
                    List.of(quick ? "1000" : "100000", quick ? "3" : "" + FRAMES)))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader told = process.inputReader()) {
      String line = told.readLine();
      if (line == null) throw new IOException("the process has ended with " + process.waitFor());
      return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }
  }

  private void print(double[][][] samples) throws IOException {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    System.out.println("\n| | C | V | VC |\n|---|---|---|---|");
    List<Measurement> all = new ArrayList<>();
    for (int row = 0; row < samples.length; row++) {
      System.out.print("| " + ROWS.get(row));
      for (int engine = 0; engine < ENGINES.size(); engine++) {
        var m =
            new Measurement(
                ENGINES.get(engine).name, "Looking." + ROWS.get(row), samples[row][engine]);
        all.add(m);
        System.out.printf(Locale.ROOT, " | %.0f ± %.0f", m.median(), m.spread());
      }
      System.out.println(" |");
    }
    if (json != null) Files.write(json, all.stream().map(Measurement::toJson).toList());
  }

  /** In a process of its own. Arguments: how many tasks to look at; how many frames. */
  public static void main(String[] args) {
    List<Double> told = new ArrayList<>();
    look(Integer.parseInt(args[0]), told);
    int frames = Integer.parseInt(args[1]);
    beyond(frames, frames(), told);
    beyond(frames, turns(), told);
    told.forEach(number -> System.out.print(number + " "));
    System.out.println();
    System.exit(0); // what still runs would for ever
  }

  private static void look(int many, List<Double> told) {
    Hub hub = Hub.virtualTime();
    hub.run(() -> {
      for (int i = 0; i < many; i++) hub.spawn(() -> Hub.sleep(Duration.ofSeconds(1)));
      Hub.sleep(Duration.ZERO);
      told.add(look(hub));
      long before = Memory.heap();
      double[] later = new double[5];
      for (int i = 0; i < later.length; i++) later[i] = look(hub);
      told.add(Arrays.stream(later).sorted().toArray()[2]);
      told.add((Memory.heap() - before) / 1e3);
    });
  }

  private static double look(Hub hub) {
    long begin = System.nanoTime();
    int length = Snapshot.text(Snapshot.of(hub)).length();
    double took = (System.nanoTime() - begin) / 1e6;
    if (length < 1000) throw new AssertionError("nothing was seen");
    return took;
  }

  /** Some tasklets for ever; a call is a frame. */
  private static Runnable frames() {
    for (int i = 0; i < 10_000; i++) {
      Tasklet.of(
              args -> {
                while (true) {
                  work();
                  Tasklet.schedule();
                }
              })
          .insert();
    }
    return () -> Tasklet.runFor(BUDGET);
  }

  /** Tasks for ever, in a hub in a loop of this thread's; a call is a turn. */
  private static Runnable turns() {
    Queue<Runnable> loop = new ArrayDeque<>();
    Hub hub = Hub.on(loop::add).turnTime(BUDGET);
    for (int i = 0; i < 10_000; i++) {
      hub.spawn(() -> {
        while (true) {
          work();
          Hub.sleep(Duration.ZERO);
        }
      });
    }
    return () -> loop.remove().run();
  }

  /** A microsecond or so. */
  private static void work() {
    long until = System.nanoTime() + 1_000;
    while (System.nanoTime() < until) Thread.onSpinWait();
  }

  private static void beyond(int frames, Runnable frame, List<Double> told) {
    for (int i = 0; i < Math.min(frames, WARM_UP); i++) frame.run();
    double[] all = new double[frames];
    for (int i = 0; i < frames; i++) {
      long begin = System.nanoTime();
      frame.run();
      all[i] = (System.nanoTime() - begin - BUDGET.toNanos()) / 1e3;
    }
    Arrays.sort(all);
    told.add(all[frames / 2]);
    told.add(all[frames * 99 / 100]);
  }
}
