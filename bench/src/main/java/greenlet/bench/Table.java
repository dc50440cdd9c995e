package greenlet.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The measurements as one table in Markdown: a row for each work, a column for each engine, and what was to be reached. */
final class Table {
  static final String NO_GREENLETS = "no greenlets";
  static final String CONTINUATION = "continuation";
  static final String VIRTUAL_THREAD = "virtual-thread";
  static final String CARRIED = "virtual-thread, carried";
  static final String PYTHON = "Python greenlet";

  static final String PROCESSES = "Memory.virtualTimeProcess";

  private static final String ROUND_TRIP = "RawBenchmark.roundTrip";

  /** At most so much; NaN where what it is compared with has not been measured. */
  private record Goal(String text, ToDoubleFunction<Table> limit) {}

  private record Row(String label, String benchmark, Map<String, List<Goal>> goals) {
    Row on(String column, Goal... all) {
      Map<String, List<Goal>> more = new LinkedHashMap<>(goals);
      more.put(column, List.of(all));
      return new Row(label, benchmark, more);
    }

    Row onBoth(Goal... all) {
      return on(CONTINUATION, all).on(VIRTUAL_THREAD, all);
    }
  }

  private record Section(String label, List<Row> rows) {}

  private static Row row(String label, String benchmark) {
    return new Row(label, benchmark, Map.of());
  }

  private static Section section(String label, Row... rows) {
    return new Section(label, List.of(rows));
  }

  // The goals

  private static Goal raw(double factor) {
    return new Goal("≤ " + factor + " raw", t -> factor * t.raw());
  }

  private static Goal[] handOffs(String threads, int transfers) {
    return new Goal[] {
      new Goal(
          "≤ 1.5 × park/unpark",
          t -> 1.5 * transfers * t.median(NO_GREENLETS, "HandOffBenchmark." + threads)),
      new Goal("≤ 1 raw with two free cores", Table::raw)
    };
  }

  private static final String VIRTUAL_AND_VIRTUAL = "parkVirtualAndVirtual";
  private static final String PLATFORM_AND_VIRTUAL = "parkPlatformAndVirtual";

  private static Goal seqPull(String iterator) {
    return new Goal(
        "≤ iterator on virtual-thread + 60 ns", t -> t.median(VIRTUAL_THREAD, iterator) + 60);
  }

  private static final String SWITCHES = "switches";
  private static final String SWITCH = "GreenletBenchmark.toAnother";

  private static final Goal CREATE =
      new Goal(
          "≤ raw + 2 raw round trips",
          t -> t.median(NO_GREENLETS, "RawBenchmark.createRunEnd") + 2 * t.raw());

  private static Goal piped(String benchmark) {
    return new Goal("≤ a pipe", t -> t.median(NO_GREENLETS, "PipeBenchmark." + benchmark));
  }

  private static Row against(
      String label, String benchmark, double factor, String what, String other) {
    Row row = row(label, benchmark);
    for (String column : List.of(CONTINUATION, VIRTUAL_THREAD, CARRIED)) {
      row =
          row.on(
              column, new Goal("≤ " + factor + " " + what, t -> factor * t.median(column, other)));
    }
    return row;
  }

  private static Stream<Row> depths(String label, String benchmark) {
    return Stream.of(0, 10, 100, 1000, 5000)
        .map(depth -> {
          Row row =
              row(
                  String.format(Locale.ROOT, "%s, %,d calls deep", label, depth),
                  benchmark + ":" + depth);
          if (depth < 1000) return row;
          return row.on(CONTINUATION, flat(CONTINUATION, benchmark))
              .on(VIRTUAL_THREAD, flat(VIRTUAL_THREAD, benchmark));
        });
  }

  private static Goal flat(String column, String benchmark) {
    return new Goal("≤ 1.5 × depth 0", t -> 1.5 * t.median(column, benchmark + ":0"));
  }

  private static Goal fits(String heap) {
    // or the JVM that measures would have ended
    return new Goal("1,000,000 in " + heap, t -> Double.POSITIVE_INFINITY);
  }

  /** 1,000,000 of the smallest object there is. */
  private static final Goal NOTHING_STAYS = new Goal("≤ 16 MB for 1,000,000", t -> 16e6);

