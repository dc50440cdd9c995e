package greenlet.testing;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PipedReader;
import java.io.PipedWriter;
import java.io.RandomAccessFile;
import java.io.Reader;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.Channels;
import java.nio.channels.DatagramChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchService;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Vector;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.Exchanger;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.Phaser;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.concurrent.locks.StampedLock;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** The JDK's blocking operations: how a thread comes to be blocked in each, and how another lets it go on. */
public final class BlockingOperations {
  /** No JDK so far. */
  public static final int NEVER = Integer.MAX_VALUE;

  private static final String MONITOR =
      "until JDK 23 monitors belong to the carrier, so a thread that holds or awaits one keeps it";
  private static final String NATIVE =
      "it is native code, on top of which a virtual thread cannot be suspended";
  private static final String FILE =
      "a plain system call; where the JDK does something about it, it adds a carrier to its own scheduler";
  private static final String OPENING =
      "opening is a plain system call, which here waits until somebody opens the other end";

  /**
   * One of them.
   *
   * @param since the first JDK in which it gives way
   * @param why why it stands still before that
   */
  public record Operation(String name, int since, String why, Preparation preparation) {
    public boolean givesWay(int release) {
      return release >= since;
    }
  }

  /** Prepares an operation, in a thread that has nothing to do with it. */
  @FunctionalInterface
  public interface Preparation {
    Prepared prepare(Scene scene) throws Exception;
  }

  @FunctionalInterface
  public interface Step {
    void run() throws Exception;
  }

  /**
   * What blocks, once.
   *
   * @param block blocks until it is released
   * @param release to be called once, in any thread
   * @param isBlocked whether the thread is seen to be in the operation; null where it then does not use the processor
   */
  public record Prepared(Step block, Step release, BooleanSupplier isBlocked) {
    Prepared(Step block, Step release) {
      this(block, release, null);
    }
  }

  /** What an operation takes, closed after it. */
  public static final class Scene implements AutoCloseable {
    private final List<AutoCloseable> closed = new ArrayList<>();

    /** The thread that is to be blocked, once it runs. */
    public volatile Thread blocked;

    <T extends AutoCloseable> T closing(T resource) {
      closed.add(resource);
      return resource;
    }

    @Override
    public void close() throws Exception {
      for (AutoCloseable each : closed.reversed()) each.close();
    }

    /** Has another thread do {@code acquire}, and {@code release} once what is returned here has run. */
    Step hold(Step acquire, Step release) throws InterruptedException {
      var held = new CountDownLatch(1);
      var over = new CountDownLatch(1);
      thread(() -> {
        acquire.run();
        held.countDown();
        over.await();
        release.run();
      });
      held.await();
      return over::countDown;
    }

    Step hold(Lock lock) throws InterruptedException {
      return hold(lock::lock, lock::unlock);
    }

    /** Has another thread hold the monitor of {@code object} until what is returned here has run. */
    Step holdMonitor(Object object) throws InterruptedException {
      var held = new CountDownLatch(1);
      var over = new CountDownLatch(1);
      thread(() -> {
        synchronized (object) {
          held.countDown();
          over.await();
        }
      });
      held.await();
      return over::countDown;
    }

    Thread thread(Step step) {
      return Thread.ofPlatform()
          .daemon()
          .name("holder")
          .start(() -> {
            try {
              step.run();
            } catch (Exception e) {
              throw new AssertionError(e);
            }
          });
    }

    ExecutorService pool() {
      ExecutorService pool = Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());
      closing(pool::shutdownNow);
      return pool;
    }

    ForkJoinPool forkJoinPool() {
      var pool = new ForkJoinPool(1);
      closing(pool::shutdownNow);
      return pool;
    }

    Path directory() throws IOException {
      Path directory = Files.createTempDirectory("blocking");
      closing(() -> {
        try (var files = Files.list(directory)) {
          for (Path each : files.toList()) Files.delete(each);
        }
        Files.delete(directory);
      });
      return directory;
    }

    Path file() throws IOException {
      Path file = directory().resolve("file");
      Files.createFile(file);
      return file;
    }

    Path fifo() throws Exception {
      Path fifo = directory().resolve("fifo");
      Threads.await(new ProcessBuilder("mkfifo", fifo.toString()).start());
      return fifo;
    }

    /** Both ends of a FIFO at once, which only Linux allows to open without waiting. */
    RandomAccessFile ends(Path fifo) throws IOException {
      return closing(new RandomAccessFile(fifo.toFile(), "rw"));
    }

    Process process(String... command) throws IOException {
      Process process = new ProcessBuilder(command).start();
      closing(process::destroyForcibly);
      return process;
    }

