package greenlet.journal;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.time.Duration;
import java.util.concurrent.Callable;

/** Runs steps, each in a task of the hub that hosts programs, as often as it takes. */
final class StepRunner {
  private final Hub hub;
  private final Outcomes outcomes;

  /** Told what comes of a step, in the hub's thread. */
  interface Outcomes {
    void complete(Run run, Wait step, Entry.Kind kind, String text);
  }

  StepRunner(Hub hub, Outcomes outcomes) {
    this.hub = hub;
    this.outcomes = outcomes;
  }

  void start(Run run, Wait step) {
    step.task = hub.spawn(step.key, () -> perform(run, step));
  }

  /** Nobody waits for it any longer: it leaves no outcome. */
  static void interrupt(Wait step) {
    step.isGivenUp = true;
    Task<?> task = step.task;
    if (task != null) task.interrupt(new GreenletExit());
  }

  private void perform(Run run, Wait step) {
    Step how = step.step;
    if (how == null) return;
    for (step.tries = 1; !step.isGivenUp; step.tries++) {
      try {
        outcomes.complete(run, step, Entry.Kind.OUTCOME, attempt(run, step, how));
        return;
      } catch (NotKept e) {
        outcomes.complete(run, step, Entry.Kind.FAILURE, run.failureText(e.refusal));
        return;
      } catch (Throwable t) {
        if (step.isGivenUp) throw Sneaky.unchecked(t);
        step.lastFailure = t;
        if (step.tries >= how.attempts()) {
          outcomes.complete(run, step, Entry.Kind.FAILURE, run.failureText(t));
          return;
        }
      }
      Hub.sleep(how.backOffAfter(step.tries));
    }
  }

  /** Its outcome, encoded where the body runs. */
  private String attempt(Run run, Wait step, Step how) throws Exception {
    Callable<?> body = step.body;
    String key = run.stepKey(step);
    Callable<String> call =
        () -> {
          Object value = Journal.withStepKey(key, how.isTask(), body == null ? () -> null : body);
          try {
            return run.encoded(value, run.codecOf(how));
          } catch (RuntimeException e) {
            throw new NotKept(e);
          }
        };
    Callable<String> placed = how.isTask() ? call : () -> Hub.offload(call);
    Duration limit = how.limit();
    return limit == null ? placed.call() : Hub.timeout(limit, placed);
  }

  /** What a step has returned cannot be encoded. To run it again would not help. */
  private static final class NotKept extends Exception {
    private static final long serialVersionUID = 1L;

    final RuntimeException refusal;

    NotKept(RuntimeException refusal) {
      super(refusal);
      this.refusal = refusal;
    }
  }
}
