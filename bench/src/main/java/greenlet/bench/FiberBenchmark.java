package greenlet.bench;

import java.util.concurrent.TimeUnit;
import org.jruby.embed.PathType;
import org.jruby.embed.ScriptingContainer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The traversals of {@link GeneratorBenchmark} by JRuby's Fiber; the consumer is Ruby, too. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class FiberBenchmark {
  private ScriptingContainer ruby;
  private Object code;
  private Object root;

  @Setup
  public void begin(Tree.Few elements) {
    ruby = new ScriptingContainer();
    ruby.runScriptlet(PathType.CLASSPATH, "greenlet/bench/fibers.rb");
    code = ruby.runScriptlet("self");
    root = ruby.callMethod(code, "perfect", 1, elements.size);
  }

  @TearDown
  public void end() {
    ruby.terminate();
  }

  @Benchmark
  public void flat(Tree.Few elements) {
    elements.check(ruby.callMethod(code, "sum_flat", elements.size, Long.class));
  }

  @Benchmark
  public void tree(Tree.Few elements) {
    elements.check(ruby.callMethod(code, "sum_tree", root, Long.class));
  }
}
