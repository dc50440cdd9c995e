package greenlet.bench;

import greenlet.bench.EchoServer.Question;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Measures the CPU time that an echo server's process takes for a request, and its live heap a connection; or by HTTP, the CPU time
 * and how many requests there are a second. The servers, each in a process of its own, take turns; this one has the clients.
 */
final class Echo {
  private static final String USAGE = "bench --echo | --http [--quick] [--forks N] [PATTERN]";

  private record Server(String name, String kind, List<String> options) {
    boolean isJava() {
      return !kind.equals(GEVENT);
    }
  }

  private static final String GEVENT = "gevent";
  private static final String RAW = "raw NIO, a selector";
  private static final String THREADS = "virtual threads";

  private static final List<String> ONE_CARRIER =
      List.of(
          "-Djdk.virtualThreadScheduler.parallelism=1",
          "-Djdk.virtualThreadScheduler.maxPoolSize=1");

  /** Platform threads as pollers, so that the JDK wakes nobody to have somebody woken. */
  private static final List<String> PLATFORM_POLLERS = List.of("-Djdk.pollerMode=1");

  private static final List<Server> SERVERS =
      List.of(
          new Server(RAW, "nio", List.of()),
          new Server("raw NIO, two selectors", "two-nio", List.of()),
          new Server("Netty, one event loop", "netty", List.of()),
          new Server("hub on C", "hub", Main.C),
          new Server("hub on V", "hub", Main.V),
          new Server("hub on VC", "hub", Main.VC),
          new Server("two hubs on C", "two-hubs", Main.C),
          new Server("cooperative hub on C", "cooperative", Main.C),
          new Server("cooperative hub on VC", "cooperative", Main.VC),
          new Server("cooperative hub on C, pollerMode=1", "cooperative", with(Main.C)),
          new Server("cooperative hub on VC, pollerMode=1", "cooperative", with(Main.VC)),
          new Server("virtual threads, one carrier", "threads", ONE_CARRIER),
          new Server("virtual threads, one carrier, pollerMode=1", "threads", with(ONE_CARRIER)),
          new Server(THREADS, "threads", List.of()),
          new Server("gevent", GEVENT, List.of()));

  /** The same code of HttpCore's in each. */
  private static final List<Server> HTTP_SERVERS =
      List.of(
          new Server(THREADS, "threads", List.of()),
          new Server("virtual threads, one carrier", "threads", ONE_CARRIER),
          new Server("hub on C", "hub", Main.C),
          new Server("hub on V", "hub", Main.V),
          new Server("hub on VC", "hub", Main.VC));

  private static List<String> with(List<String> options) {
    return Stream.concat(options.stream(), PLATFORM_POLLERS.stream()).toList();
  }

  private record Load(int active, int connections) {
    boolean hasIdle() {
      return active < connections;
    }

    String heap() {
      return "heap of " + connections;
    }

    String rate() {
      return "requests a second, " + this;
    }

    @Override
    public String toString() {
      return active == connections ? "" + active : active + " of " + connections;
    }
  }

  /** In ascending order, as a server's connections stay. */
  private static final List<Load> LOADS =
      List.of(new Load(1, 1), new Load(100, 100), new Load(100, 1000), new Load(100, 10_000));

  private static final List<Load> HTTP_LOADS = LOADS.subList(0, 3);

  private static final int FIRST_WARM_UP_MILLIS = 2000;

  /** There is more to compile. */
  private static final int FIRST_HTTP_WARM_UP_MILLIS = 10_000;

  private static final int WARM_UP_MILLIS = 1000;
  private static final int MEASURED_MILLIS = 2000;
  private static final int QUICK_MILLIS = 50;

  private final boolean isHttp;
  private final List<Load> loads;

  /** The name of the server that the others are compared with. */
  private final String base;

  private boolean quick;
  private int forks = 5;
  private Path json;
  private Pattern pattern = Pattern.compile("");
  private final List<Server> servers;

  /** One for each fork, by server and what was measured: microseconds a request, or bytes a connection. */
  private final Map<Server, Map<String, List<Double>>> samples = new LinkedHashMap<>();

