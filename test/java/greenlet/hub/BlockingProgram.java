package greenlet.hub;

import greenlet.Generator;
import greenlet.Greenlet;
import greenlet.GreenletExit;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Exchanger;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.Phaser;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;

/**
 * A random program of blocking calls, which a number gives: tasks of a cooperative hub, and four threads outside of it, use the same
 * resources. Whatever they do, it comes to its end, since whoever holds a resource asks only for later ones, and whoever may wait
 * for ever has a limit, is killed, or belongs to a scope that ends.
 */
final class BlockingProgram {
  private static final int OUTSIDERS = 4;

  /** How late at most a limit may strike, on a machine that others use, too. */
  private static final long LATEST_NANOS = TimeUnit.SECONDS.toNanos(20);

  private static final boolean HAS_MONITORS = Runtime.version().feature() >= 24;

  /** What tasks are interrupted with that are not killed. */
  private static final class Shot extends RuntimeException {}

  /** Other threads that do something for those of the program, and hold none of its resources. */
  private final ExecutorService helpers;

  private final long seed;
  private final Hub hub;

  /** In the order in which they may be asked for. */
  private final List<Resource> resources = new ArrayList<>();

  private final List<Pipe> pipes = new ArrayList<>();
  private final List<Task<?>> victims = Collections.synchronizedList(new ArrayList<>());
  private final List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
  private final int tasks;
  private final int ownPipes;
  private final boolean ends;
  private @Nullable Thread hubThread;

  /** Who of the tasks has run last. They run one at a time, in one thread, so it needs no synchronisation. */
  private @Nullable Object turn;

  /** {@code hub}: a cooperative one. */
  BlockingProgram(long seed, Hub hub, ExecutorService helpers) {
    this.seed = seed;
    this.hub = hub;
    this.helpers = helpers;
    Random random = new Random(seed);
    tasks = 2 + random.nextInt(9);
    ends = random.nextInt(4) == 0;
    ownPipes = random.nextInt(3);
    int count = 1 + random.nextInt(6);
    for (int i = 0; i < count; i++) resources.add(resource(random));
    for (int i = 0; i < ownPipes + random.nextInt(3); i++) pipes.add(new Pipe(random));
    hub.onFailure((task, t) -> {
      if (!(t instanceof Shot)) failures.add(t);
    });
  }

  // Resources

  /** What a few at a time may hold: if one, it is a lock. */
  private abstract class Resource {
    private final boolean isForTasks;
    private @Nullable Object owner;
    private long uses;
    private final LongAdder counted = new LongAdder();

    Resource(boolean isForTasks) {
      this.isForTasks = isForTasks;
    }

    abstract void hold(Random random, Task.Action inner) throws Throwable;

    /** Whether nobody holds it. */
    abstract boolean isFree();

    /** {@code inner}, which nobody else is in meanwhile. */
    void alone(Task.Action inner) throws Throwable {
      check(owner == null, "broken exclusion");
      Object me = new Object();
      owner = me;
      uses++;
      try {
        inner.run();
      } finally {
        check(owner == me, "broken exclusion");
        owner = null;
        counted.increment();
      }
    }

    void checkEnd() {
      check(isFree() && owner == null, "somebody holds " + this);
      check(uses == counted.sum(), "broken exclusion");
    }

    @Override
    public String toString() {
      return getClass().getName();
    }
  }

  private Resource resource(Random random) {
    boolean isFair = random.nextBoolean();
    int tokens = 1 + random.nextInt(3);
    return switch (random.nextInt(14)) {
      case 0, 1 -> new Locked(new ReentrantLock(isFair));
      case 2 -> new Locked(new ReentrantReadWriteLock(isFair).writeLock());
      case 3 -> new Locked(new StampedLock().asWriteLock());
      case 4 -> HAS_MONITORS ? new Monitor() : new Locked(new ReentrantLock());
      case 5 -> new Permit();
      case 6 -> new HubLock();
      case 7 -> new Tokens(new ArrayBlockingQueue<>(tokens, isFair), tokens);
      case 8 -> new Tokens(new LinkedBlockingQueue<>(tokens), tokens);
      case 9 -> new Tokens(new LinkedBlockingDeque<>(tokens), tokens);
      case 10 ->
          new Tokens(
              isFair ? new LinkedTransferQueue<>() : new PriorityBlockingQueue<>(tokens), tokens);
      case 11 -> new Conditions(tokens);
      case 12 -> HAS_MONITORS ? new Notified(tokens) : new Conditions(tokens);
      default -> new HubQueue(tokens);
    };
  }

