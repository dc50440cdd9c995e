package greenlet.hub;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * A hub that takes nothing from outside but what its {@link Driver} delivers, and nothing but in its turns: the driver calls {@link
 * #turn} in a thread that it has, and gives the hub one input after the other, each when no task is ready. So the order of all that
 * happens in the hub is a function of the inputs: for what is to be recorded and run again. It is run by nobody else, and is never
 * cooperative.
 *
 * <p>Refused, with an {@code IllegalStateException}: that one of its tasks waits for anything outside of the hub, but for {@link
 * #waiter}; that anybody wakes a wait, spawns or ends a task from outside of its turn, be it in the same thread; and that one of its
 * tasks wakes, spawns or ends anything of another hub. Nothing has happened then. What only blocks the thread is not seen.
 *
 * <p>To forget it is to hold it no longer, between two turns. Its tasks never go on then, without running their {@code finally} blocks,
 * and their stacks are collected.
 */
public final class DrivenHub {
  private final String name;
  private final Hub hub;
  private final DrivenLoop loop;
  private @Nullable Task<?> main;

  private final class Inputs implements DrivenLoop.Inputs {
    private final Driver driver;

    Inputs(Driver driver) {
      this.driver = driver;
    }

    @Override
    public long nanoTime() {
      return driver.nanoTime();
    }

    @Override
    public boolean deliver() {
      return driver.deliver();
    }

    @Override
    public void made(Object task, @Nullable String name, @Nullable Object maker) {
      driver.made((Task<?>) task, name, (Task<?>) maker);
    }

    @Override
    public boolean canBeStuck() {
      return main != null && main.waiter != null;
    }
  }

  /**
   * A hub that has not begun.
   *
   * @param name its name in messages, which are the same at every run
   * @param advice what to do instead, for the messages of what is refused
   * @param driver gives it its inputs
   */
  public DrivenHub(String name, String advice, Driver driver) {
    this.name = Hub.require(name, "a driven hub needs a name");
    loop =
        new DrivenLoop(
            name,
            Hub.require(advice, "a driven hub needs advice for what it refuses"),
            new Inputs(Hub.require(driver, "a driven hub needs a driver")));
    hub = new Hub(loop);
  }

  /**
   * The hub itself, which is {@link Hub#current} in its tasks.
   *
   * @return the hub
   */
  public Hub hub() {
    return hub;
  }

  /**
   * Runs the tasks of the hub in the calling thread, and has the driver deliver where none is ready, until it has no more. Always called
   * in the same thread, by any greenlet in it; a task of another hub that calls this has its hub stand meanwhile.
   *
   * @throws IllegalStateException if it is called within a turn of a driven hub; or if some tasks have been ready for 1,000,000 rounds
   *     without an input: names them. The hub is over then
   * @throws WrongThreadException if the first turn was in another thread
   * @throws RuntimeException what the driver throws. The hub is over then: no further turn does anything
   */
  public void turn() {
    loop.requireNoTurn();
    hub.scheduler.turnWithin();
  }

  /**
   * Begins the main task: the one that is told by a {@link Hub.LoopExit} if all tasks wait, no timer is set, and none waits by a {@link
   * #waiter}. Called once, in {@link Driver#deliver}.
   *
   * @param name its name
   * @param body what it runs
   * @param <T> the type of its result
   * @return the task
   */
  public <T extends @Nullable Object> Task<T> begin(String name, Callable<? extends T> body) {
    if (main != null)
      throw new IllegalStateException(this + " has begun: its main task is " + main);
    Task<T> task = hub.scheduler.begin(name, body);
    main = task;
    return task;
  }

  /**
   * For one wait of the current task for an input, which {@link Driver#deliver} is to wake.
   *
   * @param what what is waited for, which its text tells; for people
   * @param <T> the type of the value that is waited for
   * @return the waiter
   */
  public <T extends @Nullable Object> Waiter<T> waiter(Object what) {
    return Waiter.forInput(hub, what);
  }

  /**
   * When its next timer is due, by its own time.
   *
   * @return in nanoseconds since the hub began; {@link Long#MAX_VALUE} if no timer is set
   */
  public long nextTimer() {
    return loop.nextTimer();
  }

  @Override
  public String toString() {
    return name;
  }
}
