package greenlet.bench;

import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.NoBenchmarksException;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs JMH with the options of this JVM and prints a line for each benchmark, and for each of its phases if it is profiled.
 * Arguments: the column; the mode; what to leave out; what to run.
 */
final class Timing {
  /** A quick run, in this JVM itself, only shows that everything works. */
  enum Mode {
    MEASURE,
    QUICK,
    PROFILE
  }

  public static void main(String[] args) throws RunnerException {
    Mode mode = Mode.valueOf(args[1]);
    ChainedOptionsBuilder options = new OptionsBuilder().shouldFailOnError(true).exclude(args[2]);
    if (mode == Mode.PROFILE) options.addProfiler(Phases.class);
    if (mode == Mode.QUICK) {
      System.setProperty("jmh.ignoreLock", "true"); // it may not have the machine for itself
      options
          .forks(0)
          .warmupIterations(0)
          .measurementIterations(1)
          .measurementTime(TimeValue.milliseconds(100))
          .param("levels", "10")
          .param("depth", "0", "1000");
    } else {
      options
          .forks(1)
          .warmupIterations(3)
          .warmupTime(TimeValue.seconds(1))
          .measurementIterations(5)
          .measurementTime(TimeValue.seconds(1));
    }
    for (int i = 3; i < args.length; i++) options.include(args[i]);
    for (RunResult result : run(options)) {
      System.out.println(measurement(args[0], result, IterationResult::getPrimaryResult).toJson());
      for (String phase : result.getSecondaryResults().keySet()) {
        System.out.println(
            measurement(phase, result, iteration -> iteration.getSecondaryResults().get(phase))
                .toJson());
      }
    }
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
    try {
      return new Runner(
              options.build(),
              OutputFormatFactory.createFormatInstance(System.err, VerboseMode.NORMAL))
          .run();
    } catch (NoBenchmarksException e) {
      return List.of();
    }
  }

  private static Measurement measurement(
      String column, RunResult result, Function<IterationResult, Result<?>> of) {
    BenchmarkParams params = result.getParams();
    String levels = params.getParam("levels");
    int elements = levels == null ? 1 : Tree.size(Integer.parseInt(levels));
    double[] samples =
        result.getBenchmarkResults().stream()
            .flatMap(fork -> fork.getIterationResults().stream())
            .mapToDouble(iteration -> of.apply(iteration).getScore() / elements)
            .toArray();
    String depth = params.getParam("depth");
    String name = params.getBenchmark().substring(Timing.class.getPackageName().length() + 1);
    return new Measurement(column, depth == null ? name : name + ":" + depth, samples);
  }
}
