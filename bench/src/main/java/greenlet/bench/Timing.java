package greenlet.bench;

import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
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
 * Runs JMH with the options of this JVM and prints a line for each benchmark. Arguments: the column; true for a short run
 * in this JVM itself, which only shows that everything works; what to leave out; what to run.
 */
final class Timing {
  public static void main(String[] args) throws RunnerException {
    ChainedOptionsBuilder options = new OptionsBuilder().shouldFailOnError(true).exclude(args[2]);
    if (Boolean.parseBoolean(args[1])) {
      System.setProperty("jmh.ignoreLock", "true"); // it may not have the machine for itself
      options.forks(0).warmupIterations(0).measurementIterations(1).measurementTime(TimeValue.milliseconds(100))
          .param("levels", "10").param("depth", "0", "1000");
    } else {
      options.forks(1).warmupIterations(3).warmupTime(TimeValue.seconds(1))
          .measurementIterations(5).measurementTime(TimeValue.seconds(1));
    }
    for (int i = 3; i < args.length; i++) options.include(args[i]);
    for (RunResult result : run(options)) System.out.println(measurement(args[0], result).toJson());
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
    try {
      return new Runner(options.build(), OutputFormatFactory.createFormatInstance(System.err, VerboseMode.NORMAL)).run();
    } catch (NoBenchmarksException e) {
      return List.of();
    }
  }

  private static Measurement measurement(String column, RunResult result) {
    BenchmarkParams params = result.getParams();
    String levels = params.getParam("levels");
    int elements = levels == null ? 1 : Tree.size(Integer.parseInt(levels));
    double[] samples = result.getBenchmarkResults().stream()
        .flatMap(fork -> fork.getIterationResults().stream())
        .mapToDouble(iteration -> iteration.getPrimaryResult().getScore() / elements)
        .toArray();
    String depth = params.getParam("depth");
    String name = params.getBenchmark().substring(Timing.class.getPackageName().length() + 1);
    return new Measurement(column, depth == null ? name : name + ":" + depth, samples);
  }
}
