package examples;

import greenlet.Body;
import greenlet.Greenlet;
import greenlet.RootLocal;
import greenlet.Scheduler;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/** The Java part of doc/schedulers.md. Prints what its comments say. */
public final class RoundRobin implements Scheduler {
  private final Queue<Greenlet> ready = new ConcurrentLinkedQueue<>();

  void run(Body... bodies) {
    for (Body body : bodies) ready.add(Greenlet.of(body));
    Scheduler outer = Scheduler.register(this);
    for (Greenlet g = ready.poll(); g != null; g = ready.poll()) g.switchTo();
    Scheduler.register(outer);
  }

  @Override
  public void await(Object what, boolean fromOutside, Consumer<Runnable> start) {
    Greenlet waiting = Greenlet.current();
    start.accept(() -> ready.add(waiting)); // what wakes it, now or later, from any thread
    waiting.parent().switchTo();
  }

  private static final RootLocal<Integer> LINES = new RootLocal<>(() -> 0);

  static Object count(String name) {
    for (int i = 0; i < 2; i++) {
      LINES.set(LINES.get() + 1);
      System.out.println("line " + LINES.get() + " by " + name);
      Scheduler.registered().await("a turn", false, Runnable::run);
    }
    return null;
  }

  public static void main(String[] args) {
    new RoundRobin().run(none -> count("a"), none -> count("b"));
    // prints line 1 by a
    // prints line 2 by b
    // prints line 3 by a
    // prints line 4 by b
  }
}
