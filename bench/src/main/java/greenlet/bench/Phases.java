package greenlet.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import one.profiler.AsyncProfiler;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Says where the time of a benchmark goes: samples its stack, and counts each sample for what the first frame from the top
 * does that is known. A profiler for JMH, on top of async-profiler. The results are nanoseconds an operation.
 */
public final class Phases implements InternalProfiler {
  private static final Map<String, Pattern> PHASES = new LinkedHashMap<>();

  static {
    phase("locks", "greenlet/Strand\\$Locks\\..*");
    phase("frames to the heap", ".*\\b(freeze|Freeze).*");
    phase("and back", ".*(thaw|Thaw).*");
    phase("rest of Continuation", "jdk/internal/vm/Continuation\\..*");
    phase(
        "scoped values",
        "(greenlet/ScopedValues|java/lang/ScopedValue|jdk/internal/vm/ScopedValueContainer).*");
    phase("bindings", "greenlet/Bindings\\..*");
    phase("benchmark", "greenlet/bench/.*");
    phase("rest of greenlet", "greenlet/.*");
  }

  private static void phase(String name, String frames) {
    PHASES.put(name, Pattern.compile(frames));
  }

  static Collection<String> names() {
    return PHASES.keySet();
  }

  @Override
  public String getDescription() {
    return "the time an operation spends in each phase";
  }

  @Override
  public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
    profile("start,event=itimer,interval=200us,cstack=vmx");
  }

  @Override
  public Collection<? extends Result<?>> afterIteration(
      BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
    Map<String, Long> samples = new LinkedHashMap<>();
    PHASES.keySet().forEach(phase -> samples.put(phase, 0L));
    profile("stop,collapsed").lines().forEach(line -> count(line, samples));
    double all = samples.values().stream().mapToLong(n -> n).sum();
    double nanos = result.getPrimaryResult().getScore();
    List<Result<?>> results = new ArrayList<>();
    samples.forEach((phase, n) ->
        results.add(new ScalarResult(phase, nanos * n / all, "ns/op", AggregationPolicy.AVG)));
    return results;
  }

  private static String profile(String command) {
    try {
      return AsyncProfiler.getInstance().execute(command);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A line has the frames of a stack, the lowest first, and how often it was seen. */
  private static void count(String line, Map<String, Long> samples) {
    int end = line.lastIndexOf(' ');
    String[] frames = line.substring(0, end).split(";");
    for (int i = frames.length - 1; i >= 0; i--) {
      String frame = frames[i];
      for (Map.Entry<String, Pattern> phase : PHASES.entrySet()) {
        if (!phase.getValue().matcher(frame).matches()) continue;
        samples.merge(phase.getKey(), Long.parseLong(line.substring(end + 1)), Long::sum);
        return;
      }
    }
  }
}