  private static final List<Section> SECTIONS =
      List.of(
          section(
              "One switch",
              row("greenlet to greenlet", SWITCH)
                  .on(CONTINUATION, raw(1.2))
                  .on(VIRTUAL_THREAD, handOffs(VIRTUAL_AND_VIRTUAL, 1)),
              row(
                  "park/unpark, virtual to virtual thread",
                  "HandOffBenchmark." + VIRTUAL_AND_VIRTUAL),
              row(
                  "park/unpark, platform to virtual thread or back",
                  "HandOffBenchmark." + PLATFORM_AND_VIRTUAL)),
          section(
              "Tasklets",
              against(
                  "a value through a channel: send and receive",
                  "TaskletBenchmark.sendAndReceive",
                  4,
                  SWITCHES,
                  SWITCH),
              row("the same, a shared channel", "TaskletBenchmark.sendAndReceiveShared"),
              row("`schedule`, one tasklet to the next", "TaskletBenchmark.schedule"),
              row("create, run, end", "TaskletBenchmark.createRunEnd")),
          section(
              "There and back",
              row("raw Continuation: run and yield", ROUND_TRIP),
              row("the same, and an object with two fields that are null", ROUND_TRIP + "AndPair"),
              row("root, greenlet, root", "GreenletBenchmark.rootAndBack")
                  .on(CONTINUATION, raw(2.4))
                  .on(VIRTUAL_THREAD, handOffs(PLATFORM_AND_VIRTUAL, 2)),
              row("the same in a virtual thread", "GreenletBenchmark.rootOfVirtualThreadAndBack")
                  .on(CONTINUATION, raw(2.4))
                  .on(VIRTUAL_THREAD, handOffs(VIRTUAL_AND_VIRTUAL, 2))),
          section(
              "Create, run, end",
              row("raw Continuation", "RawBenchmark.createRunEnd"),
              row("greenlet", "GreenletBenchmark.createRunEnd").on(CONTINUATION, CREATE)),
          section(
              "Tasks of a hub",
              against(
                  "`sleep(0)` among 1,000 tasks, a turn",
                  "HubBenchmark.sleepZero",
                  4,
                  SWITCHES,
                  SWITCH),
              against(
                  "spawn, run and join",
                  "HubBenchmark.spawnRunJoin",
                  3,
                  "greenlets",
                  "GreenletBenchmark.createRunEnd")),
          section(
              "An element of a flat sequence",
              row("callback", "PeerBenchmark.callbackFlat"),
              row("`forEach` of a generator", "GeneratorBenchmark.forEachFlat"),
              row("`reduce` of a generator, Clojure", "GeneratorBenchmark.clojureReduceFlat"),
              row("iterator of a generator", "GeneratorBenchmark.iteratorFlat")
                  .on(CONTINUATION, raw(2.4))
                  .on(VIRTUAL_THREAD, handOffs(PLATFORM_AND_VIRTUAL, 2)),
              row("cursor, chunks of 32", "GeneratorBenchmark.chunkedCursorFlat")
                  .on(CONTINUATION, raw(0.5))
                  .on(VIRTUAL_THREAD, raw(1))
                  .on(CARRIED, raw(1)),
              row("cursor, `:chunk 32`, Clojure", "GeneratorBenchmark.clojureChunkedCursorFlat"),
              row("seq of a generator, Clojure", "GeneratorBenchmark.clojureSeqFlat")
                  .on(CONTINUATION, raw(3.2))
                  .on(VIRTUAL_THREAD, seqPull("GeneratorBenchmark.iteratorFlat"))
                  .on(CARRIED, raw(3.2)),
              row("the same, `:confined true`", "GeneratorBenchmark.clojureConfinedSeqFlat")
                  .on(CONTINUATION, raw(2.8)),
              row("the same, `:chunk 32`", "GeneratorBenchmark.clojureChunkedSeqFlat")
                  .on(CONTINUATION, raw(0.5))
                  .on(VIRTUAL_THREAD, raw(1))
                  .on(CARRIED, raw(1)),
              row("iterator written by hand", "PeerBenchmark.iteratorFlat"),
              row("Kotlin `sequence`", "PeerBenchmark.sequenceFlat"),
              row("`lazy-seq`", "PeerBenchmark.lazySeqFlat"),
              row("`go` block, unbuffered channel", "PeerBenchmark.goFlat"),
              row("`go` block, buffer of 64", "PeerBenchmark.goBufferFlat"),
              row(
                  "`SynchronousQueue` between virtual threads",
                  "HandOffBenchmark.synchronousQueueFlat"),
              row("JRuby `Fiber`", "FiberBenchmark.flat")),
          section(
              "An element of a tree walked in order",
              row("recursion with a callback", "PeerBenchmark.callbackTree"),
              row("raw Continuation, recursion", "RawBenchmark.tree"),
              row("`forEach` of a generator", "GeneratorBenchmark.forEachTree").onBoth(raw(0.12)),
              row("`reduce` of a generator, Clojure", "GeneratorBenchmark.clojureReduceTree")
                  .onBoth(raw(0.25)),
              row("iterator of a generator", "GeneratorBenchmark.iteratorTree")
                  .on(CONTINUATION, raw(2.4))
                  .on(VIRTUAL_THREAD, handOffs(PLATFORM_AND_VIRTUAL, 2)),
              row("cursor, chunks of 32", "GeneratorBenchmark.chunkedCursorTree")
                  .on(CONTINUATION, raw(0.5))
                  .on(VIRTUAL_THREAD, raw(1))
                  .on(CARRIED, raw(1)),
              row("cursor, `:chunk 32`, Clojure", "GeneratorBenchmark.clojureChunkedCursorTree"),
              row("seq of a generator, Clojure", "GeneratorBenchmark.clojureSeqTree")
                  .on(CONTINUATION, raw(3.2))
                  .on(VIRTUAL_THREAD, seqPull("GeneratorBenchmark.iteratorTree"))
                  .on(CARRIED, raw(3.2)),
              row("the same, `:confined true`", "GeneratorBenchmark.clojureConfinedSeqTree")
                  .on(CONTINUATION, raw(2.8)),
              row("the same, `:chunk 32`", "GeneratorBenchmark.clojureChunkedSeqTree")
                  .on(CONTINUATION, raw(0.5))
                  .on(VIRTUAL_THREAD, raw(1))
                  .on(CARRIED, raw(1)),
              row("iterator written by hand, explicit stack", "PeerBenchmark.iteratorTree"),
              row("Kotlin `sequence`, recursive suspend function", "PeerBenchmark.sequenceTree"),
              row("Kotlin `sequence`, `yieldAll`", "PeerBenchmark.sequenceYieldAllTree"),
              row("`lazy-seq`, accumulator", "PeerBenchmark.lazySeqTree"),
              row("`lazy-seq`, `concat`", "PeerBenchmark.lazySeqConcatTree"),
              row("`tree-seq`, which is pre-order", "PeerBenchmark.treeSeqTree"),
              row("`go` blocks, unbuffered channel", "PeerBenchmark.goTree"),
              row("`go` blocks, buffer of 64", "PeerBenchmark.goBufferTree"),
              row(
                  "`SynchronousQueue` between virtual threads",
                  "HandOffBenchmark.synchronousQueueTree"),
              row("JRuby `Fiber`", "FiberBenchmark.tree")),
          new Section(
              "Depth",
              Stream.of(
                      depths("raw Continuation", "RawBenchmark.roundTripAtDepth"),
                      depths("root, greenlet, root", "GreenletBenchmark.rootAndBackAtDepth"),
                      depths("pull by an iterator", "GeneratorBenchmark.pullAtDepth"))
                  .flatMap(s -> s)
                  .toList()),
          section(
              "A write that is read",
              row("8 KB, `Bridge.inputStream`", "BridgeBenchmark.big")
                  .on(CONTINUATION, piped("bigLargeBuffer")),
              row("8 KB, `confinedInputStream`", "BridgeBenchmark.bigConfined")
                  .on(CONTINUATION, piped("bigLargeBuffer")),
              row("8 KB, `transferTo`", "BridgeBenchmark.bigTransferred")
                  .on(CONTINUATION, piped("bigLargeBuffer")),
              row("8 KB, `PipedInputStream` and a thread", "PipeBenchmark.big"),
              row("the same, with a buffer of 64 KB", "PipeBenchmark.bigLargeBuffer"),
              row("80 bytes, `Bridge.inputStream`", "BridgeBenchmark.small"),
              row("80 bytes, `confinedInputStream`", "BridgeBenchmark.smallConfined"),
              row("80 bytes, with a `BufferedOutputStream`", "BridgeBenchmark.smallBuffered"),
              row("80 bytes, `PipedInputStream` and a thread", "PipeBenchmark.small"),
              row("the same, with a buffer of 64 KB", "PipeBenchmark.smallLargeBuffer")),
          section(
              "Heap",
              row("a suspended greenlet, bytes", "Memory.suspendedGreenlet")
                  .on(CONTINUATION, fits("600 MB"))
                  .on(VIRTUAL_THREAD, fits("2 GB")),
              row("a suspended iterator, bytes", "Memory.suspendedIterator")
                  .on(CONTINUATION, fits("600 MB"))
                  .on(VIRTUAL_THREAD, fits("2 GB")),
              row("a sleeping task in virtual time, bytes", PROCESSES).onBoth(fits("2 GB")),
              row("after abandoning iterators, bytes in all", "Memory.abandonedIterators")
                  .onBoth(NOTHING_STAYS),
              row("after abandoning seqs, bytes in all", "Memory.abandonedSeqs")
                  .onBoth(NOTHING_STAYS)));

