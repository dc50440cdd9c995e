package greenlet.journal;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLRecoverableException;
import java.sql.SQLTransientException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * The connections of a store, each in a thread of its own: a driver must not meet the interrupts of those who call. A transaction
 * that has lost its connection is done once more.
 */
final class Connections {
  private static final long FIRST_PAUSE_MILLIS = 10;
  private static final long LONGEST_PAUSE_MILLIS = 1000;

  /** States of errors that pass: the server starts or stops, others were before or make the tables just then, two wait for each other. */
  private static final Set<String> PASSING =
      Set.of(
          "57P01", "57P02", "57P03", "53300", "40001", "40P01", "23505", "HYT00", "42P07", "42S01");

  /** A transaction. It may be done again, after one of which nobody knows whether it was committed. */
  interface Work<T extends @Nullable Object> {
    T run(Connection connection, boolean isAgain) throws SQLException;
  }

  /** A thread, and its connection as long as it is good. */
  private final class Holder extends Thread {
    private @Nullable Connection connection;

    Holder(Runnable body) {
      super(body, name);
      setDaemon(true);
    }

    @Override
    public void run() {
      try {
        super.run();
      } finally {
        drop();
      }
    }

    Connection connection() throws SQLException {
      Connection open = connection;
      if (open == null) {
        open = source.getConnection();
        connection = open;
        open.setAutoCommit(false);
        open.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        tell(open, Dialect.of(open).first());
      }
      return open;
    }

    private void tell(Connection open, List<String> statements) throws SQLException {
      try (Statement statement = open.createStatement()) {
        for (String each : statements) statement.execute(each);
      }
      open.commit();
    }

    void drop() {
      Connection open = connection;
      connection = null;
      if (open == null) return;
      try {
        open.rollback();
        tell(open, Dialect.of(open).last());
      } catch (SQLException e) { // it is lost
      }
      try {
        open.close();
      } catch (SQLException e) { // it is lost
      }
    }
  }

  private final DataSource source;
  private final String name;
  private final Duration patience;
  private final ExecutorService threads;
  private final ReentrantReadWriteLock calls = new ReentrantReadWriteLock();
  private volatile boolean isClosing;
  private boolean isClosed;
  private volatile @Nullable Throwable failure;

  Connections(DataSource source, String name, int connections, Duration patience) {
    this.source = source;
    this.name = name;
    this.patience = patience;
    threads = Executors.newFixedThreadPool(connections, Holder::new);
  }

  <T extends @Nullable Object> T read(Work<T> work) throws IOException {
    return call(work, false);
  }

  /** The store is over if nobody knows what came of it. */
  <T extends @Nullable Object> T write(Work<T> work) throws IOException {
    return call(work, true);
  }

  private <T extends @Nullable Object> T call(Work<T> work, boolean writes) throws IOException {
    calls.readLock().lock();
    try {
      if (isClosed) throw new IOException("the store %s is closed".formatted(name));
      Throwable over = failure;
      if (over != null) throw over(over);
      return CompletableFuture.supplyAsync(() -> unchecked(work, writes), threads).join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof IOException io) throw new IOException(io.getMessage(), io);
      throw Sneaky.unchecked(e.getCause() == null ? e : e.getCause());
    } finally {
      calls.readLock().unlock();
    }
  }

  private IOException over(Throwable t) {
    return new IOException(
        "the store %s is over, as something could not be written: %s. What was being written may be there or not; close it, and open it again"
            .formatted(name, t),
        t);
  }

  private <T extends @Nullable Object> T unchecked(Work<T> work, boolean writes) {
    try {
      return run(work);
    } catch (SQLException e) {
      if (writes) failure = e;
      throw new CompletionException(
          writes
              ? over(e)
              : new IOException("the store %s cannot be read: %s".formatted(name, e), e));
    }
  }

  private <T extends @Nullable Object> T run(Work<T> work) throws SQLException {
    var holder = (Holder) Thread.currentThread();
    long end = System.nanoTime() + patience.toNanos();
    boolean isAgain = false;
    for (long pause = FIRST_PAUSE_MILLIS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)) {
      boolean isCommitting = false;
      try {
        Connection connection = holder.connection();
        T value = work.run(connection, isAgain);
        isCommitting = true;
        connection.commit();
        return value;
      } catch (SQLException e) {
        isAgain |= isCommitting;
        holder.drop();
        if (!passes(e) || isClosing || System.nanoTime() - end > 0) throw e;
      } catch (Throwable t) {
        holder.drop();
        throw t;
      }
      pause(pause);
    }
  }

  private static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this thread", e);
    }
  }

  private static boolean passes(SQLException e) {
    String state = e.getSQLState();
    return e instanceof SQLTransientException
        || e instanceof SQLRecoverableException
        || e instanceof SQLNonTransientConnectionException
        || (state != null && (state.startsWith("08") || PASSING.contains(state)));
  }

  /** Returns when what is under way has ended. */
  void close() {
    isClosing = true;
    calls.writeLock().lock();
    try {
      isClosed = true;
    } finally {
      calls.writeLock().unlock();
    }
    threads.shutdown();
    boolean isInterrupted = false;
    for (boolean isOver = false; !isOver; ) {
      try {
        isOver = threads.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) Thread.currentThread().interrupt();
  }
}
