package greenlet.hub;

import greenlet.CooperativeTree;
import greenlet.Greenlet;
import greenlet.Parking;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The tasks of a cooperative hub: where the JDK suspends the current one, in whatever that has called, the others go on. */
final class Cooperation implements Parking {
  /*
   * Control is taken from a task only where it runs code of its own. Where the library is in the midst of something, either no task
   * is current, or it says so by TaskScheduler.still; then the thread waits, as it does without cooperation.
   */
  /** Whose tasks they are. Its text is that of the hub. */
  interface Tenant {
    /** The current task, if it runs code of its own; else null. */
    Blocked.@Nullable Owner mayBlock();

    /** The tasks, and what each waits for; for people. */
    String listed();
  }

  /** For tests, which force parks within the library and look for others there: whether a thread that has parked has done so there. */
  static @Nullable Predicate<Thread> isInLibrary;

  private final Tenant tenant;
  private final EventLoop loop;
  private final Map<Greenlet, Blocked> blocked = new LinkedHashMap<>();
  private volatile @Nullable CooperativeTree tree;

  Cooperation(Tenant tenant, EventLoop loop) {
    CooperativeTree.requirePossible();
    this.tenant = tenant;
    this.loop = loop;
  }

  /** Runs something in the tree of the hub's greenlets, which is one of the calling thread. */
  <T extends @Nullable Object> T inTree(Callable<? extends T> body) {
    if (tree == null) tree = new CooperativeTree(this);
    return tree.call(body);
  }

  /** Of those that are blocked: how many may wait for a monitor, or to be notified, and not for something that tells by what it parks. */
  private int atMonitors;

  /** Waits for tasks to be ready that have been given a monitor, or notified, by another one. */
  void settle() {
    if (atMonitors > 0) Unblocker.settle();
  }

  // Deadlocks

  /** After which time tasks that are blocked are looked at, if they are. */
  private @Nullable Duration untilCheck;

  private @Nullable Future<?> nextCheck;

  /** What has been told already. */
  private @Nullable String told;

  /** From now on deadlocks are looked for from time to time, and logged. */
  void checkDeadlocks(Duration period) {
    untilCheck = period;
  }

  private void checkLater(Duration period) {
    nextCheck = loop.postAfter(period, this::check);
  }

  private void check() {
    nextCheck = null;
    if (untilCheck == null || blocked.isEmpty()) return;
    List<List<Blocked>> circles = Deadlocks.among(blocked.values());
    String found =
        circles.stream()
            .flatMap(List::stream)
            .map(wait -> wait.owner.who().toString())
            .collect(Collectors.joining(", "));
    if (!found.isEmpty() && !found.equals(told))
      warn("tasks of %s are in a deadlock: %s".formatted(tenant, Deadlocks.text(circles)));
    told = found;
    checkLater(untilCheck);
  }

  List<List<Blocked>> deadlocks() {
    if (!LockOwners.canBeKnown())
      throw new IllegalStateException(
          "deadlocks cannot be found in this JVM, which does not tell %s"
              .formatted(LockOwners.unknown()));
    return Deadlocks.among(blocked.values());
  }

  /**
   * Does something that may block, such as printing, in a thread of its own; waits for it for a moment. What it waits for may be a
   * task's, and in the midst of the library no task can go on.
   */
  static void aside(Runnable action) {
    Thread thread = Thread.ofVirtual().name("hub tells").start(action);
    boolean interrupted = Thread.interrupted();
    try {
      thread.join(Duration.ofSeconds(1));
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) Thread.currentThread().interrupt();
  }

  private void warn(String message) {
    aside(() -> LOG.log(System.Logger.Level.WARNING, message));
  }

  // The end of a run

  private static final System.Logger LOG = System.getLogger("greenlet.hub");

  /** Between two reports of who holds up the end. */
  private Duration untilReport = Duration.ofSeconds(10);

