package greenlet.journal;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Runs programs of a store that it shares with other workers, in this process and in others: takes those that are due, have a message
 * or were begun by a {@linkplain Host#client client}, if it knows their function and their version; renews its leases; and takes
 * over the programs of workers that have died.
 *
 * <pre>{@code
 * JdbcStore store = JdbcStore.open(dataSource);
 * Worker worker = new Worker(store, Codec.STRINGS, Map.of("order", order), WorkerOptions.DEFAULT);
 * }</pre>
 *
 * <p>Each of its threads is a {@link Host}, with a lease of its own. When that has ended, since the process stood still for longer, the
 * programs go on elsewhere: here they are superseded, and the thread goes on with a new lease. Its methods may be called from any
 * thread.
 */
public final class Worker implements AutoCloseable {
  private static final AtomicLong COUNT = new AtomicLong();
  private static final int RENEWALS = 3; // in a lease

  private final SharedStore store;
  private final Codec codec;
  private final Map<String, Program<?, ?>> functions;
  private final WorkerOptions options;
  private final String name;
  private final SharedStore.Share share;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread renewing;

  // Guarded by this
  private final List<Member> members = new ArrayList<>();
  private long leases;
  private long lost;
  private @Nullable Throwable problem;

  /** A thread with a lease. */
  private record Member(String name, StoreOfWorker view, Host host) {}

  /**
   * Begins to work.
   *
   * @param store has the programs; is not closed with the worker
   * @param codec encodes their values, as in all that share the store
   * @param functions what it runs, by the names that programs are begun with
   * @param options how
   * @throws IOException if the store is over
   */
  public Worker(
      SharedStore store,
      Codec codec,
      Map<String, ? extends Program<?, ?>> functions,
      WorkerOptions options)
      throws IOException {
    if (store == null || codec == null || options == null)
      throw new IllegalArgumentException(
          "a worker needs a store, a codec, functions and options: got null");
    if (functions.isEmpty())
      throw new IllegalArgumentException(
          "a worker takes the programs whose function it knows, and got none; a host that only begins programs is Host.client");
    this.store = store;
    this.codec = codec;
    this.functions = Map.copyOf(functions);
    this.options = options;
    name = options.name() != null ? options.name() : nameOfProcess();
    share =
        new SharedStore.Share(
            this.functions.keySet(), options.version(), options.versions(), options.most());
    try {
      for (int i = 0; i < options.threads(); i++) members.add(enter());
    } catch (Throwable t) {
      leaveAll();
      throw t;
    }
    renewing = Thread.ofPlatform().daemon().name(name + " leases").start(this::renew);
  }

  private static String nameOfProcess() {
    String machine;
    try {
      machine = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      machine = "unknown";
    }
    return "%s-%d-%x-%d"
        .formatted(
            machine,
            ProcessHandle.current().pid(),
            System.currentTimeMillis(),
            COUNT.incrementAndGet());
  }

  private Member enter() throws IOException {
    String lease = name + "-" + ++leases;
    store.enter(lease, options.lease());
    WorkerRecords.lease(lease, "begun");
    var view = new StoreOfWorker(store, lease, share, options.poll().toMillis());
    var host = new Host(view, codec).functions(functions::get);
    host.resume();
    return new Member(lease, view, host);
  }

  /** In a thread of its own. */
  private void renew() {
    long pause = options.lease().toMillis() / RENEWALS;
    try {
      while (!closing.await(pause, TimeUnit.MILLISECONDS)) {
        List<Member> over = new ArrayList<>();
        for (Member member : members())
          if (!store.renew(member.name, options.lease())) over.add(member);
        for (Member member : over) replace(member);
      }
    } catch (Throwable t) {
      stop(t);
    }
  }

  private synchronized List<Member> members() {
    return List.copyOf(members);
  }

  /** Its programs are elsewhere. */
  private void replace(Member member) throws IOException {
    WorkerRecords.lease(member.name, "lost");
    member.host.close();
    store.leave(member.name);
    synchronized (this) {
      lost++;
      members.remove(member);
      if (closing.getCount() > 0) members.add(enter());
    }
  }

  private void stop(Throwable why) {
    synchronized (this) {
      problem = why;
    }
    for (Member member : members()) member.host.close();
  }

  /**
   * What it does.
   *
   * @return how many programs it has, and which are stuck
   * @throws IOException if the store cannot be read
   */
  public WorkerStatus status() throws IOException {
    List<Member> all;
    Throwable why;
    long howOften;
    synchronized (this) {
      all = members();
      why = problem;
      howOften = lost;
    }
    int programs = 0;
    List<Status> stuck = new ArrayList<>();
    for (Member member : all) {
      programs += member.view.size();
      try {
        stuck.addAll(member.host.stuck());
      } catch (IllegalStateException e) { // it has been closed just now, or its lease was lost
      }
    }
    return new WorkerStatus(
        name, options.version(), Set.copyOf(functions.keySet()), programs, stuck, howOften, why);
  }

  /**
   * Stops: no program goes on here. Steps that run are interrupted, and leave no entry. What is being written is waited for. All its
   * programs are nobody's then, at once. The store stays open.
   *
   * @throws IOException if the store is over
   */
  @Override
  public void close() throws IOException {
    closing.countDown();
    boolean isInterrupted = false;
    while (renewing.isAlive()) {
      try {
        renewing.join();
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    try {
      leaveAll();
    } finally {
      if (isInterrupted) Thread.currentThread().interrupt();
    }
  }

  private void leaveAll() throws IOException {
    List<Member> all = members();
    for (Member member : all) member.host.close();
    for (Member member : all) {
      store.leave(member.name);
      WorkerRecords.lease(member.name, "ended");
    }
    synchronized (this) {
      members.clear();
    }
  }

  @Override
  public String toString() {
    return "#<Worker %s>".formatted(name);
  }
}
