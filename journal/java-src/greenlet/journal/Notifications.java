package greenlet.journal;

import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Hears of the messages that other processes send, in a thread with a connection of its own: by PostgreSQL's NOTIFY, if the driver is
 * its own; else, and after each loss of a connection, by looking who has messages and is not parked.
 */
final class Notifications {
  private static final String DRIVER = "org.postgresql.PGConnection";

  private final DataSource source;
  private final Tables tables;
  private final JdbcStore.Options options;
  private final Consumer<String> listener;
  private final CountDownLatch closing = new CountDownLatch(1);
  private @Nullable Thread thread;

  Notifications(
      DataSource source, Tables tables, JdbcStore.Options options, Consumer<String> listener) {
    this.source = source;
    this.tables = tables;
    this.options = options;
    this.listener = listener;
  }

  static String channel(Tables tables) {
    return tables.prefix + "message";
  }

  /** From any thread; does nothing a second time, or after the end. */
  synchronized void start() {
    if (thread != null || closing.getCount() == 0) return;
    thread = Thread.ofPlatform().daemon().name("greenlet journal listener").start(this::run);
  }

  private void run() {
    while (closing.getCount() > 0) {
      try (Connection connection = source.getConnection()) {
        connection.setAutoCommit(true);
        Received received = received(connection);
        if (received != null) listen(connection);
        do {
          look(connection).forEach(listener);
        } while (received == null ? !closes() : hear(received));
      } catch (SQLException e) { // the connection is lost: another one
        if (closes()) return;
      }
    }
  }

  private boolean closes() {
    try {
      return closing.await(options.poll().toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this thread", e);
    }
  }

  /** Those that are run, and may not know. */
  private List<String> look(Connection connection) throws SQLException {
    try (PreparedStatement select =
        tables.prepare(
            connection,
            "select distinct m.program from $message m join $program p on p.id = m.program where not p.parked")) {
      return Tables.texts(select);
    }
  }

  // PostgreSQL

  /** The ids that notifications bring, of those that come in so many milliseconds. */
  private interface Received {
    List<String> within(int millis) throws SQLException;
  }

  private void listen(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("listen " + channel(tables));
    }
  }

  /** Tells of all that come until it is time to look again; false when it closes. */
  private boolean hear(Received received) throws SQLException {
    long end = System.nanoTime() + options.poll().toNanos();
    int most = (int) Math.max(1, Math.min(LONGEST_MILLIS, options.poll().toMillis()));
    do {
      received.within(most).forEach(listener);
      if (closing.getCount() == 0) return false;
    } while (System.nanoTime() - end < 0);
    return true;
  }

  /** How long a driver waits, before the thread sees that it is to end. */
  private static final int LONGEST_MILLIS = 100;

  /** The driver's own call, by reflection, as the library does without the driver; null where there is none. */
  private @Nullable Received received(Connection connection) throws SQLException {
    if (tables.dialect != Dialect.POSTGRESQL) return null;
    try {
      ClassLoader drivers = connection.getMetaData().getConnection().getClass().getClassLoader();
      Class<?> type = Class.forName(DRIVER, false, drivers);
      Object driver = connection.unwrap(type);
      Method wait = type.getMethod("getNotifications", int.class);
      return millis -> within(driver, wait, millis);
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  private static List<String> within(Object driver, Method wait, int millis) throws SQLException {
    List<String> ids = new ArrayList<>();
    try {
      Object[] all = (Object[]) wait.invoke(driver, millis);
      if (all == null) return ids;
      for (Object each : all) {
        Object id = wait.getReturnType().getComponentType().getMethod("getParameter").invoke(each);
        ids.add(String.valueOf(Texts.unescaped((String) id)));
      }
      return ids;
    } catch (ReflectiveOperationException e) {
      if (e.getCause() instanceof SQLException lost) throw lost;
      throw new SQLException("the driver's notifications cannot be read", e);
    }
  }

  void close() {
    Thread running;
    synchronized (this) {
      closing.countDown();
      running = thread;
    }
    boolean isInterrupted = false;
    while (running != null && running.isAlive()) {
      try {
        running.join();
      } catch (InterruptedException e) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) Thread.currentThread().interrupt();
  }
}