  private static final Duration AGAIN = Duration.ofMillis(10);

  private @Nullable Future<?> nextReport;
  private @Nullable Future<?> nextGiveUp;

  /** How long at most the end waits for tasks that are blocked; null for ever. */
  private @Nullable Duration grace;

  void setReports(Duration period) {
    untilReport = period;
  }

  void setGrace(Duration newGrace) {
    grace = newGrace;
  }

  /** The tasks have been killed: says from time to time who is blocked all the same, and gives them up in the end. */
  void superviseEnd() {
    nextReport = loop.postAfter(untilReport, this::reportEnd);
    if (grace != null) nextGiveUp = loop.postAfter(grace, this::giveUp);
  }

  private void reportEnd() {
    if (!blocked.isEmpty())
      warn(
          "%s has come to its end, and waits for tasks that do not: %s"
              .formatted(tenant, tenant.listed()));
    nextReport = loop.postAfter(untilReport, this::reportEnd);
  }

  /** One that is ready has been interrupted: it has its turn, and is given up later if it blocks again. */
  private void giveUp() {
    List<Blocked> held = blocked.values().stream().filter(wait -> !wait.isReady).toList();
    if (!held.isEmpty())
      warn(
          "%s has come to its end, and gives up tasks that do not; what they hold, they hold for ever: %s"
              .formatted(tenant, tenant.listed()));
    for (Blocked wait : held) {
      remove(wait.greenlet);
      wait.owner.giveUp();
    }
    nextGiveUp = loop.postAfter(AGAIN, this::giveUp);
  }

  /** The hub has been run, and may be run in another thread next. */
  void end() {
    for (Future<?> next : new Future<?>[] {nextReport, nextGiveUp, nextCheck})
      if (next != null) next.cancel(false);
    nextReport = null;
    nextGiveUp = null;
    nextCheck = null;
    tree = null;
    atMonitors = 0;
    blocked.clear();
  }

  // In the thread of the hub, on the root's own stack

  @Override
  public @Nullable Greenlet parked(Greenlet greenlet, Thread thread) {
    Blocked.Owner owner = tenant.mayBlock();
    if (owner == null || (isInLibrary != null && isInLibrary.test(thread))) return null;
    Blocked wait;
    try {
      wait = new Blocked(owner, greenlet, thread, !loop.isReal());
      blocked.put(greenlet, wait);
    } catch (VirtualMachineError e) { // no memory: the thread waits
      return null;
    }
    loop.beginWaitForOutside();
    if (wait.mayBeAtMonitor) atMonitors++;
    if (untilCheck != null && nextCheck == null) checkLater(untilCheck);
    owner.block(wait);
    return loop.nextInRound();
  }

  @Override
  public void resumed(Greenlet greenlet) {
    Blocked over = remove(greenlet);
    over.owner.goOn(over);
  }

  @SuppressWarnings("NullAway") // it was parked
  private Blocked remove(Greenlet greenlet) {
    Blocked wait = blocked.remove(greenlet);
    if (wait.mayBeAtMonitor) atMonitors--;
    loop.endWaitForOutside(wait);
    return wait;
  }

  // In any thread

  @Override
  public void unparked(Greenlet greenlet) {
    CooperativeTree mine = tree; // none any longer, where the run has given it up
    if (mine != null && mine.isHere()) {
      goesOn(greenlet);
      return;
    }
    try {
      loop.post(() -> goesOn(greenlet));
    } catch (RuntimeException e) { // of the executor, and none of the business of who calls
      Failures.handUncaught(
          Thread.currentThread(), tenant + " cannot go on with what was blocked", e);
    }
  }

  /** One that was given up never does, though what it waits for is granted. */
  private void goesOn(Greenlet greenlet) {
    Blocked wait = blocked.get(greenlet);
    if (wait == null) return;
    loop.addReady(greenlet);
    wait.isReady = true;
  }
}