  private final class Locked extends Resource {
    private final Lock lock;

    Locked(Lock lock) {
      super(false);
      this.lock = lock;
    }

    @Override
    void hold(Random random, Task.Action inner) throws Throwable {
      switch (random.nextInt(3)) {
        case 0 -> lock.lock();
        case 1 -> lock.lockInterruptibly();
        default -> {
          if (!lock.tryLock(random.nextInt(500), TimeUnit.MICROSECONDS)) return;
        }
      }
      try {
        alone(inner);
      } finally {
        lock.unlock();
      }
    }

    @Override
    boolean isFree() {
      return lock.tryLock();
    }
  }

  private final class Monitor extends Resource {
    Monitor() {
      super(false);
    }

    @Override
    void hold(Random random, Task.Action inner) throws Throwable {
      synchronized (this) {
        alone(inner);
      }
    }

    @Override
    boolean isFree() {
      return true; // asked by another thread than those that could hold it, which end
    }
  }

  private final class Permit extends Resource {
    private final java.util.concurrent.Semaphore permit = new java.util.concurrent.Semaphore(1);

    Permit() {
      super(false);
    }

    @Override
    void hold(Random random, Task.Action inner) throws Throwable {
      switch (random.nextInt(3)) {
        case 0 -> permit.acquire();
        case 1 -> permit.acquireUninterruptibly();
        default -> {
          if (!permit.tryAcquire(random.nextInt(500), TimeUnit.MICROSECONDS)) return;
        }
      }
      try {
        alone(inner);
      } finally {
        permit.release();
      }
    }

    @Override
    boolean isFree() {
      return permit.availablePermits() == 1;
    }
  }

  private final class HubLock extends Resource {
    private final greenlet.hub.Lock lock = new greenlet.hub.Lock();

    HubLock() {
      super(true);
    }

    @Override
    void hold(Random random, Task.Action inner) throws Throwable {
      if (random.nextBoolean()) lock.acquire();
      else if (!lock.acquire(Duration.ofNanos(random.nextInt(500_000)))) return;
      try {
        alone(inner);
      } finally {
        lock.release();
      }
    }

    @Override
    boolean isFree() {
      return !lock.isTaken();
    }
  }

  /** One of several that may be held by one at a time. */
  private static final class Token implements Comparable<Token> {
    private @Nullable Object holder;

    @Override
    public int compareTo(Token other) {
      return Integer.compare(hashCode(), other.hashCode());
    }
  }

  private abstract class Pool extends Resource {
    final int tokens;

    Pool(int tokens, boolean isForTasks) {
      super(isForTasks);
      this.tokens = tokens;
    }

    /** Null if there is none in so many microseconds; negative: if there is none, waits for one. */
    abstract @Nullable Token take(long micros) throws InterruptedException;

    /** Never waits for room. */
    abstract void give(Token token);

    @Override
    void hold(Random random, Task.Action inner) throws Throwable {
      Token token = take(random.nextInt(3) == 0 ? random.nextInt(500) : -1);
      if (token == null) return;
      try {
        check(token.holder == null, "a token is held twice");
        Object me = new Object();
        token.holder = me;
        inner.run();
        check(token.holder == me, "a token is held twice");
      } finally {
        token.holder = null;
        give(token);
      }
    }
  }

  private final class Tokens extends Pool {
    private final BlockingQueue<Token> queue;

    Tokens(BlockingQueue<Token> queue, int tokens) {
      super(tokens, false);
      this.queue = queue;
      for (int i = 0; i < tokens; i++) queue.add(new Token());
    }

