package greenlet.journal;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that writes a directory: whoever wants something written waits for it, and all that has come meanwhile is one batch
 * with one force. A thread of its own, as the others may be interrupted, which would close their channel.
 */
final class Writer {
  private static final int BATCH = 1 << 23; // bytes, unless a single request has more

  /** Something to be written. */
  abstract static class Request<T> {
    private final CompletableFuture<T> done = new CompletableFuture<>();
    private @Nullable T result;
    private @Nullable RuntimeException refused;

    /** About how many bytes it takes. */
    abstract int size();

    /** Puts it into a batch. A refusal changes nothing. */
    abstract T put(Batch batch) throws Refusal;

    private void stage(Batch batch) {
      try {
        result = put(batch);
      } catch (Refusal e) {
        refused = new IllegalStateException(e.getMessage());
      }
    }

    private void finish() {
      if (refused != null) done.completeExceptionally(refused);
      else done.complete(Objects.requireNonNull(result));
    }

    /** Completed in the thread that writes. */
    CompletableFuture<T> done() {
      return done;
    }

    /** What came of it, when that is durable. An interrupt of the caller stays. */
    T await() throws IOException {
      try {
        return done.join();
      } catch (CompletionException e) {
        if (e.getCause() instanceof IllegalStateException refusal) throw refusal;
        if (e.getCause() instanceof IOException over)
          throw new IOException(over.getMessage(), over);
        throw e;
      }
    }
  }

  /** What was asked for cannot be done to the program as it is. */
  static final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
      super(message);
    }
  }

  private final Log log;
  private final Index index;
  private final Compactor compactor;
  private final Disk disk;
  private final String name;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Queue<Request<?>> queue = new ArrayDeque<>();
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private boolean isStopping;
  private volatile @Nullable Throwable failure;

  Writer(String name, Log log, Index index, Compactor compactor, Disk disk) {
    this.name = name;
    this.log = log;
    this.index = index;
    this.compactor = compactor;
    this.disk = disk;
  }

  /** Starts the thread, which first does {@code opening}; returns when that is done. */
  void start(Opening opening) throws IOException {
    CompletableFuture<Void> opened = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .name(name)
        .start(() -> {
          try {
            opening.open();
            opened.complete(null);
          } catch (Throwable t) {
            opened.completeExceptionally(t);
            return;
          }
          run();
        });
    try {
      opened.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof IOException io) throw io;
      throw new IOException(name + " could not be opened: " + e.getCause(), e.getCause());
    }
  }

  interface Opening {
    void open() throws IOException;
  }

  void submit(List<? extends Request<?>> requests) throws IOException {
    lock.lock();
    try {
      requireAlive();
      queue.addAll(requests);
      changed.signal();
    } finally {
      lock.unlock();
    }
  }

  /** Refuses what is asked of a store that has failed. */
  void requireAlive() throws IOException {
    Throwable t = failure;
    if (t != null) throw new IOException(over(t), t);
  }

  private String over(Throwable t) {
    return "%s is over, as something could not be written: %s. What was being written may be there or not; close it, and open it again"
        .formatted(name, t);
  }

  private void run() {
    List<Request<?>> taken = new ArrayList<>();
    try {
      while (take(taken)) {
        if (!taken.isEmpty()) write(taken);
        taken.clear();
        if (compactor.isNeeded()) compactor.step();
      }
    } catch (Throwable t) {
      fail(t, taken);
    } finally {
      ended.complete(null);
    }
  }

  /** Takes what there is, and waits for it if there is nothing else to do; false if there is nothing, and will not be. */
  private boolean take(List<Request<?>> taken) throws InterruptedException {
    lock.lock();
    try {
      while (queue.isEmpty()) {
        if (isStopping) return false;
        if (compactor.isNeeded()) return true;
        changed.await();
      }
      int size = 0;
      for (Request<?> next; size < BATCH && (next = queue.poll()) != null; size += next.size())
        taken.add(next);
      return true;
    } finally {
      lock.unlock();
    }
  }

  private void write(List<Request<?>> requests) throws IOException {
    log.roll();
    var batch = new Batch(log, index);
    for (Request<?> request : requests) request.stage(batch);
    batch.write();
    disk.forced();
    requests.forEach(Request::finish);
  }

  private void fail(Throwable t, List<Request<?>> taken) {
    lock.lock();
    try {
      failure = t;
      taken.addAll(queue);
      queue.clear();
    } finally {
      lock.unlock();
    }
    var over = new IOException(over(t), t);
    for (Request<?> request : taken) request.done.completeExceptionally(over);
  }

  /** Writes what is still to be written, and ends the thread. */
  void stop() {
    lock.lock();
    try {
      isStopping = true;
      changed.signal();
    } finally {
      lock.unlock();
    }
    ended.join();
  }
}
