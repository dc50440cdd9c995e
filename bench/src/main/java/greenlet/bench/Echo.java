package greenlet.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Measures the CPU time that an echo server's process takes for a request, in JVMs of their own, which take turns; this one has the
 * clients. Plain sockets in a cooperative hub stand beside virtual threads and a selector.
 */
final class Echo {
  private static final String USAGE = "bench --echo [--quick] [--forks N] [PATTERN]";

  private record Server(String name, String kind, List<String> options) {}

  private static final String RAW = "raw NIO, a selector";

  private static final List<String> CONTINUATION =
      List.of("-Dgreenlet.engine=continuation", Main.EXPORT, Main.OPEN);
  private static final List<String> CARRIED =
      List.of("-Dgreenlet.engine=virtual-thread", Main.OPEN);
  private static final List<String> ONE_CARRIER =
      List.of(
          "-Djdk.virtualThreadScheduler.parallelism=1",
          "-Djdk.virtualThreadScheduler.maxPoolSize=1");

  /** Platform threads as pollers, so that the JDK wakes nobody to have somebody woken. */
  private static final List<String> PLATFORM_POLLERS = List.of("-Djdk.pollerMode=1");

  private static final List<Server> SERVERS =
      List.of(
          new Server(RAW, "nio", List.of()),
          new Server("cooperative hub on C", "hub", CONTINUATION),
          new Server("cooperative hub on VC", "hub", CARRIED),
          new Server("cooperative hub on C, pollerMode=1", "hub", with(CONTINUATION)),
          new Server("cooperative hub on VC, pollerMode=1", "hub", with(CARRIED)),
          new Server("virtual threads, one carrier", "threads", ONE_CARRIER),
          new Server("virtual threads, one carrier, pollerMode=1", "threads", with(ONE_CARRIER)),
          new Server("virtual threads", "threads", List.of()));

  private static List<String> with(List<String> options) {
    return Stream.concat(options.stream(), PLATFORM_POLLERS.stream()).toList();
  }

  private record Load(int active, int connections) {
    @Override
    public String toString() {
      return active == connections ? "" + active : active + " of " + connections;
    }
  }

  private static final List<Load> LOADS =
      List.of(new Load(1, 1), new Load(100, 100), new Load(100, 1000));

  private boolean quick;
  private int forks = 5;
  private Path json;
  private Pattern pattern = Pattern.compile("");
  private final List<Server> servers;

  /** Microseconds a request, one for each fork, by server and load. */
  private final Map<Server, Map<Load, List<Double>>> samples = new LinkedHashMap<>();

  private final List<String> failures = new ArrayList<>();

  Echo(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--echo" -> {}
        case "--quick" -> quick = true;
        case "--forks" -> forks = (int) Against.number(Against.value(args, ++i, USAGE), 1);
        case "--json" -> json = Path.of(Against.value(args, ++i, USAGE));
        default -> pattern = Main.pattern(args[i], pattern, USAGE);
      }
    }
    if (quick) forks = 1;
    List<String> names = SERVERS.stream().map(Server::name).toList();
    if (names.stream().noneMatch(pattern.asPredicate()))
      throw new IllegalArgumentException("no server matches " + pattern + "; there are " + names);
    servers =
        SERVERS.stream().filter(s -> s.name.equals(RAW) || pattern.matcher(s.name).find()).toList();
  }

  int run() throws IOException, InterruptedException {
    for (int fork = 1; fork <= forks; fork++) {
      for (Server server : servers) {
        Main.say(server.name + ", " + fork + " of " + forks);
        try {
          measure(server);
        } catch (IOException e) {
          failures.add(server.name + ": " + e.getMessage());
        }
      }
    }
    List<Measurement> measured = new ArrayList<>();
    samples.forEach((server, loads) ->
        loads.forEach((load, micros) -> measured.add(measurement(server, load, micros))));
    print(measured);
    if (json != null) Files.write(json, measured.stream().map(Measurement::toJson).toList());
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  private void measure(Server server) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>(server.options);
    if (!quick) options.addAll(Main.HEAP);
    Process process =
        new ProcessBuilder(Main.java(options, EchoServer.class, List.of(server.kind)))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader told = process.inputReader();
        PrintStream asks =
            new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8)) {
      int port = (int) number(told);
      for (Load load : LOADS) {
        double micros = measure(load, port, told, asks);
        samples
            .computeIfAbsent(server, s -> new LinkedHashMap<>())
            .computeIfAbsent(load, l -> new ArrayList<>())
            .add(micros);
      }
    } finally {
      // it is told by the end of its input
      if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly();
    }
  }

  private double measure(Load load, int port, BufferedReader told, PrintStream asks)
      throws IOException {
    try (EchoLoad clients = new EchoLoad(port, load.connections, load.active)) {
      clients.run(quick ? 50 : 2000);
      asks.println();
      long before = number(told);
      long requests = clients.run(quick ? 50 : 2000);
      asks.println();
      return (number(told) - before) / 1e3 / requests;
    }
  }

  private static long number(BufferedReader told) throws IOException {
    String line = told.readLine();
    if (line == null) throw new IOException("the server has ended");
    return Long.parseLong(line);
  }

  private static Measurement measurement(Server server, Load load, List<Double> micros) {
    return new Measurement(
        server.name, "Echo." + load, micros.stream().mapToDouble(Double::doubleValue).toArray());
  }

  private void print(List<Measurement> measured) {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    System.out.print("\n| µs of CPU a request (in raw NIO) |");
    for (Load load : LOADS) System.out.print(" " + load + " |");
    System.out.println("\n" + "|---".repeat(1 + LOADS.size()) + "|");
    for (Server server : servers) {
      System.out.print("| " + server.name + " |");
      for (Load load : LOADS) System.out.print(" " + cell(measured, server.name, load) + " |");
      System.out.println();
    }
  }

  private static String cell(List<Measurement> measured, String server, Load load) {
    Measurement m = find(measured, server, load);
    if (m == null) return "";
    Measurement raw = find(measured, RAW, load);
    return String.format(
        Locale.ROOT,
        "%.1f ± %.1f (%.2f)",
        m.median(),
        m.spread(),
        raw == null ? Double.NaN : m.median() / raw.median());
  }

  private static Measurement find(List<Measurement> measured, String server, Load load) {
    return measured.stream()
        .filter(m -> m.column().equals(server) && m.benchmark().equals("Echo." + load))
        .findFirst()
        .orElse(null);
  }
}