    @Override
    @Nullable Token take(long micros) throws InterruptedException {
      return micros < 0 ? queue.take() : queue.poll(micros, TimeUnit.MICROSECONDS);
    }

    @Override
    void give(Token token) {
      check(queue.offer(token), "no room for a token");
    }

    @Override
    boolean isFree() {
      return queue.size() == tokens;
    }
  }

  /** One waiter is told of each token: to lose one of these wake-ups is to lose the token. */
  private final class Conditions extends Pool {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition isThere = lock.newCondition();
    private final List<Token> stack = new ArrayList<>();

    Conditions(int tokens) {
      super(tokens, false);
      for (int i = 0; i < tokens; i++) stack.add(new Token());
    }

    @Override
    @Nullable Token take(long micros) throws InterruptedException {
      lock.lock();
      try {
        long left = TimeUnit.MICROSECONDS.toNanos(micros);
        while (stack.isEmpty()) {
          if (micros < 0) isThere.await();
          else if (left > 0) left = isThere.awaitNanos(left);
          else return null;
        }
        return stack.removeLast();
      } finally {
        lock.unlock();
      }
    }

    @Override
    void give(Token token) {
      lock.lock();
      stack.add(token);
      isThere.signal();
      lock.unlock();
    }

    @Override
    boolean isFree() {
      return stack.size() == tokens && !lock.isLocked();
    }
  }

  private final class Notified extends Pool {
    private final List<Token> stack = new ArrayList<>();

    Notified(int tokens) {
      super(tokens, false);
      for (int i = 0; i < tokens; i++) stack.add(new Token());
    }

    @Override
    synchronized @Nullable Token take(long micros) throws InterruptedException {
      long end = System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(micros);
      while (stack.isEmpty()) {
        long left = end - System.nanoTime();
        if (micros < 0) wait();
        else if (left > 0) wait(left / 1_000_000, (int) (left % 1_000_000));
        else return null;
      }
      return stack.removeLast();
    }

    @Override
    synchronized void give(Token token) {
      stack.add(token);
      notify();
    }

    @Override
    boolean isFree() {
      return stack.size() == tokens;
    }
  }

  private final class HubQueue extends Pool {
    private final Queue<@Nullable Token> queue = Queue.fifo();

    HubQueue(int tokens) {
      super(tokens, true);
      for (int i = 0; i < tokens; i++) queue.offer(new Token());
    }

    @Override
    @Nullable Token take(long micros) {
      return micros < 0 ? queue.take() : queue.poll(null, Duration.ofNanos(micros * 1000));
    }

    @Override
    void give(Token token) {
      queue.put(token);
    }

    @Override
    boolean isFree() {
      return queue.size() == tokens;
    }
  }

  /** From one that lives to the end to another; each in a random order with what else it does. */
  private final class Pipe {
    final int items;
    private final BlockingQueue<Integer> queue;
    private int put;
    private int taken;

    Pipe(Random random) {
      items = 1 + random.nextInt(20);
      queue =
          switch (random.nextInt(4)) {
            case 0 -> new SynchronousQueue<>(random.nextBoolean());
            case 1 -> new LinkedTransferQueue<>();
            case 2 -> new ArrayBlockingQueue<>(1 + random.nextInt(2));
            default -> new LinkedBlockingQueue<>(1 + random.nextInt(2));
          };
    }

    void put(Random random) throws InterruptedException {
      if (queue instanceof LinkedTransferQueue<Integer> transfers && random.nextBoolean())
        transfers.transfer(put++);
      else queue.put(put++);
    }

    void take() throws InterruptedException {
      check(queue.take() == taken++, "an item is out of order");
    }
  }

  // Running

  /** Runs it, in a hub that is to be run here. */
  void run() throws Throwable {
    List<Task<?>> all = new ArrayList<>();
    List<Future<Void>> outsiders = new ArrayList<>();
    hub.run(() -> begin(all, outsiders));
    for (Future<Void> outsider : outsiders) outsider.get();
    checkEnd(all);
  }

