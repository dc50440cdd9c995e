package greenlet;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/** What the hand-over and the puller's scheduler promise of memory, for jcstress. */
public class Stress {
  /** The baton goes there and back; a plain field goes with it. Whoever is not woken hangs. */
  @JCStressTest
  @Outcome(id = "1, 2", expect = ACCEPTABLE)
  @Outcome(expect = FORBIDDEN, desc = "a write was not handed over")
  @State
  public static class HandOver {
    private final Party first = new Party();
    private final Party second = new Party();
    private int data;

    @Actor
    public void first(II_Result r) {
      first.thread = Thread.currentThread();
      data = 1;
      second.give();
      first.await();
      r.r2 = data;
    }

    @Actor
    public void second(II_Result r) {
      second.thread = Thread.currentThread();
      second.await();
      r.r1 = data;
      data = 2;
      first.give();
    }
  }

  /** A puller comes while the stack becomes able to go on: it sees that, or is unparked. */
  @JCStressTest
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "the puller waits in vain")
  @Outcome(expect = ACCEPTABLE)
  @State
  public static class NewPuller {
    private final Party puller = new Party();
    private final Party body = new Party();
    private final Runnable step = () -> {};
    private final Carried stack = new Carried(null, step);

    @Actor
    public void jdk() {
      stack.takes(step);
    }

    @Actor
    public void puller(II_Result r) {
      stack.setPuller(puller);
      body.give();
      r.r1 = stack.isReady() ? 1 : 0;
    }

    @Arbiter
    public void end(II_Result r) {
      r.r2 = stack.unparked ? 1 : 0;
    }
  }

  /** A wait whose end is counted, in which {@code data} is there. */
  private static final class Counted extends PullerScheduler.Wait {
    volatile int ends;
    volatile int data;
    private final int[] source;

    Counted(int[] source) {
      this.source = source;
    }

    @Override
    void unparked() {
      data = source[0];
      ends++;
    }
  }

  /** A stack is left while it becomes able to go on: the wait ends once, and whoever ends it has seen what came before. */
  @JCStressTest
  @Outcome(id = "1, 1, 1", expect = ACCEPTABLE)
  @Outcome(expect = FORBIDDEN, desc = "a wake-up is lost, or comes twice, or too early")
  @State
  public static class Leave {
    private final int[] data = new int[1];
    private final Counted wait = new Counted(data);
    private final Runnable step = () -> {};
    private final Carried stack = new Carried(new Party(), step);

    @Actor
    public void jdk() {
      data[0] = 1;
      stack.takes(step);
    }

    @Actor
    public void puller() {
      stack.leaveFor(wait);
    }

    @Arbiter
    public void end(III_Result r) {
      r.r1 = wait.ends;
      r.r2 = wait.data;
      r.r3 = stack.isReady() ? 1 : 0;
    }
  }

  /** A stack that has gone on is left once more: the first wake-up does not end the second wait. */
  @JCStressTest
  @Outcome(id = {"1, 0, 0", "1, 0, 1"}, expect = ACCEPTABLE)
  @Outcome(expect = FORBIDDEN, desc = "a wait has ended without a wake-up of its own, or has not ended")
  @State
  public static class LeaveAgain {
    private final Counted first = new Counted(new int[1]);
    private final Counted second = new Counted(new int[1]);
    private final Runnable step = () -> {};
    private final Carried stack = new Carried(new Party(), step);

    @Actor
    public void jdk() {
      stack.takes(step);
    }

    @Actor
    public void puller(III_Result r) {
      stack.leaveFor(first);
      for (int i = 0; i < 100 && !first.isOver(); i++) Thread.onSpinWait();
      if (!first.isOver()) return;
      stack.step();
      stack.leaveFor(second);
      r.r3 = 1;
    }

    @Arbiter
    public void end(III_Result r) {
      r.r1 = first.ends;
      r.r2 = second.ends;
    }
  }
}
