package greenlet.bench;

import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.hub.Hub;
import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.concurrent.FutureTask;
import java.util.stream.DoubleStream;

/**
 * Times a row of {@link Against} and prints nanoseconds an operation: the median of many samples. It is compiled against each
 * of the two versions, and is all that runs beside them. Arguments: the row; milliseconds of
 * processor time to warm up; milliseconds to measure; whether it begins in a virtual thread.
 */
final class Rows {
  /** Does something so often. */
  private interface Work {
    void run(int times);
  }

  private record Row(int times, Work work) {
    double sample() {
      long start = System.nanoTime();
      work.run(times);
      return (double) (System.nanoTime() - start) / times;
    }

    /** One at least. */
    double[] samples(int milliseconds) {
      long end = System.nanoTime() + milliseconds * 1_000_000L;
      DoubleStream.Builder samples = DoubleStream.builder();
      do samples.add(sample());
      while (System.nanoTime() < end);
      return samples.build().toArray();
    }
  }

  public static void main(String[] args) throws Exception {
    FutureTask<Double> time = new FutureTask<>(() -> time(args[0], Integer.parseInt(args[1]), Integer.parseInt(args[2])));
    (Boolean.parseBoolean(args[3]) ? Thread.ofVirtual() : Thread.ofPlatform()).start(time);
    System.out.println(time.get());
  }

  private static double time(String name, int warmUp, int measured) {
    Row row = row(name);
    while (processorTime() < warmUp) row.sample();
    double[] samples = row.samples(measured);
    Arrays.sort(samples);
    return samples[samples.length / 2];
  }

  /** Of the compilers, too: other work on the machine must not end the warm-up before they have finished. */
  private static long processorTime() {
    return ProcessHandle.current().info().totalCpuDuration().orElseThrow().toMillis();
  }

  /** A sample is long enough for what begins it not to count, and so short that few of them meet other work on the processor. */
  private static Row row(String name) {
    return switch (name) {
      case "switch" -> new Row(2_000, Rows::switchToAnother);
      case "root" -> new Row(1_000, roundTrips());
      case "pull" -> new Row(1_000, pulls(walks().iterator()));
      case "seq" -> new Row(1_000, pulls(walks().sharedCursor()));
      case "spawn" -> new Row(500, Rows::spawnAndJoin);
      case "yield" -> new Row(4_000, Rows::yieldAmongTasks);
      case "tasklet" -> new Row(2_000, Rows::scheduleTasklets);
      case "channel" -> new Row(1_000, Rows::sendAndReceive);
      default -> throw new IllegalArgumentException(name);
    };
  }

  /** From one greenlet to the other; the root is only there at the start and at the end. */
  private static void switchToAnother(int times) {
    Greenlet[] pair = new Greenlet[2];
    for (int i = 0; i < 2; i++) {
      int other = 1 - i;
      pair[i] = Greenlet.of(args -> {
        for (int n = 0; n < times / 2; n++) pair[other].switchTo("one");
        return null;
      });
    }
    pair[0].switchTo();
  }

  /** From the root to a greenlet and back. */
  private static Work roundTrips() {
    Greenlet root = Greenlet.current();
    Greenlet endless = Greenlet.of(args -> {
      while (true) root.switchTo("one");
    });
    return times -> {
      for (int n = 0; n < times; n++) endless.switchTo("two");
    };
  }

  private static Work pulls(Iterator<String> endless) {
    return times -> {
      for (int n = 0; n < times; n++) endless.next();
    };
  }

  /** A tree of 1,023 nodes, walked again and again. */
  private static Generator<String> walks() {
    return Generator.of(out -> {
      while (true) walk(10, out);
    });
  }

  private static void walk(int levels, Generator.Yielder<String> out) {
    if (levels == 0) return;
    walk(levels - 1, out);
    out.yield("node");
    walk(levels - 1, out);
  }

  private static void spawnAndJoin(int times) {
    Hub hub = Hub.realTime();
    hub.run(() -> {
      for (int n = 0; n < times; n++) hub.spawn(() -> "one").join();
      return null;
    });
  }

  private static final int TASKS = 20;

  private static void yieldAmongTasks(int times) {
    Hub hub = Hub.realTime();
    hub.run(() -> {
      for (int i = 0; i < TASKS; i++) {
        hub.spawn(() -> {
          for (int n = 0; n < times / TASKS; n++) Hub.sleep(Duration.ZERO);
          return null;
        });
      }
      hub.join();
      return null;
    });
  }

  private static final int TASKLETS = 10;

  private static void scheduleTasklets(int times) {
    for (int i = 0; i < TASKLETS; i++) {
      Tasklet.of(args -> {
        for (int n = 0; n < times / TASKLETS; n++) Tasklet.schedule();
        return null;
      }).insert();
    }
    Tasklet.runAll();
  }

  private static void sendAndReceive(int times) {
    Channel<Object> channel = Channel.confined();
    Tasklet.of(args -> {
      for (int n = 0; n < times; n++) channel.send("one");
      return null;
    }).insert();
    Tasklet.of(args -> {
      for (int n = 0; n < times; n++) channel.receive();
      return null;
    }).insert();
    Tasklet.runAll();
  }
}