  /** Runs it, in a hub that runs in {@code executor}. */
  void runIn(ExecutorService executor) throws Throwable {
    List<Task<?>> all = new ArrayList<>();
    List<Future<Void>> outsiders = new ArrayList<>();
    hub.spawn(
            "main",
            () -> {
              begin(all, outsiders);
              for (Task<?> task : hub.tasks()) if (task != Task.current()) task.kill();
            })
        .toCompletableFuture()
        .get();
    for (Future<Void> outsider : outsiders) outsider.get();
    executor.submit(() -> checkEnd(all)).get();
  }

  private void begin(List<Task<?>> all, List<Future<Void>> outsiders) throws Throwable {
    hubThread = carrier();
    int pipe = 0;
    for (int i = 0; i < tasks; i++) {
      Random random = new Random(seed + 1 + i);
      boolean mayEnd = ends || random.nextBoolean();
      Pipe from = mayEnd || pipe >= ownPipes ? null : pipes.get(pipe++);
      Task<?> task = hub.spawn("t" + i, () -> life(new Actor(random, !mayEnd, 0), null, from));
      all.add(task);
      if (mayEnd) victims.add(task);
    }
    // a pipe whose taker is no task has an outsider at both ends
    List<Pipe> toPut = new ArrayList<>(pipes.subList(0, pipe));
    List<Pipe> toTake = new ArrayList<>(pipes.subList(ownPipes, pipes.size()));
    for (int i = 0; i < OUTSIDERS; i++) {
      Random random = new Random(seed + 1000 + i);
      Pipe to = toPut.isEmpty() ? null : toPut.removeFirst();
      Pipe from = to != null || toTake.isEmpty() ? null : toTake.removeFirst();
      if (from != null) helpers.execute(() -> fill(from, random.nextLong()));
      outsiders.add(
          Threads.PLATFORM.start(
              "outsider " + i,
              Threads.callable(() -> life(new Actor(random, false, 0), to, from))));
    }
    Actor main = new Actor(new Random(seed), true, 0);
    int steps = main.random.nextInt(10);
    for (int i = 0; i < steps; i++) main.step();
    if (ends) return;
    for (Task<?> task : all) task.join();
    hub.join();
    check(hub.tasks().equals(List.of(Task.current())), "tasks are left");
  }

  private void fill(Pipe pipe, long seed) {
    try {
      Random random = new Random(seed);
      for (int i = 0; i < pipe.items; i++) pipe.put(random);
    } catch (Throwable t) {
      failures.add(t);
    }
  }

  private void life(Actor actor, @Nullable Pipe to, @Nullable Pipe from) throws Throwable {
    try {
      int steps = 1 + actor.random.nextInt(15);
      int put = to == null ? 0 : to.items;
      int taken = from == null ? 0 : from.items;
      for (int left = steps + put + taken; left > 0; left--) {
        int next = actor.random.nextInt(left);
        if (next < put) {
          to.put(actor.random);
          put--;
        } else if (next < put + taken) {
          from.take();
          taken--;
        } else actor.step();
        actor.compute();
        actor.checkNotInterrupted();
      }
    } catch (GreenletExit | Shot | InterruptedException e) {
      // of a task whose end is checked by how it has ended
      if (actor.isImmortal || !isTask()) failures.add(e);
      throw e;
    } catch (Throwable t) {
      failures.add(t);
      throw t;
    }
  }

  private void checkEnd(List<Task<?>> all) {
    for (Task<?> task : all) {
      check(task.isDone(), task + " has not ended");
      Throwable thrown = task.exception();
      if (thrown != null && !(thrown instanceof GreenletExit) && !(thrown instanceof Shot))
        failures.add(thrown);
    }
    for (Resource resource : resources) resource.checkEnd();
    if (failures.isEmpty()) return;
    var failure = new AssertionError("program " + seed + " has failed", failures.getFirst());
    failures.stream().skip(1).forEach(failure::addSuppressed);
    throw failure;
  }

  private void check(boolean holds, String otherwise) {
    if (holds) return;
    var failure = new AssertionError(otherwise);
    failures.add(failure);
    throw failure;
  }

  /** Whether the calling code is part of a task; it belongs to the hub then, or to another thread. */
  private static boolean isTask() {
    return Task.current() != null;
  }

