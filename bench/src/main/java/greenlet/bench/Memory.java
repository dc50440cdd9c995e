package greenlet.bench;

import clojure.java.api.Clojure;
import clojure.lang.IFn;
import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.hub.Hub;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Iterator;

/**
 * Measures the heap that many of a kind take, in a JVM whose heap has room for no more than that, and prints it in bytes.
 * Arguments: the column; what; how many.
 */
final class Memory {
  public static void main(String[] args) {
    int count = Integer.parseInt(args[2]);
    double bytes =
        switch (args[1]) {
          case "Memory.suspendedGreenlet" -> (double) greenlets(count) / count;
          case "Memory.suspendedIterator" -> (double) iterators(count) / count;
          case "Memory.abandonedIterators" -> abandoned(count, () -> numbers().iterator().next());
          case "Memory.abandonedSeqs" -> abandonedSeqs(count);
          case Table.PROCESSES -> (double) processes(count) / count;
          default -> throw new IllegalArgumentException(args[1]);
        };
    System.out.println(new Measurement(args[0], args[1], new double[] {bytes}).toJson());
  }

  private static long greenlets(int count) {
    Greenlet root = Greenlet.current();
    Greenlet[] all = new Greenlet[count];
    long before = heap();
    for (int i = 0; i < count; i++) {
      all[i] = Greenlet.of(args -> root.switchTo("suspended"));
      check(all[i].switchTo() == "suspended");
    }
    long taken = heap() - before;
    for (Greenlet g : all) {
      check(g.switchTo("ended") == "ended");
      check(g.isDead());
    }
    return taken;
  }

  private static Generator<String> numbers() {
    return Generator.of(out -> {
      out.yield("one");
      out.yield("two");
    });
  }

  private static long iterators(int count) {
    Generator<String> numbers = numbers();
    Iterator<?>[] all = new Iterator<?>[count];
    long before = heap();
    for (int i = 0; i < count; i++) {
      all[i] = numbers.iterator();
      check(all[i].next() == "one");
    }
    long taken = heap() - before;
    for (Iterator<?> i : all) {
      check(i.next() == "two");
      check(!i.hasNext());
    }
    return taken;
  }

  private static long abandoned(int count, Runnable beginOne) {
    beginOne.run(); // loads what it needs
    long before = heap();
    for (int i = 0; i < count; i++) beginOne.run();
    return Math.max(0, heap() - before);
  }

  private static long abandonedSeqs(int count) {
    IFn flat = new ClojureCode("greenlet.bench.generators").fn("flat");
    IFn first = Clojure.var("clojure.core", "first");
    return abandoned(count, () -> check(first.invoke(flat.invoke(2)).equals(1L)));
  }

  /** Tasks of a hub in virtual time, which all sleep at one time, wake in another order than they were made in, and end. */
  private static long processes(int count) {
    long[] taken = new long[1];
    int[] ended = new int[1];
    Hub hub = Hub.virtualTime();
    hub.run(() -> {
      long before = heap();
      for (int i = 0; i < count; i++) {
        Duration time = Duration.ofSeconds(1 + i * 7919L % 1000);
        hub.spawn(() -> {
          Hub.sleep(time);
          ended[0]++;
          return null;
        });
      }
      Hub.sleep(Duration.ofMillis(1));
      taken[0] = heap() - before;
      hub.join();
      check(hub.time().equals(Duration.ofSeconds(1000)));
      return null;
    });
    check(ended[0] == count);
    return taken[0];
  }

  /** What is in use once collecting has no effect any more: what one collection finds may be what lets go of other things. */
  static long heap() {
    long used = Long.MAX_VALUE;
    while (true) {
      System.gc();
      long now = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
      if (now >= used - 100_000) return now;
      used = now;
    }
  }

  private static void check(boolean asExpected) {
    if (!asExpected) throw new AssertionError();
  }
}