    ServerSocket server() throws IOException {
      return closing(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()));
    }

    ServerSocketChannel serverChannel() throws IOException {
      return closing(
          ServerSocketChannel.open()
              .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)));
    }

    /** As many connections to {@code server} as it keeps without accepting them. */
    void fillBacklog(SocketAddress server, int backlog) throws IOException {
      for (int i = 0; i <= backlog; i++) closing(SocketChannel.open(server));
    }

    SocketPair sockets() throws IOException {
      ServerSocket server = server();
      server.setReceiveBufferSize(SMALL);
      Socket near = closing(new Socket());
      near.setSendBufferSize(SMALL);
      near.connect(server.getLocalSocketAddress());
      return new SocketPair(near, closing(server.accept()));
    }

    ChannelPair channels() throws IOException {
      ServerSocketChannel server = serverChannel();
      server.setOption(StandardSocketOptions.SO_RCVBUF, SMALL);
      SocketChannel near = closing(SocketChannel.open());
      near.setOption(StandardSocketOptions.SO_SNDBUF, SMALL);
      near.connect(server.getLocalAddress());
      return new ChannelPair(near, closing(server.accept()));
    }

    UnixDomainSocketAddress unixAddress() throws IOException {
      return UnixDomainSocketAddress.of(directory().resolve("socket"));
    }

    ChannelPair unixChannels() throws IOException {
      UnixDomainSocketAddress address = unixAddress();
      ServerSocketChannel server =
          closing(ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(address));
      SocketChannel near = closing(SocketChannel.open(address));
      return new ChannelPair(near, closing(server.accept()));
    }

    DatagramChannel datagrams() throws IOException {
      return closing(
          DatagramChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)));
    }
  }

  record SocketPair(Socket near, Socket far) {}

  record ChannelPair(SocketChannel near, SocketChannel far) {}

  private static final int SMALL = 1 << 16;
  private static final int MUCH = 1 << 21;

  private final List<Operation> all = new ArrayList<>();

  private BlockingOperations() {
    queues();
    synchronizers();
    locks();
    futures();
    executors();
    threads();
    monitors();
    classes();
    processes();
    pipes();
    files();
    sockets();
    channels();
    selectors();
    clients();
  }

  public static List<Operation> all() {
    return new BlockingOperations().all;
  }

  private void add(String name, Preparation preparation) {
    add(name, 21, "", preparation);
  }

  private void add(String name, int since, String why, Preparation preparation) {
    all.add(new Operation(name, since, why, preparation));
  }

  private interface Use<T> {
    void on(T subject) throws Exception;
  }

  /** One that takes nothing but its subject. */
  private <T> void on(
      String name, Callable<? extends T> subject, Use<? super T> block, Use<? super T> release) {
    add(
        name,
        scene -> {
          T t = subject.call();
          return new Prepared(() -> block.on(t), () -> release.on(t));
        });
  }

  /** One that is released by an interrupt. */
  private void interrupted(String name, Step block) {
    add(
        name,
        scene ->
            new Prepared(
                () -> {
                  try {
                    block.run();
                    throw new AssertionError("was not interrupted");
                  } catch (InterruptedException e) {
                    // as it has to be
                  }
                },
                () -> scene.blocked.interrupt()));
  }

  private static void check(boolean condition) {
    if (!condition) throw new AssertionError("ended without what it waited for");
  }

  private static Callable<Object> waiting(CountDownLatch latch) {
    return () -> {
      latch.await();
      return "done";
    };
  }

  // java.util.concurrent

  private void queues() {
    Callable<BlockingQueue<Object>> array = () -> new ArrayBlockingQueue<>(1);
    bounded("ArrayBlockingQueue", array);
    taking("ArrayBlockingQueue", array);
    Callable<BlockingQueue<Object>> linked = () -> new LinkedBlockingQueue<>(1);
    bounded("LinkedBlockingQueue", linked);
    taking("LinkedBlockingQueue", linked);
    Callable<BlockingQueue<Object>> deque = () -> new LinkedBlockingDeque<>(1);
    bounded("LinkedBlockingDeque", deque);
    taking("LinkedBlockingDeque", deque);
    on(
        "LinkedBlockingDeque.putFirst",
        () -> {
          var full = new LinkedBlockingDeque<Object>(1);
          full.put(0);
          return full;
        },
        q -> q.putFirst(1),
        LinkedBlockingDeque::takeLast);
    on(
        "LinkedBlockingDeque.takeLast",
        LinkedBlockingDeque<Object>::new,
        LinkedBlockingDeque::takeLast,
        q -> q.putFirst(1));
    taking("PriorityBlockingQueue", PriorityBlockingQueue::new);
    Callable<DelayQueue<Due>> delays = DelayQueue::new;
    on("DelayQueue.take", delays, DelayQueue::take, q -> q.put(new Due(0)));
    on(
        "DelayQueue.take with an element that is not due",
        () -> new DelayQueue<>(List.of(new Due(TimeUnit.HOURS.toNanos(1)))),
        DelayQueue::take,
        q -> q.put(new Due(0)));
    on(
        "DelayQueue.poll with a timeout",
        delays,
        q -> check(q.poll(1, TimeUnit.HOURS) != null),
        q -> q.put(new Due(0)));
    Callable<BlockingQueue<Object>> synchronous = SynchronousQueue::new;
    on("SynchronousQueue.put", synchronous, q -> q.put(1), BlockingQueue::take);
    on(
        "SynchronousQueue.offer with a timeout",
        synchronous,
        q -> check(q.offer(1, 1, TimeUnit.HOURS)),
        BlockingQueue::take);
    taking("SynchronousQueue", synchronous);
    on(
        "SynchronousQueue.take, fair",
        () -> new SynchronousQueue<>(true),
        BlockingQueue::take,
        q -> q.put(1));
    Callable<LinkedTransferQueue<Object>> transfer = LinkedTransferQueue::new;
    on("LinkedTransferQueue.transfer", transfer, q -> q.transfer(1), BlockingQueue::take);
    on(
        "LinkedTransferQueue.tryTransfer with a timeout",
        transfer,
        q -> check(q.tryTransfer(1, 1, TimeUnit.HOURS)),
        BlockingQueue::take);
    taking("LinkedTransferQueue", transfer);
  }

  private void bounded(String name, Callable<? extends BlockingQueue<Object>> empty) {
    Callable<BlockingQueue<Object>> full =
        () -> {
          BlockingQueue<Object> q = empty.call();
          q.put(0);
          return q;
        };
    on(name + ".put", full, q -> q.put(1), BlockingQueue::take);
    on(
        name + ".offer with a timeout",
        full,
        q -> check(q.offer(1, 1, TimeUnit.HOURS)),
        BlockingQueue::take);
  }

  private void taking(String name, Callable<? extends BlockingQueue<Object>> empty) {
    on(name + ".take", empty, BlockingQueue::take, q -> q.put(1));
    on(
        name + ".poll with a timeout",
        empty,
        q -> check(q.poll(1, TimeUnit.HOURS) != null),
        q -> q.put(1));
  }

  private record Due(long nanos) implements Delayed {
    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(nanos, other.getDelay(TimeUnit.NANOSECONDS));
    }
  }

  private void synchronizers() {
    Callable<Exchanger<Integer>> exchanger = Exchanger::new;
    on("Exchanger.exchange", exchanger, e -> e.exchange(1), e -> e.exchange(2));
    on(
        "Exchanger.exchange with a timeout",
        exchanger,
        e -> e.exchange(1, 1, TimeUnit.HOURS),
        e -> e.exchange(2));
    Callable<Phaser> phaser = () -> new Phaser(2);
    on("Phaser.arriveAndAwaitAdvance", phaser, Phaser::arriveAndAwaitAdvance, Phaser::arrive);
    on("Phaser.awaitAdvance", phaser, p -> p.awaitAdvance(p.arrive()), Phaser::arrive);
    on(
        "Phaser.awaitAdvanceInterruptibly",
        phaser,
        p -> p.awaitAdvanceInterruptibly(p.arrive()),
        Phaser::arrive);
    on(
        "Phaser.awaitAdvanceInterruptibly with a timeout",
        phaser,
        p -> p.awaitAdvanceInterruptibly(p.arrive(), 1, TimeUnit.HOURS),
        Phaser::arrive);
    Callable<CyclicBarrier> barrier = () -> new CyclicBarrier(2);
    on("CyclicBarrier.await", barrier, CyclicBarrier::await, CyclicBarrier::await);
    on(
        "CyclicBarrier.await with a timeout",
        barrier,
        b -> b.await(1, TimeUnit.HOURS),
        CyclicBarrier::await);
    Callable<CountDownLatch> latch = () -> new CountDownLatch(1);
    on("CountDownLatch.await", latch, CountDownLatch::await, CountDownLatch::countDown);
    on(
        "CountDownLatch.await with a timeout",
        latch,
        l -> check(l.await(1, TimeUnit.HOURS)),
        CountDownLatch::countDown);
    Callable<Semaphore> semaphore = () -> new Semaphore(0);
    on("Semaphore.acquire", semaphore, Semaphore::acquire, Semaphore::release);
    on(
        "Semaphore.acquireUninterruptibly",
        semaphore,
        Semaphore::acquireUninterruptibly,
        Semaphore::release);
    on(
        "Semaphore.tryAcquire with a timeout",
        semaphore,
        s -> check(s.tryAcquire(1, TimeUnit.HOURS)),
        Semaphore::release);
  }

  /** Takes a lock that another thread holds. */
  private void held(String name, Callable<Lock> lock, Use<Lock> block) {
    add(
        name,
        scene -> {
          Lock l = lock.call();
          return taken(l, block, scene.hold(l));
        });
  }

  /** Takes one of two locks, of which another thread holds the other. */
  private void crossed(
      String name,
      Function<ReadWriteLock, Lock> wanted,
      Function<ReadWriteLock, Lock> held,
      Use<Lock> block) {
    add(
        name,
        scene -> {
          var both = new ReentrantReadWriteLock();
          return taken(wanted.apply(both), block, scene.hold(held.apply(both)));
        });
  }

  private static Prepared taken(Lock lock, Use<Lock> block, Step release) {
    return new Prepared(
        () -> {
          block.on(lock);
          lock.unlock();
        },
        release);
  }

  private void condition(String name, Use<Condition> block) {
    add(
        name,
        scene -> {
          var lock = new ReentrantLock();
          Condition condition = lock.newCondition();
          var signalled = new AtomicBoolean();
          return new Prepared(
              () -> {
                lock.lock();
                try {
                  while (!signalled.get()) block.on(condition);
                } finally {
                  lock.unlock();
                }
              },
              () -> {
                lock.lock();
                try {
                  signalled.set(true);
                  condition.signal();
                } finally {
                  lock.unlock();
                }
              });
        });
  }

  private interface StampedUse {
    long on(StampedLock lock) throws Exception;
  }

  private void stamped(String name, StampedUse block) {
    add(
        name,
        scene -> {
          var lock = new StampedLock();
          return new Prepared(
              () -> {
                long stamp = block.on(lock);
                check(stamp != 0);
                lock.unlock(stamp);
              },
              scene.hold(lock.asWriteLock()));
        });
  }

  private void locks() {
    held("ReentrantLock.lock", ReentrantLock::new, Lock::lock);
    held("ReentrantLock.lock, fair", () -> new ReentrantLock(true), Lock::lock);
    held("ReentrantLock.lockInterruptibly", ReentrantLock::new, Lock::lockInterruptibly);
    held(
        "ReentrantLock.tryLock with a timeout",
        ReentrantLock::new,
        l -> check(l.tryLock(1, TimeUnit.HOURS)));
    crossed(
        "ReentrantReadWriteLock.ReadLock.lock", l -> l.readLock(), l -> l.writeLock(), Lock::lock);
    crossed(
        "ReentrantReadWriteLock.WriteLock.lock", l -> l.writeLock(), l -> l.readLock(), Lock::lock);
    crossed(
        "ReentrantReadWriteLock.WriteLock.tryLock with a timeout",
        l -> l.writeLock(),
        l -> l.readLock(),
        l -> check(l.tryLock(1, TimeUnit.HOURS)));
    stamped("StampedLock.writeLock", StampedLock::writeLock);
    stamped("StampedLock.readLock", StampedLock::readLock);
    stamped("StampedLock.readLockInterruptibly", StampedLock::readLockInterruptibly);
    stamped("StampedLock.tryWriteLock with a timeout", l -> l.tryWriteLock(1, TimeUnit.HOURS));
    condition("Condition.await", Condition::await);
    condition("Condition.await with a timeout", c -> check(c.await(1, TimeUnit.HOURS)));
    condition("Condition.awaitNanos", c -> check(c.awaitNanos(TimeUnit.HOURS.toNanos(1)) > 0));
    condition(
        "Condition.awaitUntil",
        c -> check(c.awaitUntil(new Date(System.currentTimeMillis() + 3_600_000))));
    condition("Condition.awaitUninterruptibly", Condition::awaitUninterruptibly);
  }

  private void future(String name, Use<CompletableFuture<Integer>> block) {
    on(name, CompletableFuture<Integer>::new, block, f -> f.complete(1));
  }

  private void forkJoin(String name, Use<ForkJoinTask<Object>> block) {
    add(
        name,
        scene -> {
          var latch = new CountDownLatch(1);
          ForkJoinTask<Object> task = scene.forkJoinPool().submit(waiting(latch));
          return new Prepared(() -> block.on(task), latch::countDown);
        });
  }

  private void futures() {
    future("CompletableFuture.get", CompletableFuture::get);
    future("CompletableFuture.get with a timeout", f -> f.get(1, TimeUnit.HOURS));
    future("CompletableFuture.join", CompletableFuture::join);
    future("CompletableFuture.allOf, joined", f -> CompletableFuture.allOf(f).join());
    Callable<FutureTask<Integer>> task = () -> new FutureTask<>(() -> 1);
    on("FutureTask.get", task, FutureTask::get, FutureTask::run);
    on("FutureTask.get with a timeout", task, f -> f.get(1, TimeUnit.HOURS), FutureTask::run);
    add(
        "ScheduledFuture.get",
        scene -> {
          var pool = new ScheduledThreadPoolExecutor(1);
          scene.closing(pool::shutdownNow);
          var latch = new CountDownLatch(1);
          var f = pool.schedule(waiting(latch), 1, TimeUnit.MILLISECONDS);
          return new Prepared(f::get, latch::countDown);
        });
    forkJoin("ForkJoinTask.join", ForkJoinTask::join);
    forkJoin("ForkJoinTask.get", ForkJoinTask::get);
    forkJoin("ForkJoinTask.get with a timeout", t -> t.get(1, TimeUnit.HOURS));
    completed("ExecutorCompletionService.take", ExecutorCompletionService::take);
    completed(
        "ExecutorCompletionService.poll with a timeout",
        service -> check(service.poll(1, TimeUnit.HOURS) != null));
  }

  private void completed(String name, Use<ExecutorCompletionService<Object>> block) {
    add(
        name,
        scene -> {
          var latch = new CountDownLatch(1);
          var service = new ExecutorCompletionService<Object>(scene.pool());
          service.submit(waiting(latch));
          return new Prepared(() -> block.on(service), latch::countDown);
        });
  }

  private interface ExecutorUse<E extends ExecutorService> {
    void on(E executor, CountDownLatch latch) throws Exception;
  }

  private interface Provided<T> {
    T by(Scene scene) throws Exception;
  }

  private void executor(String name, ExecutorUse<ExecutorService> block) {
    executor(name, Scene::pool, block);
  }

  /** Uses an executor for something that goes on until it is released. */
  private <E extends ExecutorService> void executor(
      String name, Provided<E> executor, ExecutorUse<E> block) {
    add(
        name,
        scene -> {
          E e = executor.by(scene);
          var latch = new CountDownLatch(1);
          return new Prepared(() -> block.on(e, latch), latch::countDown);
        });
  }

  private void executors() {
    executor("ExecutorService.invokeAll", (pool, latch) -> pool.invokeAll(List.of(waiting(latch))));
    executor(
        "ExecutorService.invokeAll with a timeout",
        (pool, latch) -> pool.invokeAll(List.of(waiting(latch)), 1, TimeUnit.HOURS));
    executor("ExecutorService.invokeAny", (pool, latch) -> pool.invokeAny(List.of(waiting(latch))));
    executor(
        "ExecutorService.awaitTermination",
        (pool, latch) -> {
          pool.submit(waiting(latch));
          pool.shutdown();
          check(pool.awaitTermination(1, TimeUnit.HOURS));
        });
    executor(
        "ExecutorService.close",
        (pool, latch) -> {
          pool.submit(waiting(latch));
          pool.close();
        });
    executor(
        "ExecutorService.close, of one that has a virtual thread for each task",
        scene -> Executors.newVirtualThreadPerTaskExecutor(),
        (executor, latch) -> {
          executor.submit(waiting(latch));
          executor.close();
        });
    executor(
        "ForkJoinPool.invoke",
        Scene::forkJoinPool,
        (pool, latch) -> pool.invoke(ForkJoinTask.adapt(waiting(latch))));
    executor(
        "ForkJoinPool.awaitQuiescence",
        Scene::forkJoinPool,
        (pool, latch) -> {
          pool.submit(waiting(latch));
          check(pool.awaitQuiescence(1, TimeUnit.HOURS));
        });
    executor(
        "ForkJoinPool.awaitTermination",
        Scene::forkJoinPool,
        (pool, latch) -> {
          pool.submit(waiting(latch));
          pool.shutdown();
          check(pool.awaitTermination(1, TimeUnit.HOURS));
        });
    add(
        "ForkJoinPool.managedBlock",
        scene -> {
          var latch = new CountDownLatch(1);
          return new Prepared(
              () ->
                  ForkJoinPool.managedBlock(
                      new ForkJoinPool.ManagedBlocker() {
                        @Override
                        public boolean block() throws InterruptedException {
                          latch.await();
                          return true;
                        }

                        @Override
                        public boolean isReleasable() {
                          return latch.getCount() == 0;
                        }
                      }),
              latch::countDown);
        });
    add(
        "SubmissionPublisher.submit into a full buffer",
        scene -> {
          var publisher = scene.closing(new SubmissionPublisher<Integer>(scene.pool(), 1));
          var subscribed = new CompletableFuture<Flow.Subscription>();
          publisher.subscribe(
              new Flow.Subscriber<>() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                  subscribed.complete(subscription);
                }

                @Override
                public void onNext(Integer item) {}

                @Override
                public void onError(Throwable throwable) {}

                @Override
                public void onComplete() {}
              });
          Flow.Subscription subscription = subscribed.get();
          while (publisher.offer(0, null) >= 0) {}
          return new Prepared(() -> publisher.submit(1), () -> subscription.request(1000));
        });
  }

  // java.lang

  private void parked(String name, Step park) {
    add(
        name,
        scene -> {
          var released = new AtomicBoolean();
          return new Prepared(
              () -> {
                while (!released.get()) park.run();
              },
              () -> {
                released.set(true);
                LockSupport.unpark(scene.blocked);
              });
        });
  }

  private void joined(String name, int since, String why, Thread.Builder kind, Use<Thread> join) {
    add(
        name,
        since,
        why,
        scene -> {
          var latch = new CountDownLatch(1);
          Thread thread =
              kind.start(() -> {
                try {
                  latch.await();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              });
          return new Prepared(() -> join.on(thread), latch::countDown);
        });
  }

  private void threads() {
    parked("LockSupport.park", LockSupport::park);
    parked("LockSupport.parkNanos", () -> LockSupport.parkNanos(TimeUnit.HOURS.toNanos(1)));
    parked(
        "LockSupport.parkUntil",
        () -> LockSupport.parkUntil(System.currentTimeMillis() + 3_600_000));
    interrupted("Thread.sleep", () -> Thread.sleep(Duration.ofHours(1)));
    add("Thread.sleep, to its end", scene -> new Prepared(() -> Thread.sleep(50), () -> {}));
    interrupted("TimeUnit.sleep", () -> TimeUnit.HOURS.sleep(1));
    add("Thread.yield", scene -> new Prepared(Thread::yield, () -> {}));
    add(
        "Thread.onSpinWait",
        NEVER,
        "a hint to the processor; the thread goes on",
        scene -> {
          var released = new AtomicBoolean();
          var spins = new AtomicInteger();
          return new Prepared(
              () -> {
                while (!released.get()) {
                  spins.incrementAndGet();
                  Thread.onSpinWait();
                }
              },
              () -> released.set(true),
              () -> spins.get() > 100_000);
        });
    Thread.Builder platform = Thread.ofPlatform().daemon();
    joined("Thread.join of a platform thread", 24, MONITOR, platform, Thread::join);
    joined(
        "Thread.join of a platform thread, with a timeout",
        24,
        MONITOR,
        platform,
        t -> check(t.join(Duration.ofHours(1))));
    joined("Thread.join of a virtual thread", 21, "", Thread.ofVirtual(), Thread::join);
    joined(
        "Thread.join of a virtual thread, with a timeout",
        21,
        "",
        Thread.ofVirtual(),
        t -> check(t.join(Duration.ofHours(1))));
    referenceQueue("ReferenceQueue.remove", ReferenceQueue::remove);
    referenceQueue(
        "ReferenceQueue.remove with a timeout", queue -> check(queue.remove(3_600_000) != null));
  }

  private void referenceQueue(String name, Use<ReferenceQueue<Object>> block) {
    add(
        name,
        scene -> {
          var queue = new ReferenceQueue<Object>();
          var reference = new WeakReference<>(new Object(), queue);
          return new Prepared(() -> block.on(queue), reference::enqueue);
        });
  }

  private void waited(String name, Use<Object> block) {
    add(
        name,
        24,
        MONITOR,
        scene -> {
          var monitor = new Object();
          var notified = new AtomicBoolean();
          return new Prepared(
              () -> {
                synchronized (monitor) {
                  while (!notified.get()) block.on(monitor);
                }
              },
              () -> {
                synchronized (monitor) {
                  notified.set(true);
                  monitor.notifyAll();
                }
              });
        });
  }

  /** What an initialiser of a class does: it goes on when it is told to. */
  private static final class Pause {
    final CountDownLatch begun = new CountDownLatch(1);
    final CountDownLatch end = new CountDownLatch(1);

    void here() {
      begun.countDown();
      try {
        end.await();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  private static final Pause CALLED = new Pause();
  private static final Pause NAMED = new Pause();
  private static final Pause OWN = new Pause();

  private static final class Called {
    static {
      CALLED.here();
    }

    static void touch() {}
  }

  private static final class Named {
    static {
      NAMED.here();
    }

    static void touch() {}
  }

  private static final class Own {
    static {
      OWN.here();
    }

    static void touch() {}
  }

  private void classes() {
    add(
        "ClassLoader.loadClass, while another thread holds the loader",
        24,
        MONITOR,
        scene -> {
          var loader = new ClassLoader(BlockingOperations.class.getClassLoader()) {};
          return new Prepared(
              () -> loader.loadClass("java.lang.Object"), scene.holdMonitor(loader));
        });
    add(
        "Class.forName, while another thread holds the loader",
        NEVER,
        NATIVE,
        scene -> {
          var loader = new ClassLoader(BlockingOperations.class.getClassLoader()) {};
          return new Prepared(
              () -> Class.forName("java.lang.Object", true, loader), scene.holdMonitor(loader));
        });
    add(
        "a call of a static method of a class that another thread initialises",
        26,
        "until JDK 25 the JVM waits in code of its own, where it cannot suspend a virtual thread",
        scene -> {
          scene.thread(Called::touch);
          CALLED.begun.await();
          return new Prepared(Called::touch, CALLED.end::countDown);
        });
    add(
        "Class.forName of a class that another thread initialises",
        NEVER,
        NATIVE,
        scene -> {
          scene.thread(Named::touch);
          NAMED.begun.await();
          String name = Named.class.getName();
          return new Prepared(() -> Class.forName(name), NAMED.end::countDown);
        });
    add(
        "CountDownLatch.await in a class's initialiser",
        NEVER,
        "the JVM calls the initialiser, and a virtual thread cannot be suspended on top of the JVM's own frames",
        scene -> new Prepared(Own::touch, OWN.end::countDown));
  }

  private void monitors() {
    waited("Object.wait", Object::wait);
    waited("Object.wait with a timeout", m -> m.wait(3_600_000));
    add(
        "synchronized, while another thread holds the monitor",
        24,
        MONITOR,
        scene -> {
          var monitor = new Object();
          return new Prepared(
              () -> {
                synchronized (monitor) {
                  check(Thread.holdsLock(monitor));
                }
              },
              scene.holdMonitor(monitor));
        });
    add(
        "Vector.add, while another thread holds its monitor",
        24,
        MONITOR,
        scene -> {
          var vector = new Vector<Integer>();
          return new Prepared(() -> vector.add(1), scene.holdMonitor(vector));
        });
    add(
        "Collections.synchronizedList, while another thread holds its monitor",
        24,
        MONITOR,
        scene -> {
          List<Integer> list = Collections.synchronizedList(new ArrayList<>());
          return new Prepared(() -> list.add(1), scene.holdMonitor(list));
        });
    add(
        "ConcurrentHashMap.computeIfAbsent, while another thread computes the value",
        24,
        MONITOR,
        scene -> {
          var map = new ConcurrentHashMap<Integer, Integer>();
          var computing = new CountDownLatch(1);
          var latch = new CountDownLatch(1);
          scene.thread(() ->
              map.computeIfAbsent(
                  1,
                  key -> {
                    computing.countDown();
                    try {
                      latch.await();
                    } catch (InterruptedException e) {
                      throw new AssertionError(e);
                    }
                    return 2;
                  }));
          computing.await();
          return new Prepared(() -> check(map.computeIfAbsent(1, key -> 3) == 2), latch::countDown);
        });
    add(
        "CountDownLatch.await within synchronized",
        24,
        MONITOR,
        scene -> {
          var latch = new CountDownLatch(1);
          return new Prepared(
              () -> {
                synchronized (latch) {
                  latch.await();
                }
              },
              latch::countDown);
        });
  }

  private void processEnd(String name, Use<Process> block) {
    add(
        name,
        scene -> {
          Process p = scene.process("cat");
          return new Prepared(() -> block.on(p), () -> p.getOutputStream().close());
        });
  }

  private void processes() {
    processEnd("Process.waitFor", Process::waitFor);
    processEnd("Process.waitFor with a timeout", p -> check(p.waitFor(1, TimeUnit.HOURS)));
    processEnd("Process.onExit, joined", p -> p.onExit().join());
    add(
        "Process.getInputStream, read",
        NEVER,
        FILE,
        scene -> {
          Process p = scene.process("cat");
          return new Prepared(
              () -> check(p.getInputStream().read() == 1),
              () -> {
                p.getOutputStream().write(1);
                p.getOutputStream().flush();
              });
        });
    add(
        "Process.getOutputStream, written to while the pipe is full",
        NEVER,
        FILE,
        scene -> {
          Process p = scene.process("sleep", "3600");
          return new Prepared(
              () -> {
                try {
                  p.getOutputStream().write(new byte[MUCH]);
                  throw new AssertionError("was written");
                } catch (IOException e) {
                  // nobody reads any more
                }
              },
              p::destroyForcibly);
        });
  }

  // java.io

  private void pipes() {
    add(
        "PipedInputStream.read",
        24,
        MONITOR,
        scene -> {
          var in = scene.closing(new PipedInputStream());
          var out = scene.closing(new PipedOutputStream(in));
          return new Prepared(
              () -> check(in.read() == 1),
              () -> {
                out.write(1);
                out.flush();
              });
        });
    add(
        "PipedOutputStream.write into a full pipe",
        24,
        MONITOR,
        scene -> {
          var in = scene.closing(new PipedInputStream(1));
          var out = new PipedOutputStream(in);
          out.write(1);
          return new Prepared(
              () -> out.write(2),
              () -> {
                synchronized (in) {
                  in.read();
                  in.notifyAll(); // as the next read would do
                }
              });
        });
    add(
        "PipedReader.read",
        24,
        MONITOR,
        scene -> {
          var in = scene.closing(new PipedReader());
          var out = scene.closing(new PipedWriter(in));
          return new Prepared(
              () -> check(in.read() == 1),
              () -> {
                out.write(1);
                out.flush();
              });
        });
    add(
        "BufferedReader.read, while another thread reads",
        24,
        MONITOR,
        scene -> {
          var reading = new CountDownLatch(1);
          var latch = new CountDownLatch(1);
          var reader =
              new BufferedReader(
                  new Reader() {
                    @Override
                    public int read(char[] chars, int offset, int length) {
                      reading.countDown();
                      try {
                        latch.await();
                      } catch (InterruptedException e) {
                        throw new AssertionError(e);
                      }
                      return -1;
                    }

                    @Override
                    public void close() {}
                  });
          scene.thread(reader::read);
          reading.await();
          return new Prepared(() -> check(reader.read() == -1), latch::countDown);
        });
  }

  private interface Opened<T> {
    T from(Path path) throws Exception;
  }

  private <T extends AutoCloseable> void fifo(String name, Opened<T> opened, Use<T> read) {
    add(
        name,
        NEVER,
        FILE,
        scene -> {
          Path fifo = scene.fifo();
          RandomAccessFile ends = scene.ends(fifo);
          T source = scene.closing(opened.from(fifo));
          return new Prepared(() -> read.on(source), () -> ends.write(1));
        });
  }

  private void files() {
    fifo(
        "FileInputStream.read of a FIFO",
        path -> new FileInputStream(path.toFile()),
        in -> check(in.read() == 1));
    fifo(
        "System.in.read, with a FIFO in place of the standard input",
        path -> {
          InputStream before = System.in;
          var in = new BufferedInputStream(new FileInputStream(path.toFile()));
          System.setIn(in);
          return () -> {
            System.setIn(before);
            in.close();
          };
        },
        in -> check(System.in.read() == 1));
    fifo(
        "RandomAccessFile.read of a FIFO",
        path -> new RandomAccessFile(path.toFile(), "r"),
        file -> check(file.read() == 1));
    fifo(
        "FileChannel.read of a FIFO",
        path -> FileChannel.open(path, StandardOpenOption.READ),
        channel -> check(channel.read(ByteBuffer.allocate(1)) == 1));
    fifo(
        "Files.newInputStream, read, of a FIFO",
        Files::newInputStream,
        in -> check(in.read() == 1));
    add(
        "FileOutputStream.write into a full FIFO",
        NEVER,
        FILE,
        scene -> {
          Path fifo = scene.fifo();
          RandomAccessFile ends = scene.ends(fifo);
          ends.write(new byte[SMALL]);
          var out = scene.closing(new FileOutputStream(fifo.toFile()));
          return new Prepared(() -> out.write(1), () -> ends.readFully(new byte[SMALL]));
        });
    add(
        "new FileInputStream of a FIFO",
        NEVER,
        OPENING,
        scene -> {
          Path fifo = scene.fifo();
          return new Prepared(
              () -> new FileInputStream(fifo.toFile()).close(), () -> scene.ends(fifo));
        });
    add(
        "FileChannel.open of a FIFO",
        NEVER,
        OPENING,
        scene -> {
          Path fifo = scene.fifo();
          return new Prepared(
              () -> FileChannel.open(fifo, StandardOpenOption.WRITE).close(),
              () -> scene.ends(fifo));
        });
    add(
        "FileChannel.lock, while another process has the lock",
        NEVER,
        FILE,
        scene -> {
          Path file = scene.file();
          Step release = lockedElsewhere(scene, file);
          var channel = scene.closing(FileChannel.open(file, StandardOpenOption.WRITE));
          return new Prepared(() -> channel.lock().release(), release);
        });
    add(
        "AsynchronousFileChannel.lock, its future's get, while another process has the lock",
        scene -> {
          Path file = scene.file();
          Step release = lockedElsewhere(scene, file);
          var channel = scene.closing(AsynchronousFileChannel.open(file, StandardOpenOption.WRITE));
          return new Prepared(() -> channel.lock().get().release(), release);
        });
    watched("WatchService.take", WatchService::take);
    watched(
        "WatchService.poll with a timeout",
        service -> check(service.poll(1, TimeUnit.HOURS) != null));
  }

  private void watched(String name, Use<WatchService> block) {
    add(
        name,
        scene -> {
          Path directory = scene.directory();
          WatchService service = scene.closing(FileSystems.getDefault().newWatchService());
          directory.register(service, StandardWatchEventKinds.ENTRY_CREATE);
          return new Prepared(
              () -> block.on(service), () -> Files.createFile(directory.resolve("new")));
        });
  }

  /** Has another JVM lock {@code file} until what is returned here has run. */
  private static Step lockedElsewhere(Scene scene, Path file) throws IOException {
    Process holder =
        scene.process(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            BlockingOperations.class.getName(),
            file.toString());
    check(holder.getInputStream().read() == 'h');
    return () -> holder.getOutputStream().close();
  }

  /** Locks a file until its standard input ends. */
  public static void main(String[] args) throws IOException {
    try (var channel = FileChannel.open(Path.of(args[0]), StandardOpenOption.WRITE);
        FileLock held = channel.lock()) {
      System.out.println(held.isValid() ? "held" : "none");
      check(System.in.read() == -1);
    }
  }

  // java.net

  private void sockets() {
    add(
        "Socket.getInputStream, read",
        scene -> {
          SocketPair pair = scene.sockets();
          return new Prepared(
              () -> check(pair.near.getInputStream().read() == 1),
              () -> pair.far.getOutputStream().write(1));
        });
    add(
        "Socket.getInputStream, read with a timeout",
        scene -> {
          SocketPair pair = scene.sockets();
          pair.near.setSoTimeout(3_600_000);
          return new Prepared(
              () -> check(pair.near.getInputStream().read() == 1),
              () -> pair.far.getOutputStream().write(1));
        });
    add(
        "Socket.getOutputStream, written to while the buffers are full",
        scene -> {
          SocketPair pair = scene.sockets();
          return new Prepared(
              () -> pair.near.getOutputStream().write(new byte[MUCH]),
              () -> pair.far.getInputStream().readNBytes(MUCH));
        });
    connect("Socket.connect", 0);
    connect("Socket.connect with a timeout", 3_600_000);
    add(
        "ServerSocket.accept",
        scene -> {
          ServerSocket server = scene.server();
          return new Prepared(
              () -> server.accept().close(),
              () -> new Socket(server.getInetAddress(), server.getLocalPort()).close());
        });
    add(
        "ServerSocket.accept with a timeout",
        scene -> {
          ServerSocket server = scene.server();
          server.setSoTimeout(3_600_000);
          return new Prepared(
              () -> server.accept().close(),
              () -> new Socket(server.getInetAddress(), server.getLocalPort()).close());
        });
    datagram("DatagramSocket.receive", 0);
    datagram("DatagramSocket.receive with a timeout", 3_600_000);
    add(
        "SSLSocket.startHandshake",
        scene -> {
          ServerSocket server = scene.server();
          var socket =
              (SSLSocket)
                  scene.closing(
                      SSLSocketFactory.getDefault()
                          .createSocket(server.getInetAddress(), server.getLocalPort()));
          return new Prepared(
              () -> {
                try {
                  socket.startHandshake();
                  throw new AssertionError("shook hands");
                } catch (SSLException | SocketException e) {
                  // the other side has closed
                }
              },
              () -> server.accept().close());
        });
  }

  private void connect(String name, int timeout) {
    add(
        name,
        scene -> {
          var server = scene.closing(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
          scene.fillBacklog(server.getLocalSocketAddress(), 1);
          var socket = new Socket();
          return new Prepared(
              () -> {
                try {
                  socket.connect(server.getLocalSocketAddress(), timeout);
                  throw new AssertionError("connected");
                } catch (SocketException e) {
                  // closed
                }
              },
              socket::close);
        });
  }

  private void datagram(String name, int timeout) {
    add(
        name,
        scene -> {
          var socket = scene.closing(new DatagramSocket(0, InetAddress.getLoopbackAddress()));
          socket.setSoTimeout(timeout);
          return new Prepared(
              () -> socket.receive(new DatagramPacket(new byte[1], 1)),
              () -> send(socket.getLocalSocketAddress()));
        });
  }

  private static void send(SocketAddress to) throws IOException {
    try (DatagramChannel from = DatagramChannel.open()) {
      from.send(ByteBuffer.allocate(1), to);
    }
  }

  // java.nio.channels

  private void channels() {
    channel("SocketChannel", Scene::channels);
    channel("SocketChannel of the Unix domain", Scene::unixChannels);
    add(
        "SocketChannel.connect",
        scene -> {
          var server =
              scene.closing(
                  ServerSocketChannel.open()
                      .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1));
          scene.fillBacklog(server.getLocalAddress(), 1);
          SocketChannel channel = SocketChannel.open();
          return new Prepared(
              () -> {
                try {
                  channel.connect(server.getLocalAddress());
                  throw new AssertionError("connected");
                } catch (IOException e) {
                  // closed
                }
              },
              channel::close);
        });
    add(
        "SocketChannel.socket, read",
        scene -> {
          ChannelPair pair = scene.channels();
          return new Prepared(
              () -> check(pair.near.socket().getInputStream().read() == 0),
              () -> pair.far.write(ByteBuffer.allocate(1)));
        });
    add(
        "Channels.newInputStream of a SocketChannel, read",
        scene -> {
          ChannelPair pair = scene.channels();
          return new Prepared(
              () -> check(Channels.newInputStream(pair.near).read() == 0),
              () -> pair.far.write(ByteBuffer.allocate(1)));
        });
    add(
        "FileChannel.transferFrom a SocketChannel",
        scene -> {
          ChannelPair pair = scene.channels();
          var file = scene.closing(FileChannel.open(scene.file(), StandardOpenOption.WRITE));
          return new Prepared(
              () -> check(file.transferFrom(pair.near, 0, 1) == 1),
              () -> pair.far.write(ByteBuffer.allocate(1)));
        });
    add(
        "FileChannel.transferTo a SocketChannel whose buffers are full",
        NEVER,
        "one system call sends the file; it waits unless an earlier call has made the socket non-blocking",
        scene -> {
          ChannelPair pair = scene.channels();
          Path path = scene.file();
          Files.write(path, new byte[MUCH]);
          var file = scene.closing(FileChannel.open(path, StandardOpenOption.READ));
          return new Prepared(
              () -> {
                for (long at = 0; at < MUCH; ) at += file.transferTo(at, MUCH - at, pair.near);
              },
              () -> readFully(pair.far));
        });
    add(
        "ServerSocketChannel.accept",
        scene -> {
          ServerSocketChannel server = scene.serverChannel();
          return new Prepared(
              () -> server.accept().close(),
              () -> SocketChannel.open(server.getLocalAddress()).close());
        });
    add(
        "ServerSocketChannel.accept of the Unix domain",
        scene -> {
          UnixDomainSocketAddress address = scene.unixAddress();
          var server =
              scene.closing(ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(address));
          return new Prepared(
              () -> server.accept().close(), () -> SocketChannel.open(address).close());
        });
    add(
        "ServerSocketChannel.socket, accept",
        scene -> {
          ServerSocketChannel server = scene.serverChannel();
          return new Prepared(
              () -> server.socket().accept().close(),
              () -> SocketChannel.open(server.getLocalAddress()).close());
        });
    add(
        "DatagramChannel.receive",
        scene -> {
          DatagramChannel channel = scene.datagrams();
          return new Prepared(
              () -> channel.receive(ByteBuffer.allocate(1)), () -> send(channel.getLocalAddress()));
        });
    add(
        "DatagramChannel.read",
        scene -> {
          DatagramChannel channel = scene.datagrams();
          DatagramChannel other = scene.datagrams();
          channel.connect(other.getLocalAddress());
          return new Prepared(
              () -> channel.read(ByteBuffer.allocate(1)),
              () -> other.send(ByteBuffer.allocate(1), channel.getLocalAddress()));
        });
    add(
        "Pipe.SourceChannel.read",
        scene -> {
          Pipe pipe = Pipe.open();
          scene.closing(pipe.sink());
          scene.closing(pipe.source());
          return new Prepared(
              () -> pipe.source().read(ByteBuffer.allocate(1)),
              () -> pipe.sink().write(ByteBuffer.allocate(1)));
        });
    add(
        "Pipe.SinkChannel.write into a full pipe",
        scene -> {
          Pipe pipe = Pipe.open();
          scene.closing(pipe.sink());
          scene.closing(pipe.source());
          return new Prepared(() -> writeFully(pipe.sink()), () -> readFully(pipe.source()));
        });
    add(
        "AsynchronousSocketChannel.read, its future's get",
        scene -> {
          ServerSocketChannel server = scene.serverChannel();
          var channel = scene.closing(AsynchronousSocketChannel.open());
          channel.connect(server.getLocalAddress()).get();
          SocketChannel far = scene.closing(server.accept());
          return new Prepared(
              () -> channel.read(ByteBuffer.allocate(1)).get(),
              () -> far.write(ByteBuffer.allocate(1)));
        });
    add(
        "AsynchronousServerSocketChannel.accept, its future's get",
        scene -> {
          var server =
              scene.closing(
                  AsynchronousServerSocketChannel.open()
                      .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)));
          return new Prepared(
              () -> server.accept().get().close(),
              () -> SocketChannel.open(server.getLocalAddress()).close());
        });
  }

  private void channel(String name, Provided<ChannelPair> channels) {
    add(
        name + ", read",
        scene -> {
          ChannelPair pair = channels.by(scene);
          return new Prepared(
              () -> check(pair.near.read(ByteBuffer.allocate(1)) == 1),
              () -> pair.far.write(ByteBuffer.allocate(1)));
        });
    add(
        name + ", written to while the buffers are full",
        scene -> {
          ChannelPair pair = channels.by(scene);
          return new Prepared(() -> writeFully(pair.near), () -> readFully(pair.far));
        });
  }

  private static void writeFully(WritableByteChannel to) throws IOException {
    for (ByteBuffer much = ByteBuffer.allocate(MUCH); much.hasRemaining(); ) to.write(much);
  }

  private static void readFully(ReadableByteChannel from) throws IOException {
    for (ByteBuffer much = ByteBuffer.allocate(MUCH); much.hasRemaining(); ) from.read(much);
  }

  private void selector(String name, Use<Selector> block, boolean wakes) {
    add(
        name,
        24,
        "until JDK 23 it is a plain system call, within a monitor",
        scene -> {
          Selector selector = scene.closing(Selector.open());
          Pipe pipe = Pipe.open();
          scene.closing(pipe.sink());
          scene.closing(pipe.source()).configureBlocking(false);
          pipe.source().register(selector, SelectionKey.OP_READ);
          return new Prepared(
              () -> block.on(selector),
              wakes ? selector::wakeup : () -> pipe.sink().write(ByteBuffer.allocate(1)));
        });
  }

  private void selectors() {
    selector("Selector.select", s -> check(s.select() == 1), false);
    selector("Selector.select, until it is woken up", s -> check(s.select() == 0), true);
    selector("Selector.select with a timeout", s -> check(s.select(3_600_000) == 1), false);
    selector("Selector.select with an action", s -> check(s.select(key -> {}) == 1), false);
  }

  // Clients of HTTP

  private void client(String name, Use<URI> block) {
    add(
        name,
        scene -> {
          ServerSocket server = scene.server();
          URI uri =
              URI.create(
                  "http://%s:%d/"
                      .formatted(server.getInetAddress().getHostAddress(), server.getLocalPort()));
          return new Prepared(() -> block.on(uri), () -> answer(server));
        });
  }

  /** Reads a request and answers it. */
  private static void answer(ServerSocket server) throws IOException {
    try (Socket socket = server.accept()) {
      var request = new BufferedReader(new InputStreamReader(socket.getInputStream()));
      while (!request.readLine().isEmpty()) {}
      socket
          .getOutputStream()
          .write(
              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                  .getBytes(StandardCharsets.US_ASCII));
    }
  }

  private static final HttpResponse.BodyHandler<String> TEXT = HttpResponse.BodyHandlers.ofString();

  private void clients() {
    client(
        "HttpURLConnection.getResponseCode",
        uri -> check(((HttpURLConnection) uri.toURL().openConnection()).getResponseCode() == 200));
    client(
        "URL.openStream",
        uri -> {
          try (InputStream in = uri.toURL().openStream()) {
            check(in.readAllBytes().length == 2);
          }
        });
    client(
        "HttpClient.send",
        uri -> {
          try (HttpClient http = HttpClient.newHttpClient()) {
            check(http.send(HttpRequest.newBuilder(uri).build(), TEXT).body().equals("ok"));
          }
        });
    client(
        "HttpClient.sendAsync, joined",
        uri -> {
          try (HttpClient http = HttpClient.newHttpClient()) {
            check(
                http.sendAsync(HttpRequest.newBuilder(uri).build(), TEXT)
                    .join()
                    .body()
                    .equals("ok"));
          }
        });
  }
}
