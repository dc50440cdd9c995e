package greenlet;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jetbrains.lincheck.Lincheck;

/** Runs the hand-over and the puller's scheduler on platform threads, in every order that Lincheck comes to. */
public class Check {
  /** Ends with exit code 1 if one of the models named fails, and says in which order. */
  public static void main(String[] args) {
    int orders = Integer.parseInt(args[0]);
    for (int i = 1; i < args.length; i++) {
      Runnable model =
          switch (args[i]) {
            case "hand-over" -> Check::handOver;
            case "puller" -> Check::puller;
            case "new-puller" -> Check::newPuller;
            case "leave" -> Check::leave;
            case "waits" -> () -> waits(false);
            case "waits-resubmitted" -> () -> waits(true);
            default -> throw new IllegalArgumentException(args[i]);
          };
      try {
        Lincheck.runConcurrentTest(orders, model);
      } catch (Throwable t) {
        t.printStackTrace();
        System.exit(1); // whoever waits in vain would keep the JVM alive
      }
      System.out.println(args[i] + ": held in " + orders + " orders");
    }
    System.exit(0);
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) throw new AssertionError(otherwise);
  }

  private static void join(Thread... threads) {
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  private static Thread start(Runnable body) {
    Thread thread = new Thread(body);
    thread.start();
    return thread;
  }

  /** Waits in a monitor: Lincheck takes it that a parked thread may go on at any time, and so finds no wake-up that is lost. */
  private static final class Waiting extends Party {
    private boolean permit;

    @Override
    synchronized void park() {
      try {
        while (!permit) wait();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      permit = false;
    }

    @Override
    synchronized void unpark() {
      permit = true;
      notify();
    }
  }

  private static int data;

  /** Two parties, twice there and back. */
  static void handOver() {
    Party first = new Waiting();
    Party second = new Waiting();
    data = 0;
    Thread other =
        start(() -> {
          second.thread = Thread.currentThread();
          for (int i = 0; i < 2; i++) {
            second.await();
            check(data++ == 2 * i + 1, "not in turn");
            first.give();
          }
        });
    first.thread = Thread.currentThread();
    for (int i = 0; i < 2; i++) {
      check(data++ == 2 * i, "not in turn");
      second.give();
      first.await();
    }
    check(data == 4, "not all turns");
    join(other);
  }

  /** A puller waits for its blocked stack, which another thread lets go on. */
  static void puller() {
    Party puller = new Waiting();
    puller.thread = Thread.currentThread();
    int[] steps = new int[1];
    Runnable step = () -> steps[0]++;
    Carried stack = new Carried(puller, step);
    Thread other = start(() -> stack.takes(step));
    while (steps[0] < 2) {
      if (stack.isReady()) stack.step();
      else puller.parkUnless(stack::isReady);
    }
    join(other);
  }

  /** Somebody becomes the puller of a stack that another thread lets go on meanwhile. */
  static void newPuller() {
    Party puller = new Waiting();
    Party body = new Waiting();
    puller.thread = Thread.currentThread();
    Runnable step = () -> {};
    Carried stack = new Carried(null, step);
    Thread other =
        start(() -> {
          stack.takes(step);
          if (stack.elsewhere != null) stack.elsewhere.run();
        });
    stack.setPuller(puller);
    body.give();
    boolean isReady = stack.isReady();
    join(other);
    check(isReady || stack.unparked || stack.elsewhere != null, "the puller waits in vain");
  }

  /** Leaves a blocked stack until it can go on. */
  private static void leave(Carried stack, Party puller) {
    var ends = new AtomicInteger();
    var wait =
        new PullerScheduler.Wait() {
          @Override
          void unparked() {
            ends.incrementAndGet();
            if (Thread.currentThread() != puller.thread) puller.unpark();
          }
        };
    stack.leaveFor(wait);
    while (ends.get() == 0) puller.park();
    check(wait.isOver() && ends.get() == 1, "a wait has ended twice");
    check(stack.isReady(), "woken, and cannot go on");
  }

  /** A puller leaves its stack, which another thread lets go on meanwhile. */
  static void leave() {
    Party puller = new Waiting();
    puller.thread = Thread.currentThread();
    Runnable step = () -> {};
    Carried stack = new Carried(puller, step);
    Thread first = start(() -> stack.takes(step));
    Thread second =
        start(() -> {
          puller.thread = Thread.currentThread();
          leave(stack, puller);
        });
    join(first, second);
  }

  /** A virtual thread, as far as the scheduler has to do with it: parked and unparked as the JDK does. */
  private static final class Model {
    private static final int RUNNING = 0;
    private static final int PARKED = 1;
    private static final int UNPARKED = 2;
    private static final int OVER = 3;

    final AtomicInteger state = new AtomicInteger(UNPARKED);
    private volatile boolean permit;
    private final BooleanSupplier[] waitsFor;
    private int at;
    final Runnable step = this::run;
    Carried scheduler;

    Model(BooleanSupplier... waitsFor) {
      this.waitsFor = waitsFor;
    }

    /** Goes on, if it can, until it parks; parks until what it waits for is so. */
    private void run() {
      if (!state.compareAndSet(UNPARKED, RUNNING)) return;
      while (at < waitsFor.length) {
        permit = false;
        if (waitsFor[at].getAsBoolean()) {
          at++;
          continue;
        }
        state.set(PARKED);
        if (permit && state.compareAndSet(PARKED, UNPARKED)) submit();
        return;
      }
      state.set(OVER);
    }

    private void submit() {
      // not before the scheduler is there: the first step is its maker's
      if (scheduler != null) scheduler.takes(step);
    }

    void unpark() {
      permit = true;
      if (state.compareAndSet(PARKED, UNPARKED)) submit();
    }

    /** As after its stack trace has been asked for. */
    void resubmit() {
      if (state.get() == UNPARKED) submit();
    }

    boolean isOver() {
      return state.get() == OVER;
    }
  }

  private static volatile boolean firstOpen;
  private static volatile boolean secondOpen;

  /** A puller that leaves its stack for each of two waits, as a hub does for a task that the JDK has suspended. */
  static void waits(boolean resubmits) {
    firstOpen = false;
    secondOpen = false;
    Party puller = new Waiting();
    puller.thread = Thread.currentThread();
    Model stack = new Model(() -> firstOpen, () -> secondOpen);
    stack.scheduler = new Carried(puller, stack.step);
    Thread first =
        start(() -> {
          firstOpen = true;
          stack.unpark();
        });
    Thread second =
        start(() -> {
          secondOpen = true;
          stack.unpark();
          if (resubmits) stack.resubmit();
        });
    while (!stack.isOver()) {
      leave(stack.scheduler, puller);
      stack.scheduler.step();
    }
    join(first, second);
  }
}
