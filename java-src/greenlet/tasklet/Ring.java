package greenlet.tasklet;

import greenlet.Account;
import greenlet.Greenlet;
import greenlet.Headroom;
import greenlet.RootLocal;
import greenlet.Scheduler;
import greenlet.Snapshot;
import java.lang.ref.WeakReference;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.ConcurrentModificationException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.LinkedTransferQueue;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The tasklets of one thread: the ring of those that can run, in the order in which they will, and the switches between
 * them. Within a task of another scheduler, such as a hub's, they are the tasklets of that task: the ring waits in that
 * scheduler when none of them can run. All but {@link #post} is for the thread itself.
 */
final class Ring implements AutoCloseable, Snapshot.Source {
  /*
   * The ring is Stackless's: the one that runs is its head; who is appended comes in before the head; who is switched to
   * becomes the head, and the others keep their places. A tasklet is suspended wherever it called a scheduling operation,
   * at the greenlet that was current then, and the switch goes from there right to where the next one was suspended.
   *
   * An operation first rearranges the ring and then switches. Where that is refused, by the engine or by a callback, nobody
   * else has run, and the operation puts everything back: the number of switches tells, which whoever runs next increases.
   *
   * Other threads, and other tasks, never touch the ring. They post messages, which it reads whenever it looks for who is next.
   */
  private static final int FEW = 64;
  private static final int MOST_LISTED = 20;

  private static final RootLocal<Ring> OF_ROOT = new RootLocal<>(Ring::new);

  final Greenlet root = Greenlet.root();
  private final Tasklet main;
  private Tasklet current;
  private @Nullable Tasklet head;
  private int count;
  private long switches;

  /** Those inside of runAll, the innermost last. */
  private final ArrayDeque<Tasklet> runners = new ArrayDeque<>();

  /** All that have ever been blocked, but for main. Weak, so that who waits for what nobody else knows is garbage. */
  private final ArrayList<WeakReference<Tasklet>> waiters = new ArrayList<>();

  private int purgeAt = FEW;

  private final LinkedTransferQueue<Runnable> messages = new LinkedTransferQueue<>();

  /** Ends the wait in another scheduler. */
  private volatile @Nullable Runnable waker;

  /** The task has ended. */
  private volatile boolean closed;

  int switchTrap;
  @Nullable BiConsumer<? super Tasklet, ? super Tasklet> scheduleCallback;
  Channel.@Nullable Callback channelCallback;
  private boolean callsBack;

  /** Whether accounts are kept, or a budget is in force. */
  private boolean isWatched;

  private boolean keepsAccounts;
  private boolean keepsStacks;
  private @Nullable Budget budget;
  LongSupplier clock = System::nanoTime;

  private Ring() {
    main = new Tasklet(this, root);
    current = main;
    link(main, null);
  }

  /**
   * That of the task, if the caller runs in one of another scheduler's; else that of the calling thread.
   *
   * @throws IllegalStateException if it is waiting: the caller runs in another greenlet of a scheduler that has no tasks
   */
  static Ring here() {
    Ring here = ofCaller();
    if (here.waker == null) return here;
    throw new IllegalStateException(
        "tasklets cannot be used in "
            + Greenlet.current()
            + ": "
            + here.current
            + " waits for "
            + here
            + ", and "
            + Scheduler.registered()
            + " does not tell which task either of them belongs to; it has to have taskLocals");
  }

  /** As {@link #here}, also if it is waiting. */
  static Ring ofCaller() {
    Scheduler outer = Scheduler.registered();
    Map<Object, Object> task = outer == null ? null : outer.taskLocals();
    return task == null
        ? OF_ROOT.get()
        : (Ring) task.computeIfAbsent(Ring.class, key -> new Ring());
  }

  Tasklet current() {
    return current;
  }

  Tasklet main() {
    return main;
  }

  int runCount() {
    drain();
    return count;
  }

  // The ring

  /** Puts {@code t} in before {@code successor}; null if the ring is empty. */
  @SuppressWarnings("NullAway") // in the ring everybody has neighbours
  private void link(Tasklet t, @Nullable Tasklet successor) {
    if (successor == null) {
      t.next = t;
      t.previous = t;
      head = t;
    } else {
      t.next = successor;
      t.previous = successor.previous;
      t.previous.next = t;
      successor.previous = t;
    }
    count++;
    t.state = Tasklet.State.SCHEDULED;
  }

  private void append(Tasklet t) {
    link(t, head);
  }

  @SuppressWarnings("NullAway") // in the ring everybody has neighbours
  private void unlink(Tasklet t, Tasklet.State state) {
    if (t.next == t) {
      head = null;
    } else {
      t.previous.next = t.next;
      t.next.previous = t.previous;
      if (head == t) head = t.next;
    }
    t.next = null;
    t.previous = null;
    count--;
    t.state = state;
  }

  /** Puts {@code t} in as the head; after it left, and has not been suspended after all, that is where it was. */
  private void rejoin(Tasklet t, @Nullable Tasklet successor) {
    link(t, successor);
    head = t;
  }

  @SuppressWarnings("NullAway") // it is not empty
  private Tasklet first() {
    return head;
  }

  @SuppressWarnings("NullAway") // in the ring everybody has neighbours
  private static Tasklet after(Tasklet t) {
    return t.next;
  }

  @SuppressWarnings("NullAway") // who is blocked waits on one
  private static Channel<?> channelOf(Tasklet blocked) {
    return blocked.channel;
  }

  @SuppressWarnings("NullAway") // nobody in the ring has ended
  private static Greenlet placeOf(Tasklet t) {
    return t.at;
  }

  // Switching

  /**
   * Suspends {@code from}, on whose stack this is called, and lets {@code to} run, which is in the ring. Returns when from
   * is resumed: null; or if the switch was refused, why, and nobody else has run.
   */
  private @Nullable Throwable transfer(Tasklet from, Tasklet target) {
    Tasklet to = target;
    Tasklet before = head;
    long switchesBefore = switches;
    Throwable thrown = null;
    try {
      if (isWatched) to = watch(from, target);
      if (to == from) return null;
      from.at = Greenlet.current();
      if (scheduleCallback != null) tell(scheduleCallback, from, to);
      head = to;
      current = to;
      placeOf(to).switchTo(null);
    } catch (Throwable t) {
      if (switches == switchesBefore && !to.greenlet.isDead()) {
        head = before;
        current = from;
        if (to != target) unlink(to, Tasklet.State.PAUSED);
        if (isWatched) enters(from);
        return t;
      }
      thrown = t;
    }
    switches++;
    if (isWatched) enters(from);
    if (head != from) resumedByHand(from, thrown);
    else if (thrown != null) from.error = thrown; // by a SwitchListener
    return null;
  }

  /** On a new tasklet's stack, first thing. */
  void begin() {
    switches++;
    if (isWatched) enters(current);
  }

  /** {@code t} runs, because somebody switched to its greenlet instead of leaving that to this class. */
  private void resumedByHand(Tasklet t, @Nullable Throwable thrown) {
    Tasklet strayed = head; // null where an error has struck as the last one ended
    if (strayed != null) {
      unlink(strayed, strayed.greenlet.isDead() ? Tasklet.State.DEAD : Tasklet.State.PAUSED);
      strayed.at = strayed.greenlet;
    }
    if (thrown == null) {
      thrown =
          new IllegalStateException(
              t
                  + " was switched to by hand from "
                  + strayed
                  + ", or got the result of a greenlet "
                  + "whose parent it is, while it was waiting to be scheduled; "
                  + strayed
                  + " is paused now. Switch to tasklets by "
                  + "run() or run-now!, and switchTo() or switch!; have greenlets end in the tasklet that uses them");
    }
    raise(t, thrown);
    head = t;
    current = t;
  }

  /** Has {@code t} throw, as soon as it runs; where it is suspended that is what it is resumed for. */
  private void raise(Tasklet t, Throwable exception) {
    if (t.error != null && t.error != exception) exception.addSuppressed(t.error);
    t.error = exception;
    if (t.state == Tasklet.State.BLOCKED) unblock(t);
    else if (t.state == Tasklet.State.PAUSED) append(t);
  }

  /** Has {@code t} not wait any longer; false if another thread has just served it, so that it has nothing to wait for. */
  private boolean unblock(Tasklet t) {
    boolean waited = channelOf(t).withdraw(t);
    if (waited) t.value = null;
    t.channel = null;
    append(t);
    return waited;
  }

  /** Suspends {@code me}, which has left the ring, until it is back. Returns what kept that from happening, or null. */
  private @Nullable Throwable suspend(Tasklet me) {
    Tasklet revived;
    try {
      revived = fill();
    } catch (Throwable t) {
      return t;
    }
    Throwable refusal = transfer(me, first());
    if (refusal != null && revived != null && revived != me) unlink(revived, Tasklet.State.PAUSED);
    return refusal;
  }

  /**
   * Sees to it that somebody can run. Where nobody can, that is whoever waits for just this, by runAll or in main, who is
   * returned; else another thread has to help, if there is anything that it could do.
   */
  private @Nullable Tasklet fill() {
    drain();
    while (head == null) {
      Tasklet boss = boss();
      if (boss.state == Tasklet.State.PAUSED) {
        append(boss);
        return boss;
      }
      Scheduler outer = Scheduler.registered();
      if (outer == null && !waitsForOthers()) throw deadlock();
      try {
        await();
      } catch (Throwable e) {
        if (unblock(boss)) raise(boss, isRefusal(outer, e) ? deadlock(e) : e);
        else if (outer != null) outer.postpone(e); // it has been served already: deliver that first
        else if (e instanceof InterruptedException) Thread.currentThread().interrupt();
        else throw Sneaky.unchecked(e);
      }
    }
    return null;
  }

  /** Who hears of it when the others come to an end, one way or another. */
  private Tasklet boss() {
    return runners.isEmpty() ? main : runners.getLast();
  }

  // The operations, in the order of their names in Stackless

  @Nullable Object schedule() {
    drain();
    if (count > 1 || callsBack || isWatched) {
      Headroom.requireMore();
      requireSwitching("schedule", null);
      refuseIf(transfer(current, after(current)));
    }
    return current.resume();
  }

  /** Has the running tasklet leave the ring. Returns what it is inserted with. */
  @Nullable Object pause(String verb) {
    Headroom.requireMore();
    requireSwitching(verb, null);
    Tasklet me = current;
    unlink(me, Tasklet.State.PAUSED);
    Throwable refusal = suspend(me);
    if (refusal != null) {
      if (me.state == Tasklet.State.PAUSED) {
        rejoin(me, head);
        throw Sneaky.unchecked(refusal);
      }
      head = me; // another thread has inserted it
    }
    return me.resume();
  }

  void runAll(boolean threadblock) {
    Headroom.requireMore();
    Tasklet me = current;
    runners.addLast(me);
    try {
      drain();
      do {
        while (count > 1) pause("run the others");
      } while (threadblock && waitsForOthers() && await());
    } catch (InterruptedException e) {
      throw Sneaky.unchecked(e);
    } finally {
      runners.removeLastOccurrence(me);
    }
  }

  /** Runs the others as {@link #runAll} does, but not beyond {@code limit}; returns how many of them can run then. */
  int run(Budget limit) {
    Headroom.requireMore();
    Tasklet me = current;
    Budget outer = budget;
    limit.begin(me, clock.getAsLong());
    budget = limit;
    isWatched = true;
    runners.addLast(me);
    try {
      drain();
      while (count > 1 && !limit.isUsedUp(clock)) pause("run the others");
    } finally {
      runners.removeLastOccurrence(me);
      budget = outer;
      isWatched = keepsAccounts || outer != null;
    }
    return count - 1;
  }

  /** How much the others may run until who has asked for that goes on. */
  static final class Budget {
    private final long nanos;
    private final long turns;
    private @Nullable Tasklet runner;
    private long begun;
    private long taken;

    /** {@code nanos}, {@code turns}: what is used up first ends it. */
    Budget(long nanos, long turns) {
      this.nanos = nanos;
      this.turns = turns;
    }

    private void begin(Tasklet me, long now) {
      runner = me;
      begun = now;
    }

    private boolean isUsedUp(LongSupplier clock) {
      return taken >= turns || (nanos != Long.MAX_VALUE && clock.getAsLong() - begun >= nanos);
    }
  }

  /**
   * {@code from} is about to be left for {@code to}. Returns who goes on instead: the one that has set a budget, if that is used up; it
   * comes in before the other, which so is the first in the next frame.
   */
  private Tasklet watch(Tasklet from, Tasklet to) {
    Tasklet next = to;
    Budget limit = budget;
    if (limit != null && limit.runner != null && from != limit.runner) {
      if (to != limit.runner && limit.isUsedUp(clock)) next = runnerInPlaceOf(to, limit.runner);
    }
    if (limit != null && next != limit.runner) limit.taken++;
    if (keepsAccounts && next != from) {
      from.waitsSince = clock.getAsLong();
      if (from.account != null) from.account.end(from.waitsSince);
    }
    return next;
  }

  /** Not so while another one waits within, who is to hear of the others' end first. */
  private Tasklet runnerInPlaceOf(Tasklet to, Tasklet runner) {
    if (boss() != runner || runner.state != Tasklet.State.PAUSED) return to;
    link(runner, to);
    return runner;
  }

  private void enters(Tasklet t) {
    if (!keepsAccounts) return;
    if (t.account == null) t.account = new Account(null, List.of());
    t.account.begin(clock.getAsLong());
  }

  void account(boolean keeps, boolean withStacks) {
    keepsAccounts = keeps;
    keepsStacks = keeps && withStacks;
    isWatched = keeps || budget != null;
    if (keeps) enters(current);
  }

  /** Of a tasklet that is being made here. */
  @Nullable Account newAccount() {
    if (!keepsAccounts) return null;
    return new Account(current.name(), keepsStacks ? List.of(current.stackTrace()) : List.of());
  }

  boolean keepsAccounts() {
    return keepsAccounts;
  }

  /** Those that can run, in their order, and then those that wait, but for main if it is alone. */
  @Override
  public void tell(Snapshot.Listener listener) {
    Set<Tasklet> all = new LinkedHashSet<>();
    Tasklet t = head;
    int most = 2 * count + FEW; // another thread may look, while the ring changes
    for (int i = 0; t != null && i < most; i++) {
      all.add(t);
      t = t.next;
      if (t == head) break;
    }
    try {
      waiting().forEach(all::add);
    } catch (ConcurrentModificationException e) {
      // some may be missing
    }
    if (all.size() == 1 && all.contains(main)) return;
    for (Tasklet each : all) listener.add(each.snapshot(), each == main ? null : each.greenlet);
  }

  void insert(Tasklet t, @Nullable Object value) {
    if (t.state != Tasklet.State.PAUSED) return;
    t.value = value;
    append(t);
  }

  /** For another thread: has {@code t} run next, once the current one stops. */
  void insertNext(Tasklet t) {
    if (t.state != Tasklet.State.PAUSED) return;
    if (head == current) link(t, head.next);
    else rejoin(t, head); // the current one has just left the ring
  }

  void remove(Tasklet t) {
    if (t.state == Tasklet.State.SCHEDULED) unlink(t, Tasklet.State.PAUSED);
  }

  /** Switches to {@code t} now; the running tasklet stays where it is in the ring, or leaves it. */
  @Nullable Object run(Tasklet t, boolean leaves) {
    Headroom.requireMore();
    Tasklet me = current;
    if (t == me) return me.resume();
    requireSwitching(leaves ? "switch to" : "run", t);
    boolean inserts = t.state == Tasklet.State.PAUSED;
    if (inserts) append(t);
    Tasklet successor = me.next;
    if (leaves) unlink(me, Tasklet.State.PAUSED);
    Throwable refusal = transfer(me, t);
    if (refusal != null) {
      if (leaves) rejoin(me, successor);
      if (inserts) unlink(t, Tasklet.State.PAUSED);
      throw Sneaky.unchecked(refusal);
    }
    return me.resume();
  }

  /** Throws into {@code t} now. */
  void throwInto(Tasklet t, Throwable exception) {
    Tasklet me = current;
    if (t == me) throw Sneaky.unchecked(exception);
    Headroom.requireMore();
    requireSwitching("throw into", t);
    Tasklet.State state = t.state;
    Channel<?> channel = t.channel;
    Tasklet behind = t.next;
    Object value = t.value;
    Throwable error = t.error;
    boolean waited = state == Tasklet.State.BLOCKED && unblock(t);
    raise(t, exception);
    Throwable refusal = transfer(me, t);
    if (refusal != null) {
      t.error = error;
      if (waited || state == Tasklet.State.PAUSED) unlink(t, state);
      if (waited && channel != null) channel.putBack(t, behind, value);
      throw Sneaky.unchecked(refusal);
    }
    me.resume();
  }

  /** Has {@code t} throw when it is its turn. */
  void throwLater(Tasklet t, Throwable exception) {
    if (t.state == Tasklet.State.DEAD) return;
    Headroom.require();
    raise(t, exception);
  }

  // What channels do

  /** Takes {@code me}, running, off the ring, because it is about to block. */
  void leave(Tasklet me) {
    if (me != main && !me.enrolled) enrol(me);
    unlink(me, Tasklet.State.BLOCKED);
  }

  /** Suspends {@code me}, which waits in the queue of {@code channel}, until it has been served. Returns what it was given. */
  @Nullable Object block(Tasklet me, Channel<?> channel) {
    Throwable refusal = suspend(me);
    if (refusal != null) {
      // by another thread, meanwhile
      boolean served = me.state != Tasklet.State.BLOCKED || !channel.withdraw(me);
      me.channel = null;
      if (me.state == Tasklet.State.BLOCKED) rejoin(me, head);
      else head = me;
      if (!served) {
        me.value = null;
        throw Sneaky.unchecked(refusal);
      }
    }
    return me.resume();
  }

  /**
   * Makes {@code partner} runnable, which {@code me}, running, has just served.
   *
   * @return what kept the switch from happening, where there was to be one; then partner is not in the ring either
   */
  @Nullable Throwable meet(Tasklet me, Tasklet partner, boolean toPartner, boolean toNext) {
    partner.channel = null;
    link(partner, toPartner ? me.next : me);
    if (!toPartner && !toNext) return null;
    Throwable refusal = transfer(me, after(me));
    if (refusal != null) unlink(partner, Tasklet.State.BLOCKED);
    return refusal;
  }

  /** To be posted by another thread that has served {@code t}. */
  void wake(Tasklet t) {
    // something else has woken it, and it waits anew
    if (t.state != Tasklet.State.BLOCKED || channelOf(t).holds(t)) return;
    t.channel = null;
    append(t);
  }

  // The end of a tasklet

  /** On the stack of {@code t}, last thing. Where an overflow strikes first, whoever its greenlet ends in takes it off the ring. */
  void end(Tasklet t, @Nullable Throwable thrown) {
    Headroom.require(); // a stack that began on top of another one may be short
    unlink(t, Tasklet.State.DEAD);
    Tasklet next = boss();
    try {
      if (thrown == null) {
        fill();
        next = first();
      }
    } catch (Throwable deadlock) {
      thrown = deadlock;
    }
    if (thrown != null) raise(next = boss(), thrown);
    if (scheduleCallback != null) {
      try {
        tell(scheduleCallback, t, next);
      } catch (Throwable e) {
        raise(next = boss(), e);
      }
    }
    if (isWatched && thrown == null) next = watch(t, next);
    head = next;
    current = next;
    Scheduler.setSuccessor(placeOf(next));
  }

  // Other threads

  /** Has {@code message} run by the thread of this, when it next looks for who can run. May be called from any thread. */
  void post(Runnable message) {
    messages.add(message);
    Runnable wake = waker;
    if (wake != null) wake.run();
  }

  /** Its thread has ended, or the task whose ring it is. */
  boolean hasEnded() {
    return closed || !root.thread().isAlive();
  }

  /** The task has ended, and with it its tasklets. */
  @Override
  public void close() {
    closed = true;
  }

  String threadName() {
    return describe(root.thread());
  }

  static String describe(Thread thread) {
    return '"'
        + (thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName())
        + '"';
  }

  void drain() {
    if (messages.isEmpty()) return;
    Headroom.require();
    for (Runnable m = messages.poll(); m != null; m = messages.poll()) m.run();
  }

  /** Waits for a message of another thread or task; always true. */
  private boolean await() throws InterruptedException {
    Scheduler outer = Scheduler.registered();
    if (outer == null) messages.take().run();
    else await(outer);
    drain();
    return true;
  }

  private void await(Scheduler outer) {
    try {
      outer.await(
          this,
          waitsForOthers(),
          wake -> {
            waker = wake;
            if (!messages.isEmpty()) wake.run();
          });
    } finally {
      waker = null;
    }
  }

  /** Whether a scheduler of the thread, in none of whose tasks this is, has found that it would wait for ever. */
  private boolean isRefusal(@Nullable Scheduler outer, Throwable e) {
    return e instanceof IllegalStateException
        && outer != null
        && outer.taskLocals() == null
        && !waitsForOthers();
  }

  /** Whether another thread could make one of this thread's tasklets runnable. */
  private boolean waitsForOthers() {
    return waiting().anyMatch(t -> channelOf(t).isShared());
  }

  private void enrol(Tasklet t) {
    if (waiters.size() >= purgeAt) {
      waiters.removeIf(ref -> {
        Tasklet waiter = ref.get();
        return waiter == null || waiter.state == Tasklet.State.DEAD;
      });
      purgeAt = Math.max(FEW, 2 * waiters.size());
    }
    waiters.add(new WeakReference<>(t));
    t.enrolled = true;
  }

  private Stream<Tasklet> waiting() {
    return Stream.concat(Stream.of(main), waiters.stream().map(WeakReference::get))
        .filter(t -> t != null && t.state == Tasklet.State.BLOCKED);
  }

  // What is refused

  private IllegalStateException deadlock() {
    return deadlock(null);
  }

  private IllegalStateException deadlock(@Nullable Throwable cause) {
    return new IllegalStateException(
        "deadlock: no tasklet of thread "
            + threadName()
            + " can run, and nobody else can wake those "
            + "that wait: "
            + describeWaiting()
            + "; for a partner in another thread, use a shared channel",
        cause);
  }

  private String describeWaiting() {
    List<Tasklet> all = waiting().toList();
    StringBuilder s = new StringBuilder();
    for (Tasklet t : all.size() > MOST_LISTED ? mostTelling(all) : all)
      s.append(t.name()).append(' ').append(t.waitsFor()).append(", ");
    if (all.size() > MOST_LISTED)
      s.append("and ").append(all.size() - MOST_LISTED).append(" more, ");
    s.setLength(s.length() - 2);
    return s.toString();
  }

  /** Those that somebody has given a name, and the newest of the others. */
  private static List<Tasklet> mostTelling(List<Tasklet> all) {
    return all.reversed().stream()
        .sorted(Comparator.comparing(t -> !t.hasOwnName()))
        .limit(MOST_LISTED)
        .toList();
  }

  /** What it waits for in another scheduler. */
  @Override
  public String toString() {
    return "a partner of one of its tasklets: " + describeWaiting();
  }

  void requireSwitching(String verb, @Nullable Object object) {
    if (switchTrap == 0 && !callsBack) return;
    String refused = current + " cannot " + verb + (object == null ? "" : " " + object) + " here: ";
    if (callsBack) throw new IllegalStateException(refused + "a callback is running");
    throw new IllegalStateException(
        refused + "that would switch, and the switch trap is set, " + switchTrap + " deep");
  }

  void requireNoCallback(String verb, Object object) {
    if (callsBack)
      throw new IllegalStateException(
          current + " cannot " + verb + " " + object + " here: a callback is running");
  }

  private static void refuseIf(@Nullable Throwable refusal) {
    if (refusal != null) throw Sneaky.unchecked(refusal);
  }

  // Callbacks

  private void tell(
      BiConsumer<? super Tasklet, ? super Tasklet> callback, Tasklet from, Tasklet to) {
    callsBack = true;
    try {
      callback.accept(from, to);
    } finally {
      callsBack = false;
    }
  }

  @SuppressWarnings("NullAway") // whoever calls has seen the callback
  void tell(Channel<?> channel, Tasklet t, boolean sending, boolean willBlock) throws Throwable {
    callsBack = true;
    try {
      channelCallback.onAction(channel, t, sending, willBlock);
    } finally {
      callsBack = false;
    }
  }
}