  // The table

  private final Map<String, Map<String, Measurement>> byColumn = new LinkedHashMap<>();
  private final Timing.Mode mode;

  Table(Collection<Measurement> measurements, Timing.Mode mode) {
    List<String> columns = new ArrayList<>(List.of(NO_GREENLETS, CONTINUATION));
    if (mode == Timing.Mode.PROFILE) columns.addAll(Phases.names());
    for (String column : columns) byColumn.put(column, new LinkedHashMap<>());
    for (Measurement m : measurements) {
      byColumn.computeIfAbsent(m.column(), c -> new LinkedHashMap<>()).put(m.benchmark(), m);
    }
    this.mode = mode;
  }

  private double median(String column, String benchmark) {
    Measurement m = byColumn.getOrDefault(column, Map.of()).get(benchmark);
    return m == null ? Double.NaN : m.median();
  }

  private double raw() {
    return median(NO_GREENLETS, ROUND_TRIP);
  }

  void print(PrintStream out) {
    out.println(machine());
    if (mode == Timing.Mode.QUICK) out.println("This was a short run: the numbers mean nothing.");
    out.println();
    List<String> heads = new ArrayList<>(List.of("ns (in raw round trips)"));
    for (String column : byColumn.keySet()) {
      heads.add(column);
      if (hasGoals(column)) heads.add("goal");
    }
    out.println(line(heads));
    out.println("|---".repeat(heads.size()) + "|");
    for (Section section : SECTIONS) print(section, out, heads.size());
    print(new Section("Others", unlisted()), out, heads.size());
  }