  /** How many connections each of its hubs had, one line for each fork, by server. */
  private final Map<Server, List<String>> shares = new LinkedHashMap<>();

  private final List<String> failures = new ArrayList<>();

  static boolean isAsked(List<String> args) {
    return args.contains("--echo") || args.contains("--http");
  }

  Echo(String[] args) {
    isHttp = List.of(args).contains("--http");
    loads = isHttp ? HTTP_LOADS : LOADS;
    base = isHttp ? THREADS : RAW;
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--echo", "--http" -> {}
        case "--quick" -> quick = true;
        case "--forks" -> forks = (int) Against.number(Against.value(args, ++i, USAGE), 1);
        case "--json" -> json = Path.of(Against.value(args, ++i, USAGE));
        default -> pattern = Main.pattern(args[i], pattern, USAGE);
      }
    }
    if (quick) forks = 1;
    List<Server> all = isHttp ? HTTP_SERVERS : SERVERS;
    List<String> names = all.stream().map(Server::name).toList();
    if (names.stream().noneMatch(pattern.asPredicate()))
      throw new IllegalArgumentException("no server matches " + pattern + "; there are " + names);
    servers =
        all.stream()
            .filter(s -> s.name.equals(base) || pattern.matcher(s.name).find())
            .filter(s -> !quick || !s.options.containsAll(PLATFORM_POLLERS))
            .toList();
  }

  int run() throws IOException, InterruptedException {
    Optional<String> python = python();
    for (int fork = 1; fork <= forks; fork++) {
      for (Server server : servers) {
        if (!server.isJava() && python.isEmpty()) {
          if (fork == 1)
            Main.say("no python3 on the path has the package gevent; its row is left out");
          continue;
        }
        Main.say(server.name + ", " + fork + " of " + forks);
        try {
          measure(server, server.isJava() ? java(server) : List.of(python.get(), script()));
        } catch (IOException e) {
          failures.add(server.name + ": " + e.getMessage());
        }
      }
    }
    List<Measurement> measured = new ArrayList<>();
    samples.forEach((server, all) ->
        all.forEach((what, values) -> measured.add(measurement(server, what, values))));
    print(measured);
    if (json != null) Files.write(json, measured.stream().map(Measurement::toJson).toList());
    failures.forEach(Main::say);
    return failures.isEmpty() ? 0 : 1;
  }

  /** The first python3 on the path that has gevent. */
  private static Optional<String> python() throws InterruptedException {
    for (String directory : System.getenv("PATH").split(File.pathSeparator)) {
      String python = Path.of(directory, "python3").toString();
      if (Main.hasModule(python, "gevent")) return Optional.of(python);
    }
    return Optional.empty();
  }

  private static String script() {
    return Path.of(URI.create(Echo.class.getResource("echo.py").toString())).toString();
  }

  private List<String> java(Server server) {
    List<String> options = new ArrayList<>(server.options);
    if (!quick) options.addAll(Main.HEAP);
    List<String> args = isHttp ? List.of(server.kind, "http") : List.of(server.kind);
    return Main.java(options, EchoServer.class, args);
  }

  private void measure(Server server, List<String> command)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (Control control = new Control(process);
        EchoLoad clients = new EchoLoad((int) control.number(), protocol())) {
      for (Load load : loads) measure(server, load, clients, control);
      String shares = control.ask(Question.CONNECTIONS);
      if (shares.contains(" "))
        this.shares.computeIfAbsent(server, s -> new ArrayList<>()).add(shares);
    } finally {
      // it is told by the end of its input
      if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly();
    }
  }

  private EchoLoad.Protocol protocol() {
    return isHttp ? EchoLoad.Protocol.HTTP : EchoLoad.Protocol.ECHO;
  }

  private void measure(Server server, Load load, EchoLoad clients, Control control)
      throws IOException {
    boolean isWeighed = !isHttp && server.isJava() && load.hasIdle();
    int connections = clients.size();
    long heap = isWeighed ? control.number(Question.HEAP) : 0;
    clients.growTo(load.connections);
    if (isWeighed) {
      double grown = control.number(Question.HEAP) - heap;
      add(server, load.heap(), grown / (load.connections - connections));
    }
    int first = isHttp ? FIRST_HTTP_WARM_UP_MILLIS : FIRST_WARM_UP_MILLIS;
    int warmUp = connections == 0 ? first : WARM_UP_MILLIS;
    clients.run(load.active, quick ? QUICK_MILLIS : warmUp);
    long before = control.number(Question.CPU);
    long begun = System.nanoTime();
    long requests = clients.run(load.active, quick ? QUICK_MILLIS : MEASURED_MILLIS);
    double seconds = (System.nanoTime() - begun) / 1e9;
    long taken = control.number(Question.CPU) - before;
    add(server, load.toString(), taken / 1e3 / requests);
    if (isHttp) add(server, load.rate(), requests / seconds);
  }

  private void add(Server server, String what, double value) {
    samples
        .computeIfAbsent(server, s -> new LinkedHashMap<>())
        .computeIfAbsent(what, w -> new ArrayList<>())
        .add(value);
  }

  /** Asks a server's process. */
  private static final class Control implements AutoCloseable {
    private final BufferedReader told;
    private final PrintStream asks;

    Control(Process process) {
      told = process.inputReader();
      asks = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
    }

    String ask(Question question) throws IOException {
      asks.println(question);
      return line();
    }

    long number(Question question) throws IOException {
      return Long.parseLong(ask(question));
    }

    /** What it tells without being asked. */
    long number() throws IOException {
      return Long.parseLong(line());
    }

    private String line() throws IOException {
      String line = told.readLine();
      if (line == null) throw new IOException("the server has ended");
      return line;
    }

    @Override
    public void close() throws IOException {
      asks.close();
      told.close();
    }
  }

  private Measurement measurement(Server server, String what, List<Double> values) {
    return new Measurement(
        server.name, benchmark(what), values.stream().mapToDouble(Double::doubleValue).toArray());
  }

  private String benchmark(String what) {
    return (isHttp ? "Http." : "Echo.") + what;
  }

  private void print(List<Measurement> measured) {
    System.out.println(Table.machine());
    if (quick) System.out.println("This was a short run: the numbers mean nothing.");
    List<Load> others = isHttp ? loads : loads.stream().filter(Load::hasIdle).toList();
    System.out.print("\n| µs of CPU a request (in " + (isHttp ? base : "raw NIO") + ") |");
    for (Load load : loads) System.out.print(" " + load + " |");
    for (Load load : others)
      System.out.print(
          (isHttp ? " " + load.rate() : " KB of heap for each of " + load.connections) + " |");
    System.out.println("\n" + "|---".repeat(1 + loads.size() + others.size()) + "|");
    for (Server server : samples.keySet()) {
      System.out.print("| " + server.name + " |");
      for (Load load : loads)
        System.out.print(" " + compared(measured, server.name, load.toString(), "%.1f") + " |");
      for (Load load : others)
        System.out.print(
            " "
                + (isHttp
                    ? compared(measured, server.name, load.rate(), "%,.0f")
                    : heap(measured, server.name, load))
                + " |");
      System.out.println();
    }
    shares.forEach((server, lines) ->
        System.out.println(
            "\nConnections by hub, " + server.name + ": " + String.join("; ", lines)));
  }

  /** What was measured, in a format for numbers, and how many times that is the base's. */
  private String compared(List<Measurement> measured, String server, String what, String number) {
    Measurement m = find(measured, server, what);
    if (m == null) return "";
    Measurement of = find(measured, base, what);
    return String.format(
        Locale.ROOT,
        number + " ± " + number + " (%.2f)",
        m.median(),
        m.spread(),
        of == null ? Double.NaN : m.median() / of.median());
  }

  private String heap(List<Measurement> measured, String server, Load load) {
    Measurement m = find(measured, server, load.heap());
    return m == null
        ? ""
        : String.format(Locale.ROOT, "%.1f ± %.1f", m.median() / 1e3, m.spread() / 1e3);
  }

  private Measurement find(List<Measurement> measured, String server, String what) {
    return measured.stream()
        .filter(m -> m.column().equals(server) && m.benchmark().equals(benchmark(what)))
        .findFirst()
        .orElse(null);
  }
}