  /** The platform thread that runs the calling one. */
  private static Thread carrier() throws Exception {
    return Hub.inHost(Thread::currentThread);
  }

  /** Who does something: a task, or a thread outside of the hub. */
  private final class Actor {
    final Random random;

    /** A task that nobody kills. */
    final boolean isImmortal;

    /** The first of the resources that it may ask for. */
    final int level;

    private int limits;

    Actor(Random random, boolean isImmortal, int level) {
      this.random = random;
      this.isImmortal = isImmortal;
      this.level = level;
    }

    /** The same, deeper in. */
    private Actor at(int newLevel) {
      Actor deeper = new Actor(random, isImmortal, newLevel);
      deeper.limits = limits;
      return deeper;
    }

    private Actor child() {
      return new Actor(new Random(random.nextLong()), false, level);
    }

    void step() throws Throwable {
      compute();
      if (isTask()) taskStep();
      else anyStep(random.nextInt(10));
      compute();
    }

    /** While nobody blocks, no other task runs. */
    void compute() {
      if (!isTask()) return;
      Object me = new Object();
      turn = me;
      for (int i = random.nextInt(100); i > 0; i--) Thread.onSpinWait();
      check(turn == me, "two tasks at a time");
    }

    /** An interrupt for a kill or a limit stays with that. */
    void checkNotInterrupted() {
      if (isTask() && isImmortal && limits == 0)
        check(!Thread.currentThread().isInterrupted(), "an interrupt is left");
    }

    private void anyStep(int which) throws Throwable {
      switch (which) {
        case 0, 1, 2, 3, 4 -> use();
        case 5 -> Thread.sleep(0, random.nextInt(1_000_000));
        case 6 -> Thread.yield();
        case 7 -> LockSupport.parkNanos(random.nextInt(200_000));
        case 8 -> opened();
        default -> end();
      }
    }

    private void taskStep() throws Throwable {
      switch (random.nextInt(24)) {
        case 0 -> Hub.sleep(Duration.ofNanos(random.nextInt(1_000_000)));
        case 1 -> Hub.sleep(Duration.ZERO);
        case 2 -> limited();
        case 3 -> strikes();
        case 4 -> strikesAtGrant();
        case 5 -> killed();
        case 6 -> scoped();
        case 7 -> joined();
        case 8 -> inGenerator();
        case 9 -> inGreenlet();
        case 10 -> check(Hub.offload(() -> random.nextInt(7)) < 7, "offload");
        case 11 -> Hub.noSwitch(this::compute);
        case 12 -> check(carrier() == hubThread, "not in the hub's thread");
        default -> anyStep(random.nextInt(10));
      }
    }

    private void use() throws Throwable {
      if (level >= resources.size()) return;
      int which = level + random.nextInt(resources.size() - level);
      Resource resource = resources.get(which);
      if (resource.isForTasks && !isTask()) return;
      Actor inner = at(which + 1);
      resource.hold(
          random,
          () -> {
            int steps = random.nextInt(3);
            for (int i = 0; i < steps; i++) inner.step();
            inner.compute();
          });
    }

    /** Ends another task, or raises something in it. */
    private void end() throws Throwable {
      if (victims.isEmpty() || random.nextInt(3) > 0) return;
      Task<?> victim = victims.get(random.nextInt(victims.size()));
      switch (random.nextInt(3)) {
        case 0 -> victim.interrupt(new GreenletExit());
        case 1 -> victim.interrupt(new Shot());
        default -> {
          // the victim may wait for what this holds
          if (level > 0) victim.interrupt(new GreenletExit());
          else if (isTask()) victim.kill();
          else {
            victim.interrupt(new GreenletExit());
            Threads.await(victim.toCompletableFuture().handle((value, e) -> value));
          }
        }
      }
    }