  private boolean hasGoals(String column) {
    return mode == Timing.Mode.MEASURE
        && SECTIONS.stream()
            .flatMap(s -> s.rows.stream())
            .anyMatch(row -> row.goals.containsKey(column));
  }

  private List<Row> unlisted() {
    List<String> listed =
        SECTIONS.stream().flatMap(s -> s.rows.stream()).map(Row::benchmark).toList();
    return byColumn.values().stream()
        .flatMap(c -> c.keySet().stream())
        .distinct()
        .filter(b -> !listed.contains(b))
        .map(b -> row(b, b))
        .toList();
  }

  private void print(Section section, PrintStream out, int width) {
    List<Row> rows =
        section.rows.stream()
            .filter(r -> byColumn.values().stream().anyMatch(c -> c.containsKey(r.benchmark)))
            .toList();
    if (rows.isEmpty()) return;
    out.println("| **" + section.label + "** " + "| ".repeat(width - 1) + "|");
    for (Row row : rows) out.println(line(cells(row)));
  }

  private List<String> cells(Row row) {
    List<String> cells = new ArrayList<>(List.of(row.label));
    byColumn.forEach((column, measured) -> {
      Measurement m = measured.get(row.benchmark);
      cells.add(m == null ? "" : cell(m));
      if (hasGoals(column))
        cells.add(m == null ? "" : judgement(row.goals.getOrDefault(column, List.of()), m));
    });
    return cells;
  }

  private String cell(Measurement m) {
    if (m.benchmark().startsWith("Memory.")) return number(m.median());
    double ratio = m.median() / raw();
    return number(m.median())
        + " ± "
        + number(m.spread())
        + String.format(Locale.ROOT, ratio < 0.1 ? " (%.3f)" : " (%.2f)", ratio);
  }

  private static String number(double d) {
    return String.format(Locale.ROOT, d < 10 ? "%.1f" : "%,.0f", d);
  }

  private String judgement(List<Goal> goals, Measurement m) {
    return goals.stream()
        .map(goal -> {
          double limit = goal.limit.applyAsDouble(this);
          return goal.text
              + ": "
              + (Double.isNaN(limit) ? "not measured" : m.median() <= limit ? "yes" : "**no**");
        })
        .collect(Collectors.joining("; "));
  }

  private static String line(List<String> cells) {
    return cells.stream().collect(Collectors.joining(" | ", "| ", " |"));
  }

  static String machine() {
    return String.join(
            ", ",
            System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"),
            System.getProperty("os.name") + " " + System.getProperty("os.arch"),
            Runtime.getRuntime().availableProcessors() + " processors" + model())
        + ".";
  }

  private static String model() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .findFirst()
          .map(line -> ", " + line.substring(line.indexOf(':') + 1).strip())
          .orElse("");
    } catch (IOException e) {
      return "";
    }
  }
}