    /** Waits for what another thread, or another task, does at once. */
    private void opened() throws Throwable {
      switch (random.nextInt(8)) {
        case 0 -> {
          var latch = new CountDownLatch(1);
          open(latch::countDown);
          latch.await();
        }
        case 1 -> {
          var future = new CompletableFuture<Integer>();
          // a task that is killed before it begins would leave this one in what no interrupt ends
          helpers.execute(() -> future.complete(7));
          check(future.join() == 7, "future");
        }
        case 2 -> {
          if (!HAS_MONITORS) return;
          var flag = new boolean[1];
          open(() -> {
            synchronized (flag) {
              flag[0] = true;
              flag.notify();
            }
          });
          synchronized (flag) {
            while (!flag[0]) flag.wait();
          }
        }
        case 3 -> {
          var lock = new ReentrantLock();
          Condition condition = lock.newCondition();
          var flag = new boolean[1];
          open(() -> {
            lock.lock();
            flag[0] = true;
            condition.signal();
            lock.unlock();
          });
          lock.lock();
          try {
            while (!flag[0]) condition.await();
          } finally {
            lock.unlock();
          }
        }
        case 4 -> {
          Thread me = Thread.currentThread();
          var flag = new CountDownLatch(1);
          open(() -> {
            flag.countDown();
            LockSupport.unpark(me);
          });
          while (flag.getCount() > 0) {
            LockSupport.park(this);
            if (Thread.interrupted()) throw new InterruptedException();
          }
        }
        case 5 -> {
          var permits = new java.util.concurrent.Semaphore(0);
          open(permits::release);
          permits.acquire();
        }
        case 6 -> {
          if (!isTask()) return;
          check(Hub.<Integer>await(waiter -> open(() -> waiter.wake(7))) == 7, "waiter");
        }
        default -> {
          var phaser = new Phaser(1);
          open(phaser::arrive);
          phaser.awaitAdvanceInterruptibly(0);
        }
      }
    }

    private void open(Runnable action) {
      int spins = random.nextInt(4) == 0 ? random.nextInt(2_000) : 0;
      Runnable later =
          () -> {
            for (int i = 0; i < spins; i++) Thread.onSpinWait();
            action.run();
          };
      if (isTask() && random.nextInt(3) == 0) hub.execute(later);
      else helpers.execute(later);
    }

    /** Waits until it is interrupted. */
    private void forever() throws Throwable {
      switch (random.nextInt(18)) {
        case 0 -> new CountDownLatch(1).await();
        case 1 -> Thread.sleep(1_000_000);
        case 2 -> new LinkedBlockingQueue<>().take();
        case 3 -> new ArrayBlockingQueue<>(1).take();
        case 4 -> new SynchronousQueue<>(random.nextBoolean()).put(7);
        case 5 -> new LinkedTransferQueue<>().transfer(7);
        case 6 -> new Exchanger<>().exchange(7);
        case 7 -> new Phaser(1).awaitAdvanceInterruptibly(0);
        case 8 -> new java.util.concurrent.Semaphore(0).acquire();
        case 9 -> new CompletableFuture<>().get();
        case 10 -> new LinkedBlockingQueue<>().poll(1_000, TimeUnit.SECONDS);
        case 11 -> Hub.sleep(Duration.ofSeconds(1_000));
        case 12 -> Queue.fifo().take();
        case 13 -> new greenlet.hub.Semaphore(0).acquire();
        case 14 -> Hub.await(waiter -> {});
        case 15 -> {
          var lock = new ReentrantLock();
          Condition never = lock.newCondition();
          lock.lock();
          try {
            while (true) never.await();
          } finally {
            lock.unlock();
          }
        }
        case 16 -> {
          if (!HAS_MONITORS) Thread.sleep(1_000_000);
          synchronized (new Object()) {
            while (true) wait(new Object());
          }
        }
        default -> {
          while (!Thread.interrupted()) LockSupport.park();
          throw new InterruptedException();
        }
      }
    }

    private static void wait(Object monitor) throws InterruptedException {
      synchronized (monitor) {
        monitor.wait();
      }
    }

    private Duration soon() {
      return Duration.ofNanos(random.nextInt(2_000_000));
    }

    /** Something that may be over before its limit. */
    private void limited() throws Throwable {
      limits++;
      try {
        Task.Action steps =
            () -> {
              step();
              step();
            };
        if (random.nextBoolean()) Hub.timeout(soon(), steps, () -> {});
        else Hub.timeout(soon(), steps);
      } catch (TimeoutException e) {
        // it was not
      } finally {
        limits--;
      }
      checkNotInterrupted();
    }

    private void strikes() throws Throwable {
      Duration limit = soon();
      long begin = System.nanoTime();
      try {
        Task.Action body =
            () -> {
              forever();
              throw new AssertionError("it was not to come back");
            };
        Hub.timeout(limit, body);
      } catch (TimeoutException e) {
        checkStruck(begin, limit);
      }
      checkNotInterrupted();
    }

    private void checkStruck(long begin, Duration limit) {
      long nanos = System.nanoTime() - begin;
      check(nanos >= limit.toNanos(), "a limit has struck too early");
      check(nanos < LATEST_NANOS, "a limit has struck too late");
    }

    /** A lock that no interrupt ends the wait for, and that another thread gives back when the limit has run out. */
    private void strikesAtGrant() throws Throwable {
      var lock = new ReentrantLock();
      var isTaken = new CountDownLatch(1);
      Duration limit = Duration.ofNanos(random.nextInt(300_000));
      helpers.execute(() -> {
        lock.lock();
        isTaken.countDown();
        long end = System.nanoTime() + limit.toNanos() + 300_000;
        while (System.nanoTime() < end) Thread.onSpinWait();
        lock.unlock();
      });
      isTaken.await();
      var isMine = new boolean[1];
      long begin = System.nanoTime();
      try {
        Hub.timeout(
            limit,
            () -> {
              lock.lock();
              isMine[0] = true;
              lock.unlock();
            });
      } catch (TimeoutException e) {
        check(isMine[0], "lock() was left without the lock");
        checkStruck(begin, limit);
      }
      checkNotInterrupted();
    }

    private Task<?> spawnForever(boolean[] unwound) {
      Actor child = child();
      return hub.spawn(() -> {
        try {
          child.forever();
        } finally {
          unwound[0] = true;
        }
      });
    }

    private void killed() throws Throwable {
      var unwound = new boolean[1];
      Hub.scope(() -> {
        Task<?> child = spawnForever(unwound);
        boolean begins = random.nextBoolean();
        if (begins) Hub.sleep(Duration.ZERO);
        if (random.nextBoolean()) {
          Thread.yield();
          begins = true;
        }
        child.kill();
        check(
            child.isDone() && child.exception() instanceof GreenletExit,
            "not killed: " + child + child.exception());
        check(ends || !begins || unwound[0], "not unwound: " + child);
      });
    }

    private void scoped() throws Throwable {
      List<Task<?>> children = new ArrayList<>();
      try {
        Hub.scope(() -> {
          for (int i = random.nextInt(4); i >= 0; i--) children.add(spawnForever(new boolean[1]));
          step();
        });
      } finally {
        for (Task<?> child : children) check(child.isDone(), "left behind: " + child);
      }
    }

    private void joined() throws Throwable {
      List<Task<?>> children = new ArrayList<>();
      Hub.joiningScope(() -> {
        for (int i = random.nextInt(3); i >= 0; i--) {
          Actor child = child();
          children.add(hub.spawn(child::step));
        }
      });
      for (Task<?> child : children) check(ends || child.isSuccessful(), "not joined: " + child);
    }

    private void inGenerator() throws Throwable {
      int items = random.nextInt(4);
      Generator<Integer> steps =
          Generator.of(out -> {
            for (int i = 0; i < items; i++) {
              stepUnchecked();
              out.yield(i);
            }
          });
      int expected = 0;
      for (int item : steps) {
        check(item == expected++, "an item of a generator");
        compute();
      }
      check(expected == items, "an item of a generator is missing");
    }

    private void stepUnchecked() {
      try {
        step();
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    }

    private void inGreenlet() throws Throwable {
      Object sent = new Object();
      Object got =
          Greenlet.of(
                  args -> {
                    step();
                    return sent;
                  },
                  Greenlet.current())
              .switchTo();
      check(got == sent || got instanceof GreenletExit, "the result of a greenlet");
    }
  }
}
